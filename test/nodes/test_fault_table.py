"""
The fault table (docs/safety_faults.md) on the real filter process over DDS.

The number in a test's name is the row.  A few filter processes serve all tests: each test brings
the filter to ACTIVE, does the fault, and looks.  Nothing here asserts how long something takes.
"""

import ast
from pathlib import Path
import re
import signal

from nodes.stand_in import JOINTS
from nodes.stand_in import PERIOD
from nodes.stand_in import ROBOT
from nodes.stand_in import standing_in
import numpy as np
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rl_robot_ros import wire
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.robots.urdf import urdf_path
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import String
from std_srvs.srv import Trigger

pytestmark = pytest.mark.timeout(600)

NAN, INF = float('nan'), float('inf')
LIMIT = np.array(ROBOT.effort_limit)
# Rows whose tests are elsewhere, and rows that cannot be tested here, with the reason.
ELSEWHERE = {36: ('nodes/test_watchdog.py', 'test_hang_and_kill_of_the_filter_stop_the_robot')}
UNTESTABLE: dict[int, str] = {}


@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    with standing_in(tmp_path_factory.mktemp('shared'),
                     filter__measured_effort='command', filter__joint_state_parts=2,
                     filter__max_overruns=10_000) as robot:
        yield robot


@pytest.fixture
def robot(shared):
    shared.activate()
    return shared


@pytest.fixture(scope='module')
def simulated(tmp_path_factory):
    """Run a robot in a simulator, with a stop button whose heartbeat must be heard."""
    with standing_in(tmp_path_factory.mktemp('simulated'), frame_id='paced/1', use_sim_time=True,
                     safety__state_timeout=2.0, filter__enable_timeout=3.0) as robot:
        clock = robot.node.create_publisher(Clock, '/clock', STATE_QOS)
        robot.clock = lambda: clock.publish(Clock(clock=wire.time_of(robot.stamp)))
        yield robot


@pytest.fixture(scope='module')
def broken(tmp_path_factory):
    script = Path(__file__).with_name('broken_filter.py')
    with standing_in(tmp_path_factory.mktemp('broken'), command=(str(script),)) as robot:
        yield robot


def asks(robot, message):
    """Let the policy send this message, stamped for the newest state."""
    def ask():
        message.header.stamp = wire.time_of(robot.stamp)
        robot.requests.publish(message)
    robot.policy = ask


def finite(robot):
    return all(np.isfinite(message.effort).all() for message in robot.commands) \
        and all(np.isfinite(message.data).all() and len(message.data) == len(JOINTS)
                for message in robot.motors)


# -- what is asked for ----------------------------------------------------------------------------

@pytest.mark.parametrize('bad', [
    wire.joint_state(JOINTS, 0, effort=[NAN, *[0.0] * 6]),
    wire.joint_state(JOINTS, 0, effort=[0.0, -INF, *[0.0] * 5]),
    wire.joint_state(JOINTS, 0, effort=[0.0] * 6),
    wire.joint_state(JOINTS, 0, effort=[0.0] * 8),
    wire.joint_state(JOINTS, 0),
    wire.joint_state(JOINTS[1:], 0, effort=[0.0] * 6),
    wire.joint_state([*JOINTS[1:], JOINTS[1]], 0, effort=[0.0] * 7),
], ids=['nan', 'inf', 'short', 'long', 'empty', 'missing', 'twice'])
def test_rows_01_02_03_06_07_bad_requests(robot, bad):
    """Refused as a whole and counted; the last good one is repeated a while, then it brakes."""
    robot.motors.clear(), robot.commands.clear()
    counted, repeated = robot.counted('requests_refused', 5), robot.count('repeated_requests')
    asks(robot, bad)
    robot.until('it brakes', lambda: robot.phase in ('braking', 'hold'))
    robot.until('refusals are counted', counted)
    assert robot.count('repeated_requests') > repeated
    assert 'no valid request' in robot.reason
    assert finite(robot) and robot.motors


def test_row_02_huge_and_tiny_requests(robot):
    """Finite ones are cut to the limits, however huge; tiny ones pass bit by bit."""
    robot.request = np.array([1e308, -1e308] * 3 + [1e308])
    robot.until('the limit is reached', lambda: np.isclose(
        np.abs(robot.commands[-1].effort), LIMIT).any())
    assert robot.phase == 'active' and finite(robot)
    assert all((np.abs(command.effort) <= LIMIT).all() for command in robot.commands)
    robot.request = np.zeros(7) + 5e-324
    robot.until('the very number', lambda: set(robot.commands[-1].effort) == {5e-324})


