"""
What ros2_control and its simulators are told of a robot: all of it from datasheet and URDF.

=================== ================================================= =========================
file                what                                              read by
=================== ================================================= =========================
`robot.yaml`        joints with home and rotor, links without weight  `robot.urdf.xacro`
`controllers.yaml`  rate, broadcaster and effort controller           controller_manager
`robot.xml`         MuJoCo's model with a motor per actuated joint    mujoco_ros2_control
=================== ================================================= =========================

`robot.urdf.xacro` (in `data/`) puts the first one and the URDF together, for Gazebo, for
mujoco_ros2_control and for real hardware.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
import shlex
from typing import Any
from typing import NamedTuple
import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.model import DISC
from rl_robot_ros.robots.model import ROTOR_MASS
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.share import data_file
import yaml

EFFORT = 'effort_controllers/JointGroupEffortController'
FORWARD = 'forward_command_controller/ForwardCommandController'
CONTROLLERS = (EFFORT, FORWARD)
STATES = ['position', 'velocity', 'effort']
SIMULATORS = ('gz', 'mujoco', 'real')
XACRO = 'robot.urdf.xacro'


class Files(NamedTuple):
    """Where `write_files` has put them."""

    urdf: Path
    robot: Path
    controllers: Path
    mjcf: Path | None


def controllers(robot: RobotSpec, controller_type: str = EFFORT) -> dict[str, Any]:
    """
    Return the parameters of controller manager, broadcaster and effort controller.

    Names begin with ``/**/``, so that they hold in every namespace.

    :param controller_type: one of `CONTROLLERS`.
    :raises ValueError: it is none of them, or the control rate is no whole number of hertz.
    """
    if controller_type not in CONTROLLERS:
        raise ValueError(f'controller_type is {controller_type!r}, must be one of '
                         f'{", ".join(CONTROLLERS)}')
    rate = round(1.0 / robot.control_period)
    if abs(rate * robot.control_period - 1.0) > 1e-6:
        raise ValueError(f'robot {robot.name}: control_period {robot.control_period} s is '
                         f'{1.0 / robot.control_period:g} Hz; the update_rate of a controller '
                         'manager is a whole number')
    # `joints` too: without it a broadcaster publishes in alphabetical order.
    broadcaster = {'joints': list(robot.joint_names), 'interfaces': STATES,
                   'publish_dynamic_joint_states': False}
    effort: dict[str, Any] = {'joints': list(robot.actuated)}
    if controller_type == FORWARD:
        effort['interface_name'] = 'effort'
    manager = {
        'update_rate': rate, 'enforce_command_limits': True,
        'joint_state_broadcaster': {'type': 'joint_state_broadcaster/JointStateBroadcaster'},
        'effort_controller': {'type': controller_type}}
    return {f'/**/{name}': {'ros__parameters': values} for name, values in (
        ('controller_manager', manager), ('joint_state_broadcaster', broadcaster),
        ('effort_controller', effort))}


def complaints(parameters: Mapping[str, Any], urdf: str) -> list[str]:
    """
    Name everything in which parameters of controllers do not fit a robot description.

    :param parameters: as `controllers` returns them, or read from a file of your own.
    :param urdf: what is published as `robot_description`, with its <ros2_control>.
    """
    movable = parse_joints(urdf)
    offered = {joint.get('name'): {kind: [entry.get('name') for entry in joint.findall(kind)]
                                   for kind in ('command_interface', 'state_interface')}
               for joint in ElementTree.fromstring(urdf).iterfind('ros2_control/joint')}
    found = [f'joint {name} of <ros2_control> is not movable' for name in offered
             if name not in movable]
    sections = {name.rpartition('/')[2]: values.get('ros__parameters', {})
                for name, values in parameters.items()}
    needs = {'effort_controller': ('command_interface', ['effort']),
             'joint_state_broadcaster': ('state_interface', STATES)}
    for controller, (kind, interfaces) in needs.items():
        if not sections.get(controller, {}).get('joints'):
            found.append(f'{controller} has no joints')
            continue
        for joint in sections[controller]['joints']:
            there = offered.get(joint, {}).get(kind, [])
            found += [f'{controller}: joint {joint} has no {kind} {name}'
                      for name in interfaces if name not in there]
            if kind == 'command_interface' and joint in movable:
                limits = movable[joint]
                found += [f'{controller}: joint {joint} has {name} limit {getattr(limits, name)}'
                          for name in ('velocity', 'effort') if not getattr(limits, name) > 0.0]
    return found


def description(robot: RobotSpec) -> dict[str, Any]:
    """
    Return what `robot.urdf.xacro` adds to the URDF, as plain values.

    A URDF cannot say how much of a motor's rotor its joint feels, and Gazebo has no word for it:
    it gets a disc in the joint's child link instead, see `robots.gazebo`.

    :raises ValueError: an actuated joint is not in the URDF.
    """
    root = ElementTree.fromstring(urdf_path(robot).read_text())
    elements = {joint.get('name'): joint for joint in root.findall('joint')}
    missing = [name for name in robot.joint_names if name not in elements]
    if missing:
        raise ValueError(f'robot {robot.name}: joints {missing} are not in {urdf_path(robot)}')
    children = {joint.find('child').get('link') for joint in elements.values()}
    links = [str(link.get('name')) for link in root.findall('link')]
    base = next(link for link in links if link not in children)
    armature = dict(zip(robot.actuated, robot.armature))
    joints = {name: {'home': float(home), 'motor': name in robot.actuated,
                     'rotor': _rotor(elements[name], armature.get(name, 0.0))}
              for name, home in zip(robot.joint_names, robot.home)}
    return {'name': robot.name, 'base': base, 'joints': joints,
            'weightless': links if robot.gravity_compensated else []}


def _rotor(joint: ElementTree.Element, armature: float) -> dict[str, Any]:
    """Return link, mass [kg] and inertia [kg m^2] of a rotor's disc; empty for none."""
    if not armature > 0.0 or joint.get('type') == 'prismatic':
        return {}
    element = joint.find('axis')
    text = '1 0 0' if element is None else element.get('xyz', '1 0 0')
    axis = np.array(text.split(), dtype=np.float64)
    axis /= np.linalg.norm(axis)
    across, along = DISC[0], DISC[2]
    inertia = armature * (across * np.eye(3) + (along - across) * np.outer(axis, axis))
    values = {'i' + 'xyz'[i] + 'xyz'[j]: float(inertia[i, j]) for i in range(3)
              for j in range(i, 3)}
    return {'link': joint.find('child').get('link'), 'mass': ROTOR_MASS, **values}


