"""A real safety filter process, and a robot and a policy for it that a test plays by hand."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import cycle
import os
import secrets
import subprocess
import sys
import time

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.signals import SignalHandlerOptions
from real_graph import wait_until
from rl_robot_ros import wire
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

# Times that are wide enough for a machine that is busy with other things; and the model would
# find that this robot does not move as it should.
OPTIONS = {'safety.command_timeout': 0.6, 'safety.state_timeout': 2.0, 'safety.start_hold': 0.02,
           'safety.fade_in': 0.02, 'safety.answer_window': 1.0, 'safety.mode': 'model_free',
           'diagnostics_period': 0.2}
ROBOT = resolve('robot', 'arm7')
PERIOD = 2.0 * ROBOT.control_period  # [s] between two states: half of them are lost, which may be
JOINTS = list(ROBOT.actuated)
FILTER = ('-m', 'rl_robot_ros.nodes.safety_filter')

# Several run at the same time: one after another, where one drawn for each may come twice.
DOMAINS = cycle(sorted(range(1, 101), key=lambda _: secrets.randbits(32)))


class StandIn:
    """
    Robot, policy, controller and person in one node, driven by the test's own loop.

    The robot stands (or moves evenly), whatever the filter says; noise shows that it is alive.
    """

    def __init__(self, environment, frame_id=''):
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        self.context = Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO,
                   domain_id=int(environment['ROS_DOMAIN_ID']))
        self.executor = SingleThreadedExecutor(context=self.context)
        self.rng = np.random.default_rng(1)
        self.frame_id = frame_id
        self.velocity = np.zeros(len(JOINTS))
        self.position = np.array(ROBOT.home[:len(JOINTS)], dtype=float)
        self.request = np.zeros(len(JOINTS)) + 0.5  # what the policy asks for; None is silent
        self.stamp = time.time_ns()
        self.sends_states = True
        self.policy = lambda: self.ask(self.request)
        self.speak = lambda: [self.state()]  # what the robot says in one period
        self.heartbeat = False
        self.commands, self.motors, self.phases = [], [], []
        self.status = None
        self.clients = {}
        self._next = time.monotonic()
        self.node = self.make_node('stand_in')
        self.states = self.node.create_publisher(JointState, 'joint_states', STATE_QOS)
        self.requests = self.node.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.enable = self.node.create_publisher(Bool, 'safety_filter/enable', COMMAND_QOS)
        self.node.create_subscription(JointState, 'effort_command', self.commands.append, 500)
        self.listen()
        self.node.create_subscription(DiagnosticStatus, 'safety_filter/state',
                                      self.phases.append, LATCHED_QOS)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 20)

    def listen(self):
        """Be the effort controller."""
        self.controller = self.node.create_subscription(
            Float64MultiArray, 'effort_controller/commands', self.motors.append, 500)

    def make_node(self, name):
        """Make one more node in this process."""
        node = Node(name, context=self.context, use_global_arguments=False)
        self.executor.add_node(node)
        return node

    @contextmanager
    def other_node(self, name):
        """Run somebody else for a while."""
        node = self.make_node(name)
        try:
            yield node
        finally:
            self.executor.remove_node(node)
            node.destroy_node()

    def close(self):
        for node in self.executor.get_nodes():
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)

    def _on_diagnostics(self, message):
        for status in message.status:
            if status.hardware_id == 'safety_filter':
                self.status = status

    # -- playing ------------------------------------------------------------------------------

    def state(self, **changes):
        """Return the message of a new state; `changes` replace its fields."""
        noise = 1e-6 * self.rng.standard_normal(len(JOINTS))
        values = {'position': self.position + noise, 'velocity': self.velocity, **changes}
        return wire.joint_state(JOINTS, self.stamp, self.frame_id, **values)

    def step(self):
        """Play one control period: a state, its request, and what comes back."""
        self._next = max(self._next + PERIOD, time.monotonic() - 5 * PERIOD)
        if self.sends_states:
            self.stamp += round(PERIOD * 1e9)
            self.position = self.position + PERIOD * self.velocity
            for message in self.speak():
                self.states.publish(message)
            if self.request is not None:
                self.policy()
        if self.heartbeat:
            self.enable.publish(Bool(data=True))
        while True:
            left = self._next - time.monotonic()
            self.executor.spin_once(max(0.0, left))
            if left <= 0.0:
                return

    def ask(self, effort, stamp=None, names=JOINTS):
        """Publish a request."""
        self.requests.publish(wire.joint_state(names, self.stamp if stamp is None else stamp,
                                               effort=effort))

    def play(self, seconds):
        """Play for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()

    def until(self, what, condition, patience=30.0):
        """Play until something holds."""
        try:
            return wait_until(what, condition, self.step, patience)
        except AssertionError as error:
            raise AssertionError(f'{error}; {self.phase}: {self.reason}; {self.values()}') \
                from None

    # -- looking ------------------------------------------------------------------------------

    @property
    def phase(self):
        return self.phases[-1].values[0].value if self.phases else ''

    @property
    def reason(self):
        return self.phases[-1].message if self.phases else ''

    def values(self):
        """Return the newest diagnostic values."""
        return {pair.key: pair.value for pair in self.status.values} if self.status else {}

    def count(self, name):
        """Return a diagnostic counter."""
        return int(self.values().get(name, 0))

    def counted(self, name, by=1):
        """Return a condition: the counter has gone up by this much from now on."""
        before = self.count(name)
        return lambda: self.count(name) >= before + by

    def says(self, *words):
        """Whether diagnostics are an error that has these words."""
        return self.status is not None and self.status.level == DiagnosticStatus.ERROR \
            and all(word in self.status.message for word in words)

    # -- asking -------------------------------------------------------------------------------

    def call(self, kind, name, request=None):
        """Call a service while the robot goes on."""
        key = kind, name
        if key not in self.clients:
            self.clients[key] = self.node.create_client(kind, name)
        client = self.clients[key]
        self.until(f'{name} is there', client.service_is_ready)
        future = client.call_async(kind.Request() if request is None else request)
        self.until(f'{name} answers', future.done)
        return future.result()

    def stop(self, asserted=True):
        return self.call(SetBool, 'safety_filter/stop', SetBool.Request(data=asserted))

    def reset(self):
        return self.call(Trigger, 'safety_filter/reset')

    def set_parameters(self, **values):
        """Set parameters of the filter, all or none; returns why not, or an empty string."""
        request = SetParametersAtomically.Request(parameters=[
            Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()])
        result = self.call(SetParametersAtomically, 'safety_filter/set_parameters_atomically',
                           request).result
        assert result.successful == (not result.reason)
        return result.reason

    def activate(self, request=0.5):
        """Bring the filter to ACTIVE, from wherever it is."""
        self.velocity = np.zeros(len(JOINTS))
        self.sends_states = True
        self.policy = lambda: self.ask(self.request)
        self.speak = lambda: [self.state()]
        self.request = np.zeros(len(JOINTS)) + request

        def active():
            if self.phase in ('stop', 'fault', 'braking', 'hold'):
                self.stop(False)
                self.reset()
            return self.phase == 'active'
        self.until('the filter is ACTIVE', active)
        self.play(0.1)


@contextmanager
def standing_in(folder, frame_id='', command=FILTER, words=(), wait=True, **parameters):
    """Run a filter process and its stand-in; yields the stand-in with `process` and `log`."""
    environment = graph_environment({**os.environ, 'ROS_DOMAIN_ID': str(next(DOMAINS))})
    values = {'robot': 'arm7', 'task': 'reach', **OPTIONS,
              **{name.replace('__', '.'): value for name, value in parameters.items()}}
    arguments = [part for name, value in values.items() for part in ('-p', f'{name}:={value}')]
    folder.mkdir(exist_ok=True)
    log = folder / 'filter.log'
    stand_in = StandIn(environment, frame_id)
    with open(log, 'wb') as output:
        process = subprocess.Popen(
            [sys.executable, *command, '--ros-args', *arguments, *words],
            env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    stand_in.process, stand_in.log, stand_in.environment = process, log, environment
    try:
        if wait:
            stand_in.until('the filter reports', lambda: stand_in.phases)
        yield stand_in
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(15.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        stand_in.close()
