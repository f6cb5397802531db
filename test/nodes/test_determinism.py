"""Two lockstep runs with one seed: identical rows, identical weights, whatever the timing."""

import numpy as np
import pytest
from real_graph import rows_on_disk
from real_graph import running
from rl_robot_ros.policy_file import load_policy


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
