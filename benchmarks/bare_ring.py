"""One process of a ring that passes the messages of lockstep and computes nothing; see ring.py."""

from __future__ import annotations

import os
import sys
import time

import rclpy
from rclpy.parameter import Parameter
from rl_robot_ros import wire
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import make_executor
from rl_robot_ros.nodes.runtime import STATE_QOS
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

NAMES = [f'joint{i}' for i in range(1, 8)]
SEVEN = wire.floats([0.1] * 7)
ROWS = wire.floats([0.0] * 16 * 113)
PERIOD = 5_000_000  # [ns]


def message(stamp, frame_id='', **fields):
    """Build a JointState in the cheapest way there is."""
    result = JointState(name=NAMES, **fields)
    result.header.stamp.sec, result.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
    result.header.frame_id = frame_id
    return result


class Sim:
    """Publish states, count answers."""

    def __init__(self, node):
        self.node, self.stamp, self.rounds, self.last_clock = node, 0, 0, 0.0
        self.states = node.create_publisher(JointState, 'joint_states', STATE_QOS)
        self.clock = node.create_publisher(Clock, '/clock', STATE_QOS)
        node.create_subscription(JointState, 'effort_command', self.answer, COMMAND_QOS)

    def answer(self, command):
        """Go on to the next state."""
        if wire.stamp_of(command.header.stamp) == self.stamp:
            self.rounds += 1
            self.stamp += PERIOD
            self.publish()

    def publish(self):
        """Send the state, and the clock at its rate."""
        self.states.publish(message(self.stamp, 'lockstep/1', position=SEVEN, velocity=SEVEN))
        now = time.monotonic()
        if now - self.last_clock > 0.01:
            self.last_clock = now
            self.clock.publish(Clock(clock=wire.time_of(self.stamp)))


class Policy:
    """Answer states with requests, hear commands, send rows."""

    def __init__(self, node):
        self.count = 0
        self.out = node.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.rows = node.create_publisher(Float64MultiArray, 'experience', EXPERIENCE_QOS)
        node.create_subscription(JointState, 'joint_states', self.state, STATE_QOS)
        node.create_subscription(JointState, 'effort_command', lambda command: None, COMMAND_QOS)

    def state(self, state):
        """Answer; every 64th control period 16 rows go out."""
        self.out.publish(message(wire.stamp_of(state.header.stamp), effort=SEVEN))
        self.count += 1
        if self.count % 64 == 0:
            self.rows.publish(Float64MultiArray(data=ROWS))


class Filter:
    """Answer requests with commands, hear states."""

    def __init__(self, node):
        self.out = node.create_publisher(JointState, 'effort_command', COMMAND_QOS)
        self.controller = node.create_publisher(Float64MultiArray, 'effort_controller/commands',
                                                COMMAND_QOS)
        node.create_subscription(JointState, 'joint_states', lambda state: None, STATE_QOS)
        node.create_subscription(JointState, 'effort_request', self.request, COMMAND_QOS)

    def request(self, request):
        """Answer."""
        self.out.publish(message(wire.stamp_of(request.header.stamp), 'policy', effort=SEVEN))
        self.controller.publish(Float64MultiArray(data=SEVEN))


def main() -> None:
    """Run one role; the simulator prints rounds per second."""
    role, seconds = sys.argv[1], float(os.environ['RING_SECONDS'])
    rclpy.init()
    node = rclpy.create_node(f'bare_{role}', parameter_overrides=[
        Parameter('use_sim_time', value=role != 'sim')])
    part = {'sim': Sim, 'policy': Policy, 'filter': Filter}[role](node)
    executor = make_executor()
    executor.add_node(node)
    if role != 'sim':
        while True:
            executor.spin_once(0.1)
    last = -1
    while part.rounds < 500:
        if part.rounds == last:
            part.publish()
        last = part.rounds
        executor.spin_once(0.1)
    first, start = part.rounds, time.monotonic()
    while time.monotonic() - start < seconds:
        executor.spin_once(0.1)
    print((part.rounds - first) / (time.monotonic() - start))


if __name__ == '__main__':
    main()
