"""The simulator on the graph: each state is said once, and a command acts when it should."""

from contextlib import contextmanager
import shutil

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from real_graph import wait_until
from rl_robot_ros import wire
from rl_robot_ros.bringup import Graph
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.robots.new_datasheet import new_datasheet
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.settings import Settings
from rl_robot_ros.sim.world import World
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

pytestmark = pytest.mark.timeout(300)
ROBOT = resolve('robot', 'cartpole')
PUSH = 3.0  # [N]
ALL_STATES = QoSProfile(history=STATE_QOS.history, depth=1000,
                        reliability=STATE_QOS.reliability)


class Player:
    """Hears every state, also the ones that a lazy listener would miss, and gives commands."""

    def __init__(self, environment):
        self.context = Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO,
                   domain_id=int(environment['ROS_DOMAIN_ID']))
        self.node = Node('player', context=self.context, use_global_arguments=False)
        self.states, self.told, self.clock = [], {}, []
        self.answer = lambda state: None
        self.node.create_subscription(JointState, 'joint_states', self._hear, ALL_STATES)
        self.node.create_subscription(
            Clock, '/clock', lambda message: self.clock.append(wire.stamp_of(message.clock)),
            ALL_STATES)
        self.node.create_subscription(DiagnosticArray, '/diagnostics', self._on_told, 10)
        self.command = self.node.create_publisher(JointState, 'effort_command', COMMAND_QOS)
        self.controller = self.node.create_publisher(
            Float64MultiArray, 'effort_controller/commands', COMMAND_QOS)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)

    def _hear(self, state):
        self.states.append(state)
        self.answer(state)

    def _on_told(self, message):
        self.told = {pair.key: float(pair.value) for pair in message.status[0].values
                     if pair.key.startswith(('observation_age', 'answers'))}

    def until(self, what, condition):
        wait_until(what, condition, lambda: self.executor.spin_once(0.05))

    def close(self):
        self.executor.remove_node(self.node)
        self.node.destroy_node()
        self.executor.shutdown()
        rclpy.shutdown(context=self.context)


@contextmanager
def simulator(folder, monkeypatch, **parameters):
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    settings = Settings.resolve({
        'use_sim_time': True, 'robot': 'cartpole', 'task': 'balance', 'seed': 1,
        'sim.clock_file': str(folder / 'clock.json'), **parameters})
    path = folder / 'config.yaml'
    path.write_text(settings.yaml())
    with Graph(path, ('mujoco_sim',), log=folder / 'log') as graph:
        player = Player(graph.environment)
        try:
            yield player
        finally:
            player.close()


def stamps(states):
    return [wire.stamp_of(state.header.stamp) for state in states]


def datasheet(folder):
    """Write cartpole down as a user does with a robot of his own; returns the YAML file."""
    shutil.copy(urdf_path(ROBOT), folder)
    path = folder / 'mine.yaml'
    path.write_text(new_datasheet(folder / 'cartpole.urdf', {
        'gravity_compensated': 'false', 'lifted': 'false', 'joints.hinge.motor': 'false',
        'joints.hinge.effort': '1', 'joints.hinge.velocity': '20'}))
    return path


def test_in_lockstep_every_state_is_said_once(tmp_path, monkeypatch):
    with simulator(tmp_path, monkeypatch, robot=str(datasheet(tmp_path))) as player:
        answered = set()

        def answer(state):
            stamp = wire.stamp_of(state.header.stamp)
            if stamp not in answered:
                answered.add(stamp)
                player.command.publish(wire.joint_state(ROBOT.actuated, stamp, effort=[0.0]))

        player.until('the first state', lambda: player.states)
        player.until('somebody hears commands', lambda: player.command.get_subscription_count())
        player.states.clear()
        player.answer = answer
        player.until('300 steps', lambda: len(answered) > 300)
        heard = stamps(player.states)
    # A state whose answer is lost is said again after REPEAT_PERIOD; nothing else is.
    assert len(heard) - len(set(heard)) < 10
    assert sorted(heard) == heard


def test_paced_a_command_acts_one_period_after_the_state_it_answers(tmp_path, monkeypatch):
    with simulator(tmp_path, monkeypatch, **{'sim.mode': 'paced', 'sync.enabled': False,
                                             'diagnostics_period': 0.2,
                                             'sim.real_time_factor': 0.2}) as player:
        player.until('somebody hears commands',
                     lambda: player.controller.get_subscription_count())
        player.until('states', lambda: len(player.states) > 5)
        last = len(player.states)

        def push_twice(state):
            if len(player.states) <= last + 2:
                player.controller.publish(Float64MultiArray(data=[PUSH]))

        player.answer = push_twice
        player.until('what it did', lambda: len(player.states) > last + 20)
        states = player.states
        # The clock is that of the states, whether a command comes or not.
        player.until('the clock goes on', lambda: len(player.clock) > 10)
        assert player.clock == sorted(player.clock) and set(player.clock) < set(stamps(states))
        # The age of the second is known, for from the first on answers are waited for; and those
        # of the states after it are missed.
        player.until('misses', lambda: player.told.get('answers_missed', 0) >= 10)
        assert player.told['observation_age_p50_ms'] > 0.0
    heard = stamps(states)
    assert len(set(heard)) == len(heard) and sorted(heard) == heard
    world = World(ROBOT)
    world.reset(np.array(states[last].position), np.array(states[last].velocity))
    for effort, after in ((0.0, states[last + 1]), (PUSH, states[last + 2])):
        world.step(np.array([effort]))
        assert list(after.position) == pytest.approx(list(world.position), abs=1e-9)
