"""
One robot in MuJoCo, built from its URDF and datasheet.

The world is the plant and nothing else: it takes efforts and gives positions and velocities.
Reward, limits and time belong to others.  Gravity compensation is MuJoCo's `gravcomp`, which
stands for the compensation inside the robot's own controller.
"""

from __future__ import annotations

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import build_spec

# Bad position, velocity and acceleration are neighbours in MuJoCo's list.
DIVERGED = slice(int(mujoco.mjtWarning.mjWARN_BADQPOS), int(mujoco.mjtWarning.mjWARN_BADQACC) + 1)


class World:
    """
    The plant.

    :param robot: datasheet; its joints are found by name.
    """

    def __init__(self, robot: RobotSpec) -> None:
        self.robot = robot
        spec = build_spec(robot)
        if robot.tip_link and spec.geom('floor') is None:  # an MJCF may bring its own
            spec.worldbody.add_geom(name='floor', type=mujoco.mjtGeom.mjGEOM_PLANE,
                                    size=[3.0, 3.0, 0.1], rgba=[0.93, 0.93, 0.91, 1.0])
        self.model = spec.compile()
        self.data = mujoco.MjData(self.model)
        joints = [self.model.joint(name) for name in robot.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._motors = self._qvel[robot.actuated_index]
        # Views of MuJoCo's memory, which stays where it is: fetching them anew at every step costs
        # as much as half the physics.
        self._positions, self._velocities = self.data.qpos, self.data.qvel
        self._efforts = self.data.qfrc_applied
        self._diverged = self.data.warning.number[DIVERGED]
        self.reset(np.array(robot.home), np.zeros(len(joints)))

    def reset(self, position: Vector, velocity: Vector) -> None:
        """Put the robot at rest or in motion at `position`; efforts are zero."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[self._qpos] = position
        self.data.qvel[self._qvel] = velocity
        mujoco.mj_forward(self.model, self.data)

    def step(self, effort: Vector) -> None:
        """
        Advance one control period with `effort` held.

        :param effort: [N m or N] per actuated joint as the controller is told: on top of gravity
            where the robot compensates it, all of it where not.
        :raises FloatingPointError: the simulation has diverged.
        """
        self._efforts[self._motors] = effort
        mujoco.mj_step(self.model, self.data, self.robot.physics_steps)
        # MuJoCo answers nonsense by starting over from its own pose, and counts a warning.
        if any(self._diverged.tolist()):
            raise FloatingPointError(f'simulation of {self.robot.name} diverged under effort '
                                     f'{effort}')

    @property
    def position(self) -> Vector:
        """Position [rad or m] of every movable joint, a copy."""
        return self._positions[self._qpos]

    @property
    def velocity(self) -> Vector:
        """Velocity [rad/s or m/s] of every movable joint, a copy."""
        return self._velocities[self._qvel]
