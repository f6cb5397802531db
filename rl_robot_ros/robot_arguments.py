"""The arguments of ``rl-robot robot`` and ``rl-robot doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def add_doctor(commands: Any) -> None:
    """Add ``doctor``."""
    doctor = commands.add_parser(
        'doctor', help='check this machine', description='Check Python, ROS, DDS, libraries and '
        'rendering, and say what to do about each failure.')
    doctor.add_argument('--robot', help='check this datasheet too')


def add_robot(commands: Any) -> None:
    """Add ``robot new`` and ``robot check``."""
    robot = commands.add_parser(
        'robot', help='begin or check the datasheet of a robot of your own',
        description='docs/own_robot.md goes from a URDF to a trained policy.')
    actions = robot.add_subparsers(dest='action', required=True, metavar='action')
    new = actions.add_parser(
        'new', help='write a datasheet for a URDF or MJCF',
        description='Limits are those of the model, inertia is computed, the rest is a rule of '
                    'thumb: look at every line.')
    new.add_argument('model', type=Path, help='URDF or MJCF')
    new.add_argument('--without', action='append', default=[], metavar='JOINT',
                     help='a joint that is to be held at 0, such as a finger')
    new.add_argument('--output', type=Path, metavar='YAML',
                     help='default: the name of the model, beside it')
    new.add_argument('values', nargs='*', metavar='key=value',
                     help='keys of the datasheet, such as tip_link=tool, joints.armature=0.1 or '
                          'joints.elbow.home=1.2')
    check = actions.add_parser(
        'check', help='compare datasheet, URDF and MJCF',
        description='Name every difference: joints, order, types, axes, limits, masses, centres '
                    'of mass, inertias, tip. Exit status 1 where there is one.')
    check.add_argument('robot', help='datasheet: a YAML file, or a name')
    check.add_argument('--with', type=Path, action='append', default=[], dest='further',
                       metavar='MODEL', help='a further URDF or MJCF of the same robot')
    check.add_argument('--tolerance', type=float, default=1e-3,
                       help='figures may differ by this part, places by as many metres; '
                            'default: 0.001')
