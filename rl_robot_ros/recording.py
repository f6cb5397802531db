"""What ``rl-robot teleop`` and ``record`` do: run one node in this process, in this terminal."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from typing import Any

from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.teleop import TeleopConfig


def node_arguments(given: Mapping[str, Any], config: type, prefix: str,
                   namespace: str = '') -> list[str]:
    """
    Return the arguments that hand parameters to a node.

    :param given: full dotted names to values, below `prefix` and nowhere else.
    :raises ValueError: an unknown parameter, or a bad value.
    """
    strange = [name for name in given if not name.startswith(prefix)]
    if strange:
        raise ValueError(f'unknown parameter {strange[0]}; allowed are those that begin with '
                         f'{prefix}')
    values = to_parameters(resolve_config(config, given, prefix), prefix)
    # JSON is YAML whose strings are quoted: ROS would take a folder named 2026 for a number.
    arguments = ['--ros-args']
    for name in given:
        arguments += ['-p', f'{name}:={json.dumps(values[name], ensure_ascii=False)}']
    if namespace:
        arguments += ['-r', f'__ns:=/{namespace.strip("/")}']
    return arguments


def teleop(options: argparse.Namespace) -> int:
    """Let a person move the robot; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    given: dict[str, Any] = parse_values(options.values)
    if options.joy:
        given['teleop.device'] = 'joy'
    if options.demonstrations is not None:
        given['teleop.demonstrations'] = str(options.demonstrations)
    resolve('robot', options.robot)
    arguments = node_arguments(given, TeleopConfig, 'teleop.', options.namespace)
    from rl_robot_ros.nodes import teleop as node
    return node.main([*arguments, '-p', f'robot:={json.dumps(options.robot)}'])


def record(options: argparse.Namespace) -> int:
    """Write a bag of the whole graph; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    from rl_robot_ros.nodes import recorder as node
    given: dict[str, Any] = parse_values(options.values)
    if options.output is not None:
        given['record.output'] = str(options.output)
    if options.topic:
        given['record.topics'] = ','.join(options.topic)
    return node.main(node_arguments(given, node.RecordConfig, 'record.'))