def test_row_04_layout(robot):
    """The one array that is sent has no layout, and a layout is refused where one is read."""
    message = robot.motors[-1]
    assert not message.layout.dim and not message.layout.data_offset
    message.layout.data_offset = 1
    with pytest.raises(wire.WireError, match='layout'):
        wire.read_efforts(message, len(JOINTS))


def test_row_05_other_order(robot):
    values = 0.1 * np.arange(1.0, 8.0)
    asks(robot, wire.joint_state(JOINTS[::-1], 0, effort=values[::-1]))
    robot.until('it is followed', lambda: robot.commands[-1].effort.tolist() == values.tolist())
    robot.until('by the motors too', lambda: robot.motors[-1].data.tolist() == values.tolist())
    assert robot.commands[-1].header.frame_id == 'policy'


def test_row_19_policy_dies(robot):
    """It brakes, holds, and stays there until a reset and then a fresh request."""
    robot.request = None
    robot.until('it holds', lambda: robot.phase == 'hold')
    robot.request = np.zeros(7) + 0.25
    robot.play(0.3)
    assert robot.phase == 'hold' and robot.commands[-1].header.frame_id == 'stop'
    robot.request = None
    assert robot.reset().success
    robot.play(0.2)
    assert robot.phase == 'idle'
    robot.request = np.zeros(7) + 0.25
    robot.until('it follows again', lambda: robot.phase == 'active')


def test_row_20_half_rate_and_bursts(robot):
    """Every second state asked for is enough; a burst after braking is not followed."""
    turns = iter(range(10**9))
    robot.policy = lambda: next(turns) % 2 and robot.ask(robot.request)
    del robot.phases[:-1]
    robot.play(1.5)
    assert [status.message for status in robot.phases] == ['']  # active, and nothing else
    robot.request = None
    robot.until('it brakes', lambda: robot.phase in ('braking', 'hold'))
    for back in range(30):
        robot.ask(np.zeros(7) + 3.0, robot.stamp - back)
    robot.play(0.2)
    assert robot.phase in ('braking', 'hold')
    assert all(max(command.effort) < 3.0 for command in robot.commands[-5:])


def test_row_21_old_request(robot):
    """A replayed request is for a state that is gone."""
    counted = robot.counted('requests_old', 10)
    turns = iter(range(10**9))
    # Now and then: in a queue of one it may push a good one out.
    robot.policy = lambda: robot.ask(robot.request) if next(turns) % 5 else \
        robot.ask(np.zeros(7) + 3.0, robot.stamp - 10**10)
    robot.commands.clear()
    robot.until('it is counted', counted)
    assert robot.phase == 'active'
    assert all(max(command.effort) < 3.0 for command in robot.commands)


# -- joint states -----------------------------------------------------------------------------

def test_row_08_unknown_joints(robot):
    """Grippers and mimics are passed over, in the same message or in one of their own."""
    refused, counted = robot.count('states_refused'), robot.counted('states_foreign', 5)

    def speak():
        state = robot.state()
        more = wire.joint_state([*JOINTS, 'finger'], robot.stamp,
                                position=[*state.position, NAN], velocity=[*state.velocity, 1.0])
        return [wire.joint_state(['finger'], robot.stamp + 1, position=[1.0]), more]
    robot.speak = speak
    robot.until('they are counted', counted)
    assert robot.phase == 'active' and robot.count('states_refused') == refused


def part(state, joints, later=0):
    """Return these joints of a state."""
    where = [JOINTS.index(joint) for joint in joints]
    return wire.joint_state(joints, wire.stamp_of(state.header.stamp) + later,
                            position=np.array(state.position)[where],
                            velocity=np.array(state.velocity)[where])


def test_row_09_states_in_two_parts(robot):
    """They are put together; when one part stops, the whole state is stale."""
    def speak():
        state = robot.state()
        if robot.split == 'one':
            return [part(state, JOINTS[:4])]
        return [part(state, JOINTS[:4]), part(state, JOINTS[4:], 1000)]
    robot.split = ''
    robot.speak = speak
    robot.policy = lambda: robot.ask(robot.request, robot.stamp + 1000)  # of the newest part
    parts, steps = robot.counted('states_partial', 60), robot.counted('steps', 20)
    robot.until('parts are taken', parts)
    robot.until('states are answered', steps)
    assert robot.phase == 'active', robot.reason
    robot.split = 'one'
    robot.until('the other part is missed', lambda: robot.phase == 'fault')
    assert 'no joint state' in robot.reason


