"""A robot that stands still and a policy that asks for one effort, for `reaction.py`."""

from __future__ import annotations

from collections.abc import Callable
import os
import threading
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros import wire
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import make_executor
from rl_robot_ros.nodes.runtime import STATE_QOS
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

EFFORT = 0.01  # [N m] small enough that a robot which does not move is no contradiction


class StandIn:
    """
    Publish joint states and requests at the control rate, hear the filter's output and the brakes.

    Times are of CLOCK_MONOTONIC, which all processes of a machine share.

    :param environment: of the graph, for its domain.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
            os.environ[name] = environment[name]
        self.robot = resolve('robot', 'arm7')
        self.states_on = self.requests_on = True
        self.stated = self.requested = self.braking = self.braked = 0.0
        self.heard = 0  # outputs
        self.following = 0  # outputs in a row that were what was asked for
        self.brakes = False
        self.watchdog = ''  # what it says in its diagnostics
        self._effort = np.full(len(self.robot.actuated), EFFORT)
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        self.node = Node('stand_in')
        self._states = self.node.create_publisher(JointState, 'joint_states', STATE_QOS)
        self._requests = self.node.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.node.create_subscription(Float64MultiArray, 'effort_controller/commands',
                                      self._on_output, COMMAND_QOS)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 20)
        self.node.create_service(SetBool, 'mujoco_sim/stop', self._on_brakes)
        self.clients: dict[str, Any] = {
            'stop': self.node.create_client(SetBool, 'safety_filter/stop'),
            'reset': self.node.create_client(Trigger, 'safety_filter/reset'),
            'release': self.node.create_client(Trigger, 'safety_watchdog/reset')}
        self._executor = make_executor()
        self._executor.add_node(self.node)
        self._ended = False
        self._threads = [threading.Thread(target=target) for target in (self._spin, self._move)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._ended = True
        for thread in self._threads:
            thread.join()
        self._executor.remove_node(self.node)
        self.node.destroy_node()
        rclpy.shutdown()

    def _spin(self) -> None:
        while not self._ended:
            self._executor.spin_once(0.1)

    def _move(self) -> None:
        names, period = self.robot.actuated, self.robot.control_period
        home, zeros = np.array(self.robot.home), np.zeros(len(names))
        start = deadline = time.monotonic()
        while not self._ended:
            # After a stall the robot goes on from where it is, it does not catch up.
            deadline = max(deadline + period, time.monotonic())
            time.sleep(max(0.0, deadline - time.monotonic()))
            stamp = round(1e9 * (1.0 + deadline - start))
            if self.states_on:
                self.stated = time.monotonic()
                self._states.publish(wire.joint_state(names, stamp, 'paced/1', position=home,
                                                      velocity=zeros))
                if self.requests_on:
                    self.requested = time.monotonic()
                    self._requests.publish(wire.joint_state(names, stamp, effort=self._effort))

    def _on_output(self, message: Float64MultiArray) -> None:
        now = time.monotonic()
        self.heard += 1
        if np.array_equal(np.frombuffer(message.data), self._effort):
            self.following += 1
            self.braking = 0.0
        else:
            self.following = 0
            self.braking = self.braking or now

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.hardware_id == 'safety_watchdog':
                self.watchdog = status.message

    def _on_brakes(self, request: SetBool.Request,
                   response: SetBool.Response) -> SetBool.Response:
        self.braked = time.monotonic()
        self.brakes = request.data
        response.success = True
        return response

    def call(self, name: str, **values: Any) -> bool:
        """Call a service of the graph and wait for its answer; returns whether it did it."""
        client = self.clients[name]
        if not client.service_is_ready():
            return False
        future = client.call_async(client.srv_type.Request(**values))
        if not wait(future.done, 1.0):
            client.remove_pending_request(future)
            return False
        return bool(future.result().success)


def wait(condition: Callable[[], Any], seconds: float) -> bool:
    """Wait until something holds, without taking the interpreter from the other threads."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True