def mjcf(robot: RobotSpec) -> str:
    """Return the MuJoCo model that training uses, with motors and the keyframe `home`."""
    spec = build_spec(robot)
    for name, limit in zip(robot.actuated, robot.effort_limit):
        motor = spec.add_actuator(name=name, target=name, trntype=mujoco.mjtTrn.mjTRN_JOINT,
                                  ctrllimited=True, ctrlrange=[-limit, limit])
        motor.set_to_motor()
    model = spec.compile()
    home = np.zeros(model.nq)
    for name, value in zip(robot.joint_names, robot.home):
        home[model.joint(name).qposadr[0]] = value
    spec.add_key(name='home', qpos=home)
    spec.compile()
    return spec.to_xml()


def write_files(robot: RobotSpec, folder: Path, controller_type: str = EFFORT,
                sim: str = 'gz') -> Files:
    """
    Write what ros2_control reads.

    :param folder: made if it is not there.
    :param sim: one of `SIMULATORS`; MuJoCo's model is written for `mujoco` alone.
    :raises ValueError: a value is not allowed, or datasheet and URDF do not fit.
    """
    if sim not in SIMULATORS:
        raise ValueError(f'sim is {sim!r}, must be one of {", ".join(SIMULATORS)}')
    files = Files(urdf_path(robot), folder / 'robot.yaml', folder / 'controllers.yaml',
                  folder / 'robot.xml' if sim == 'mujoco' else None)
    for path, values in ((files.robot, description(robot)),
                         (files.controllers, controllers(robot, controller_type))):
        write_atomically(path, yaml.safe_dump(values, sort_keys=False))
    if files.mjcf is not None:
        write_atomically(files.mjcf, mjcf(robot))
    return files


def xacro_command(robot: RobotSpec, files: Files, sim: str, namespace: str = '', plugin: str = '',
                  hardware: str = '', headless: bool = True) -> list[str]:
    """
    Return the command that prints the robot description.

    :param namespace: of the robot, empty for none.
    :param plugin: hardware plugin, for `real`.
    :param hardware: YAML file with its parameters, empty for none.
    :param headless: whether MuJoCo has no window.
    """
    words = {'name': robot.name, 'urdf': files.urdf, 'robot': files.robot, 'sim': sim,
             'controllers': files.controllers, 'mjcf': files.mjcf or '', 'plugin': plugin,
             'hardware': hardware, 'headless': '' if headless else 'false',
             'namespace': '/' + namespace.strip('/') if namespace else ''}
    return ['xacro', str(data_file(XACRO)), *(f'{name}:={value}' for name, value in words.items()
                                              if value)]


def main(options: argparse.Namespace) -> int:
    """Write the files of one robot and say which command puts them together."""
    robot = resolve('robot', options.robot)
    files = write_files(robot, options.output.absolute(), options.controller_type, options.sim)
    for path in files:
        if path is not None:
            print(f'# {path}')
    print(shlex.join(xacro_command(robot, files, options.sim, plugin=options.plugin)))
    return 0
