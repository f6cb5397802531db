"""
Do datasheet, URDF and MJCF describe one robot?  Every difference is named.

A difference has to be looked into.  A note is what somebody may want: a joint that is held, a
limit that only one of them has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
import math
from pathlib import Path

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.mechanics import felt_inertia
from rl_robot_ros.robots.mechanics import Mechanics
from rl_robot_ros.robots.mechanics import Moved
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.urdf import differences
from rl_robot_ros.robots.urdf import LIMITS
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.robots.urdf import UrdfJoint

TOLERANCE = 1e-3  # of a figure; of 1 m or 1 rad where it is a place or a direction
# Of what the datasheet says and what the motor feels at home, see `RobotSpec.inertia`.
INERTIA_LOW, INERTIA_HIGH = 0.05, 1.1


@dataclass(frozen=True)
class Findings:
    """What was found, in words."""

    differences: tuple[str, ...]
    notes: tuple[str, ...]


def check_robot(robot: RobotSpec, further: tuple[Path, ...] = (),
                tolerance: float = TOLERANCE) -> Findings:
    """
    Compare a datasheet with its models, and these with each other.

    :param further: URDF or MJCF files of the same robot.
    :param tolerance: figures may differ by this part of their size, places by this many metres.
    :raises FileNotFoundError: a model is not there.
    :raises ValueError: one is no model.
    """
    paths = [urdf_path(robot)] if robot.urdf else []
    paths += [Path(robot.mjcf)] if robot.mjcf else []
    models = [Mechanics.of(path, robot.joint_names) for path in [*paths, *further]]
    found: list[str] = []
    notes: list[str] = []
    for model in models:
        found += _against_datasheet(robot, model)
        notes += _notes(robot, model)
    for one, other in combinations(models, 2):
        found += _models(one, other, robot, tolerance)
    if not found:
        found += _at_home(robot)
    return Findings(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(notes)))


def _against_datasheet(robot: RobotSpec, model: Mechanics) -> Iterator[str]:
    yield from differences(robot, model.joints, model.source)
    wanted = [name for name in robot.joint_names if name in model.order]
    for i, (mine, its) in enumerate(zip(wanted, model.order)):
        if mine != its:
            yield (f'joint order: number {i + 1} is {mine} in the datasheet, {its} in '
                   f'{model.source}')
    if robot.tip_link and robot.tip_link not in model.links:
        yield (f'tip_link: {robot.tip_link} is no link of {model.source}, which has '
               f'{", ".join(model.links)}')


def _notes(robot: RobotSpec, model: Mechanics) -> Iterator[str]:
    for name in model.joints:
        if name not in robot.joint_names:
            yield f'joint {name} of {model.source} is not in the datasheet: it is held at 0'
    for file in model.missing:
        yield f'{model.source}: no mesh that can be read at {file}: its shape is left out'
    for i, name in enumerate(robot.actuated):
        its = model.joints.get(name)
        if its is None:
            continue
        for field, mine in (('lower', robot.position_lower[i]), ('upper', robot.position_upper[i]),
                            ('velocity', robot.velocity_limit[i]),
                            ('effort', robot.effort_limit[i])):
            value = getattr(its, field)
            if math.isinf(value) and math.isfinite(mine):
                yield f'joint {name}: {model.source} has no {field} limit, the datasheet {mine:g}'


def _models(one: Mechanics, other: Mechanics, robot: RobotSpec,
            tolerance: float) -> Iterator[str]:
    both = [name for name in one.order if name in other.order]
    for name in both:
        yield from (f'joint {name}: {what} is {mine} in {one.source}, {its} in {other.source}'
                    for what, mine, its in [
                        *_limits(one.joints[name], other.joints[name], tolerance),
                        *_mechanics(one.moved[name], other.moved[name],
                                    one.joints[name].kind == 'prismatic', tolerance)])
    tips = [model.links.get(robot.tip_link) for model in (one, other)]
    if tips[0] is not None and tips[1] is not None and _apart(tips[0], tips[1]) > tolerance:
        yield (f'tip_link {robot.tip_link}: at {_shown(tips[0])} m in {one.source}, '
               f'{_shown(tips[1])} m in {other.source}, with every joint at 0')


def _limits(mine: UrdfJoint, its: UrdfJoint, tolerance: float) -> Iterator[tuple[str, str, str]]:
    if mine.kind != its.kind:
        yield 'type', mine.kind, its.kind
    for field in LIMITS:
        one, other = getattr(mine, field), getattr(its, field)
        # An MJCF knows no velocity, and may leave the effort open.
        open_ = field in ('velocity', 'effort') and math.inf in (one, other)
        if not open_ and not math.isclose(one, other, rel_tol=tolerance, abs_tol=1e-9):
            yield f'{field} limit', f'{one:g}', f'{other:g}'


def _mechanics(mine: Moved, its: Moved, slides: bool,
               tolerance: float) -> Iterator[tuple[str, str, str]]:
    if _apart(mine.axis, its.axis) > tolerance:
        yield 'axis at 0', _shown(mine.axis), _shown(its.axis)
    elif not slides and _apart(np.cross(its.anchor - mine.anchor, mine.axis)) > tolerance:
        yield 'place of the axis [m]', _shown(mine.anchor), _shown(its.anchor)
    if not math.isclose(mine.mass, its.mass, rel_tol=tolerance, abs_tol=1e-9):
        yield 'mass [kg] of what it carries', f'{mine.mass:g}', f'{its.mass:g}'
    if _apart(mine.centre, its.centre) > tolerance:
        yield 'centre of mass [m]', _shown(mine.centre), _shown(its.centre)
    size = max(np.trace(mine.inertia), np.trace(its.inertia))
    if np.abs(mine.inertia - its.inertia).max() > max(tolerance * size, 1e-12):
        parts = np.triu_indices(3)
        yield ('inertia [kg m^2] xx xy xz yy yz zz', _shown(mine.inertia[parts]),
               _shown(its.inertia[parts]))


def _apart(one: Vector, other: Vector | float = 0.0) -> float:
    return float(np.linalg.norm(one - other))


def _shown(vector: Vector) -> str:
    return '(' + ' '.join(f'{value:.4g}' for value in vector + 0.0) + ')'


def _at_home(robot: RobotSpec) -> Iterator[str]:
    """Judge figures of the datasheet that no model has, at the robot's home."""
    for i, name in enumerate(robot.actuated):
        home = robot.home[robot.actuated_index[i]]
        lower, upper = robot.position_lower[i], robot.position_upper[i]
        if not lower < home < upper:
            yield f'joint {name}: home {home:g} is not between its limits {lower:g} and {upper:g}'
    felt, weight, touching = at_home(robot)
    for i, name in enumerate(robot.actuated):
        given, braking = robot.inertia[i], robot.braking_acceleration[i]
        if not INERTIA_LOW * felt[i] <= given <= INERTIA_HIGH * felt[i]:
            yield (f'joint {name}: inertia is {given:g} in the datasheet, at home its motor feels '
                   f'{felt[i]:.3g}: allowed is {INERTIA_LOW:g} to {INERTIA_HIGH:g} times that')
        if braking * felt[i] > robot.effort_limit[i]:
            yield (f'joint {name}: braking_acceleration {braking:g} takes '
                   f'{braking * felt[i]:.3g} at home, its motor gives {robot.effort_limit[i]:g}')
        if not robot.gravity_compensated and robot.lifted and weight[i] > robot.effort_limit[i]:
            yield (f'joint {name}: its motor gives {robot.effort_limit[i]:g}, and it takes '
                   f'{weight[i]:.3g} to hold the robot at home')
    for one, other in touching:
        yield f'links {one} and {other} touch each other at home'


def at_home(robot: RobotSpec) -> tuple[Vector, Vector, list[tuple[str, str]]]:
    """Return inertia that each motor feels, effort against gravity, and links that touch."""
    model = build_spec(robot).compile()
    data = mujoco.MjData(model)
    for name, value in zip(robot.joint_names, robot.home):
        data.qpos[model.joint(name).qposadr[0]] = value
    mujoco.mj_forward(model, data)
    index = [model.joint(name).dofadr[0] for name in robot.actuated]
    weight = np.abs(data.qfrc_bias)[index]
    bodies = model.geom_bodyid[data.contact.geom]
    return felt_inertia(model, data)[index], weight, sorted(
        {(model.body(one).name, model.body(other).name) for one, other in bodies})
