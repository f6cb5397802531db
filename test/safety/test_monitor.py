import math

import numpy as np
import pytest
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import FURTHEST
from rl_robot_ros.safety.monitor import StateMonitor
from safety.robots import continuous
from safety.robots import make_robot
from safety.robots import PERIOD

ZERO = np.zeros(3)
ANY_MOTION = {'max_position_jump': 100.0, 'velocity_consistency': 10.0}
PUSH = np.array([0.0, 0.0, 5.0])


def make(robot=None, **changes):
    robot = robot or make_robot()
    return StateMonitor(robot, JointLimits.from_robot(robot), SafetyConfig(**changes))


def moving(monitor, speed, count=1, start=0.0, report=1.0, effort=ZERO):
    """Show joints that move at `speed` and report `report` times that; return the findings."""
    velocity = np.array([0.0, speed, 0.0])
    return [monitor.check(velocity * PERIOD * k + start, report * velocity, effort, 1)
            for k in range(count)]


def test_a_moving_robot_is_fine():
    monitor = make()
    assert moving(monitor, 1.0, 200) == [None] * 200
    assert monitor.position[1] == pytest.approx(199 * PERIOD)
    assert monitor.velocity.tolist() == [0.0, 1.0, 0.0]
    assert monitor.complaint == ''


def test_a_bent_motion_is_fine():
    monitor = make()
    for time in PERIOD * np.arange(400):
        phase = 8.0 * time + np.array([0.0, 1.0, 2.0])
        assert monitor.check(0.2 * np.sin(phase), 1.6 * np.cos(phase), ZERO, 1) is None


@pytest.mark.parametrize('position,velocity,reason', [
    (None, ZERO, 'no joint state'),
    (ZERO, None, 'no joint state'),
    (['a', 'b', 'c'], ZERO, 'not made of numbers'),
    ([10**400, 0, 0], ZERO, 'not made of numbers'),
    (ZERO, object(), 'not made of numbers'),
    (np.zeros(2), ZERO, 'has 2 positions and 3 velocities, needs 3 of each'),
    (ZERO, np.zeros(4), 'has 3 positions and 4 velocities'),
    (np.zeros((3, 1)), ZERO, 'needs 3 of each'),
    ([], [], 'has 0 positions'),
    ([0.0, math.nan, 0.0], ZERO, 'not finite: joint2'),
    ([0.0, 0.0, math.inf], ZERO, 'not finite: joint3'),
    (ZERO, [-math.inf, 0.0, math.nan], 'not finite: joint1, joint3'),
    ([0.0, 0.0, 1e308], ZERO, 'not possible: joint3'),
    (ZERO, [0.0, 1e308, 0.0], 'not possible: joint2'),
    (ZERO, [0.0, 0.0, -20.1], 'not possible: joint3'),
    ([0.03, 0.0, 0.0], ZERO, 'position jumped: joint1'),
    ([0.0, 0.0, -0.03], ZERO, 'position jumped: joint3'),
])
def test_a_bad_state_is_bridged_then_a_fault(position, velocity, reason):
    monitor = make(max_invalid_states=3)
    assert monitor.check(ZERO, np.array([0.0, 0.1, 0.0]), ZERO, 1) is None
    for count in (1, 2):
        finding = monitor.check(position, velocity, ZERO, 1)
        assert reason in finding.reason
        assert finding.usable and not finding.fatal
        assert monitor.position[1] == pytest.approx(count * 0.1 * PERIOD)
        assert reason in monitor.complaint
    finding = monitor.check(position, velocity, ZERO, 1)
    assert finding.fatal and not finding.usable and reason in finding.reason
    assert reason in monitor.complaint
    assert monitor.check(ZERO + 0.5, ZERO, ZERO, 1) is None, 'the next good state is a first one'
    assert monitor.complaint == ''


def test_a_good_state_ends_a_row_of_bad_ones():
    monitor = make(max_invalid_states=2)
    assert monitor.check(ZERO, ZERO, ZERO, 1) is None
    for _ in range(5):
        assert not monitor.check(None, None, ZERO, 1).fatal
        assert monitor.check(ZERO, ZERO, ZERO, 1) is None


@pytest.mark.parametrize('position,velocity', [([0, math.nan, 0], ZERO), (ZERO, [1e308, 0, 0]),
                                               ([0, 0, -1e7], ZERO)])
