"""Behaviour cloning and DAgger: what is made small, and which rows they take."""

from copy import deepcopy

from algorithms import slow
from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.policy import Policy
import torch


def batch_of(algorithm):
    """Return the whole memory as one batch, and its rows in float64."""
    batch = torch.from_numpy(algorithm.replay.data[:algorithm.replay.size].copy())
    shown = batch[:, algorithm.replay.columns['action']].double()
    obs = batch[:, algorithm.replay.columns['obs']].double().numpy()
    normaliser = algorithm.normaliser
    obs = np.clip((obs - normaliser.mean) * normaliser.inverse_std, -10, 10)
    return batch, torch.from_numpy(obs), shown


@pytest.mark.parametrize('choices', [0, 4])
def test_loss_and_gradient_are_those_of_the_formula(choices):
    """Independent slow formula: row by row, in double precision."""
    algorithm = workbench.make('behavior_cloning', choices=choices)
    if not choices:
        algorithm.replay.data[::3, algorithm.replay.columns['action']] *= 4.0  # beyond the limits
    batch, obs, shown = batch_of(algorithm)

    def formula(flat):
        layers = slow.layers_of(algorithm.actor, flat)
        total = 0.0
        for one, action in zip(obs, shown):
            output = slow.run(layers, one)
            if choices:
                total = total - torch.log(output.exp() / output.exp().sum())[int(action)]
            else:
                total = total + sum((torch.tanh(o) - max(-1.0, min(1.0, float(a))))**2
                                    for o, a in zip(output, action)) / 2
        return total / len(obs)

    gradient, loss = algorithm.gradient(algorithm.actor.flat, batch, algorithm._mean,
                                        algorithm._inverse_std)
    flat = algorithm.actor.flat.double()
    assert float(loss) == pytest.approx(float(formula(flat)), rel=1e-5)
    slow.close(gradient, slow.gradient(formula, flat))


@pytest.mark.parametrize('name', workbench.IMITATING)
@pytest.mark.parametrize('choices', [0, 3])
def test_learns_what_was_shown(name, choices):
    algorithm = workbench.make(name, choices=choices, lr=1e-2, batch=40)
    for _ in range(300):
        algorithm.update()
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    layout, rng = algorithm.replay.layout, np.random.default_rng(0)
    for row in workbench.shown_rows(layout, choices):
        action = policy.act(row[layout.column('obs')], rng).action
        assert action == pytest.approx(row[layout.column('action')], abs=0.1)
    assert algorithm.exploration() == ('none', 1.0)


def test_cloning_learns_from_nothing_else():
    one, other = workbench.make('behavior_cloning'), workbench.make('behavior_cloning')
    rows = workbench.shown_rows(one.replay.layout, seed=1)
    rows[:, one.replay.layout.column('intervened')] = 1.0
    one.add(rows)
    for _ in range(3):
        one.update()
        other.update()
    assert np.array_equal(one.actor_weights(), other.actor_weights())
    assert one.counts.rows == 40 and other.counts.rows == 0


def test_a_file_is_needed():
    with pytest.raises(ValueError, match=r'algorithm\.demonstrations: behavior_cloning has'):
        make_without('behavior_cloning')
    algorithm = make_without('dagger')
    assert not algorithm.ready, 'nobody has shown anything'
    algorithm.add(persons(algorithm, [3]))
    assert algorithm.ready and algorithm.replay.size == 1


def make_without(name):
    cls = workbench.resolve('algorithm', name)
    layout = workbench.RowLayout(3, 2, ('term',))
    config = cls.Config(hidden=(8, 8), batch=4, capacity=100, compile='off')
    contract = workbench.PolicyContract(cls.network(config, 3, 2), workbench.JOINTS,
                                        (workbench.Term('state', 3),))
    return cls(contract, layout, config, 0)


def persons(algorithm, which, seed=5):
    """Return ten rows in which a person does what the policy did not ask for."""
    layout = algorithm.replay.layout
    rows = workbench.shown_rows(layout, count=10, seed=seed)
    rows[which, layout.column('intervened')] = 1.0
    rows[:, layout.column('action')] = 0.25
    rows[:, layout.column('filtered')] = 1.0
    return rows


