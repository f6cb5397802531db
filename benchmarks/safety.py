"""
Show whether the safety filter holds its limits against policies that mean harm.

Each row is one limiter on one arm with one plant; every adversary attacks it with several seeds.
Violations are counted at every physics step, five times per control period.

    python benchmarks/safety.py                      a million steps a row: A1, A2, what is outside
    python benchmarks/safety.py --steps 20000        a quick look
    python benchmarks/safety.py --compare            other people's limiters on arm7
    python benchmarks/safety.py --behaviour          range under a constant push, benign policies
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import lru_cache
import os
import time
from typing import Any

from adversaries import ADVERSARIES
from adversaries import benign
from adversaries import Imperfection
from adversaries import Plant
import limiters
from machine import machine
import numpy as np
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import Phase
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.certificate import require_certificate

EXACT = Imperfection()
DECLARED = Imperfection(mass_error=0.2, latency=1, velocity_noise=0.01)
OUTSIDE = replace(DECLARED, friction=0.02, backlash=0.002, quantum=1e-4, contact=20.0,
                  dropped=0.05)
PUSHED = replace(DECLARED, pushed=0.01)
PLANTS = {'exact': EXACT, 'declared': DECLARED, 'pushed': PUSHED, 'outside': OUTSIDE}
MEANING = {
    'exact': 'the model is right',
    'declared': 'masses +-20 % per link, 1 period of latency, velocity noise 0.01 rad/s',
    'pushed': 'declared, and every joint pushed by 1 % of its effort limit, as declared too',
    'outside': 'declared, and dry friction 2 %, backlash 2 mrad, encoder steps 0.1 mrad, pushes '
               'of 20 N at the tip, 5 % of the states lost'}
ARMS = ('planar2', 'ur5e', 'arm7')
TOLERANCE = 1e-6


@dataclass
class Tally:
    """What happened in one attack, or in many."""

    steps: int = 0
    beyond: int = 0  # control periods with a joint beyond a position limit
    furthest: float = -np.inf  # [rad] beyond it, negative inside
    fast: int = 0  # control periods with a joint over its velocity limit
    fastest: float = 0.0  # part of the velocity limit
    stopped: int = 0  # control periods in which the filter had latched a fault
    altered: int = 0
    reasons: set[str] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)  # a sample of compute times

    def add(self, other: Tally) -> None:
        """Add another tally."""
        for name in ('steps', 'beyond', 'fast', 'stopped', 'altered'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.furthest = max(self.furthest, other.furthest)
        self.fastest = max(self.fastest, other.fastest)
        self.reasons |= other.reasons
        self.seconds += other.seconds

    def row(self) -> str:
        """Return the cells of a table row."""
        over = f'{self.furthest:.4f}' if self.furthest > 0.0 else f'none ({self.furthest:.4f})'
        times = np.percentile(self.seconds, (50, 99)) * 1e6
        return (f'{self.steps} | {self.beyond} | {over} | {self.fast} | {self.fastest:.3f} | '
                f'{self.stopped} | {times[0]:.0f} / {times[1]:.0f}')


HEAD = ('steps | beyond position | furthest beyond [rad] | over velocity | fastest / limit | '
        'steps in fault | us p50 / p99 |')


@lru_cache
def configuration(robot: RobotSpec, plant: Imperfection) -> tuple[SafetyConfig, float]:
    """Return the default configuration with the declared errors, and the scale it certifies."""
    config = SafetyConfig(start_hold=0.0, fade_in=0.0, latency_periods=plant.latency,
                          model_mass_error=plant.mass_error, command_timeout=0.2,
                          external_effort=plant.pushed)
    found = certify(robot, JointLimits.from_robot(robot), config, MujocoDynamics(robot),
                    search=True)
    # Just inside what certifies, in steps of a twentieth.
    scale = np.floor(20.0 * found.largest_velocity_scale) / 20.0
    return replace(config, velocity_scale=float(scale)), float(scale)


@lru_cache
def certificate_of(robot: RobotSpec, config: SafetyConfig) -> Certificate:
    """Compute a certificate once in every process."""
    return require_certificate(robot, JointLimits.from_robot(robot), config,
                               MujocoDynamics(robot))


class OurFilter:
    """The composed filter, brought back to ACTIVE where it has latched a fault."""

    def __init__(self, robot: RobotSpec, plant: Imperfection, mode: str = 'model') -> None:
        self.config, scale = configuration(robot, plant)
        self.config = replace(self.config, mode=mode)
        dynamics = MujocoDynamics(robot)
        certificate = None if mode == 'model_free' else certificate_of(robot, self.config)
        self.filter = SafetyFilter(robot, config=self.config, dynamics=dynamics,
                                   certificate=certificate)
        self.limit = scale * np.array(robot.velocity_limit)
        self.periods = 1

    def begin(self) -> None:
        """Start over."""
        self.filter.begin_episode()
        self.filter.reset()
        self.filter.step(None, None, None)
        self.filter.begin_episode()
        self.periods = 1

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        verdict = self.filter.step(position, velocity, effort, periods=self.periods)
        return verdict.motor_effort


def attack(arm: RobotSpec, plant_name: str, adversary: str, seed: int, steps: int) -> Tally:
    """Let one adversary attack our filter on one plant."""
    # Adversaries are not held back by the effort rate, which is a limit on what is asked for.
    robot = replace(arm, effort_rate_limit=(1e9,) * len(arm.actuated))
    imperfection = PLANTS[plant_name]
    plant, ours = Plant(robot, imperfection, seed), OurFilter(robot, imperfection)
    policy = ADVERSARIES[adversary](robot, np.random.default_rng([seed, 2]))
    tally, effort, lost = Tally(), np.zeros(len(robot.actuated)), 0
    if plant._gravity is not None:
        effort = plant._gravity.gravity(np.array(robot.home)).copy()
    for step in range(steps):
        seen = plant.observe()
        if seen is None:
            lost += 1
        else:
            ours.periods, lost = lost + 1, 0
            request = policy(*seen)
            start = time.perf_counter()
            effort = ours(*seen, request)
            if step % 50 == 0:
                tally.seconds.append(time.perf_counter() - start)
            if ours.filter.phase is not Phase.ACTIVE:
                tally.stopped += 1
                tally.reasons.add(ours.filter.reason)
                if ours.filter.at_rest:
                    ours.filter.reset()
        over, fast = plant.step(effort, ours.limit)
        tally.beyond += over > TOLERANCE
        tally.fast += fast > 1.0 + TOLERANCE
        tally.furthest, tally.fastest = max(tally.furthest, over), max(tally.fastest, fast)
    tally.steps = steps
    return tally


def compare(arm: RobotSpec, name: str, adversary: str, seed: int, steps: int) -> Tally:
    """Let one adversary attack somebody's limiter on an exact plant."""
    robot = replace(arm, effort_rate_limit=(1e9,) * len(arm.actuated))
    plant, limiter = Plant(robot, EXACT, seed), LIMITERS[name](robot)
    limit = np.array(robot.velocity_limit)
    policy = ADVERSARIES[adversary](robot, np.random.default_rng([seed, 2]))
    tally = Tally(steps=steps)
    for _ in range(steps):
        position, velocity = plant.data.qpos.copy(), plant.data.qvel.copy()
        request = policy(position, velocity)
        start = time.perf_counter()
        effort = limiter(position, velocity, request)
        tally.seconds.append(time.perf_counter() - start)
        over, fast = plant.step(np.clip(effort, -2 * limiter.most, 2 * limiter.most)
                                if hasattr(limiter, 'most') else effort, limit)
        tally.beyond += over > TOLERANCE
        tally.fast += fast > 1.0 + TOLERANCE
        tally.furthest, tally.fastest = max(tally.furthest, over), max(tally.fastest, fast)
        if not np.isfinite(plant.data.qpos).all() or np.abs(plant.data.qvel).max() > 200.0:
            plant.reset()
    return tally


