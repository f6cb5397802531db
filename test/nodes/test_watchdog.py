"""The safety watchdog against a filter that is killed, hangs or ends: real signals, real DDS."""

import os
from pathlib import Path
import signal

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from real_graph import running
from rl_robot_ros import wire
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

pytestmark = pytest.mark.timeout(600)

# A test machine that stalls for half a second is not what these tests are about.
PACED = {'algorithm': 'random', 'sync.enabled': False, 'sim.mode': 'paced',
         'watchdog.min_silence': 0.5}
STANDING = 50  # states
BRAKES_ON = 'stopped by service, brakes on'


def message(graph, node='safety_watchdog'):
    """Return what a node says in its diagnostics."""
    status = graph.monitor.status.get(node)
    return '' if status is None else status.message


def stands(states):
    """Tell whether the newest states are of one place, without velocity."""
    newest = states[-STANDING:]
    return (len(newest) == STANDING and all(not np.any(state.velocity) for state in newest)
            and all(state.position == newest[0].position for state in newest))


def moves(states):
    """Tell whether the robot moves."""
    return len(states) > 10 and all(np.any(state.velocity) for state in states[-10:])


def test_hang_and_kill_of_the_filter_stop_the_robot(tmp_path):
    """
    Brakes on, robot stands, reset only while the filter speaks, robot moves again.

    So for SIGSTOP and SIGKILL, and at last SIGINT to filter and watchdog.
    """
    with running(tmp_path, PACED) as graph:
        states = []
        graph.monitor._node.create_subscription(JointState, 'joint_states', states.append,
                                                STATE_QOS)

        def see_it_stop(trips):
            graph.until('the watchdog trips', lambda: graph.value('safety_watchdog', 'trips')
                        == trips and 'tripped' in message(graph))
            graph.until('the simulator has its brakes on',
                        lambda: message(graph, 'mujoco_sim') == BRAKES_ON)
            states.clear()
            graph.until('the robot stands', lambda: stands(states))

        def see_it_move():
            answer = graph.until('reset', lambda: (
                a := graph.call(Trigger, 'safety_watchdog/reset')).success and a)
            assert 'mujoco_sim/stop is told to release' in answer.message
            states.clear()
            graph.until('the robot moves', lambda: moves(states))

        graph.until('the watchdog watches', lambda: message(graph) == 'watches')
        graph.until('the robot moves', lambda: moves(states))
        assert graph.call(Trigger, 'safety_watchdog/reset').message == 'nothing to reset'
        garbage = graph.monitor._node.create_publisher(JointState, 'joint_states', STATE_QOS)
        graph.until('what is no state is counted', lambda: garbage.publish(wire.joint_state(
            ['x'], 0, 'lockstep/1', position=[1.0])) or graph.value(
                'safety_watchdog', 'states_refused') > 3)
        assert message(graph) == 'watches'  # and nobody believes that it is not timed
        assert graph.value('safety_watchdog', 'trips') == 0

        graph.kill('safety_filter', signal.SIGSTOP)
        see_it_stop(1)
        refusal = graph.call(Trigger, 'safety_watchdog/reset')
        assert not refusal.success and 'safety_filter is silent since' in refusal.message
        graph.kill('safety_filter', signal.SIGCONT)
        graph.until('the filter speaks', lambda: graph.value('safety_filter', 'phase'))
        see_it_move()

        pid = graph.pid('safety_filter')
        threads = [path.read_text() for path in Path(f'/proc/{pid}/task').glob('*/comm')]
        assert any(name.startswith('dds.udp') for name in threads)
        assert not any(name.startswith('dds.shm') for name in threads), 'a kill may leave a lock'
        os.kill(pid, signal.SIGKILL)
        see_it_stop(2)
        graph.until('the filter is started again', lambda: graph.pid('safety_filter') != pid)
        see_it_move()
        assert 'SILENT' in graph.graph.output('safety_watchdog', 100)

        # As at Ctrl-C of ros2 launch: SIGINT to both; it outlives the filter's last words.
        graph.until('the watchdog watches', lambda: message(graph) == 'watches')
        children = [graph.graph.processes.pop(name).child
                    for name in ('safety_watchdog', 'safety_filter')]
        for child in children:
            child.send_signal(signal.SIGINT)
        assert [child.wait(30.0) for child in children] == [0, 0]
        graph.until('the simulator has its brakes on',
                    lambda: message(graph, 'mujoco_sim') == BRAKES_ON)
        assert 'safety_filter has ended' in graph.graph.output('safety_watchdog', 100)


