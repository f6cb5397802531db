"""
The robot's MuJoCo model, fed by URDF and datasheet, and its kinematics.

Simulation, kinematics and (later) dynamics are all built from the one model made here.
"""

from __future__ import annotations

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Tip
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.urdf import urdf_path

# A disc that stands for a rotor, axis z: what a joint feels of it about the axis, and half of that
# across it, the least that a rigid body can have.
DISC = np.array([0.5, 0.5, 1.0])
ROTOR_MASS = 1e-6  # [kg]


def build_spec(robot: RobotSpec) -> mujoco.MjSpec:
    """
    Return MuJoCo's editable model of the robot.

    Cylinders become the capsules they enclose: the URDF format has no capsule, and round ends are
    cheaper and kinder in contact.

    :raises ValueError: the URDF does not move the joints of the datasheet.
    """
    spec = mujoco.MjSpec.from_file(str(urdf_path(robot)))
    spec.option.timestep = robot.control_period / robot.physics_steps
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    names = {joint.name for joint in spec.joints}
    missing = [name for name in robot.joint_names if name not in names]
    if missing:
        raise ValueError(f'robot {robot.name}: joints {missing} are not in {robot.urdf}, '
                         f'which has {sorted(names)}')
    for name, armature in zip(robot.actuated, robot.armature):
        joint = spec.joint(name)
        if not robot.discs:
            joint.armature = armature
        elif armature > 0.0 and joint.type == mujoco.mjtJoint.mjJNT_HINGE:
            rotor = joint.parent.add_body(name=f'{name}_rotor')
            rotor.mass, rotor.explicitinertial = ROTOR_MASS, True
            rotor.ipos, rotor.inertia = np.zeros(3), armature * DISC
            mujoco.mju_quatZ2Vec(rotor.iquat, joint.axis)
    for body in spec.bodies:
        body.gravcomp = 1.0 if robot.gravity_compensated else 0.0
    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER and geom.size[1] > geom.size[0]:
            geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
            geom.size = [geom.size[0], geom.size[1] - geom.size[0], 0.0]
    return spec


class MujocoKinematics:
    """
    `core.spec.Kinematics` by MuJoCo: position and velocity of the tip.

    :param robot: a robot with a `tip_link`.
    :raises ValueError: it has none.
    """

    def __init__(self, robot: RobotSpec) -> None:
        if not robot.tip_link:
            raise ValueError(f'robot {robot.name} has no tip_link, which this task needs')
        self._model = build_spec(robot).compile()
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in robot.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._tip = self._model.body(robot.tip_link).id
        self._jacobian = np.zeros((3, self._model.nv))

    def tip(self, position: Vector, velocity: Vector) -> Tip:
        """Return the tip for positions and velocities of all movable joints."""
        model, data = self._model, self._data
        data.qpos[self._qpos] = position
        data.qvel[self._qvel] = velocity
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacBody(model, data, self._jacobian, None, self._tip)
        jacobian = self._jacobian[:, self._qvel]
        return Tip(data.xpos[self._tip].copy(), jacobian @ velocity, jacobian)
