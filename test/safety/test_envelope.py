from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.bounds import effort_bounds
from rl_robot_ros.safety.bounds import envelope
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.envelope import BrakingEnvelope
from rl_robot_ros.safety.limits import JointLimits
from safety.robots import make_mixed_robot
from safety.robots import make_robot

ROBOT = make_mixed_robot()
LIMITS = JointLimits.from_robot(ROBOT)


def inside(share):
    """Positions at this share of the range, and of [-5, 5] for the continuous joint."""
    low, high = np.maximum(LIMITS.position_lower, -5.0), np.minimum(LIMITS.position_upper, 5.0)
    return low + share * (high - low)


shares = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6).map(np.array)
speeds = st.lists(st.floats(-1.5, 1.5), min_size=6, max_size=6).map(
    lambda v: np.array(v) * LIMITS.velocity)
efforts = st.lists(st.floats(-400.0, 400.0), min_size=6, max_size=6).map(np.array)


def readable_bounds(limit, config, position, velocity):
    """Compute the bounds with the pure functions."""
    cap = (1.0 - config.velocity_margin) * np.array(LIMITS.velocity)
    up = np.array(LIMITS.position_upper) - config.position_margin - position
    down = position - np.array(LIMITS.position_lower) - config.position_margin
    braking, reaction = limit.braking_acceleration, limit.reaction_time
    return effort_bounds(velocity, np.minimum(envelope(down, braking, reaction), cap),
                         np.minimum(envelope(up, braking, reaction), cap), limit.gain)


@given(shares, speeds)
def test_bounds_are_those_of_the_pure_functions(share, velocity):
    config = SafetyConfig(position_margin=0.02, velocity_margin=0.1, transport_delay=0.01)
    limit = BrakingEnvelope(ROBOT, LIMITS, config)
    position = inside(share)
    expected = readable_bounds(limit, config, position, velocity)
    np.testing.assert_allclose(limit.bounds(position, velocity), expected, rtol=1e-9, atol=1e-9)


@given(shares, speeds, efforts)
@settings(max_examples=50)
def test_the_first_limit_adds_the_share_of_the_integrator(share, velocity, effort):
    config = SafetyConfig(envelope_integral=0.3)
    limit = BrakingEnvelope(ROBOT, LIMITS, config)
    position = inside(share)
    lower, upper = readable_bounds(limit, config, position, velocity)
    most = np.array(LIMITS.effort)
    lower = lower + np.clip(0.3 * lower, 0.0, most)
    upper = upper + np.clip(0.3 * upper, -most, 0.0)
    result = effort.copy()
    limit.see(position, velocity)
    limit.limit(result)
    np.testing.assert_allclose(result, clamp(effort, lower, upper), rtol=1e-9, atol=1e-9)


def test_reaction_time_and_gain_follow_from_the_datasheet():
    config = SafetyConfig(envelope_gain=0.25, transport_delay=0.007)
    limit = BrakingEnvelope(ROBOT, LIMITS, config)
    assert limit.reaction_time == pytest.approx(0.005 * 5.0 + 0.007)
    np.testing.assert_allclose(limit.gain * 0.005 / ROBOT.inertia, 0.25)


def test_a_weaker_motor_brakes_less():
    weak = LIMITS.tightened(joint1={'has_effort_limits': True, 'max_effort': 1.2})
    limit = BrakingEnvelope(ROBOT, weak, SafetyConfig())
    assert limit.braking_acceleration[0] == pytest.approx(1.0)
    assert limit.braking_acceleration[1] == 10.0


def test_the_integrator_pushes_harder_and_harder_then_drains():
    robot = make_robot(1)
    limit = BrakingEnvelope(robot, JointLimits.from_robot(robot), SafetyConfig())
    position = np.zeros(1)

    def answer(velocity):
        effort = np.full(1, 40.0)
        limit.see(position, np.full(1, velocity))
        limit.limit(effort)
        return float(effort[0])

    pushes = [answer(2.0) for _ in range(5)]
    assert all(later < earlier < 0.0 for earlier, later in zip(pushes, pushes[1:]))
    for _ in range(1000):
        most = answer(2.0)
    assert most == pytest.approx(limit.bounds(position, np.full(1, 2.0))[1, 0] - 87.0)
    for _ in range(3):
        free = answer(0.0)
    assert free == 40.0
    answer(2.0)
    limit.begin()
    assert answer(2.0) == pytest.approx(pushes[0])


def test_a_joint_that_starts_outside_may_only_come_back_slowly():
    robot = make_robot(2)
    limit = BrakingEnvelope(robot, JointLimits.from_robot(robot), SafetyConfig())
    down, up = limit.speeds(np.array([1.6, -2.1]))
    assert down.tolist() == [0.0175, 0.0] and up.tolist() == [0.0, 0.0175]
    down, up = limit.speeds(np.array([0.0, -2.1]))
    fastest = (1.0 - SafetyConfig().velocity_margin) * 2.0
    assert down[0] == pytest.approx(fastest)
    assert up.tolist() == [pytest.approx(fastest), 0.0175]
    limit.speeds(np.zeros(2))
    assert not limit.recovering
    # Pushed out later is no start outside: full speed back inside.
    assert limit.speeds(np.array([1.6, 0.0]))[0, 0] == pytest.approx(fastest)
    limit.begin()
    assert limit.speeds(np.array([1.6, 0.0]))[0, 0] == 0.0175


def test_margins_must_leave_room():
    with pytest.raises(ValueError, match='joint2: nothing is left .* position_margin of 0.1'):
        BrakingEnvelope(ROBOT, LIMITS, SafetyConfig(position_margin=0.1))
