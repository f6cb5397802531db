import math

from hypothesis import assume
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.viability import is_viable
from rl_robot_ros.safety.viability import upper_bound

PERIOD = 0.005
distances = st.floats(1e-4, 6.0)
brakings = st.floats(0.5, 30.0)
speeds = st.floats(0.1, 6.0)
parts = st.floats(-1.0, 1.0)
kappas = st.floats(1.0, 10.0)


def bound(distance, velocity, speed, braking, horizon=PERIOD):
    return float(upper_bound(np.array(distance), np.array(velocity), np.array(speed),
                             np.array(braking), horizon))


def viable(distance, velocity, speed, braking, slack=0.0):
    return bool(is_viable(np.array(distance), np.array(velocity), np.array(speed),
                          np.array(braking), slack))


def velocity_of(part, distance, speed, braking):
    """Return a viable velocity: towards the limit no faster than the joint can stop."""
    return part * speed if part < 0.0 else part * min(speed, math.sqrt(2.0 * braking * distance))


@given(distances, parts, speeds, brakings, kappas)
@settings(max_examples=500, deadline=None)
def test_a_viable_joint_stays_viable_and_inside_all_the_way(distance, part, speed, braking, kappa):
    velocity = velocity_of(part, distance, speed, braking)
    acceleration = bound(distance, velocity, speed, braking, kappa * PERIOD)
    for time in np.linspace(0.0, PERIOD, 9)[1:]:
        moved = velocity * time + 0.5 * acceleration * time * time
        assert viable(distance - moved, velocity + acceleration * time, math.inf, braking, 1e-9)
    assert velocity + acceleration * PERIOD <= max(speed, velocity) + 1e-9


@given(distances, parts, speeds, brakings, kappas)
@settings(max_examples=500, deadline=None)
def test_braking_as_certified_is_always_allowed(distance, part, speed, braking, kappa):
    """Otherwise a state could be reached from which nothing is allowed."""
    velocity = velocity_of(part, distance, speed, braking)
    assert bound(distance, velocity, speed, braking, kappa * PERIOD) >= -braking * (1.0 + 1e-6)


@given(distances, parts, speeds, brakings)
@settings(max_examples=500, deadline=None)
def test_the_bound_is_not_tighter_than_it_must_be(distance, part, speed, braking):
    """Just above the bound, the joint is too fast, not viable, or has been beyond the limit."""
    velocity = velocity_of(part, distance, speed, braking)
    acceleration = bound(distance, velocity, speed, braking) + 1e-3 * (1.0 + braking)
    end = velocity + PERIOD * acceleration
    assume(abs(end) > 1e-6)
    passed = [velocity * t + 0.5 * acceleration * t * t for t in np.linspace(0.0, PERIOD, 201)]
    stops = distance - passed[-1] - max(end, 0.0)**2 / (2.0 * braking)
    assert end > speed or stops < 1e-7 or max(passed) > distance - 1e-7


@given(distances, parts, speeds, brakings, st.floats(1.0, 5.0), st.floats(1.0, 3.0))
@settings(max_examples=300, deadline=None)
def test_more_room_and_more_braking_never_allow_less(distance, part, speed, braking, more, kappa):
    velocity = velocity_of(part, distance, speed, braking)
    least = bound(distance, velocity, speed, braking, kappa * PERIOD)
    assert bound(more * distance, velocity, speed, braking, kappa * PERIOD) >= least - 1e-9
    assert bound(distance, velocity, more * speed, braking, kappa * PERIOD) >= least - 1e-9
    assert bound(distance, velocity, speed, more * braking, kappa * PERIOD) >= least - 1e-9


@given(st.floats(0.0, 3.0), st.floats(-3.0, 3.0), speeds, brakings)
@settings(deadline=None)
def test_beyond_the_limit_a_joint_only_turns_back(beyond, velocity, speed, braking):
    acceleration = bound(-beyond, velocity, speed, braking)
    assert velocity + PERIOD * acceleration <= 1e-9


def test_far_from_any_limit_only_the_speed_counts():
    assert bound(math.inf, 1.0, 2.0, 3.0) == pytest.approx(1.0 / PERIOD)
    assert bound(math.inf, 2.0, 2.0, 3.0) == pytest.approx(0.0)
    assert bound(math.inf, 3.0, 2.0, 3.0) == pytest.approx(-1.0 / PERIOD)


def test_on_the_edge_of_viability_a_joint_brakes_as_certified():
    for braking in (1.0, 6.0, 17.0):
        for velocity in (0.5, 1.0, 2.0):
            distance = velocity * velocity / (2.0 * braking)
            assert bound(distance, velocity, 10.0, braking) == pytest.approx(-braking, rel=1e-6)
            assert bound(0.9 * distance, velocity, 10.0, braking) <= -braking, 'too late'


def test_a_joint_that_stands_on_its_limit_may_stay_there():
    assert bound(0.0, 0.0, 2.0, 3.0) == pytest.approx(0.0, abs=1e-9)
    assert bound(1e-9, 0.0, 2.0, 3.0) >= 0.0


def test_which_states_are_viable():
    assert viable(1.0, 2.0, 2.0, 2.0) and not viable(0.99, 2.0, 2.0, 2.0)
    assert viable(0.5, -3.0, 3.0, 2.0), 'away from the limit it needs no room'
    assert not viable(0.5, -3.1, 3.0, 2.0) and not viable(-0.01, 0.0, 2.0, 2.0)
    assert viable(-0.01, 0.0, 2.0, 2.0, 0.02)


@pytest.mark.parametrize('where', range(4))
def test_nan_is_never_viable(where):
    values = [1.0, 0.1, 2.0, 2.0]
    values[where] = math.nan
    assert not viable(*values)