def soft(k_position: float, damping: float) -> Callable[[RobotSpec], Any]:
    """Make the soft limiter; `damping` is k_velocity per effort limit [s/rad]."""
    return lambda robot: limiters.SoftLimiter(robot, k_position,
                                              damping * np.array(robot.effort_limit))


LIMITERS: dict[str, Callable[[RobotSpec], Any]] = {
    'nothing': limiters.Nothing,
    'clip the effort': limiters.Clip,
    'ros2_control saturation': limiters.Saturation,
    'ros2_control soft limits, k_position 100': soft(100.0, 0.1),
    'ros2_control soft limits, k_position 3': soft(3.0, 1.0),
    'exponential CBF, no margins': lambda robot: limiters.ExponentialCbf(robot, 0.0, 0.0),
    'exponential CBF, our margins': lambda robot: limiters.ExponentialCbf(
        robot, SafetyConfig().position_margin, SafetyConfig().velocity_margin),
    'ours, model-free': lambda robot: OurFilter(robot, EXACT, 'model_free'),
    'ours, model': lambda robot: OurFilter(robot, EXACT),
}


def pushed_range(arm: RobotSpec) -> Vector:
    """Return the part of each joint's certified range that a constant push of +-1 reaches."""
    config, _ = configuration(arm, EXACT)
    dynamics, margin = MujocoDynamics(arm), config.position_margin
    lower = np.array(arm.position_lower) + margin
    upper = np.array(arm.position_upper) - margin
    reached = np.zeros(len(arm.actuated))
    certificate = certificate_of(arm, config)
    for joint in range(len(reached)):
        ends = []
        for way in (-1.0, 1.0):
            plant = Plant(arm, EXACT, 0)
            filter_ = SafetyFilter(arm, config=config, dynamics=dynamics, certificate=certificate)
            request = np.zeros(len(reached))
            request[joint] = way * arm.effort_limit[joint]
            furthest = arm.home[joint]
            for _ in range(round(12.0 / arm.control_period)):
                verdict = filter_.step(plant.data.qpos.copy(), plant.data.qvel.copy(), request)
                plant.step(verdict.motor_effort, np.array(arm.velocity_limit))
                furthest = max(way * furthest, way * plant.data.qpos[joint]) * way
            ends.append(furthest)
        reached[joint] = (ends[1] - ends[0]) / (upper[joint] - lower[joint])
    return reached


