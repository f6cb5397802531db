"""Rows that benchmarks/gym_rows.py makes of an environment in which every number is known."""

from importlib.util import module_from_spec
from importlib.util import spec_from_file_location
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve


def load():
    path = Path(__file__).parents[1] / 'benchmarks' / 'gym_rows.py'
    spec = spec_from_file_location('gym_rows', path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gym_rows = load()


class Counter(gymnasium.Env):
    """Counts steps over all episodes; episodes of 3 terminate, of 5 run out of time, in turn."""

    def __init__(self, discrete):
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float64)
        self.action_space = (gymnasium.spaces.Discrete(3) if discrete else
                             gymnasium.spaces.Box(np.array([-2.0, 0.0]), np.array([2.0, 10.0]),
                                                  dtype=np.float64))
        self.total, self.episode, self.actions = 0, -1, []

    def reset(self, *, seed=None, options=None):
        self.episode += 1
        self.at = 0
        return np.array([self.episode, -1.0]), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.actions.append(action)
        self.at, self.total = self.at + 1, self.total + 1
        terminated = self.episode % 2 == 0 and self.at == 3
        # A time limit that falls on a real end does not count.
        truncated = self.at == 5 or terminated
        return np.array([self.episode, self.at]), float(self.total), terminated, truncated, {}


def rows_of(discrete, algorithm, count=16, exploration='uniform'):
    env = Counter(discrete)
    cls = resolve('algorithm', algorithm)
    learner = gym_rows.Learner(lambda: env, cls, cls.Config(), 0)
    source = gym_rows.GymRows(env, learner.layout, 7, 0)
    env.episode, env.at = 0, 0
    network = learner.algorithm.network_name
    weights = gym_rows.Weights(
        Policy(network, initial_weights(network, np.random.default_rng(0))), exploration, 1.0, 4)
    rows = np.array([source.step(weights) for _ in range(count)])
    return env, learner.layout, rows


@pytest.mark.parametrize(('discrete', 'algorithm'), [(False, 'sac'), (True, 'dqn'),
                                                     (False, 'ppo'), (True, 'ppo')])
def test_rows_say_what_happened(discrete, algorithm):
    env, layout, rows = rows_of(discrete, algorithm)
    assert layout.check(rows) == ''
    cell = {name: rows[:, layout.column(name)].squeeze(1) for name in (
        'epoch', 'seq', 'policy_version', 'terminated', 'truncated', 'reward')}
    assert (cell['epoch'] == 7).all() and (cell['policy_version'] == 4).all()
    assert cell['seq'].tolist() == list(range(16))
    assert cell['reward'].tolist() == list(range(1, 17))
    # Episodes of 3, 5, 3, 5 rows.
    assert np.flatnonzero(cell['terminated']).tolist() == [2, 10]
    assert np.flatnonzero(cell['truncated']).tolist() == [7, 15]
    obs, after = (rows[:, layout.column(name)] for name in ('obs', 'next_obs'))
    ends = (cell['terminated'] + cell['truncated']) != 0
    # After an end the next row begins anew; what was seen before the reset is in next_obs.
    assert (after[ends][:, 1] == [3, 5, 3, 5]).all() and (after[ends][:, 0] == [0, 1, 2, 3]).all()
    assert (obs[1:][ends[:-1]] == [[1, -1], [2, -1], [3, -1]]).all()
    assert (obs[1:][~ends[:-1]] == after[:-1][~ends[:-1]]).all()


def test_a_box_is_normalised_and_what_lies_beyond_is_clipped():
    env, layout, rows = rows_of(False, 'ppo', 200, 'policy')
    action, request = (rows[:, layout.column(name)] for name in ('action', 'request'))
    assert (np.abs(request) > 1.0).any() and (np.abs(action) <= 1.0).all()
    assert np.array_equal(action, np.clip(request, -1.0, 1.0))
    filtered = rows[:, layout.column('filtered').start] != 0.0
    assert np.array_equal(filtered, (np.abs(request) > 1.0).any(1))
    assert np.allclose(np.array(env.actions), action * [2.0, 5.0] + [0.0, 5.0])
    assert (rows[:, layout.column('log_prob')] != 0.0).all()


def test_a_choice_is_an_index_with_its_effort():
    env, layout, rows = rows_of(True, 'dqn', 100)
    chosen = rows[:, layout.column('request').start]
    assert set(chosen) == {0.0, 1.0, 2.0} and env.actions == chosen.astype(int).tolist()
    assert np.array_equal(rows[:, layout.column('effort').start], chosen - 1.0)


def test_copies_are_policies_of_their_own_and_earn_updates():
    cls = resolve('algorithm', 'dqn')
    config = cls.Config(hidden=(4,), batch=4, learning_starts=20, utd=0.5, compile='off')
    learner = gym_rows.Learner(lambda: Counter(True), cls, config, 0, copies=2, block=5)
    for _ in range(6):
        learner.advance()
    assert learner.steps == 60 and learner.weights.version == 7
    # Rows earn updates from the twentieth on, as in learning.trainer.
    assert learner.algorithm.counts.updates == int((60 - 15) * 0.5)
    assert learner.algorithm.replay.size == 60


def test_the_mean_return_is_that_of_whole_episodes():
    # Rewards 1, 2, 3 of an episode that terminates after three steps.
    assert gym_rows.mean_return(lambda: Counter(True), lambda seen: [0] * len(seen), 4, 0) == 6.0


def test_spaces_that_rows_cannot_hold_are_refused():
    env = Counter(True)
    env.action_space = gymnasium.spaces.MultiDiscrete([2, 2])
    with pytest.raises(ValueError, match='allowed are Box and Discrete'):
        gym_rows.Spaces(env)
