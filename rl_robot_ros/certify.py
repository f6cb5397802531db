"""``rl-robot certify``: whether the safety filter can guarantee the limits of a robot."""

from __future__ import annotations

import argparse

from rl_robot_ros.cli import parse_values
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.from_urdf import robot_from_urdf
from rl_robot_ros.robots.joint_limits import load_joint_limits
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits


def main(options: argparse.Namespace) -> int:
    """Print the certificate; returns 0 where it holds and 1 where not."""
    robot = (robot_from_urdf(options.urdf, options.stop_time, options.gravity_compensated)
             if options.urdf else resolve('robot', options.robot))
    values = parse_values(options.values)
    unknown = [name for name in values if not name.startswith('safety.')]
    if unknown:
        raise ValueError(f'{unknown[0]}: only parameters that begin with safety. matter here')
    config = resolve_config(SafetyConfig, values, 'safety.')
    limits = JointLimits.from_robot(robot)
    if options.joint_limits:
        limits = limits.tightened(**load_joint_limits(options.joint_limits))
    certificate = certify(robot, limits, config, MujocoDynamics(robot, config.payload),
                          search=True)
    print(certificate.table())
    if options.output:
        write_atomically(options.output, certificate.to_json())
    return 0 if certificate.holds else 1