def test_row_10_joint_missing(robot):
    """For one message nothing happens, for longer it is as if no state came."""
    partial = robot.counted('states_partial')
    turns = iter(range(10**9))
    robot.speak = lambda: [robot.state() if next(turns) % 10 else
                           part(robot.state(), JOINTS[1:])]
    robot.until('it is counted', partial)
    assert robot.phase == 'active'
    robot.speak = lambda: [part(robot.state(), JOINTS[1:])]
    robot.until('a fault', lambda: robot.phase == 'fault')


@pytest.mark.parametrize('changes', [
    {'velocity': ()}, {'position': [0.0] * 6}, {'position': [NAN, *[0.0] * 6]},
    {'velocity': [0.0] * 6 + [INF]}], ids=['empty', 'short', 'nan', 'inf'])
def test_rows_11_12_bad_states(robot, changes):
    """Refused and counted; if nothing better comes, a fault."""
    counted, refused = robot.counted('states_refused', 3), robot.reason
    turns = iter(range(10**9))
    robot.speak = lambda: [robot.state(**({} if next(turns) % 5 else changes))]
    robot.until('refusals are counted', counted)
    assert robot.phase == 'active' and robot.reason == refused and finite(robot)
    robot.speak = lambda: [robot.state(**changes)]
    robot.until('a fault', lambda: robot.phase == 'fault')


def test_row_13_frozen_state(robot):
    """The same numbers again and again, with new stamps, while the motors push."""
    robot.request = np.zeros(7)
    robot.request[0] = 0.2 * LIMIT[0]
    still = robot.position.copy()
    robot.speak = lambda: [robot.state(position=still)]
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'frozen' in robot.reason


def test_row_14_states_stop(robot):
    """It brakes along the last motion, then nothing; latched also when states come back."""
    robot.velocity[0] = 0.2
    robot.play(0.2)
    robot.motors.clear()
    robot.sends_states = False
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'no joint state' in robot.reason
    robot.until('zeros', lambda: robot.motors and not any(robot.motors[-1].data))
    assert min(message.data[0] for message in robot.motors) < 0.0
    robot.velocity[:] = 0.0
    robot.sends_states = True
    robot.play(0.3)
    assert robot.phase == 'fault' and robot.commands[-1].header.frame_id == 'stop'


def test_row_15_stamps_go_back(robot):
    counted = robot.counted('states_old', 5)
    robot.speak = lambda: [robot.state(), wire.joint_state(
        JOINTS, robot.stamp - 10**9, position=robot.position + 1.0, velocity=robot.velocity)]
    robot.until('they are counted', counted)
    assert robot.phase == 'active'


def test_row_16_stamps_of_the_future_and_none(robot):
    """Neither makes a state fresh, or keeps the next one out."""
    ahead, refused = robot.counted('states_ahead', 3), robot.counted('states_refused', 6)

    def speak():
        odd = next(turns)
        stamp = {0: 0, 5: robot.stamp + 3600 * 10**9}.get(odd % 10, robot.stamp)
        return [wire.joint_state(JOINTS, stamp, position=robot.state().position,
                                 velocity=robot.velocity)]
    turns = iter(range(10**9))
    robot.speak = speak
    robot.until('both are counted', lambda: ahead() and refused())
    assert robot.phase == 'active'
    robot.speak = lambda: [wire.joint_state(JOINTS, 0, position=robot.position,
                                            velocity=robot.velocity)]
    robot.until('a robot without stamps is none', lambda: robot.phase == 'fault')


def test_row_17_position_jumps(robot):
    """One glitch is bridged, several in a row are a fault."""
    counted = robot.counted('bad_states', 2)
    turns = iter(range(10**9))
    away = robot.position + np.eye(7)[0]
    robot.speak = lambda: [robot.state(**({} if next(turns) % 10 else {'position': away}))]
    robot.until('glitches are counted', counted)
    assert robot.phase == 'active'
    robot.position = away
    robot.speak = lambda: [robot.state()]
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'jumped' in robot.reason
    robot.position = away - np.eye(7)[0]


