"""Discrete actions through four processes: what is chosen is an effort of the set, and learned."""

import numpy as np
import pytest
from real_graph import rows_on_disk
from real_graph import running
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.effort_sets import effort_set
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.policy_file import load_policy


@pytest.mark.timeout(600)
def test_dqn_chooses_from_the_effort_set(tmp_path):
    parameters = {'algorithm': 'dqn', 'actions': 'push_or_rest', 'preset': 's4_dqn',
                  'algorithm.compile': 'off', 'stop.steps': 800, 'seed': 3}
    with running(tmp_path, parameters) as graph:
        graph.until('the learner is done',
                    lambda: graph.graph.processes['learner'].child.poll() is not None)
    policy = load_policy(tmp_path / 'run/policy.safetensors')
    contract = PolicyContract.parse(policy.schema)
    assert contract.efforts == effort_set('push_or_rest', 1)
    assert policy.exploration == 'epsilon' and 0.01 <= policy.exploration_scale < 1.0
    layout = RowLayout(5, 1, ('upright', 'centre', 'spin', 'energy'), contract.extra)
    rows = rows_on_disk(tmp_path / 'run')
    assert len(rows) >= 400
    chosen = rows[:, layout.column('request').start]
    assert set(chosen) == {0.0, 1.0, 2.0}
    plain = rows[:, layout.column('filtered').start] == 0.0
    asked = np.array(contract.efforts)[chosen.astype(int), 0]
    assert plain.any()
    assert rows[plain, layout.column('effort').start] == pytest.approx(asked[plain])
