"""Pushes that were declared must not lead out of the limits, whatever they do."""

from dataclasses import replace
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.certificate import CertificateError
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.push import push_acceleration
from rl_robot_ros.safety.push import require_room_for_pushes
from rl_robot_ros.safety.push import upper_bound_if_pushed
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.viability import is_viable
from rl_robot_ros.safety.viability import upper_bound
from safety.robots import at_once
from safety.robots import Coupled
from safety.robots import make_robot
from safety.robots import PERIOD

SHARE = 0.1
ROBOT = make_robot(2, effort_rate_limit=(1e9, 1e9))
LIMITS = JointLimits.from_robot(ROBOT)
PUSH = SHARE * np.array(LIMITS.effort)
CONFIG = at_once(certificate_samples=100, external_effort=SHARE, mismatch_time=0.1)
CERTIFICATE = certify(ROBOT, LIMITS, CONFIG, Coupled())


def test_a_push_accelerates_no_joint_more_than_it_is_said_to():
    most = push_acceleration(Coupled.mass, PUSH, 0.0)
    corners = [np.linalg.solve(Coupled.mass, PUSH * signs) for signs in product((-1, 1), repeat=2)]
    assert np.max(np.abs(corners), axis=0) == pytest.approx(most)
    assert push_acceleration(Coupled.mass, PUSH, 0.2) == pytest.approx(1.2 * most)


@given(st.floats(1e-4, 2.0), st.floats(-1.0, 1.0), st.floats(0.0, 30.0), st.integers(0, 3),
       st.floats(-1.0, 1.0))
def test_viable_stays_viable_whatever_pushes(distance, part, push, latency, now):
    """The push goes fully one way until the command acts, and any way from then on."""
    speed, braking, late = 2.0, 5.0, latency * PERIOD
    velocity = part * min(speed, np.sqrt(2.0 * braking * distance))  # where the command acts
    expected = distance + 0.5 * late * late * push, velocity - late * push
    bound = float(upper_bound_if_pushed(
        np.array(expected[0]), np.array(expected[1]), np.array(speed), np.array(braking), PERIOD,
        np.array(push), late))
    acceleration = bound + now * push
    after = velocity + PERIOD * acceleration
    left = distance - PERIOD * velocity - 0.5 * PERIOD**2 * acceleration
    assert left >= -1e-9 and after <= speed + 1e-9
    assert is_viable(np.array(left), np.array(after), np.array(np.inf), np.array(braking), 1e-8)


def test_it_is_the_bound_of_the_worst_state_less_the_push():
    distance, velocity, push = np.array([0.5, 0.01]), np.array([0.3, -0.2]), np.array([2.0, 7.0])
    most = np.array([2.0, 1.0]), np.array([5.0, 9.0])
    for late in (0.0, 0.015):
        worst = upper_bound(distance - 0.5 * late**2 * push, velocity + late * push, *most, PERIOD)
        assert upper_bound_if_pushed(distance, velocity, *most, PERIOD, push, late) \
            == pytest.approx(worst - push)


def pushes(how, rng, step, position, velocity):
    if how == 'steady':
        return PUSH * (1.0, -1.0)
    if how == 'jumps':
        return PUSH * np.random.default_rng(step // 7).choice([-1.0, 1.0], 2)
    return PUSH * np.sign(position + 0.25)  # to the nearest limit


@pytest.mark.parametrize('latency', [0, 1])
@pytest.mark.parametrize('how', ['steady', 'jumps', 'outward'])
def test_no_declared_push_leads_out_of_the_limits(how, latency):
    filter_ = SafetyFilter(ROBOT, config=replace(CONFIG, latency_periods=latency),
                           dynamics=Coupled(), certificate=CERTIFICATE)
    rng, position, velocity = np.random.default_rng(0), np.zeros(2), np.zeros(2)
    in_flight, request = [Coupled.pull] * latency, np.zeros(2)
    lower, upper = np.array(LIMITS.position_lower), np.array(LIMITS.position_upper)
    for step in range(2000):
        if step % 150 == 0:
            request = rng.choice([-1.2, 0.0, 1.2], 2) * LIMITS.effort
        in_flight.append(filter_.step(position, velocity, request).motor_effort)
        bias = Coupled.pull + Coupled.damping * velocity
        acceleration = np.linalg.solve(
            Coupled.mass, in_flight.pop(0) - bias + pushes(how, rng, step, position, velocity))
        position = position + PERIOD * velocity + 0.5 * PERIOD**2 * acceleration
        velocity = velocity + PERIOD * acceleration
        assert (position <= upper).all() and (position >= lower).all(), step
        assert (np.abs(velocity) <= LIMITS.velocity).all(), step
    assert filter_.phase is Phase.ACTIVE, filter_.reason


def test_the_motors_must_be_able_to_brake_against_it():
    assert CERTIFICATE.holds
    with pytest.raises(CertificateError, match='nothing left to brake with'):
        SafetyFilter(ROBOT, config=replace(CONFIG, external_effort=0.5), dynamics=Coupled())


def test_pushes_that_use_up_all_the_speed_are_refused():
    """Before the command acts they would have made the joint faster than it may be."""
    slow = replace(CONFIG, velocity_scale=0.05)
    assert len(CERTIFICATE.push) == 2 and min(CERTIFICATE.push) > 5.0
    with pytest.raises(ValueError, match='joint2: before a command acts, a push .* by 0.1.*, '
                                         'which is more than the 0.085 .* safety.velocity_scale'):
        SafetyFilter(ROBOT, config=slow, dynamics=Coupled(), certificate=CERTIFICATE)
    require_room_for_pushes(('just',), np.array([0.5]), (1.0,), 0.5)
    SafetyFilter(ROBOT, config=replace(slow, external_effort=0.0), dynamics=Coupled())


def test_nobody_is_driven_away_from_a_push_that_may_come_while_nothing_is_followed():
    for how in ('stop', 'idle'):
        filter_ = SafetyFilter(ROBOT, config=CONFIG, dynamics=Coupled(), certificate=CERTIFICATE)
        position, velocity = np.array([1.5 - 0.0101, 0.0]), np.zeros(2)
        if how == 'stop':
            filter_.stop('button')
        for _ in range(60):
            effort = filter_.step(position, velocity, None).motor_effort
            acceleration = np.linalg.solve(
                Coupled.mass, effort - Coupled.pull - Coupled.damping * velocity)
            position = position + PERIOD * velocity + 0.5 * PERIOD**2 * acceleration
            velocity = velocity + PERIOD * acceleration
        assert position == pytest.approx([1.5 - 0.0101, 0.0], abs=1e-4)