def benign_changed(arm: RobotSpec, seed: int, steps: int) -> tuple[int, int]:
    """Return how many efforts of a benign policy were not bit-identical, and of how many."""
    config, _ = configuration(arm, EXACT)
    plant, dynamics = Plant(arm, EXACT, seed), MujocoDynamics(arm)
    filter_ = SafetyFilter(arm, config=config, dynamics=dynamics)
    policy = benign(arm, np.random.default_rng([seed, 2]))
    changed = 0
    for _ in range(steps):
        position, velocity = plant.data.qpos.copy(), plant.data.qvel.copy()
        request = policy(position, velocity)
        verdict = filter_.step(position, velocity, request)
        changed += verdict.effort.tobytes() != request.tobytes()
        plant.step(verdict.motor_effort, np.array(arm.velocity_limit))
    return changed, steps


def spread(pool: ProcessPoolExecutor, job: Callable[..., Tally], arm: RobotSpec, what: str,
           seeds: int, steps: int) -> Tally:
    """Share `steps` among adversaries and seeds, and add up what they did."""
    each = max(1, steps // (len(ADVERSARIES) * seeds))
    jobs = [pool.submit(job, arm, what, adversary, seed, each)
            for adversary in ADVERSARIES for seed in range(1, seeds + 1)]
    total = Tally()
    for one in jobs:
        total.add(one.result())
    return total


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, default=1_000_000, help='control periods per row')
    parser.add_argument('--seeds', type=int, default=10, help='seeds, and draws of the masses')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--arms', nargs='+', default=ARMS)
    parser.add_argument('--plants', nargs='+', choices=PLANTS, default=list(PLANTS))
    parser.add_argument('--compare', action='store_true', help="other people's limiters")
    parser.add_argument('--behaviour', action='store_true', help='what it leaves a policy')
    options = parser.parse_args()
    arms = [resolve('robot', name) for name in options.arms]
    with ProcessPoolExecutor(options.jobs) as pool:
        if options.behaviour:
            print('| arm | least part of a joint range that a constant push reaches | '
                  'benign efforts changed |\n|---|---|---|')
            for arm in arms:
                reached = pool.submit(pushed_range, arm)
                done = [pool.submit(benign_changed, arm, seed, 20_000) for seed in range(1, 6)]
                changed = np.sum([one.result() for one in done], axis=0)
                print(f'| {arm.name} | {reached.result().min():.1%} | {changed[0]} of '
                      f'{changed[1]} |', flush=True)
        elif options.compare:
            print(f'| limiter on {arms[-1].name} | {HEAD}\n|{"---|" * 8}')
            for name in LIMITERS:
                tally = spread(pool, compare, arms[-1], name, 2, options.steps)
                print(f'| {name} | {tally.row()} |', flush=True)
        else:
            print(f'| arm, plant | {HEAD}\n|{"---|" * 8}')
            for plant in options.plants:
                for arm in arms:
                    tally = spread(pool, attack, arm, plant, options.seeds, options.steps)
                    scale = configuration(arm, PLANTS[plant])[1]
                    print(f'| {arm.name} at {scale:.2f} of its speed, {plant} | {tally.row()} |',
                          flush=True)
                    for reason in sorted(tally.reasons):
                        print(f'    fault: {reason}', flush=True)
            for plant in options.plants:
                print(f'\n{plant}: {MEANING[plant]}')
    print(f'\n{machine()}')


if __name__ == '__main__':
    main()