def test_row_18_sign_of_velocity(robot):
    robot.velocity[0] = 0.8
    robot.speak = lambda: [robot.state(velocity=-robot.velocity)]
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'disagree' in robot.reason or 'jumped' in robot.reason


def test_row_46_effort_not_realised(robot):
    """The drive does something else than what it is told; once it obeys, the robot may go on."""
    robot.request = np.zeros(7)
    robot.request[0] = 0.4 * LIMIT[0]
    robot.until('it is commanded', lambda: (robot.motors[-1].data == robot.request).all())
    robot.speak = lambda: [robot.state(effort=robot.request)]
    robot.play(0.6)
    assert robot.phase == 'active', robot.reason
    robot.speak = lambda: [robot.state(effort=-robot.request)]
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'not realised: joint1' in robot.reason
    answer = robot.reset()
    assert not answer.success and 'still wrong: effort is not realised' in answer.message


# -- the graph around it ----------------------------------------------------------------------

def test_row_22_second_publisher_of_requests(robot):
    with robot.other_node('other_policy') as other:
        other.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        robot.until('it brakes', lambda: robot.phase in ('braking', 'hold'))
        assert '2 publishers' in robot.reason and 'other_policy' in robot.reason
        answer = robot.reset()
        assert not answer.success and 'other_policy' in answer.message
    robot.activate()


def test_row_23_second_publisher_to_the_controller(robot):
    with robot.other_node('other_filter') as other:
        other.create_publisher(Float64MultiArray, 'effort_controller/commands', COMMAND_QOS)
        robot.until('it brakes', lambda: robot.phase in ('braking', 'hold'))
        robot.until('diagnostics say so', lambda: robot.says('other_filter', 'too'))
    robot.activate()
    with robot.other_node('safety_watchdog') as other:  # may speak when the filter is silent
        other.create_publisher(Float64MultiArray, 'effort_controller/commands', COMMAND_QOS)
        robot.play(1.5)
        assert robot.phase == 'active'


def test_row_39_qos_mismatch(robot):
    careless = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    publisher = robot.node.create_publisher(JointState, 'teleop_effort', careless)
    robot.until('diagnostics name topic and policy',
                lambda: robot.says('teleop_effort', 'RELIABILITY', 'stand_in'))
    assert robot.phase == 'active'
    robot.node.destroy_publisher(publisher)
    robot.until('it is over', lambda: 'RELIABILITY' not in robot.status.message)


def test_row_40_nobody_drives_the_motors(robot):
    robot.node.destroy_subscription(robot.controller)
    robot.until('a fault', lambda: robot.phase == 'fault')
    assert 'nobody listens' in robot.reason
    assert 'nobody listens' in robot.reset().message
    robot.listen()
    robot.activate()


def test_row_41_order_of_the_controllers_joints(robot):
    with robot.other_node('effort_controller') as controller:
        controller.declare_parameter('joints', JOINTS[::-1])
        robot.until('it brakes', lambda: robot.phase in ('braking', 'hold'))
        robot.until('it says why', lambda: 'has joints' in robot.reset().message)
    with robot.other_node('effort_controller') as controller:
        controller.declare_parameter('joints', JOINTS)
        robot.activate()
        robot.play(1.0)
        assert robot.phase == 'active'


# -- people -----------------------------------------------------------------------------------

def test_row_26_garbage_for_parameters(robot):
    """All or none: what is wrong is named, and the old set stays."""
    for name, value in (('velocity_margin', NAN), ('velocity_margin', -0.1),
                        ('command_timeout', 0.0), ('command_timeout', INF),
                        ('max_invalid_states', 0), ('state_timeout', 'long'),
                        ('velocity_margin', [0.1])):
        reason = robot.set_parameters(**{'safety__fade_in': 5.0, f'safety__{name}': value})
        assert name in reason or 'Wrong parameter type' in reason, (name, value, reason)
    values = robot.call(GetParameters, 'safety_filter/get_parameters', GetParameters.Request(
        names=['safety.fade_in', 'safety.velocity_margin'])).values
    assert [value.double_value for value in values] == [0.02, 0.12]
    assert robot.phase == 'active'


