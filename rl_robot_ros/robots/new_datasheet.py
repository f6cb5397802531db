"""A datasheet to begin with: what a URDF or MJCF says, and the rest by rule of thumb."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import fields
import json
import math
from pathlib import Path
import re
from typing import Any

import mujoco
import numpy as np
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.datasheet import Datasheet
from rl_robot_ros.robots.datasheet import is_limit
from rl_robot_ros.robots.datasheet import JointSheet
from rl_robot_ros.robots.from_urdf import STOP_TIME
from rl_robot_ros.robots.mechanics import felt_inertia
from rl_robot_ros.robots.mjcf import is_urdf
from rl_robot_ros.robots.mjcf import joints_in
from rl_robot_ros.robots.model import load_spec
from rl_robot_ros.robots.model import lock
from rl_robot_ros.robots.urdf import LIMITS
from rl_robot_ros.robots.urdf import UrdfJoint
import yaml

RISE_TIME = 0.05  # [s] from no effort to the effort limit
BRAKING_SHARE = 0.5  # of the effort limit, at most, for braking alone
CONFIGURATIONS = 2000  # over which inertia is looked at
LOW, HIGH = 0.05, 0.95  # quantiles of it


def new_datasheet(model: Path, given: Mapping[str, str], without: Iterable[str] = ()) -> str:
    """
    Return the text of a datasheet that lies beside the model.

    :param given: keys of `Datasheet`, ``joints.<key>`` (one value, or one per joint, separated by
        commas) and ``joints.<joint>.<key>``, in this order of strength.
    :param without: joints that are not to move, such as a gripper's.
    :raises FileNotFoundError: there is no such model.
    :raises ValueError: it is no model, a joint lacks a limit, or a value is wrong.
    """
    without = list(without)
    joints = joints_in(model)
    unknown = [name for name in without if name not in joints]
    if unknown:
        raise ValueError(f'--without {unknown[0]}: {model.name} has {", ".join(joints)}')
    joints = {name: joint for name, joint in joints.items() if name not in without}
    if not joints:
        raise ValueError(f'{model} has no movable joint')
    kind = 'urdf' if is_urdf(model) else 'mjcf'
    spec = load_spec(model)
    lock(spec, tuple(joints))
    compiled = spec.compile()
    # Joints stand in the order of the chain, which a URDF need not be written in.
    names = [compiled.joint(i).name for i in range(compiled.njnt)]
    top = {kind: model.name, 'tip_link': _last_link(compiled),
           **{name: value for name, value in given.items() if not name.startswith('joints.')}}
    sheet = resolve_config(Datasheet, top)
    values = _given(names, given)
    limits = {name: _limits(joints[name], values[name], model.name) for name in names}
    homes = [values[name].get('home', _middle(limits[name])) for name in names]
    felt = _felt(compiled, names, joints, values, homes)
    sheets = {name: _joint(limits[name], homes[i], values[name], felt[:, i])
              for i, name in enumerate(names)}
    return _text(model, sheet, sheets)


def _given(names: list[str], given: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return what was given for each joint, checked."""
    found: dict[str, dict[str, Any]] = {name: {} for name in names}
    keys = {field.name for field in fields(JointSheet)}
    for name, value in given.items():
        section, _, rest = name.partition('.')
        if section != 'joints':
            continue
        joint, _, key = rest.rpartition('.')
        if key not in keys or (joint and joint not in found):
            raise ValueError(f'unknown key {name}: allowed are joints.<key> and joints.<joint>.'
                             f'<key>; keys are {", ".join(sorted(keys))}, joints '
                             f'{", ".join(names)}')
        parts = [value] if joint else value.split(',')
        chosen = [joint] if joint else names
        if len(parts) not in (1, len(chosen)):
            raise ValueError(f'{name}: got {len(parts)} values, allowed are 1 and {len(chosen)}')
        for one, part in zip(chosen, parts * (len(chosen) // len(parts))):
            found[one][key] = part
    for name, values in found.items():
        prefix = f'joints.{name}.'
        checked = resolve_config(JointSheet, {prefix + k: v for k, v in values.items()}, prefix)
        found[name] = {key: getattr(checked, key) for key in values}
    return found


def _limits(joint: UrdfJoint, given: Mapping[str, Any], source: str) -> dict[str, float]:
    limits = {key: given.get(key, getattr(joint, key)) for key in LIMITS}
    for key, value in limits.items():
        if not is_limit(key, value):
            raise ValueError(f'joint {joint.name} has {key} limit {value} in {source}: give '
                             f'joints.{joint.name}.{key}=..., or joints.{key}=... for all')
    return limits


def _middle(limits: Mapping[str, float]) -> float:
    """Return 0 where the joint may be there, else the middle of its range."""
    lower, upper = limits['lower'], limits['upper']
    return 0.0 if lower < 0.0 < upper else 0.5 * (lower + upper)


def _joint(limits: Mapping[str, float], home: float, given: Mapping[str, Any],
           felt: Vector) -> JointSheet:
    low, high = np.quantile(felt[:-1], (LOW, HIGH))
    braking = min(limits['velocity'] / STOP_TIME, BRAKING_SHARE * limits['effort'] / high)
    # A home where the motor feels less than nearly everywhere else, such as a stretched arm.
    low = min(low, felt[-1])
    return JointSheet(**{
        'home': home, 'effort_rate': limits['effort'] / RISE_TIME,
        'braking_acceleration': _rounded_down(braking), 'inertia': _rounded_down(float(low)),
        **limits, **given})


def _felt(model: mujoco.MjModel, names: list[str], joints: Mapping[str, UrdfJoint],
          given: Mapping[str, Mapping[str, Any]], homes: list[float]) -> Vector:
    """
    Return the inertia that each motor feels in random positions, and at home in the last row.

    :returns: [kg m^2 or kg], shape (positions + 1, joints).
    """
    data = mujoco.MjData(model)
    model.dof_armature[:] = [given[name].get('armature', 0.0) for name in names]
    lower = [max(joints[name].lower, -math.pi) for name in names]
    upper = [min(joints[name].upper, math.pi) for name in names]
    rng = np.random.default_rng(0)
    felt = np.zeros((CONFIGURATIONS + 1, model.nv))
    for row in felt:
        data.qpos[:] = rng.uniform(lower, upper)
        row[:] = felt_inertia(model, data)
    data.qpos[:] = homes
    felt[-1] = felt_inertia(model, data)
    return felt


def _rounded_down(value: float) -> float:
    """Return two digits of a positive number."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 1)
    return float(f'{math.floor(value / digit * (1.0 + 1e-12)) * digit:.2g}')


def _last_link(model: mujoco.MjModel) -> str:
    """Return the link that is furthest from the base, counted in links."""
    depth = np.zeros(model.nbody, dtype=int)
    for body in range(1, model.nbody):
        depth[body] = depth[model.body_parentid[body]] + 1
    return str(model.body(int(np.argmax(depth))).name)


def _text(model: Path, sheet: Datasheet, joints: Mapping[str, JointSheet]) -> str:
    lines = [f'# Datasheet of {model.stem}, begun by `rl-robot robot new`. Look at every line: '
             'limits are the',
             "# model's, the rest is computed from it or a rule of thumb. Units are SI."]
    for field in fields(Datasheet):
        value = getattr(sheet, field.name)
        if value != '':
            lines.append(f'{field.name}: {_plain(value)}  {_comment(field)}')
    lines += ['', '# One line per joint, in the order of the state vector; a joint that is left '
              'out does not move.', '#']
    lines += [f'#   {field.name:20} {_comment(field)[2:]}' for field in fields(JointSheet)]
    lines += ['#', f'# Limits may be tighter than in {model.name}, never looser. Rules of thumb: '
              f'effort_rate reaches full', f'# effort in {RISE_TIME * 1000:g} ms; '
              f'braking_acceleration stops in {STOP_TIME:g} s, with at most half of the effort; '
              'inertia', f'# is the {LOW:.0%} quantile of 1 / (M^-1)_ii over {CONFIGURATIONS} '
              'positions, armature included,', '# or what it is at home where that is less.',
              'joints:']
    for name, joint in joints.items():
        words = [f'{key}: {_plain(value)}' for key, value in to_parameters(joint).items()
                 if not (key == 'motor' and value)]
        half = len(words) // 2 + 1
        lines += [f'  {_plain(name)}:', f'    {{{", ".join(words[:half])},',
                  f'     {", ".join(words[half:])}}}']
    return '\n'.join(lines) + '\n'


def _comment(field: Any) -> str:
    return f'# [{field.metadata["unit"]}] {field.metadata["doc"]}'


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):  # YAML has its own infinity
        return {math.inf: '.inf', -math.inf: '-.inf'}.get(value, repr(value))
    text = str(value)
    plain = re.fullmatch(r'[\w][\w./-]*', text) and yaml.safe_load(text) == value
    return text if plain else json.dumps(text)
