"""Two lockstep runs with one seed: identical rows, identical weights, whatever the timing."""

import hashlib

import pytest
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
                      'stop.steps': 2400}
        if algorithm != 'sac':
            parameters |= {'sync.lag': 0, 'sync.rows': 200}
        with running(folder, parameters) as graph:
            graph.until('the learner is done',
                        lambda: graph.graph.processes['learner'].child.poll() is not None)
        rows = b''.join(p.read_bytes() for p in sorted((folder / 'run/replay').glob('*.rows')))
        policy = load_policy(folder / 'run/policy.safetensors')
        # What is learned on-policy is not replayed, so its rows are not kept; weights tell.
        assert len(rows) > 0 or algorithm == 'reinforce'
        assert policy.version > 5
        results.append((len(rows), hashlib.sha256(rows).hexdigest(), policy.version,
                        policy.digest))
    assert results[0] == results[1]