def test_a_first_state_that_is_bad_is_not_usable(position, velocity):
    monitor = make(continuous(make_robot()))
    finding = monitor.check(position, velocity, ZERO, 1)
    assert not finding.usable and not finding.fatal
    assert monitor.position.tolist() == [0.0, 0.0, 0.0]
    assert monitor.check(ZERO, ZERO, ZERO, 1) is None


def test_a_jump_is_measured_against_the_motion_expected():
    monitor = make(max_position_jump=2.0)  # 2 periods at 2 rad/s: 0.02 rad
    assert moving(monitor, 2.0, 2) == [None, None]
    assert monitor.check([0.0, 0.02 + 0.019, 0.0], monitor.velocity.copy(), ZERO, 1) is None
    finding = monitor.check([0.0, 0.049 + 0.021, 0.0], monitor.velocity.copy(), ZERO, 1)
    assert 'jumped' in finding.reason


def test_lost_states_widen_what_is_expected():
    monitor = make()
    moving(monitor, 2.0, 1)
    velocity = monitor.velocity.copy()
    assert monitor.check([0.0, 10 * 2.0 * PERIOD, 0.0], velocity, ZERO, 10) is None
    assert monitor.check([0.0, 20 * 2.0 * PERIOD - 0.03, 0.0], velocity, ZERO, 10) is None
    assert 'jumped' in monitor.check([0.0, 21 * 2.0 * PERIOD, 0.0], velocity, ZERO, 1).reason


def test_a_glitch_is_not_counted_as_drift():
    monitor = make(max_invalid_states=5)
    moving(monitor, 0.0, 1)
    for k in range(20):
        assert 'jumped' in monitor.check([0.0, 0.9, 0.0], ZERO, ZERO, 1).reason
        assert monitor.check([0.0, 0.0, 1e-9 * k], ZERO, ZERO, 1) is None


@pytest.mark.parametrize('report', [-1.0, 0.0])
def test_a_velocity_that_disagrees_with_the_position_is_a_fault(report):
    monitor = make()
    monitor.begin()
    findings = moving(monitor, 1.0, 40, report=report)
    finding = next(finding for finding in findings if finding is not None)
    assert finding.reason == 'position and velocity disagree: joint2'
    assert finding.fatal and finding.usable
    assert monitor.complaint == finding.reason, 'no reset while it goes on'


