"""The effort that gravity takes to be held, from the robot's MuJoCo model."""

from __future__ import annotations

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import build_spec


class MujocoGravity:
    """
    Callable: position to the effort that holds the robot still there.

    :param robot: joints that have no motor count as if they stood at `home`.
    """

    def __init__(self, robot: RobotSpec) -> None:
        spec = build_spec(robot)
        for body in spec.bodies:
            body.gravcomp = 0.0
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        for name, position in zip(robot.joint_names, robot.home):
            self._data.joint(name).qpos = position
        joints = [self._model.joint(name) for name in robot.actuated]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])

    def __call__(self, position: Vector) -> Vector:
        """
        Return the effort [N m or N] per actuated joint.

        :param position: [rad or m] per actuated joint.
        """
        self._data.qpos[self._qpos] = position
        self._data.qvel[:] = 0.0
        mujoco.mj_forward(self._model, self._data)
        return np.asarray(self._data.qfrc_bias[self._qvel])
