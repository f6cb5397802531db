"""The gate in a training session: what is refused never leaves the learner."""

import numpy as np
import pytest
from rl_robot_ros.in_process import make_session
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.runs import POLICY
from rl_robot_ros.settings import Settings

SMALL = {'robot': 'cartpole', 'task': 'balance', 'algorithm.hidden': (16, 16),
         'algorithm.batch': 32, 'algorithm.learning_starts': 64, 'algorithm.compile': 'off',
         'algorithm.capacity': 5000, 'sync.enabled': False, 'sync.rows': 32, 'seed': 1,
         'learner.push_period': 0.05, 'gate.enabled': True, 'gate.episodes': 1,
         'task.max_episode_steps': 100}


def settings(run, **values):
    return Settings.resolve({**SMALL, 'learner.run': str(run), **values})


def train(run, **values):
    snapshots = []
    assert train_in_process(settings(run, **values), [], snapshots.append) == ''
    return snapshots[-1]


def test_refused_weights_stay_with_the_learner_also_after_a_restart(tmp_path):
    seen = train(tmp_path, **{'stop.steps': 1200, 'gate.max_distance': 1e-9})
    assert seen['updates'] > 50 and seen['gate_refused'] > 0 and seen['gate_promoted'] == 1
    promoted = load_policy(tmp_path / POLICY)
    assert promoted.version == 1
    resumed = make_session(settings(tmp_path, **{'learner.resume': True,
                                                 'gate.max_distance': 0.0, 'gate.margin': 0.0}))
    # What was learned is now worse than what the robot has.
    judged = iter([5.0, 4.0])
    resumed.gate._trial = lambda weights: next(judged)
    resumed.prepare()
    [push] = resumed.take_pushes()
    assert np.array_equal(push.weights, promoted.weights) and push.version > 1
    resumed.close()


def test_weights_that_are_not_worse_are_promoted(tmp_path):
    seen = train(tmp_path, **{'stop.steps': 1200, 'gate.max_distance': 0.0, 'gate.margin': 10.0})
    assert seen['gate_promoted'] > 1 and seen['gate_refused'] == 0
    assert load_policy(tmp_path / POLICY).version >= seen['gate_promoted']


def test_policies_that_wait_for_every_push_and_a_gate_do_not_go_together(tmp_path):
    with pytest.raises(ValueError, match=r'gate.enabled and sync.enabled'):
        settings(tmp_path, **{'sync.enabled': True})
