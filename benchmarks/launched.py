"""
Start a launch file, wait until the robot has come home and acts, and watch it for a while.

Meant for what cannot run without ROS: Gazebo, mujoco_ros2_control.  Everything after the first
argument goes to `ros2 launch rl_robot_ros`.  The exit status is 1 where the robot does not come to
act, leaves the limits of its datasheet, or is stopped by its safety filter.

    python benchmarks/launched.py arm7 gazebo.launch.py gui:=false learn:=true run:=/tmp/run
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
import signal
import subprocess
import sys
import time

from machine import machine
import numpy as np
from rl_robot_ros import wire
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.nodes.runtime import STATE_QOS
from sensor_msgs.msg import JointState


class Watcher:
    """What a robot does, from outside."""

    def __init__(self, monitor: Monitor, robot: RobotSpec, launch: subprocess.Popen[bytes]
                 ) -> None:
        self.monitor, self.robot, self.launch = monitor, robot, launch
        self.states = self.outside = 0
        self.fastest, self.last = 0.0, 0.0
        monitor._node.create_subscription(JointState, 'joint_states', self._on_state, STATE_QOS)

    def _on_state(self, message: JointState) -> None:
        robot, index = self.robot, [message.name.index(name) for name in self.robot.actuated]
        position, velocity = (np.array(values)[index] for values in (message.position,
                                                                     message.velocity))
        self.states += 1
        self.outside += bool((position < robot.position_lower).any()
                             or (position > robot.position_upper).any())
        self.fastest = max(self.fastest, float(np.max(np.abs(velocity) / robot.velocity_limit)))
        self.last = 1e-9 * wire.stamp_of(message.header.stamp)

    def message(self, node: str) -> str:
        """Return what a node says of itself."""
        status = self.monitor.status.get(node)
        return '' if status is None else status.message

    def until(self, what: str, condition: Callable[[], bool], patience: float) -> None:
        """
        Wait.

        :raises TimeoutError: it did not come within `patience` [s], or the launch has ended.
        """
        end = time.monotonic() + patience
        while not condition():
            self.monitor.spin(0.1)
            if self.launch.poll() is not None or time.monotonic() > end:
                raise TimeoutError(f'waited for: {what}; the graph says: '
                                   + '; '.join(self.monitor.warnings()))

    def phase(self) -> str:
        """Return the phase of the safety filter."""
        return str(self.monitor.values('safety_filter').get('phase', ''))

    def acts(self) -> bool:
        """Tell whether the policy moves the robot."""
        return self.message('policy') == 'acting' and self.phase() == 'active'


def watch(watcher: Watcher, seconds: float, patience: float) -> int:
    """Print the figures; returns the exit status."""
    watcher.until('joint states', lambda: watcher.states > 0, patience)
    watcher.until('the robot has come home and acts', watcher.acts, patience)
    start, before, states = time.monotonic(), watcher.last, watcher.states
    latched = False
    while time.monotonic() < start + seconds and watcher.launch.poll() is None:
        watcher.monitor.spin(0.1)
        latched = latched or watcher.phase() in ('hold', 'fault', 'stop')
    wall = time.monotonic() - start
    rows = watcher.monitor.values('policy').get('rows', 0)
    print(f'{wall:.0f} s: {(watcher.states - states) / wall:.0f} joint states per second, '
          f'{(watcher.last - before) / wall:.2f} of real time, {rows} rows')
    print(f'fastest: {watcher.fastest:.3f} of the velocity limit; outside of the position limits: '
          f'{watcher.outside} of {watcher.states} states')
    if latched:
        print(f'the safety filter has stopped it: {watcher.message("safety_filter")}')
    return int(latched or watcher.outside > 0 or watcher.fastest > 1.0 or not rows)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('robot', help='datasheet')
    parser.add_argument('launch', nargs='+', help='launch file and its arguments')
    parser.add_argument('--seconds', type=float, default=30.0, help='to watch; default: 30')
    parser.add_argument('--patience', type=float, default=360.0, help='to wait; default: 360')
    options = parser.parse_args()
    for name, value in (('ROS_DOMAIN_ID', '77'), ('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
                        ('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')):
        os.environ.setdefault(name, value)
    # A shell lets what it starts in the background ignore Ctrl-C, and launch inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print(machine())
    launch = subprocess.Popen(['ros2', 'launch', 'rl_robot_ros', *options.launch],
                              start_new_session=True)
    try:
        with Monitor(os.environ) as monitor:
            watcher = Watcher(monitor, resolve('robot', options.robot), launch)
            return watch(watcher, options.seconds, options.patience)
    except TimeoutError as error:
        print(error)
        return 1
    finally:
        if launch.poll() is None:
            launch.send_signal(signal.SIGINT)
            try:
                launch.wait(30.0)
            except subprocess.TimeoutExpired:
                os.killpg(launch.pid, signal.SIGKILL)


if __name__ == '__main__':
    sys.exit(main())
