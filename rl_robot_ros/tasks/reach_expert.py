r"""
Somebody who can reach: a controller that makes demonstrations and says what should be done.

It is operational-space control in its simplest form (Khatib 1987, "A unified approach for motion
and force control of robot manipulators"): a spring between tip and target, and a damper in every
joint,

.. math:: \tau = k\,J^T (g - p) - d\,I\,\dot q

with the joint inertias :math:`I` of the datasheet; gravity is compensated by others.  It reads
nothing but the observation of `tasks.reach`, so a policy can do all that it does.
"""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.tasks.reach import Reach

STIFFNESS = 250.0  # [N/m]
DAMPING = 16.0  # [1/s]


class ReachExpert:
    """
    See the module; call it with a raw observation, it returns a normalised action.

    :param task: the task as it observes.
    :raises ValueError: the observation lacks what the controller needs.
    """

    def __init__(self, task: Reach) -> None:
        robot = task.robot
        starts, at = {}, 0
        for term in task.observation_terms:
            starts[term.name] = at
            at += term.size
        if 'pull' not in starts:
            raise ValueError('the expert needs to see the target: got task.observe_task=false, '
                             'set it to true')
        self._pull = starts['pull'] + robot.actuated_index
        self._velocity = starts['velocity'] + robot.actuated_index
        self._damping = DAMPING * np.array(robot.inertia)
        self._scale = robot.action_to_effort

    def __call__(self, observation: Vector) -> Vector:
        """Return the action for an observation, shape (n_actuated,), within [-1, 1]."""
        effort = STIFFNESS * observation[self._pull] - self._damping * observation[self._velocity]
        return np.clip(effort / self._scale, -1.0, 1.0)
