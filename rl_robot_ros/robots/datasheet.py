"""
Datasheets as YAML files: a robot of one's own without a line of Python.

::

    urdf: my_arm.urdf
    tip_link: tool
    gravity_compensated: false
    control_rate: 200.0
    decision_rate: 50.0
    joints:
      shoulder:
        {velocity: 2.0, effort: 80.0, effort_rate: 1600.0, braking_acceleration: 5.0, inertia: 0.3}
      elbow:
        {velocity: 2.0, effort: 40.0, effort_rate: 800.0, braking_acceleration: 5.0, inertia: 0.1}

Joints stand in the order of the state vector, from the base to the tip; a joint of the model that
is left out does not move.  ``rl-robot robot new my_arm.urdf`` writes such a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
import math
from pathlib import Path
from typing import Any

from rl_robot_ros.core.config import option
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.urdf import LIMITS
import yaml

NANO = 1_000_000_000


@dataclass(frozen=True)
class Datasheet:
    """Keys of the file, beside `joints`."""

    name: str = option('', 'name of the robot; empty: that of the file')
    urdf: str = option('', 'URDF file, relative to the datasheet; its limits count')
    mjcf: str = option('', 'MJCF file, relative to the datasheet; simulated in place of the URDF')
    tip_link: str = option('', 'link, or body, whose origin is the tool centre point; empty: none')
    gravity_compensated: bool = option(
        False, "whether the robot's own controller adds gravity to what it is commanded")
    control_rate: float = option(200.0, 'joint states and commands per second, the update rate of '
                                 'the controller manager', unit='Hz', low=1.0, high=10_000.0)
    decision_rate: float = option(50.0, 'actions of the policy per second, divides control_rate',
                                  unit='Hz', low=0.1, high=10_000.0)
    physics_steps: int = option(2, 'simulation steps in one control period', low=1, high=1000)
    action_scale: float = option(0.3, 'action 1 means this part of the effort limit', low=1e-3,
                                 high=1.0)
    lifted: bool = option(True, 'whether the safety filter carries the weight that nobody else '
                          'compensates; false where gravity is what the task is about')


@dataclass(frozen=True)
class JointSheet:
    """Keys of one joint.  A limit that is left out is that of URDF or MJCF."""

    home: float = option(0.0, 'position at the start of an episode', unit='rad or m')
    lower: float = option(-math.inf, 'lower position limit, tighter than that of the model',
                          unit='rad or m')
    upper: float = option(math.inf, 'upper position limit, tighter than that of the model',
                          unit='rad or m')
    velocity: float = option(math.inf, 'velocity limit', unit='rad/s or m/s', low=0.0)
    effort: float = option(math.inf, 'effort limit', unit='N m or N', low=0.0)
    effort_rate: float = option(0.0, 'how fast the effort may change', unit='N m/s or N/s',
                                low=0.0)
    braking_acceleration: float = option(0.0, 'deceleration that the joint can count on',
                                         unit='rad/s^2 or m/s^2', low=0.0)
    inertia: float = option(0.0, 'what the motor feels while the other joints give way, at the '
                            'low end over the workspace', unit='kg m^2 or kg', low=0.0)
    armature: float = option(0.0, 'inertia of the rotor seen at the joint, its own times the gear '
                             'ratio squared', unit='kg m^2 or kg', low=0.0)
    motor: bool = option(True, 'whether a motor moves it')


NEEDED = ('effort_rate', 'braking_acceleration', 'inertia')  # of a joint with a motor


def is_limit(key: str, value: float) -> bool:
    """Tell whether a joint can be held to this limit; positions may be endless."""
    if key in ('velocity', 'effort'):
        return 0.0 < value < math.inf
    return not math.isnan(value)


def load_datasheet(path: Path) -> RobotSpec:
    """
    Read a datasheet.

    :raises FileNotFoundError: it is not there, or its model is not.
    :raises ValueError: says what was given, what is allowed, and which key to change.
    """
    sheet, joints = read_datasheet(path)
    try:
        for kind in ('urdf', 'mjcf'):
            file = getattr(sheet, kind)
            if file and not (path.parent / file).is_file():
                raise FileNotFoundError(f'{path}: {kind}: no file at {path.parent / file}')
        return _robot(path, sheet, joints)
    except ValueError as error:
        raise ValueError(_placed(path, error)) from None


def read_datasheet(path: Path) -> tuple[Datasheet, dict[str, JointSheet]]:
    """
    Read the keys of a datasheet, without its model.

    :raises FileNotFoundError: it is not there.
    :raises ValueError: says what was given, what is allowed, and which key to change.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no datasheet at {path}, see parameter robot')
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    try:
        return _sections(content)
    except ValueError as error:
        raise ValueError(_placed(path, error)) from None


