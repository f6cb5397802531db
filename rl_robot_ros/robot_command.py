"""``rl-robot robot``: begin the datasheet of a robot of one's own, compare it with its models."""

from __future__ import annotations

import argparse
from pathlib import Path

from rl_robot_ros.cli import parse_values
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.checking import check_robot
from rl_robot_ros.robots.checking import Findings
from rl_robot_ros.robots.datasheet import load_datasheet
from rl_robot_ros.robots.new_datasheet import new_datasheet


def main(options: argparse.Namespace) -> int:
    """Run one action; returns the exit status."""
    return {'new': new, 'check': check}[options.action](options)


def new(options: argparse.Namespace) -> int:
    """Write a datasheet, and check it."""
    model: Path = options.model
    output: Path = options.output or model.with_suffix('.yaml')
    if output.exists():
        raise FileExistsError(f'{output} exists and is not overwritten: choose another --output')
    if output.suffix not in ('.yaml', '.yml'):
        raise ValueError(f'--output {output}: must end in .yaml')
    if output.resolve().parent != model.resolve().parent:
        raise ValueError(f'--output {output}: must lie beside {model}, for it names it')
    text = new_datasheet(model, parse_values(options.values), options.without)
    write_atomically(output, text)
    print(f'wrote {output}: look at every line')
    return _report(check_robot(load_datasheet(output)))


def check(options: argparse.Namespace) -> int:
    """Compare datasheet and models; 1 where they differ."""
    if not 0.0 <= options.tolerance < 1.0:
        raise ValueError(f'--tolerance: got {options.tolerance}, allowed is [0, 1)')
    robot = resolve('robot', options.robot)
    return _report(check_robot(robot, tuple(options.further), options.tolerance))


def _report(findings: Findings) -> int:
    for note in findings.notes:
        print(f'note: {note}')
    for difference in findings.differences:
        print(f'differs: {difference}')
    count = len(findings.differences)
    print(f'{count} difference(s)' if count else 'no differences')
    return int(bool(count))
