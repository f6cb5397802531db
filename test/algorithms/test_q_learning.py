from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms import q_learning
from rl_robot_ros.algorithms.q_learning import QLearning
from rl_robot_ros.algorithms.q_learning import QLearningConfig
from rl_robot_ros.core.policy import Policy


def make(**values):
    return workbench.make('q_learning', **values)


def test_the_table_is_that_of_the_rule():
    """Independent slow formula: a dictionary, states by counting edges, one row after another."""
    algorithm = make(alpha=0.3, gamma=0.9, initial_value=0.5)
    layout = algorithm.layout
    rows = workbench.act_rows(algorithm, layout, 300, np.random.default_rng(0), length=7)
    rows[::9, layout.column('truncated')] = 1.0
    algorithm.add(rows)
    while algorithm.ready:
        algorithm.update()

    def state(obs):
        return tuple(sum(o >= edge for edge in (-1.0, 0.0, 1.0)) for o in obs)

    table = {}
    for row in rows:
        s, after = state(row[layout.column('obs')]), state(row[layout.column('next_obs')])
        a = int(row[layout.column('request').start])
        value = table.setdefault(s, [0.5] * 3)
        future = max(table.get(after, [0.5] * 3))
        if row[layout.column('terminated').start]:
            future = 0.0
        value[a] += 0.3 * (row[layout.column('reward').start] + 0.9 * future - value[a])
    assert len(table) > 10
    for (x, y, z), wanted in table.items():
        assert algorithm.table[16 * x + 4 * y + z] == pytest.approx(wanted)
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    for row in rows:
        obs = row[layout.column('obs')]
        best = int(np.argmax(np.float32(table[state(obs)])))
        assert policy.act(obs, np.random.default_rng(0)).action[0] == best


def test_each_row_counts_once_and_persons_do_not():
    algorithm = make()
    rows = workbench.act_rows(algorithm, algorithm.layout, 20, np.random.default_rng(0))
    rows[:5, algorithm.layout.column('intervened')] = 1.0
    algorithm.add(rows)
    assert algorithm.utd == 1.0
    for _ in range(15):
        assert algorithm.ready
        algorithm.update()
    assert not algorithm.ready and algorithm.update() == {}
    assert algorithm.counts.state_dict() == {'rows': 20, 'episodes': 4, 'updates': 15}


def test_rows_that_wait_are_bounded(monkeypatch):
    monkeypatch.setattr(q_learning, 'WAITING_ROWS', 30)
    algorithm = make()
    rows = workbench.act_rows(algorithm, algorithm.layout, 50, np.random.default_rng(0))
    algorithm.add(rows)
    assert algorithm.update()['rows_dropped'] == 20.0
    assert algorithm.dropped == 20 and len(algorithm._waiting) == 29


def test_learns_what_pays():
    algorithm = make(alpha=0.2, bins=(1, 2, 1), epsilon_unit='episode')

    def best(obs):
        return 2.0 if obs[1] > 0.0 else 0.0

    for i in range(20):
        rng = np.random.default_rng(i)
        algorithm.add(workbench.act_rows(
            algorithm, algorithm.layout, 30, rng, first=30 * i, length=1,
            judge=lambda obs, action: float(action[0] == best(obs))))
        while algorithm.ready:
            algorithm.update()
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    for obs in rng.normal(size=(50, 3)):
        assert policy.act(obs, rng).action[0] == best(obs)
    assert algorithm.exploration() == ('epsilon', pytest.approx(0.999**600))


@pytest.mark.parametrize('values, size, says', [
    ({'bins': (4, 4)}, 3, r'algorithm.bins: got 2 values, the observation has 3'),
    ({'lower': (1.0,)}, 3, r'algorithm.lower: got .*must lie below algorithm.upper'),
    ({'lower': (0.0, 0.0)}, 3, r'algorithm.lower: got 2 values'),
    ({'bins': (10,)}, 40, r'algorithm.bins: got \(10,\), that makes 3.0e\+40 values, allowed')])
def test_grids_that_do_not_fit_are_refused(values, size, says):
    with pytest.raises(ValueError, match=says):
        QLearning.network(QLearningConfig(**values), size, 1, choices=3)


def test_the_cartpole_preset_is_ten_thousand_states():
    config = QLearningConfig(**QLearning.PRESETS['cartpole'])
    assert QLearning.network(config, 5, 1, choices=2) == 'table 10-10-1-10-10-2 bins'