def test_lockstep_waits_as_long_as_it_likes(tmp_path):
    """A filter that hangs in lockstep trips nothing."""
    nodes = ('mujoco_sim', 'safety_watchdog', 'safety_filter', 'policy', 'learner')
    parameters = {**PACED, 'sim.mode': 'lockstep', 'watchdog.min_silence': 0.02}
    with running(tmp_path, parameters, nodes) as graph:
        graph.until('it is lockstep', lambda: 'lockstep' in message(graph)
                    and graph.value('policy', 'decisions') > 20)
        graph.kill('safety_filter', signal.SIGSTOP)
        repeats = graph.value('mujoco_sim', 'repeats')
        graph.until('time passes', lambda: graph.value('mujoco_sim', 'repeats') > repeats + 5)
        graph.kill('safety_filter', signal.SIGCONT)
        decisions = graph.value('policy', 'decisions')
        graph.until('the ring turns', lambda: graph.value('policy', 'decisions') > decisions + 20)
        assert graph.value('safety_watchdog', 'trips') == 0
        assert graph.monitor.status['safety_watchdog'].level == DiagnosticStatus.OK


class Robot:
    """A robot on hardware and its filter, in the test's own process."""

    def __init__(self, graph):
        self.graph, self.node, self.stamp = graph, graph.monitor._node, 0
        self.states = self.node.create_publisher(JointState, 'joint_states', STATE_QOS)
        self.outputs = self.node.create_publisher(Float64MultiArray, 'effort_controller/commands',
                                                  COMMAND_QOS)
        self.stops = []

    def on_stop(self, request, response):
        self.stops.append(request.data)
        response.success = True
        return response

    def until(self, what, condition, outputs=True):
        """Run until something holds."""
        def step():
            self.stamp += 20_000_000
            self.states.publish(wire.joint_state(['slider', 'hinge'], self.stamp,
                                                 position=[0.1, 0.2], velocity=[0.0, 0.0]))
            if outputs:
                self.outputs.publish(Float64MultiArray(data=[1.0]))
            return condition()
        return self.graph.until(what, step)


def test_it_says_what_is_missing_before_it_is_needed(tmp_path):
    """Nothing to act on is an error from the start; so is a second publisher."""
    parameters = {**PACED, 'use_sim_time': False, 'watchdog.min_silence': 1.0}
    with running(tmp_path, parameters, ('safety_watchdog',)) as graph:
        graph.until('it says so at once', lambda: message(graph).startswith(
            'cannot stop the robot: mujoco_sim/stop: no such service; '
            'controller_manager/switch_controller: '))
        assert graph.monitor.status['safety_watchdog'].level == DiagnosticStatus.ERROR
        robot = Robot(graph)
        robot.until('it is armed', lambda: graph.value('safety_watchdog', 'armed'))
        assert 'cannot stop the robot' in message(graph)

        graph.monitor._node.create_service(SetBool, 'mujoco_sim/stop', robot.on_stop)
        robot.until('it is content', lambda: message(graph) == 'watches')
        second = robot.node.create_publisher(Float64MultiArray, 'effort_controller/commands',
                                             COMMAND_QOS)
        robot.until('it sees two publishers', lambda: message(graph).startswith(
            '2 publishers on effort_controller/commands: /rl_robot_monitor'))
        robot.node.destroy_publisher(second)
        robot.until('it is content', lambda: message(graph) == 'watches')
        assert robot.stops == []

        robot.node.destroy_publisher(robot.outputs)
        robot.until('it acts', lambda: robot.stops, outputs=False)
        assert robot.stops[0] is True
        graph.until('it says so', lambda: 'tripped' in message(graph))
