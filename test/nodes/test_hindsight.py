"""A trace through four processes: rows judged again under their own goal stay the same."""

import pytest
from real_graph import rows_on_disk
from real_graph import running
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.env import make_task
from rl_robot_ros.memory.hindsight import Hindsight
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.robots.planar2 import ROBOT


@pytest.mark.timeout(600)
def test_the_trace_is_what_the_row_was_made_of(tmp_path):
    parameters = {'robot': 'planar2', 'task': 'reach', 'algorithm.hindsight': 'on',
                  'stop.steps': 1000, 'seed': 3}
    with running(tmp_path, parameters) as graph:
        graph.until('the learner is done',
                    lambda: graph.graph.processes['learner'].child.poll() is not None)
    contract = PolicyContract.parse(load_policy(tmp_path / 'run/policy.safetensors').schema)
    task = make_task(ROBOT, 'reach')
    layout = RowLayout(contract.observation_size, contract.action_size, task.reward_terms,
                       contract.extra)
    rows = rows_on_disk(tmp_path / 'run')
    assert len(rows) >= 100
    hindsight = Hindsight(task, layout, 1, 0)
    target = layout.column('obs').start + sum(
        term.size for term in task.observation_terms[:-2])
    for row in rows:
        again = row.copy()
        hindsight._judge(again, row[target:target + 3])
        assert again == pytest.approx(row, abs=1e-9)
    # Episodes of 20 decisions (task.train_episode_steps=200): their rows go on from each other.
    episodes = [part.episode for part in hindsight.split(rows) if part.episode is not None]
    assert [len(episode) for episode in episodes] == [20] * (len(rows) // 20)
    assert hindsight.dropped == 0
