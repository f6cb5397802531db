"""
How much later an effort arrives because the safety filter is in its way.

Side by side in one run, in turns: the real `safety_filter` node with its 7-joint model, and a bare
relay that passes the same messages on and computes nothing.  This process plays robot and policy
at 200 Hz: it publishes a state and the request that answers it, and takes the time from the
request until the controller's command comes.  The figure is filter / relay, at the median and the
99th percentile; once with the request right behind the state, and once as far behind it as a
policy needs to hear the state and to think (`THINKS`), which the filter uses to judge the state.

    python benchmarks/filter_latency.py [--rounds 5] [--seconds 4] [--awake]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time

from awake import awake
from machine import machine
import numpy as np
import rclpy
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros import wire
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.bringup import node_command
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import make_executor
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.settings import Settings
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

ARM = resolve('robot', 'arm7')
EFFORT = np.full(7, 0.01)
PERIODS = 6000  # of the filter alone
THINKS = (0.0, 0.001)  # [s] between state and request
WARM_UP = 200  # answers before times count: fade-in, caches


def relay() -> None:
    """Pass requests on as commands, hear states: what a filter that does nothing would do."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('relay')
    command = node.create_publisher(JointState, 'effort_command', COMMAND_QOS)
    controller = node.create_publisher(Float64MultiArray, 'effort_controller/commands',
                                       COMMAND_QOS)

    def on_request(request: JointState) -> None:
        command.publish(request)
        controller.publish(Float64MultiArray(data=request.effort))

    node.create_subscription(JointState, 'joint_states', lambda state: None, STATE_QOS)
    node.create_subscription(JointState, 'effort_request', on_request, COMMAND_QOS)
    executor = make_executor()
    executor.add_node(node)
    while True:
        executor.spin_once(0.1)


class Driver:
    """Robot and policy: asks, and measures until the answer comes."""

    def __init__(self) -> None:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node('driver')
        self._states = self.node.create_publisher(JointState, 'joint_states', STATE_QOS)
        self._requests = self.node.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.node.create_subscription(Float64MultiArray, 'effort_controller/commands', self._heard,
                                      COMMAND_QOS)
        self._executor = make_executor()
        self._executor.add_node(self.node)
        self._answered, self._asked = 0.0, False
        self._stamp = 0
        self._rng = np.random.default_rng(0)

    def _heard(self, message: Float64MultiArray) -> None:
        if self._asked and np.allclose(np.frombuffer(message.data), EFFORT, atol=1e-6):
            self._answered, self._asked = time.perf_counter(), False

    def measure(self, seconds: float, think: float) -> list[float]:
        """
        Return the times from request to command [s], in turn at the control rate.

        :param think: [s] from the state to the request.
        """
        times: list[float] = []
        heard, deadline, end = 0, time.monotonic(), time.monotonic() + seconds + 60.0
        while len(times) < seconds / ARM.control_period and time.monotonic() < end:
            deadline = max(deadline + ARM.control_period, time.monotonic())
            self._executor.spin_once(0.0)
            time.sleep(max(0.0, deadline - time.monotonic()))
            self._stamp += round(1e9 * ARM.control_period)
            # A real encoder is never bit for bit the same.
            position = np.array(ARM.home) + 1e-7 * self._rng.standard_normal(7)
            self._states.publish(wire.joint_state(ARM.actuated, self._stamp, position=position,
                                                  velocity=np.zeros(7)))
            request = wire.joint_state(ARM.actuated, self._stamp, effort=EFFORT)
            thought = time.monotonic() + think
            while time.monotonic() < thought:
                pass
            self._asked, start = True, time.perf_counter()
            self._requests.publish(request)
            late = time.monotonic() + ARM.control_period
            while self._asked and time.monotonic() < late:
                self._executor.spin_once(0.001)
            if not self._asked:
                heard += 1
                if heard > WARM_UP:
                    times.append(self._answered - start)
        return times


def contender(name: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start the relay or the filter."""
    if name == 'relay':
        command = [sys.executable, __file__, 'relay']
    else:
        parameters = folder / 'config.yaml'
        parameters.write_text(Settings.resolve({
            'use_sim_time': False, 'safety.start_hold': 0.0, 'safety.fade_in': 0.0}).yaml())
        command = node_command('safety_filter', parameters)
    return subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL)


def one(driver: Driver, name: str, seconds: float, think: float, folder: Path
        ) -> tuple[float, float]:
    """
    Measure one contender once; returns median and 99th percentile [s].

    :raises RuntimeError: it does not answer.
    """
    process = contender(name, folder)
    try:
        times = driver.measure(seconds, think)
    finally:
        process.kill()
        process.wait()
    if len(times) < 100:
        raise RuntimeError(f'{name} answered {len(times)} requests')
    middle, high = np.percentile(times, (50, 99))
    return float(middle), float(high)


def compute() -> tuple[list[float], float]:
    """Return what the filter alone takes per control period [s], and which share it limited."""
    env = RobotEnv.make(ARM.name, 'reach')
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    effort, times = np.zeros(7), []
    for number in range(PERIODS):
        if number % ARM.decision_periods == 0:
            effort = rng.uniform(-1.0, 1.0, 7) * ARM.action_to_effort
        position, velocity = env.world.position.copy(), env.world.velocity.copy()
        start = time.perf_counter()
        env.filter.see(position, velocity)
        verdict = env.filter.answer(effort)
        times.append(time.perf_counter() - start)
        env.world.step(verdict.motor_effort)
    return times[WARM_UP:], env.filter.counters['limited'] / env.filter.counters['steps']


def main() -> None:
    """Measure in turns, print the table."""
    if sys.argv[1:] == ['relay']:
        relay()
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--seconds', type=float, default=4.0, help='of one measurement')
    parser.add_argument('--awake', action='store_true',
                        help='keep the cores from falling asleep; see awake.py')
    options = parser.parse_args()
    os.environ.update(graph_environment())
    driver = Driver()
    found: dict[tuple[str, float], list[tuple[float, float]]] = {
        (name, think): [] for think in THINKS for name in ('relay', 'safety_filter')}
    with tempfile.TemporaryDirectory() as folder, awake(options.awake):
        for _ in range(options.rounds):
            for (name, think), results in found.items():
                results.append(one(driver, name, options.seconds, think, Path(folder)))
    print('| us from request to command | p50 | p99 |\n|---|---|---|')
    for think in THINKS:
        ours, bare = found['safety_filter', think], found['relay', think]
        for name, results in (('relay', bare), ('safety_filter', ours)):
            middle, high = (statistics.median(column) * 1e6 for column in zip(*results))
            print(f'| {name}, {think * 1e3:g} ms after the state | {middle:.0f} | {high:.0f} |')
        ratios = [statistics.median(a[i] / b[i] for a, b in zip(ours, bare)) for i in (0, 1)]
        print(f'| safety_filter / relay | {ratios[0]:.2f} | {ratios[1]:.2f} |')
    with awake(options.awake):
        times, limited = compute()
    middle, high = np.percentile(times, (50, 99)) * 1e6
    print(f'| the filter alone ({limited:.0%} of efforts limited) | {middle:.0f} | {high:.0f} |')
    print(f'\nmedian of {options.rounds} rounds; {machine()}')


if __name__ == '__main__':
    main()
