"""
Show whether the collision limit keeps an arm off itself, off the table and inside its workspace.

Contacts are counted by MuJoCo's own detection at every physics step, the workspace by the ends of
the links' capsules.  The plant is the model (what the claim assumes).

    python benchmarks/collision.py                     a million steps with the limit
    python benchmarks/collision.py --steps 20000       a quick look
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
import os
import time

from adversaries import ADVERSARIES
from adversaries import benign
from adversaries import SUBSTEPS
from machine import machine
import mujoco
import numpy as np
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.collision_config import CollisionConfig
from safety import Tally

WORLD = CollisionConfig(enabled=True, table=True, table_height=0.0,
                        workspace_lower=(-0.75, -0.75, -0.1), workspace_upper=(0.75, 0.75, 1.1))
CONFIG = SafetyConfig(start_hold=0.0, fade_in=0.0, latency_periods=0, model_mass_error=0.0)


def make_world(robot):
    """Return model and data of the arm on a table, contacts detected but without effect."""
    spec = build_spec(replace(robot, physics_steps=SUBSTEPS))
    spec.worldbody.add_geom(name='table', type=mujoco.mjtGeom.mjGEOM_PLANE, size=[3.0, 3.0, 0.1],
                            pos=[0.0, 0.0, WORLD.table_height])
    model = spec.compile()
    model.jnt_limited[:] = 0
    return model, mujoco.MjData(model)


def touching(model, data):
    """Count contacts besides those of the foot with the table that it stands on."""
    count = 0
    for contact in data.contact[:data.ncon]:
        bodies = [int(model.geom_bodyid[geom]) for geom in (contact.geom1, contact.geom2)]
        # What no joint moves cannot touch anything on purpose.
        count += contact.dist < 0.0 and any(model.body_weldid[body] for body in bodies)
    return count


def attack(name, limited, policy_name, seed, steps):
    """Let one policy at the arm; returns contacts as `beyond`, time outside the box as `fast`."""
    robot = resolve('robot', name)
    robot = replace(robot, effort_rate_limit=(1e9,) * len(robot.actuated))
    model, data = make_world(robot)
    geometry = MujocoGeometry(robot)
    moved = geometry.moves.any(axis=1)
    config = WORLD if limited else replace(WORLD, enabled=False)
    filter_ = SafetyFilter(robot, config=CONFIG, dynamics=dynamics_of(robot), geometry=geometry,
                           collision=config)
    filter_.set_lockstep(True)
    make_policy = benign if policy_name == 'benign' else ADVERSARIES[policy_name]
    policy = make_policy(robot, np.random.default_rng([seed, 2]))
    lower, upper = np.array(WORLD.workspace_lower), np.array(WORLD.workspace_upper)
    data.qpos[:] = robot.home
    tally = Tally(steps=steps)
    for step in range(steps):
        position, velocity = data.qpos.copy(), data.qvel.copy()
        request = policy(position, velocity)
        start = time.perf_counter()
        verdict = filter_.step(position, velocity, request)
        if step % 20 == 0:
            tally.seconds.append(time.perf_counter() - start)
        tally.altered += verdict.effort.tobytes() != request.tobytes()
        tally.stopped += verdict.source != 'policy'
        data.qfrc_applied[:] = verdict.motor_effort
        contacts = 0
        for _ in range(SUBSTEPS):
            mujoco.mj_step1(model, data)
            contacts += touching(model, data)
            data.efc_force[:] = 0.0
            data.ncon = 0  # seen, and then without effect: the plant stays the model
            mujoco.mj_step2(model, data)
        tally.beyond += contacts > 0
        ends = geometry.capsules(data.qpos)[moved]
        radius = geometry.radius[moved][:, None, None]
        tally.fast += bool((ends - radius < lower).any() or (ends + radius > upper).any())
    return tally


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=1_000_000, help='control periods per row')
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--arm', default='arm7')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    options = parser.parse_args()
    rows = (('without the limit', False, list(ADVERSARIES), options.steps // 20),
            ('with the limit', True, list(ADVERSARIES), options.steps),
            ('with the limit, benign policy', True, ['benign'], options.steps // 20))
    print(f'| {options.arm} | steps | with contact | outside the workspace | efforts changed | '
          f'filter us p50 / p99 |\n|{"---|" * 6}')
    with ProcessPoolExecutor(options.jobs) as pool:
        for title, limited, policies, steps in rows:
            each = max(1, steps // (len(policies) * options.seeds))
            jobs = [pool.submit(attack, options.arm, limited, policy, seed, each)
                    for policy in policies for seed in range(1, options.seeds + 1)]
            total = Tally()
            for job in jobs:
                total.add(job.result())
            times = np.percentile(total.seconds, (50, 99)) * 1e6
            print(f'| {title} | {total.steps} | {total.beyond} | {total.fast} | {total.altered} | '
                  f'{times[0]:.0f} / {times[1]:.0f} |', flush=True)
            if total.stopped:
                print(f'    {total.stopped} steps in which the filter had taken over')
    print(f'\n{machine()}')


if __name__ == '__main__':
    main()
