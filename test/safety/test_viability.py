import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.viability import braking_box
from rl_robot_ros.safety.viability import is_viable
from rl_robot_ros.safety.viability import upper_bound

PERIOD = 0.005
SAMPLES = 20_000
RNG = np.random.default_rng(0)


def log_uniform(low, high):
    return np.exp(RNG.uniform(math.log(low), math.log(high), SAMPLES))


# One viable state per sample: towards the limit no faster than the joint can stop, a fifth of them
# just able to stop, a fifth as fast as may be the other way, a fifth standing still.
DISTANCE, BRAKING = log_uniform(1e-4, 6.0), log_uniform(0.5, 30.0)
SPEED, HORIZON = log_uniform(0.1, 6.0), PERIOD * RNG.uniform(1.0, 10.0, SAMPLES)
PART = np.where(RNG.random(SAMPLES) < 0.6, RNG.integers(-1, 2, SAMPLES),
                RNG.uniform(-1.0, 1.0, SAMPLES))
VELOCITY = PART * np.where(PART < 0.0, SPEED,
                           np.minimum(SPEED, np.sqrt(2.0 * BRAKING * DISTANCE)))


def bound(distance, velocity, speed, braking, horizon=PERIOD):
    return float(upper_bound(np.array(distance), np.array(velocity), np.array(speed),
                             np.array(braking), horizon))


def viable(distance, velocity, speed, braking, slack=0.0):
    return bool(is_viable(np.array(distance), np.array(velocity), np.array(speed),
                          np.array(braking), slack))


def test_a_viable_joint_stays_viable_and_inside_all_the_way():
    acceleration = upper_bound(DISTANCE, VELOCITY, SPEED, BRAKING, HORIZON)
    for time in np.linspace(0.0, PERIOD, 9)[1:]:
        left = DISTANCE - VELOCITY * time - 0.5 * acceleration * time * time
        assert is_viable(left, VELOCITY + acceleration * time, np.inf, BRAKING, 1e-9).all()
    assert (VELOCITY + acceleration * PERIOD <= np.maximum(SPEED, VELOCITY) + 1e-9).all()


def test_braking_as_certified_is_always_allowed():
    """Otherwise a state could be reached from which nothing is allowed."""
    acceleration = upper_bound(DISTANCE, VELOCITY, SPEED, BRAKING, HORIZON)
    assert (acceleration >= -BRAKING * (1.0 + 1e-6)).all()


def test_the_bound_is_not_tighter_than_it_must_be():
    """Just above the bound, the joint is too fast, not viable, or has been beyond the limit."""
    acceleration = upper_bound(DISTANCE, VELOCITY, SPEED, BRAKING, PERIOD) + 1e-3 * (1.0 + BRAKING)
    end = VELOCITY + PERIOD * acceleration
    furthest = np.full(SAMPLES, -np.inf)
    for time in np.linspace(0.0, PERIOD, 201):
        moved = VELOCITY * time + 0.5 * acceleration * time * time
        furthest = np.maximum(furthest, moved)
    stops = DISTANCE - moved - np.maximum(end, 0.0)**2 / (2.0 * BRAKING)
    known = np.abs(end) > 1e-6
    assert ((end > SPEED) | (stops < 1e-7) | (furthest > DISTANCE - 1e-7))[known].all()


@pytest.mark.parametrize('more', [1.0, 1.001, 1.5, 5.0])
def test_more_room_and_more_braking_never_allow_less(more):
    state = np.stack((DISTANCE, VELOCITY, SPEED, BRAKING))
    least = upper_bound(*state, HORIZON)
    for which in (0, 2, 3):
        better = state.copy()
        better[which] *= more
        assert (upper_bound(*better, HORIZON) >= least - 1e-9).all()


@given(st.floats(0.0, 3.0), st.floats(-3.0, 3.0), st.floats(0.1, 6.0), st.floats(0.5, 30.0))
def test_beyond_the_limit_a_joint_only_turns_back(beyond, velocity, speed, braking):
    acceleration = bound(-beyond, velocity, speed, braking)
    assert velocity + PERIOD * acceleration <= 1e-9


@given(st.floats(0.0, 3.0), st.floats(-3.0, 3.0), st.floats(0.0, 9.0))
def test_beyond_the_limit_a_joint_comes_back_as_fast_as_asked(beyond, velocity, back):
    acceleration = float(upper_bound(np.array(-beyond), np.array(velocity), np.array(9.0),
                                     np.array(3.0), PERIOD, back))
    assert velocity + PERIOD * acceleration == pytest.approx(-back, abs=1e-9)


@pytest.mark.parametrize('distance', [1e-9, 0.1, 4.0, math.inf])
def test_inside_the_limit_that_rate_makes_no_difference(distance):
    state = (np.array(distance), np.array([-1.0, 0.0, 0.5]), np.array(2.0), np.array(3.0), PERIOD)
    assert upper_bound(*state, 5.0).tolist() == upper_bound(*state).tolist()


def test_one_joint_at_its_limit_changes_nothing_for_the_others():
    both = upper_bound(np.array([1.0, -0.1]), np.array([0.5, 0.0]), *np.ones((2, 2)), PERIOD)
    assert both[0] == bound(1.0, 0.5, 1.0, 1.0) and both[1] == bound(-0.1, 0.0, 1.0, 1.0) == 0.0


@pytest.mark.parametrize('velocity', [0.1, 1.0, 6.0])
@pytest.mark.parametrize('share', [1e-3, 0.4, 0.999])
def test_a_joint_that_is_too_late_turns_round_on_its_limit(velocity, share):
    distance = share * 0.5 * PERIOD * velocity
    assert bound(distance, velocity, 9.0, 3.0) == pytest.approx(-velocity**2 / (2.0 * distance))


def test_the_box_asks_for_no_more_braking_than_there_is():
    most = np.array([5.0, 5.0, 5.0, 5.0])
    lower, upper = braking_box(np.array([-9.0, 2.0, 8.0, -9.0]), np.array([9.0, 3.0, 9.0, -8.0]),
                               most)
    assert lower.tolist() == [-9.0, 2.0, 5.0, -9.0] and upper.tolist() == [9.0, 3.0, 9.0, -5.0]


def test_where_bounds_cross_they_meet_in_the_middle():
    lower, upper = braking_box(np.array([3.0, -1.0]), np.array([2.0, 1.0]), np.full(2, 5.0))
    assert lower.tolist() == [2.5, -1.0] and upper.tolist() == [2.5, 1.0]
    lower, upper = braking_box(np.array([9.0, 0.0]), np.array([-7.0, 0.0]), np.array([5.0, 5.0]))
    assert lower.tolist() == upper.tolist() == [0.0, 0.0]


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
    assert viable(0.0, 0.0, 2.0, 2.0), 'it may stand on its limit'
    assert viable(-0.01, 0.0, 2.0, 2.0, 0.02)
    assert viable(9.0, 2.03, 2.0, 2.0, 0.02) and not viable(9.0, 2.05, 2.0, 2.0, 0.02)


@pytest.mark.parametrize('where', range(4))
def test_nan_is_never_viable(where):
    values = [1.0, 0.1, 2.0, 2.0]
    values[where] = math.nan
    assert not viable(*values)
