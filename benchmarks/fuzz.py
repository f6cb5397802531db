"""
Throw garbage at the safety filter, and put it into every state that it may be in.

**Messages**: the real `safety_filter` node, its callbacks called with what comes out of the ROS
serialiser: joint states, requests and a person's efforts with NaN, infinity, huge numbers,
wrong lengths, names in any order, twice, missing or foreign, stamps of the past, the future and
none, marks of other episodes; stop, release, reset and enable in between.  Every output must be
finite, have one effort per joint, and respect the effort limits; nothing may raise.

**States**: random viable positions and velocities, half of them as fast as they just may be, and
any request.  The next state must be viable again, and the bounds must not cross.

    python benchmarks/fuzz.py                      a million of each
    python benchmarks/fuzz.py --count 20000        a quick look
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import os
import time

from machine import machine
import numpy as np
import rclpy
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros import wire
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.model_limit import ViabilityLimit
from rl_robot_ros.safety.viability import is_viable
from rl_robot_ros.safety.viability import upper_bound
from rl_robot_ros.sim.world import World
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

ARM = resolve('robot', 'arm7')
JOINTS = list(ARM.actuated)
LIMIT = np.array(ARM.effort_limit)
PERIOD = round(ARM.control_period * 1e9)  # [ns]
LATEST = 2 * 10**18  # [ns] what comes after it does not fit into a message for long
NASTY = (np.nan, np.inf, -np.inf, 1.7e308, -1.7e308, 5e-324, -0.0, 1e6, -1e30, 1e-200)
ROUNDING = 1.0 + 1e-12


class Tap:
    """Stands where a publisher was and judges what it is given."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts, self.last = counts, np.zeros(7)

    def publish(self, message: object) -> None:
        """Judge; called by the watchdog's thread too."""
        data = message.effort if isinstance(message, JointState) else message.data
        effort = np.array(data, dtype=float)
        self.counts['outputs'] += 1
        if effort.shape != (7,) or not np.isfinite(effort).all():
            self.counts['bad outputs'] += 1
        elif (np.abs(effort) > LIMIT * ROUNDING).any():
            self.counts['outputs over the limit'] += 1
        else:
            self.last = effort
        if isinstance(message, JointState):
            self.counts[f'answers of {message.header.frame_id}'] += 1

    def get_subscription_count(self) -> int:
        """Pretend that somebody listens."""
        return 1


class Fuzzer:
    """One real node, and everything that may be said to it."""

    def __init__(self, seed: int, simulated: bool) -> None:
        from rl_robot_ros.nodes.safety_filter import SafetyFilterNode
        os.environ.update(graph_environment())
        rclpy.init(args=['--ros-args', '--log-level', 'fatal', '-p',
                         f'use_sim_time:={str(simulated).lower()}', '-p', 'safety.start_hold:=0.0',
                         '-p', 'safety.max_invalid_requests:=20'],
                   signal_handler_options=SignalHandlerOptions.NO)
        self.rng, self.simulated, self.counts = np.random.default_rng(seed), simulated, Counter()
        self.node = SafetyFilterNode()
        guarded = self.node.guarded
        guarded.graph_refusal = ''  # nobody is there, and that must not keep it from moving
        guarded.out.command, guarded.out.controller = Tap(self.counts), Tap(self.counts)
        self.world = World(ARM)
        self.stamp, self.moved, self.episode = time.time_ns(), 0, 1
        self.begin()

    def begin(self) -> None:
        """Put the robot back to where it starts."""
        self.world.reset(np.array(ARM.home), np.zeros(7))
        self.episode += 1

    def close(self) -> None:
        """End the node."""
        self.counts['errors'] += self.node.errors
        self.node._watchdog.close()
        self.node.destroy_node()
        rclpy.shutdown()

    def one(self) -> None:
        """Say one thing."""
        rng, node = self.rng, self.node
        what = rng.random()
        if what < 0.45:
            self.hear(node._on_state, self.state())
        elif what < 0.9:
            self.hear(node._on_request, self.request())
        elif what < 0.93:
            if self.counts['messages'] // 3000 % 3 == 0:  # a person's effort counts for a while
                self.hear(node._on_teleop, self.request())
        elif what < 0.94:
            node._on_stop(SetBool.Request(data=bool(rng.random() < 0.3)), SetBool.Response())
        elif what < 0.941:
            node._on_enable(Bool(data=True))
        else:
            self.begin()
            node._on_reset(Trigger.Request(), Trigger.Response())

    def hear(self, callback: object, message: JointState) -> None:
        """Let a callback hear what arrives when this message is sent."""
        self.counts['messages'] += 1
        try:
            callback(deserialize_message(serialize_message(message), JointState))
        except Exception as error:
            self.counts[f'raised {type(error).__name__}'] += 1

    def state(self) -> JointState:
        """Return the next state, most of the time; otherwise something that looks like it."""
        guarded = self.node.guarded
        if self.simulated:
            self.stamp = max(self.stamp, guarded.state.stamp) + PERIOD
        else:
            self.stamp = max(self.stamp + 1, time.time_ns())
        if self.stamp > LATEST:  # it has believed a stamp of the far future
            self.stamp, guarded.state = time.time_ns(), guarded.state._replace(stamp=-1)
        if self.stamp - self.moved >= PERIOD:
            self.moved = self.stamp
            self.world.step(guarded.out.controller.last)
        position = self.world.position + 1e-7 * self.rng.standard_normal(7)
        return self.message(position=position, velocity=self.world.velocity)

    def request(self) -> JointState:
        """Return a request for the newest state, most of the time."""
        effort = self.rng.uniform(-1.5, 1.5, 7) * LIMIT * self.rng.choice([0.01, 0.3, 1.0])
        return self.message(effort=effort)

    def message(self, **fields: np.ndarray) -> JointState:
        """Return a message with these fields, one in five of them damaged."""
        rng, names, stamp = self.rng, list(JOINTS), self.stamp
        mark = f'lockstep/{self.episode}' if self.simulated else ''
        if rng.random() < 0.2:
            damage = int(rng.integers(5))
            if damage == 0:
                names = self.names()
            elif damage == 1:
                stamp = max(0, stamp + int(rng.choice([-1, 1]) * 10.0 ** rng.uniform(0, 18)))
                stamp = 0 if rng.random() < 0.2 else min(stamp, 2**31 * 10**9 - 1)
            elif damage == 2:
                mark = str(rng.choice(['', 'paced/3', 'lockstep/999999', 'lockstep/-1', '/', 'x']))
            else:
                field = str(rng.choice(list(fields)))
                fields[field] = self.values(fields[field])
        return wire.joint_state(names, stamp, mark, **fields)

    def names(self) -> list[str]:
        """Return names in a wrong or unusual way."""
        names = [*JOINTS, 'gripper', 'joint1', '', 'j\u00e9'][:int(self.rng.integers(12))]
        self.rng.shuffle(names)
        return names

    def values(self, values: np.ndarray) -> np.ndarray:
        """Return values that nobody should send."""
        rng = self.rng
        values = np.array(values)
        way = rng.integers(4)
        if way == 0:
            return values[:rng.integers(7)] if rng.random() < 0.5 else np.append(values, 1.0)
        if way == 1:
            return values * 10.0 ** rng.uniform(-20, 20)
        values[rng.random(7) < 0.4] = rng.choice(NASTY)
        return values


