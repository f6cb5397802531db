"""
Filter and homing on the robot that Gazebo is told of, simulated by MuJoCo: what rotors matter.

The description is the one that `gazebo.launch.py` publishes, made by xacro; steps of 1 ms, no
contact.  The robot goes home, then gets random pushes to full action, 40 control periods each.

    python benchmarks/gazebo_model.py [--periods 4000] [--robots arm7 fr3 ur5e iiwa14]
"""

from __future__ import annotations

import argparse
from pathlib import Path
import tempfile
from typing import NamedTuple
import xml.etree.ElementTree as ElementTree

from machine import machine
import mujoco
import numpy as np
from rl_robot_ros import ros2_control
from rl_robot_ros.core.homing import Homing
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.env import make_filter
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.safety.config import SafetyConfig
import xacro

STEP = 0.001  # [s] of worlds/robot.sdf
SCALE = 0.7  # safety.velocity_scale of config/gazebo.yaml
NEGLIGIBLE = 1e-3  # rotors of this part: a link that weighs nothing at all cannot be simulated


class Outcome(NamedTuple):
    """What became of a robot."""

    home: float  # [s] when it was home, NaN if never
    beyond: float  # [rad] most outside of a position limit
    fastest: float  # [1] of the velocity limit
    reason: str  # why the filter stopped it


def described(robot: RobotSpec, rotors: float) -> mujoco.MjModel:
    """Return the robot as Gazebo is told of it, with a part of its rotors' inertia."""
    with tempfile.TemporaryDirectory() as folder:
        files = ros2_control.write_files(robot, Path(folder))
        words = ros2_control.xacro_command(robot, files, 'gz')
        text = xacro.process_file(words[1], mappings=dict(word.split(':=') for word in words[2:]))
    root = ElementTree.fromstring(text.toxml())
    for link in root.findall('link'):
        if str(link.get('name')).endswith('_rotor'):
            inertia = link.find('inertial/inertia')
            for key, value in inertia.attrib.items():
                inertia.set(key, str(rotors * float(value)))
    spec = mujoco.MjSpec.from_string(ElementTree.tostring(root, encoding='unicode'))
    spec.option.timestep = STEP
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.disableflags = int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
    for body in spec.bodies:
        body.gravcomp = 1.0 if robot.gravity_compensated else 0.0
    return spec.compile()


def drive(model: mujoco.MjModel, robot: RobotSpec, periods: int) -> Outcome:
    """Let filter and homing, which know `robot`, move `model`; all joints have motors."""
    data, rng = mujoco.MjData(model), np.random.default_rng(0)
    lower, upper = np.array(robot.position_lower), np.array(robot.position_upper)
    qpos = np.array([model.joint(name).qposadr[0] for name in robot.joint_names])
    qvel = np.array([model.joint(name).dofadr[0] for name in robot.joint_names])
    data.qpos[qpos] = np.clip(np.array(robot.home) - 0.3, lower + 0.1, upper - 0.1)
    guard = make_filter(robot, SafetyConfig(start_hold=0.0, fade_in=0.0, velocity_scale=SCALE))
    homing = Homing(robot, dynamics=dynamics_of(robot))
    homing.begin()
    home, beyond, fastest = np.nan, 0.0, 0.0
    push = np.zeros(len(robot.actuated))
    for period in range(periods):
        position, velocity = data.qpos[qpos].copy(), data.qvel[qvel].copy()
        request = homing.on_state(round(1e9 * period * robot.control_period), position, velocity)
        if not homing.active:
            home = period * robot.control_period if np.isnan(home) else home
            if period % 40 == 0:
                push = rng.choice((-1.0, 1.0), len(push)) * robot.action_to_effort
        effort = push if request is None else request
        verdict = guard.step(position, velocity, effort)
        homing.on_command(verdict.source)
        data.qfrc_applied[qvel] = verdict.motor_effort
        for _ in range(round(robot.control_period / STEP)):
            mujoco.mj_step(model, data)
            out = np.maximum(lower - data.qpos[qpos], data.qpos[qpos] - upper)
            beyond = max(beyond, float(out.max()))
            speed = np.abs(data.qvel[qvel]) / robot.velocity_limit
            fastest = max(fastest, float(speed.max()))
    return Outcome(home, beyond, fastest, guard.reason if guard.latched else '')


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('--periods', type=int, default=4000)
    parser.add_argument('--robots', nargs='+', default=['arm7', 'fr3', 'ur5e', 'iiwa14'])
    options = parser.parse_args()
    print(f'{machine()}; {options.periods} control periods each')
    print('| robot | rotors | filter and homing know | home after s | beyond a position limit rad '
          '| of the velocity limit | stopped by the filter |\n|---|---|---|---|---|---|---|')
    for name in options.robots:
        trained, discs = resolve('robot', name), resolve('robot', f'rl_robot_ros.robots.gazebo:'
                                                         f'{name}')
        for what, rotors, known in (('none', NEGLIGIBLE, trained), ('discs', 1.0, trained),
                                    ('discs', 1.0, discs)):
            end = drive(described(trained, rotors), known, options.periods)
            print(f'| {name} | {what} | {"the discs" if known.discs else "the trained arm"} | '
                  f'{end.home:.2f} | {end.beyond:.4f} | {end.fastest:.2f} | {end.reason} |',
                  flush=True)


if __name__ == '__main__':
    main()