def test_row_27_loosening(robot):
    """While it may move the filter only becomes stricter; in IDLE both ways are open."""
    reason = robot.set_parameters(safety__velocity_tolerance=2.0, safety__velocity_margin=0.1)
    assert 'velocity_tolerance' in reason and 'only downwards' in reason
    assert 'not at all' in robot.set_parameters(safety__hold_frequency=1.0)
    for margin in (0.13, 0.14, 0.15):  # each makes a filter, while the robot is filtered
        assert robot.set_parameters(safety__velocity_tolerance=0.5,
                                    safety__velocity_margin=margin) == ''
        robot.play(0.1)
    assert robot.phase == 'active'
    robot.request = None
    robot.stop()
    assert 'only' in robot.set_parameters(safety__velocity_tolerance=1.0)
    robot.stop(False)
    robot.reset()
    robot.until('it is idle', lambda: robot.phase == 'idle')
    assert 'at start' in robot.set_parameters(safety__payload=1.0)
    assert robot.set_parameters(safety__velocity_tolerance=1.0,
                                safety__velocity_margin=0.12) == ''
    robot.activate()


def test_row_30_stop_during_a_command(robot):
    """It stops in the very next answer, stays so, and a release restarts nothing."""
    assert robot.stop().success
    robot.until('a stop', lambda: robot.phase == 'stop')
    sources = [command.header.frame_id for command in robot.commands[-10:]]
    assert sources == sorted(sources)  # from one answer to the next, and never back
    assert robot.stop(False).success
    robot.play(0.2)
    assert robot.phase == 'stop' and robot.commands[-1].header.frame_id == 'stop'


def test_row_49_spam(robot):
    """However often they ask: no reset while the stop is asserted, and the reason is told."""
    robot.stop()
    robot.call(Trigger, 'safety_filter/reset')
    client = robot.clients[Trigger, 'safety_filter/reset']
    for _ in range(20):
        futures = [client.call_async(Trigger.Request()) for _ in range(5)]  # a queue holds ten
        robot.until('they are answered',
                    lambda: all(future.done() for future in futures))  # noqa: B023
        assert not any(future.result().success for future in futures)
        assert 'still asserted: stop service' in futures[-1].result().message
    assert robot.phase == 'stop'


# -- load -------------------------------------------------------------------------------------

def test_row_47_logger(robot):
    """What repeats is logged once in a while, and what speaks to the motors never logs."""
    before = robot.log.read_text().count('effort_request refused')
    counted = robot.counted('requests_refused', 150)
    bad = wire.joint_state(JOINTS, 0, effort=[NAN] * 7)
    asks(robot, bad)
    robot.until('many refusals', counted)
    assert robot.log.read_text().count('effort_request refused') - before < 5
    for name in ('guarded_filter', 'filter_outputs'):
        path = Path(wire.__file__).parent / f'nodes/{name}.py'
        called = {node.func.attr for node in ast.walk(ast.parse(path.read_text()))
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}
        assert not called & {'warn', 'get_logger', 'info', 'warning', 'error'}


def memory(robot):
    """Return the resident memory of the filter [kB]."""
    return int(re.search(r'VmRSS:\s+(\d+)',
                         Path(f'/proc/{robot.process.pid}/status').read_text())[1])


def test_row_48_flood(robot):
    """
    Ten times the states and requests: one answer per state, newest first, no growth.

    A busy machine may lose the request of every newest state, and then it is right to brake.
    """
    def speak():
        for _ in range(9):
            robot.stamp += 1000
            robot.states.publish(robot.state())
            robot.ask(robot.request)
        robot.stamp += 1000
        return [robot.state()]
    robot.play(0.3)
    before = memory(robot)
    robot.speak = speak
    robot.play(0.2)
    robot.commands.clear()
    robot.until('many answers', lambda: len(robot.commands) > 200)
    assert robot.phase in ('active', 'braking', 'hold'), robot.reason
    stamps = [wire.stamp_of(command.header.stamp) for command in robot.commands]
    assert stamps == sorted(stamps)
    assert memory(robot) - before < 10_000
    robot.activate()


def test_row_35_sigterm(robot):
    """Its last words are zeros, and the exit is clean; the shared filter ends here."""
    robot.velocity[0] = 0.1
    robot.play(0.1)
    robot.motors.clear(), robot.commands.clear()
    robot.process.send_signal(signal.SIGTERM)
    robot.until('it ends', lambda: robot.process.poll() is not None)
    assert robot.process.returncode == 0
    robot.until('its last words', lambda: robot.motors and not any(robot.motors[-1].data)
                and robot.commands and robot.commands[-1].header.frame_id == 'stop')
    robot.play(0.2)
    assert not any(robot.motors[-1].data) and min(m.data[0] for m in robot.motors) < 0.0