def test_disagreement_is_forgotten():
    monitor = make(consistency_window=20, velocity_consistency=0.25)
    for k in range(400):  # a step of 0.015 rad every 20 periods: never 0.05 rad in memory
        assert monitor.check([0.015 * (k // 20), 0.0, 0.0], ZERO, ZERO, 1) is None


def test_a_joint_that_turns_for_ever_may_wrap():
    monitor = make(continuous(make_robot()))
    before, after = [0.0, math.pi - 0.001, 0.0], [0.0, -math.pi + 0.001, 0.0]
    velocity = np.array([0.0, 0.4, 0.0])
    assert monitor.check(before, velocity, ZERO, 1) is None
    assert monitor.check(after, velocity, ZERO, 1) is None
    assert 'jumped' in monitor.check([0.0, 0.0, 0.0], velocity, ZERO, 1).reason
    assert 'jumped' in make_first(make(), before, velocity).check(after, velocity, ZERO, 1).reason


def make_first(monitor, position, velocity):
    """Show the first state, which must be fine."""
    monitor.restart()
    monitor.check(position, velocity, ZERO, 1)
    return monitor


def test_a_new_start_forgets_the_disagreement():
    monitor = make()
    for _ in range(3):  # 0.03 rad each time, of the 0.05 rad that are allowed
        monitor.restart()
        for k in range(3):
            assert monitor.check([0.015 * k, 0.0, 0.0], ZERO, ZERO, 1) is None


def test_far_over_the_velocity_limit_is_a_fault():
    monitor = make(velocity_tolerance=0.5)
    assert monitor.check(ZERO, [0.0, 3.0, 0.0], ZERO, 1) is None
    finding = monitor.check([0.0, 0.015, 0.0], [0.0, 3.01, 0.0], ZERO, 1)
    assert finding.reason == 'velocity is far over its limit: joint2'
    assert finding.fatal and finding.usable
    assert monitor.velocity[1] == 3.01, 'it must still be braked with'
    assert monitor.complaint
    assert make(velocity_tolerance=0.5).check(ZERO, [0, 0, -3.01], ZERO, 1).fatal


@pytest.mark.parametrize('limit,name', [(1.5, 'upper'), (-2.0, 'lower')])
def test_far_beyond_a_position_limit_is_a_fault(limit, name):
    out = math.copysign(1.0, limit)
    monitor = make(position_tolerance=0.05, **ANY_MOTION)
    assert monitor.check(ZERO + limit, ZERO, ZERO, 1) is None
    for step in (0.02, 0.04, 0.049):
        assert monitor.check([0 + limit, limit + out * step, limit], ZERO, ZERO, 1) is None
    finding = monitor.check([limit, limit + out * 0.051, limit], ZERO, ZERO, 1)
    assert finding.reason == f'position is far beyond its {name} limit: joint2'
    assert finding.fatal and finding.usable
    assert monitor.complaint == '', 'a reset may let it come back'


@pytest.mark.parametrize('limit', [1.5, -2.0])
def test_a_joint_that_starts_outside_may_come_back_but_not_go_out(limit):
    out = math.copysign(1.0, limit)
    monitor = make(position_tolerance=0.05, **ANY_MOTION)

    def at(offset):
        return monitor.check([0.0, limit + out * offset, 0.0], ZERO, ZERO, 1)

    assert at(0.2) is None
    assert at(0.215) is None
    assert at(0.2) is None
    assert at(0.19) is None
    for offset in np.arange(0.18, 0.11, -0.015):
        assert at(offset) is None
    assert at(0.13) is None
    assert at(0.145) is None
    assert at(0.16) is None
    assert at(0.175).fatal, 'the way back has narrowed'


def test_a_start_outside_does_not_excuse_too_much_speed():
    finding = make().check([2.0, 0.0, 0.0], [0.0, 4.1, 0.0], ZERO, 1)
    assert finding.fatal and 'velocity' in finding.reason


def test_frozen_states_are_a_fault_only_while_the_motors_push():
    monitor = make(frozen_periods=20, frozen_effort=0.05)
    position = np.array([0.1, 0.2, 0.3])
    for _ in range(100):
        assert monitor.check(position, ZERO, PUSH * 0.8, 1) is None
    findings = [monitor.check(position, ZERO, PUSH, 1) for _ in range(20)]
    assert findings[:-1] == [None] * 19
    assert findings[-1].fatal and not findings[-1].usable
    assert 'frozen' in findings[-1].reason
    assert monitor.check(position, ZERO, ZERO, 1).fatal, 'still the same bits'
    assert 'frozen' in monitor.complaint
    assert monitor.check(position + 1e-9, ZERO, ZERO, 1) is None
    assert monitor.complaint == ''


def test_moving_bits_are_not_frozen():
    monitor = make(frozen_periods=3)
    for k in range(50):
        assert monitor.check([0.0, 1e-12 * (k // 3), 0.0], ZERO, PUSH, 1) is None
    for k in range(50):
        assert monitor.check([0.0, 1e-12 * k, 0.0], ZERO, PUSH, 1) is None
    for k in range(50):
        assert monitor.check(ZERO, [0.0, 0.0, 1e-12 * k], PUSH, 1) is None


def test_begin_forgets():
    monitor = make(frozen_periods=3, max_invalid_states=1)
    monitor.check(ZERO, [0.0, 1.0, 0.0], ZERO, 1)
    assert monitor.check(None, None, ZERO, 1).fatal
    monitor.begin()
    assert monitor.complaint == '' and not monitor.velocity.any()
    assert monitor.check(ZERO + 1.0, ZERO, PUSH, 1) is None
    for _ in range(5):
        monitor.begin()
        assert monitor.check(ZERO + 1.0, ZERO, PUSH, 1) is None


def test_lost():
    monitor = make()
    finding = monitor.lost('gone')
    assert finding.fatal and not finding.usable and monitor.complaint == 'gone'


def test_what_is_possible_is_far_from_overflow():
    monitor = make(continuous(make_robot()))
    assert monitor.check(ZERO + FURTHEST, ZERO, ZERO, 1) is None
    monitor.restart()
    assert monitor.check(ZERO + 1.01 * FURTHEST, ZERO, ZERO, 1) is not None