def _placed(path: Path, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith(f'{path}: ') else f'{path}: {text}'


def _sections(content: Any) -> tuple[Datasheet, dict[str, JointSheet]]:
    top = _table(content, 'a datasheet')
    joints = _table(top.pop('joints', None), 'joints')
    sheet = resolve_config(Datasheet, top)
    if 'gravity_compensated' not in top:
        raise ValueError('gravity_compensated is missing: true or false, does the robot itself '
                         'add gravity to what it is commanded?')
    if not sheet.urdf and not sheet.mjcf:
        raise ValueError('urdf or mjcf is missing: name the file with the model of the robot')
    return sheet, {name: resolve_config(
        JointSheet, {f'joints.{name}.{key}': value
                     for key, value in _table(values, f'joints.{name}').items()},
        f'joints.{name}.') for name, values in joints.items()}


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not value \
            or not all(isinstance(key, str) for key in value):
        raise ValueError(f'{what}: expected named values, got {str(value)[:100]!r}')
    return dict(value)


def _robot(path: Path, sheet: Datasheet, joints: dict[str, JointSheet]) -> RobotSpec:
    urdf, mjcf = (str((path.parent / file).resolve()) if file else ''
                  for file in (sheet.urdf, sheet.mjcf))
    moved = {name: joint for name, joint in joints.items() if joint.motor}
    limits = _limits(moved, Path(urdf or mjcf))
    for name, joint in moved.items():
        for key in NEEDED:
            if not getattr(joint, key) > 0.0:
                raise ValueError(f'joints.{name}.{key} is missing or 0: the safety filter needs '
                                 'it; rl-robot robot new suggests one')
    decision, control = sheet.decision_rate, sheet.control_rate
    periods = round(control / decision)
    if periods < 1 or not math.isclose(periods * decision, control, rel_tol=1e-6):
        raise ValueError(f'decision_rate: got {decision:g} Hz, allowed is control_rate = '
                         f'{control:g} Hz divided by a whole number')

    def each(key: str) -> tuple[float, ...]:
        return tuple(getattr(joint, key) for joint in moved.values())

    return RobotSpec(
        name=sheet.name or path.stem, urdf=urdf, mjcf=mjcf, joint_names=tuple(joints),
        actuated=tuple(moved), position_lower=limits['lower'], position_upper=limits['upper'],
        velocity_limit=limits['velocity'], effort_limit=limits['effort'],
        effort_rate_limit=each('effort_rate'),
        braking_acceleration=each('braking_acceleration'), inertia=each('inertia'),
        armature=each('armature'), home=tuple(joint.home for joint in joints.values()),
        # Stamps are whole nanoseconds, so that the clock does not drift from the physics.
        control_period=round(NANO / control) / NANO, decision_periods=periods,
        physics_steps=sheet.physics_steps, action_scale=sheet.action_scale,
        gravity_compensated=sheet.gravity_compensated, tip_link=sheet.tip_link,
        lifted=sheet.lifted)


def _limits(joints: dict[str, JointSheet], model: Path) -> dict[str, tuple[float, ...]]:
    """Return the four limits of every motor, from the model where the datasheet has none."""
    blank = {field.name: field.default for field in fields(JointSheet)}
    left_out = [name for name, joint in joints.items()
                if any(getattr(joint, key) == blank[key] for key in LIMITS)]
    there = {}
    if left_out:
        # MuJoCo reads an MJCF, and the watchdog is to start without it where it can.
        from rl_robot_ros.robots.mjcf import joints_in
        there = joints_in(model)
    found: dict[str, list[float]] = {key: [] for key in LIMITS}
    for name, joint in joints.items():
        for key in LIMITS:
            value = getattr(joint, key)
            if value == blank[key] and name in there:
                value = getattr(there[name], key)
            if not is_limit(key, value):
                raise ValueError(f'joints.{name}.{key}: got {value}, and {model.name} has none: '
                                 'every motor needs one')
            found[key].append(value)
    return {key: tuple(values) for key, values in found.items()}
