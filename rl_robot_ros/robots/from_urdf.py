"""A datasheet for a URDF that has none: limits from the URDF, the rest by rule of thumb."""

from __future__ import annotations

import math
from pathlib import Path

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.mechanics import felt_inertia
from rl_robot_ros.robots.model import load_spec
from rl_robot_ros.robots.model import lock
from rl_robot_ros.robots.urdf import LIMITS
from rl_robot_ros.robots.urdf import parse_joints

STOP_TIME = 0.4  # [s] from the velocity limit to standstill, where nobody says otherwise
PERIOD = 0.005  # [s] control period of a robot that does not say its own


def robot_from_urdf(path: Path, stop_time: float = STOP_TIME, gravity_compensated: bool = False
                    ) -> RobotSpec:
    """
    Make a datasheet of every movable joint of a URDF.

    :param path: URDF file; meshes need not be there.
    :param stop_time: [s] from the velocity limit to standstill; gives the braking acceleration
        that is asked for, of which a certificate may grant a part.
    :param gravity_compensated: whether the robot's own controller compensates gravity.
    :raises FileNotFoundError: there is no such file.
    :raises ValueError: it is no URDF, has no movable joint, or a joint lacks a limit.
    """
    if not stop_time > 0.0:
        raise ValueError(f'--stop-time: got {stop_time}, must be above 0 s')
    if not path.is_file():
        raise FileNotFoundError(f'no URDF at {path}')
    joints = parse_joints(path.read_text())
    if not joints:
        raise ValueError(f'{path} has no movable joint')
    for joint in joints.values():
        for name in LIMITS:
            value = getattr(joint, name)
            if math.isnan(value) or (name in ('velocity', 'effort') and not value > 0.0):
                raise ValueError(f'{path}: joint {joint.name} has {name} limit {value}; the '
                                 f'safety filter needs one, give <limit {name}="..."/>')
    lower = [joint.lower for joint in joints.values()]
    upper = [joint.upper for joint in joints.values()]
    velocity = tuple(joint.velocity for joint in joints.values())
    names = tuple(joints)
    home = tuple(float(np.clip(0.0, low, high)) for low, high in zip(lower, upper))
    return RobotSpec(
        name=path.stem, urdf=str(path.resolve()), joint_names=names, actuated=names,
        position_lower=tuple(lower), position_upper=tuple(upper), velocity_limit=velocity,
        effort_limit=tuple(joint.effort for joint in joints.values()),
        effort_rate_limit=tuple(20.0 * joint.effort for joint in joints.values()),
        braking_acceleration=tuple(value / stop_time for value in velocity),
        inertia=_inertia(path, names, home), armature=(0.0,) * len(names), home=home,
        control_period=PERIOD, decision_periods=4, physics_steps=2, action_scale=1.0,
        gravity_compensated=gravity_compensated)


def _inertia(path: Path, names: tuple[str, ...], home: tuple[float, ...]) -> tuple[float, ...]:
    """Return the inertia that each motor feels at home when the other joints give way."""
    spec = load_spec(path)
    lock(spec, names)
    model = spec.compile()
    data = mujoco.MjData(model)
    joints = [model.joint(name) for name in names]
    for joint, value in zip(joints, home):
        data.qpos[joint.qposadr[0]] = value
    felt = felt_inertia(model, data)
    return tuple(float(felt[joint.dofadr[0]]) for joint in joints)