# -- start ------------------------------------------------------------------------------------

def test_rows_28_29_33_34_start(tmp_path):
    """Nothing before state and limits; then it brakes what moves; a later URDF is too late."""
    urdf = urdf_path(ROBOT).read_text()
    without = re.sub(r'velocity="[^"]*"', '', urdf)
    tight = re.sub(r'effort="12[^"]*"', 'effort="10"', urdf)
    assert without != urdf != tight
    with standing_in(tmp_path / 'start', filter__require_description=True) as robot:
        publisher = robot.node.create_publisher(String, 'robot_description', LATCHED_QOS)
        robot.sends_states = False
        robot.play(0.5)
        robot.ask(robot.request)
        robot.play(0.3)
        assert robot.phase == 'unconfigured' and not robot.motors and not robot.commands
        robot.sends_states = True
        robot.velocity[0] = 0.3
        for text, reason in (('', 'waits for robot_description'), (without, 'velocity limit'),
                             ('<robot/>', 'not movable'), ('garbage', 'not XML')):
            if text:
                publisher.publish(String(data=text))
            robot.until(f'it says {reason}', lambda: reason in robot.reason)  # noqa: B023
            assert robot.phase == 'unconfigured' and not robot.motors
        robot.position[0] = ROBOT.home[0]
        publisher.publish(String(data=tight))
        robot.until('it is there', lambda: len(robot.motors) > 3)
        assert robot.motors[0].data[0] < 0.0  # row 33: against the motion, though all ask for more
        assert robot.commands[0].header.frame_id == 'hold'
        robot.activate(request=85.0)
        robot.until('the limit is reached', lambda: robot.commands[-1].effort[6] == 10.0)
        assert max(command.effort[6] for command in robot.commands) == 10.0
        publisher.publish(String(data=urdf))
        robot.until('row 29', lambda: robot.says('robot_description', 'ignored'))
        assert robot.phase == 'active', robot.reason
        assert robot.commands[-1].effort[6] == 10.0
        robot.process.send_signal(signal.SIGINT)
        robot.until('it ends', lambda: robot.process.poll() is not None)
        assert robot.process.returncode == 0


def test_row_50_topics_that_meet(tmp_path):
    words = ('-r', 'effort_command:=effort_request')
    with standing_in(tmp_path / 'names', words=words, wait=False) as robot:
        robot.sends_states = False
        robot.until('it refuses to start', lambda: robot.process.poll() is not None)
        assert robot.process.returncode == 2
        assert 'hear itself on /effort_request' in robot.log.read_text()


# -- simulated time ---------------------------------------------------------------------------

def test_row_32_stop_asserted_at_start(simulated):
    """A heartbeat that is not there is a stop; nobody releases it, and nothing is followed."""
    simulated.until('it answers', lambda: len(simulated.commands) > 20)
    assert simulated.phase == 'stop' and 'silent' in simulated.reason
    assert not simulated.stop(False).success and not simulated.reset().success
    assert {command.header.frame_id for command in simulated.commands} == {'stop'}


def test_row_31_heartbeat_of_the_stop_button(simulated):
    simulated.heartbeat = True
    simulated.activate()
    simulated.heartbeat = False
    simulated.until('silence is a stop', lambda: simulated.phase == 'stop')
    simulated.heartbeat = True
    simulated.play(0.5)
    assert simulated.phase == 'stop'
    simulated.activate()


def ticking(robot):
    """Let the clock follow the states."""
    robot.heartbeat = True
    robot.activate()
    robot.speak = lambda: (robot.clock(), [robot.state()])[1]
    robot.play(1.5)
    assert robot.phase == 'active', robot.reason


def test_row_25_simulator_paused(simulated):
    """States and clock stand: it holds, and goes on by itself when they do."""
    ticking(simulated)
    faults = simulated.count('faults')
    simulated.sends_states = False
    simulated.until('it holds', lambda: simulated.phase == 'hold')
    assert 'stands still' in simulated.reason
    simulated.play(1.0)
    assert simulated.phase == 'hold'
    simulated.sends_states = True
    simulated.until('it goes on', lambda: simulated.phase == 'active')
    simulated.play(1.2)
    assert simulated.count('faults') == faults and simulated.phase == 'active'


