"""
Tasks whose goals can be exchanged afterwards, as hindsight replay does.

A state that was meant for one goal has achieved another one.  A task that can say which needs one
method more than `core.spec.Task`; everything else it is asked as always: `begin` with the other
goal, then `observe` and `evaluate`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector


class GoalTask(Task, Protocol):
    """
    A task that knows which goal a state achieves.

    Its reward and its termination depend on the goal, the judged state and the actions alone, not
    on what came before in the episode: rows are judged again one by one.  `success` may count
    states, as a dwell time does; it then counts from the beginning of the row.
    """

    def achieved_goal(self, position: Vector, velocity: Vector) -> Vector:
        """Return the goal that this state fulfils best, shape (goal.size,)."""
        ...


def lacks_goals(task: Task) -> str:
    """Say why hindsight learns nothing from this task, and what to do; empty where it does."""
    if not task.goal.size or not hasattr(task, 'achieved_goal'):
        return ('has no goals that could be exchanged afterwards: choose a task with the method '
                'achieved_goal, such as reach')
    still = np.zeros(len(task.robot.joint_names))
    rest, seen = np.zeros(len(task.robot.actuated)), []
    goal = task.achieved_goal(np.array(task.robot.home), still)
    for other in (goal, goal + 1.0):
        task.begin(other)
        seen.append(task.observe(np.array(task.robot.home), still, rest).tolist())
    if seen[0] == seen[1]:
        return ('does not observe its goal as it is configured: observe it '
                '(task.observe_task=true for reach)')
    return ''
