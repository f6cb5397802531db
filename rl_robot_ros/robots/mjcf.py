"""What an MJCF says about joints, in the words of a URDF."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path

import mujoco
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.urdf import model_path
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.robots.urdf import UrdfJoint

JOINT = int(mujoco.mjtTrn.mjTRN_JOINT)
HINGE, SLIDE = int(mujoco.mjtJoint.mjJNT_HINGE), int(mujoco.mjtJoint.mjJNT_SLIDE)


def described_joints(robot: RobotSpec) -> dict[str, UrdfJoint]:
    """Return the movable joints of a robot as its URDF has them, or its MJCF without one."""
    if robot.urdf or not robot.mjcf:
        return parse_joints(urdf_path(robot).read_text())
    return mjcf_joints(model_path(robot))


def joints_in(path: Path) -> dict[str, UrdfJoint]:
    """
    Return the movable joints of a model file.

    :raises FileNotFoundError: there is none.
    :raises ValueError: it is neither URDF nor MJCF.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no model at {path}')
    if is_urdf(path):
        return parse_joints(path.read_text())
    return mjcf_joints(path)


def is_urdf(path: Path) -> bool:
    """Tell URDF from MJCF by the root element."""
    text = path.read_text(errors='replace')
    return '<robot' in text and '<mujoco model' not in text.partition('<robot')[0]


def mjcf_joints(path: Path) -> dict[str, UrdfJoint]:
    """
    Return the hinges and slides of an MJCF; it has no velocity limits, so those are `inf`.

    A hinge without a range is continuous.  The effort limit is `actuatorfrcrange`, or what the
    actuators of the joint can give at most, `inf` where neither says anything.

    :raises ValueError: MuJoCo cannot read it.
    """
    # A robot is simulated without its actuators, so read the file as it is.
    try:
        spec = mujoco.MjSpec.from_file(str(path))
        for mesh in list(spec.meshes):  # files that may be missing say nothing about joints
            for geom in [geom for geom in spec.geoms if geom.meshname == mesh.name]:
                geom.type, geom.meshname = mujoco.mjtGeom.mjGEOM_SPHERE, ''
                geom.size = [0.01, 0.01, 0.01]
            spec.delete(mesh)
        model = spec.compile()
    except ValueError as error:
        raise ValueError(f'{path} is no model that MuJoCo reads: {error}') from None
    return {joint.name: joint for joint in _joints(model)}


def _joints(model: mujoco.MjModel) -> Iterator[UrdfJoint]:
    for i in range(model.njnt):
        if model.jnt_type[i] not in (HINGE, SLIDE):
            continue
        limited = bool(model.jnt_limited[i])
        lower, upper = model.jnt_range[i].tolist() if limited else (-math.inf, math.inf)
        kind = ('prismatic' if model.jnt_type[i] == SLIDE
                else 'revolute' if limited else 'continuous')
        yield UrdfJoint(model.joint(i).name, kind, lower, upper, math.inf, _effort(model, i))


def _effort(model: mujoco.MjModel, joint: int) -> float:
    """Return the most that a joint can be driven with [N m or N], in the weaker direction."""
    most = math.inf
    if model.jnt_actfrclimited[joint]:
        most = min(map(abs, model.jnt_actfrcrange[joint].tolist()))
    drives = [i for i in range(model.nu) if model.actuator_trntype[i] == JOINT
              and model.actuator_trnid[i, 0] == joint]
    given = sum(_force(model, i) for i in drives) if drives else math.inf
    return min(most, given)


def _force(model: mujoco.MjModel, actuator: int) -> float:
    """Return the most that one actuator gives to its joint."""
    gear = abs(float(model.actuator_gear[actuator, 0]))
    if model.actuator_forcelimited[actuator]:
        return gear * min(map(abs, model.actuator_forcerange[actuator].tolist()))
    motor = not model.actuator_biasprm[actuator].any() and model.actuator_ctrllimited[actuator]
    if motor:
        gain = abs(float(model.actuator_gainprm[actuator, 0]))
        return gear * gain * min(map(abs, model.actuator_ctrlrange[actuator].tolist()))
    return math.inf