def messages(seed: int, count: int, simulated: bool) -> Counter[str]:
    """Send messages; returns what happened."""
    fuzzer = Fuzzer(seed, simulated)
    while fuzzer.counts['messages'] < count:
        fuzzer.one()
    fuzzer.close()
    return fuzzer.counts


def states(seed: int, count: int, kappa: float) -> Counter[str]:
    """Put the model-based limit into viable states; returns what happened."""
    counts, rng = Counter(), np.random.default_rng(seed)
    config = SafetyConfig(latency_periods=0, kappa=kappa)
    limits, dynamics = JointLimits.from_robot(ARM), MujocoDynamics(ARM)
    certificate = certify(ARM, limits, config, dynamics)
    limit = ViabilityLimit(ARM, limits, config, dynamics, certificate)
    braking, period = np.array(certificate.braking), ARM.control_period
    lower = np.array(limits.position_lower) + config.position_margin
    upper = np.array(limits.position_upper) - config.position_margin
    speed = limits.usable_speed(config.velocity_margin, config.velocity_noise)

    def bound(position, velocity, sign):
        distance = upper - position if sign > 0 else position - lower
        return upper_bound(distance, sign * velocity, speed, braking, period)

    def viable(position, velocity, slack):
        return (is_viable(upper - position, velocity, speed, braking, slack).all()
                and is_viable(position - lower, -velocity, speed, braking, slack).all())

    for _ in range(count):
        position = rng.uniform(lower, upper)
        fastest = np.minimum(speed, np.sqrt(2.0 * braking * (upper - position)))
        slowest = -np.minimum(speed, np.sqrt(2.0 * braking * (position - lower)))
        edge = rng.random() < 0.5
        part = rng.choice([0.0, 1.0], 7) if edge else rng.uniform(0.0, 1.0, 7)
        velocity = slowest + part * (fastest - slowest)
        limit.begin()
        limit.see(position, velocity)
        effort = rng.uniform(-1.5, 1.5, 7) * LIMIT
        limit.limit(effort)
        mass, bias = dynamics.evaluate(position, velocity)
        acceleration = dynamics.solve(effort - bias)
        counts['states'] += 1
        counts['crossing bounds'] += bool(
            (-bound(position, velocity, -1) > bound(position, velocity, 1) + 1e-6).any())
        counts['not viable'] += not viable(
            position + period * velocity + 0.5 * period**2 * acceleration,
            velocity + period * acceleration, 1e-6)
        counts['bad outputs'] += not np.isfinite(effort).all()
        counts['outputs over the limit'] += bool((np.abs(effort) > LIMIT * ROUNDING).any())
    return counts


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=1_000_000, help='messages, and states')
    parser.add_argument('--seeds', type=int, default=4)
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    options = parser.parse_args()
    each = -(-options.count // (2 * options.seeds))
    failed = False
    # A process of its own for every node: one of them may keep threads.
    with ProcessPoolExecutor(options.jobs, get_context('spawn'), max_tasks_per_child=1) as pool:
        rows = {
            'messages, lockstep': (messages, True), 'messages, hardware': (messages, False),
            'states, kappa 1': (states, 1.0), 'states, kappa 3': (states, 3.0)}
        for title, (job, how) in rows.items():
            total: Counter[str] = Counter()
            for done in [pool.submit(job, seed, each, how) for seed in range(options.seeds)]:
                total += done.result()
            print(f'{title}: ' + ', '.join(f'{count} {name}' for name, count in total.items()),
                  flush=True)
            failed |= any(name not in ('messages', 'outputs', 'states')
                          and not name.startswith('answers') for name in total if total[name])
    print('FAILED' if failed else 'no bad output, nothing raised, every next state viable')
    print(machine())


if __name__ == '__main__':
    main()
