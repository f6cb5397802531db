"""
Lockstep runs: one seed, one result, whatever the timing; and the graph is not in the way.

What four processes did over DDS is what one process does: the same requests give the same rows in
`env.py`, and the same rows give the same weights to a learner without ROS.
"""

import numpy as np
import pytest
from real_graph import rows_on_disk
from real_graph import running
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.in_process import make_session
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.runs import find_config
from rl_robot_ros.settings import Settings
import torch


def learned_in_process(run, folder):
    """Return the last weights of a session that is given the rows of a run, block by block."""
    prepare_torch()  # as the learner does: sums of two threads have other last bits
    settings = Settings.resolve({**find_config(run), 'learner.run': str(folder)})
    session = make_session(settings)
    rows, size = rows_on_disk(run), settings.values['sync.rows']
    session.prepare()
    while not session.finished:
        session.trainer.ingest(rows[:size])
        rows = rows[size:]
        while session.trainer.inbox.waiting:
            session.work(0.0)
    session.close()
    return load_policy(folder / 'policy.safetensors')


def replayed(run):
    """Return rewards and observations of the second episode of a run, there and in `env.py`."""
    settings = Settings.resolve(find_config(run))
    env = RobotEnv(settings.make_task().robot, settings.make_task())
    rows, column = rows_on_disk(run), env.layout.column
    ends = np.flatnonzero(rows[:, column('truncated').start] + rows[:, column('terminated').start])
    episode = rows[ends[0] + 1:ends[1] + 1]
    env.reset()
    x, velocity, cosine, sine, turning = episode[0, column('obs')]
    start = np.array([x, np.arctan2(sine, cosine)]), np.array([velocity, turning])
    env.world.reset(*start)
    env.recorder.begin(env.goal, *start)
    found = []
    for row in episode:
        env.step(row[column('request')])
        found.append(env.row)
    cells = np.r_[column('reward'), column('action'), column('next_obs')]
    return episode[:, cells], np.array(found)[:, cells]


@pytest.fixture(autouse=True)
def same_threads():
    """Take back the number of threads that a learner in this process has asked for."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.mark.timeout(600)
@pytest.mark.parametrize('algorithm', ['sac', 'reinforce'])
def test_same_seed_same_rows_and_weights(tmp_path, algorithm):
    """Run twice through four processes and compare what is on disk, bit by bit."""
    results = []
    for attempt in ('first', 'second'):
        folder = tmp_path / attempt
        folder.mkdir()
        parameters = {'seed': 7, 'sync.timeout': 0.0, 'algorithm': algorithm,
                      'stop.steps': 1200}
        if algorithm != 'sac':
            parameters |= {'sync.lag': 0, 'sync.rows': 50}
        with running(folder, parameters) as graph:
            graph.until('the learner is done',
                        lambda: graph.graph.processes['learner'].child.poll() is not None)
        rows = rows_on_disk(folder / 'run')
        policy = load_policy(folder / 'run/policy.safetensors')
        assert policy.version > 5
        results.append((rows, policy.version, policy.digest))
    (first, *weights), (second, *again) = results
    # How many rows came while the learner was ending is a matter of time.
    count = min(len(first), len(second))
    assert count >= 300 and np.array_equal(first[:count], second[:count]) and weights == again
    alone = learned_in_process(tmp_path / 'first/run', tmp_path / 'alone')
    assert [alone.version, alone.digest] == weights
    there, here = replayed(tmp_path / 'first/run')
    assert len(there) > 10 and np.allclose(there, here, rtol=0.0, atol=1e-9)
