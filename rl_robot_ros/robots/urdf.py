"""
What a URDF says about joints, and whether a datasheet agrees with it.

Only the standard library is needed: joint names, types and limits are attributes of XML elements.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
import math
from pathlib import Path
from typing import NamedTuple
import xml.etree.ElementTree as ElementTree

from rl_robot_ros.core.spec import RobotSpec

MOVABLE = ('revolute', 'continuous', 'prismatic')
LIMITS = ('lower', 'upper', 'velocity', 'effort')


class UrdfJoint(NamedTuple):
    """One movable joint; a limit that the URDF does not give is NaN."""

    name: str
    kind: str
    lower: float
    upper: float
    velocity: float
    effort: float


def urdf_path(robot: RobotSpec) -> Path:
    """
    Return where the robot's URDF lies.

    :raises FileNotFoundError: says where it was looked for.
    """
    if not robot.urdf:
        only = f'its model is {robot.mjcf} alone; ' if robot.mjcf else ''
        raise FileNotFoundError(f'robot {robot.name} has no URDF: {only}ros2_control and Gazebo '
                                'read nothing else. Name one as `urdf` in its datasheet')
    path = Path(robot.urdf)
    if not path.is_absolute():
        path = Path(__file__).parents[1] / 'data' / robot.urdf
    if not path.is_file():
        raise FileNotFoundError(f'robot {robot.name}: no URDF at {path}, see RobotSpec.urdf')
    return path


def model_path(robot: RobotSpec) -> Path:
    """
    Return the file that is simulated: the MJCF where there is one, else the URDF.

    :raises FileNotFoundError: says where it was looked for.
    """
    if not robot.mjcf:
        return urdf_path(robot)
    if not Path(robot.mjcf).is_file():
        raise FileNotFoundError(f'robot {robot.name}: no MJCF at {robot.mjcf}, see RobotSpec.mjcf')
    return Path(robot.mjcf)


def parse_joints(text: str) -> dict[str, UrdfJoint]:
    """
    Read the movable joints of a URDF.

    :param text: the XML text, as in a file or on `robot_description`.
    :raises ValueError: where it is no URDF.
    """
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f'robot description is not XML: {error}') from None
    if root.tag != 'robot':
        raise ValueError(f'robot description has root <{root.tag}>, needs <robot>')
    return {joint.name: joint for joint in _joints(root)}


def _joints(root: ElementTree.Element) -> Iterator[UrdfJoint]:
    for element in root.findall('joint'):
        kind = element.get('type', '')
        if kind not in MOVABLE or element.find('mimic') is not None:
            continue
        limit = element.find('limit')
        values = {} if limit is None else limit.attrib
        try:
            number = {key: float(values.get(key, 'nan')) for key in LIMITS}
        except ValueError:
            raise ValueError(f'joint {element.get("name")}: a limit is no number, '
                             f'got {dict(values)}') from None
        if kind == 'continuous':
            number['lower'], number['upper'] = -math.inf, math.inf
        yield UrdfJoint(element.get('name', ''), kind, **number)


def differences(robot: RobotSpec, joints: dict[str, UrdfJoint],
                source: str = 'the URDF') -> list[str]:
    """
    Name every way in which the datasheet is not covered by the URDF.

    The datasheet may be tighter than the URDF, never looser.

    :param source: what to call the URDF, or what stands for it.
    """
    found = [f'joint {name} of the datasheet is not movable in {source}'
             for name in robot.joint_names if name not in joints]
    for i, name in enumerate(robot.actuated):
        if name not in joints:
            continue
        joint = joints[name]
        checks = (('lower', robot.position_lower[i] >= joint.lower, robot.position_lower[i]),
                  ('upper', robot.position_upper[i] <= joint.upper, robot.position_upper[i]),
                  ('velocity', robot.velocity_limit[i] <= joint.velocity, robot.velocity_limit[i]),
                  ('effort', robot.effort_limit[i] <= joint.effort, robot.effort_limit[i]))
        found += [f'joint {name}: {field} is {getattr(joint, field)} in {source}, the datasheet '
                  f'says {value}' for field, covered, value in checks if not covered]
    return found


def limits_of(joints: dict[str, UrdfJoint], names: Sequence[str]) -> list[tuple[float, ...]]:
    """
    Return lower, upper, velocity and effort limits of the joints called `names`.

    :raises ValueError: names every joint that is not movable and every limit that is not there.
    """
    missing = [f'{name} is not movable in it' for name in names if name not in joints]
    there = [joints[name] for name in names if name in joints]
    for joint in there:
        missing += [f'{joint.name} has no {field} limit' for field in ('lower', 'upper')
                    if math.isnan(getattr(joint, field))]
        missing += [f'{joint.name} has {field} limit {getattr(joint, field)}'
                    for field in ('velocity', 'effort') if not getattr(joint, field) > 0.0]
    if missing:
        raise ValueError('robot description does not limit every motor: ' + '; '.join(missing))
    return [tuple(getattr(joint, field) for joint in there)
            for field in LIMITS]