def test_dagger_takes_exactly_what_a_person_did():
    algorithm = workbench.make('dagger')
    before = algorithm.replay.size
    rows = persons(algorithm, [2, 7])
    algorithm.add(rows)
    columns, layout = algorithm.replay.columns, algorithm.replay.layout
    assert algorithm.replay.size == before + 2 and algorithm.normaliser.count == before + 2
    taken = algorithm.replay.data[before:before + 2]
    assert np.array_equal(taken[:, columns['obs']],
                          rows[[2, 7], layout.column('obs')].astype(np.float32))
    assert (taken[:, columns['action']] == 0.25).all()
    algorithm.add(persons(algorithm, []))
    assert algorithm.replay.size == before + 2
    assert algorithm.update()['imitated_rows'] == before + 2


@pytest.mark.parametrize('choices', [0, 3])
def test_an_expert_labels_every_row(choices):
    algorithm = workbench.make('dagger', choices=choices)
    before, layout = algorithm.replay.size, algorithm.replay.layout
    algorithm.take_expert(lambda obs: np.array([2.0]) if choices else np.clip(obs[:2], -1, 1))
    rows = workbench.shown_rows(layout, choices, count=10, seed=5)
    rows[::3, layout.column('intervened')] = 1.0
    kept = rows.copy()
    algorithm.add(rows)
    assert np.array_equal(rows, kept), 'rows of others are not written to'
    taken = algorithm.replay.data[before:before + 10, algorithm.replay.columns['action']]
    wanted = np.full((10, 1), 2.0) if choices else np.clip(rows[:, layout.column('obs')][:, :2],
                                                           -1, 1)
    assert algorithm.replay.size == before + 10
    assert np.array_equal(taken, wanted.astype(np.float32))


def test_what_was_aggregated_survives_a_restart():
    """Also where the oldest have given way."""
    first, second = (workbench.make('dagger', seed=seed, capacity=50) for seed in (0, 9))
    for seed in range(3):
        first.add(persons(first, range(10), seed))
        first.update()
    second.load_state_dict(deepcopy(first.state_dict()))
    for algorithm in (first, second):
        algorithm.add(persons(algorithm, [1], 8))
        algorithm.update()
    assert first.replay.total == 71 and np.array_equal(first.replay.data, second.replay.data)
    assert np.array_equal(first.actor_weights(), second.actor_weights())
    with pytest.raises(ValueError, match=r'algorithm\.capacity = 60: set it as it was'):
        workbench.make('dagger', capacity=60).load_state_dict(first.state_dict())


@pytest.mark.parametrize('name', workbench.IMITATING)
def test_other_demonstrations_are_refused(name):
    state = workbench.make(name).state_dict()
    layout = workbench.make(name).replay.layout
    other = workbench.make(name, shown=workbench.shown_rows(layout, seed=78))
    with pytest.raises(ValueError, match='checkpoint was made with demonstrations [0-9a-f]{12}, '):
        other.load_state_dict(state)


def test_more_than_memory_holds_is_refused():
    with pytest.raises(ValueError, match=r'40 rows, algorithm\.capacity is 39: raise it'):
        workbench.make('behavior_cloning', capacity=39)


def test_a_loss_without_bounds_stops_before_it_does_harm():
    algorithm = workbench.make('behavior_cloning', choices=3)
    algorithm.actor.views(algorithm.actor.flat)[-1].fill_(float('inf'))
    before = algorithm.actor_weights()
    with pytest.raises(NonFiniteLoss, match='imitation loss is'):
        algorithm.update()
    assert np.array_equal(before, algorithm.actor_weights())


def test_persons_choose_nothing_of_an_effort_set():
    layout = workbench.make('behavior_cloning', choices=3).replay.layout
    rows = workbench.shown_rows(layout, 3)
    rows[:, layout.column('intervened')] = 1.0
    with pytest.raises(ValueError, match='is no choice of an effort set'):
        workbench.make('behavior_cloning', choices=3, shown=rows)
