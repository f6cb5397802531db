"""``rl-robot certify``: whether the safety filter can guarantee the limits of a robot."""

from __future__ import annotations

import argparse

from rl_robot_ros.cli import parse_values
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.own_limits import own_limits
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.from_urdf import robot_from_urdf
from rl_robot_ros.robots.from_urdf import STOP_TIME
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter


def main(options: argparse.Namespace) -> int:
    """
    Print the certificate; returns 0 where it holds and 1 where not.

    :raises ValueError: an option is wrong, or the filter would refuse these for another reason.
    """
    if not options.urdf and (options.gravity_compensated or options.stop_time is not None):
        raise ValueError('--gravity-compensated and --stop-time go with --urdf: a datasheet says '
                         'both itself')
    robot = resolve('robot', options.robot) if not options.urdf else robot_from_urdf(
        options.urdf, STOP_TIME if options.stop_time is None else options.stop_time,
        options.gravity_compensated)
    values = parse_values(options.values)
    unknown = [name for name in values if not name.startswith('safety.')]
    if unknown:
        raise ValueError(f'{unknown[0]}: only parameters that begin with safety. matter here')
    config = resolve_config(SafetyConfig, values, 'safety.')
    if config.mode == 'model_free':
        raise ValueError('safety.mode=model_free: that filter has no certificate')
    limits = own_limits(robot, str(options.joint_limits or ''))
    dynamics = MujocoDynamics(robot, config.payload)
    certificate = certify(robot, limits, config, dynamics, search=True)
    if certificate.holds:  # what else it asks for, such as room between limits and margins
        SafetyFilter(robot, limits, config, dynamics, certificate)
    print(certificate.table())
    if options.output:
        write_atomically(options.output, certificate.to_json())
    return 0 if certificate.holds else 1