def test_row_24_clock_jumps(simulated):
    """No jump, no toggle disturbs a deadline, and none keeps one from passing."""
    ticking(simulated)
    braked, faults = simulated.count('braked'), simulated.count('faults')
    clock = simulated.node.create_publisher(Clock, '/clock', STATE_QOS)
    for offset in (3600, -7200, 10**6):
        clock.publish(Clock(clock=wire.time_of(simulated.stamp + offset * 10**9)))
        simulated.play(0.2)
    for value in (False, True, False):
        assert simulated.set_parameters(use_sim_time=value) == ''
        simulated.play(0.2)
    simulated.until('diagnostics', simulated.counted('steps', 100))
    assert simulated.phase == 'active'
    assert (simulated.count('braked'), simulated.count('faults')) == (braked, faults)
    simulated.sends_states = False  # while the clock, which is the system's now, goes on
    simulated.until('a fault', lambda: simulated.phase == 'fault')
    assert simulated.set_parameters(use_sim_time=True) == ''


# -- faults inside ------------------------------------------------------------------------------

def test_row_37_exception_inside(broken):
    broken.activate()
    broken.motors.clear()
    broken.request[0] = 7.0
    broken.until('a fault', lambda: broken.phase == 'fault')
    assert 'ZeroDivisionError: built in' in broken.reason
    broken.until('the place is in diagnostics',
                 lambda: 'broken_answer' in broken.values().get('last_error', ''))
    assert broken.commands[-1].header.frame_id == 'stop' and finite(broken)


def test_row_37_exception_while_a_state_is_judged(broken):
    broken.activate()
    broken.velocity[0] = 1e-3
    broken.until('a fault', lambda: broken.phase == 'fault')
    assert 'ZeroDivisionError: built in' in broken.reason
    broken.commands.clear()
    broken.until('it still answers', lambda: len(broken.commands) > 20)
    assert {command.header.frame_id for command in broken.commands} == {'stop'} and finite(broken)
    broken.velocity[0] = 0.0


def test_row_37_braking_fails_too(broken):
    """Every state is answered all the same, with nothing."""
    broken.activate()
    broken.request[0] = 8.0
    broken.until('a fault', lambda: broken.phase == 'fault')
    broken.commands.clear(), broken.motors.clear()
    broken.until('answers', lambda: len(broken.commands) > 20 and len(broken.motors) > 20)
    assert {command.header.frame_id for command in broken.commands} == {'stop'}
    assert not any(any(message.data) for message in broken.motors)
    broken.request[0] = 0.0


def test_row_38_late_answers(broken):
    broken.activate()
    broken.request[0] = 9.0
    broken.until('it brakes', lambda: broken.phase in ('braking', 'hold'))
    assert 'late answers' in broken.reason
    broken.until('it is counted', lambda: broken.count('overruns') >= 20)
    assert float(broken.values()['answer_p99_ms']) > 10.0


def test_row_38_executor_is_stuck(broken):
    """The watchdog's thread brakes while a callback hangs, and publishes what it does."""
    broken.activate()
    teleop = broken.node.create_publisher(JointState, 'teleop_effort', COMMAND_QOS)
    broken.until('it is heard', lambda: teleop.get_subscription_count())
    answers = len(broken.commands)
    teleop.publish(wire.joint_state(JOINTS, 0, effort=[1e6] * 7))
    broken.motors.clear()
    broken.until('a fault', lambda: broken.phase == 'fault')
    driven = len(broken.motors)
    broken.until('the thread goes on', lambda: len(broken.motors) > driven + 20)
    assert 'no joint state' in broken.reason
    # Nothing of that came from the executor: it has not answered a state since.
    assert len(broken.commands) - answers < 0.5 / PERIOD + 20
    broken.activate()
    broken.node.destroy_publisher(teleop)


def test_every_row_has_a_test():
    """Rows are in the names of tests, here or beside the core."""
    folder = Path(__file__).parents[1]
    rows = set(UNTESTABLE)
    for row, (name, test) in ELSEWHERE.items():
        assert f'def {test}(' in (folder / name).read_text()
        rows.add(row)
    for name in ('nodes', 'safety'):
        source = (folder / name / 'test_fault_table.py').read_text()
        for match in re.finditer(r'def test_rows?_((?:\d+_)+)', source):
            rows |= {int(row) for row in match[1].split('_') if row}
    assert rows == set(range(1, 51))
    table = (folder.parent / 'docs/safety_faults.md').read_text()
    assert [int(row) for row in re.findall(r'^\| (\d+) \|', table, re.M)] == list(range(1, 51))
