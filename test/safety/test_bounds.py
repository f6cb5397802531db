import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.bounds import clamp_effort
from rl_robot_ros.safety.bounds import clamp_rate
from rl_robot_ros.safety.bounds import effort_bounds
from rl_robot_ros.safety.bounds import envelope
from rl_robot_ros.safety.bounds import exceeds

# Franka Control Interface documentation, "Limits for Franka Research 3": the upper speed limit is
# -c0 + sqrt(c1 (Q - q)); and the joint's upper position limit.
FR3 = [
    (0.30, 12.00, 2.75010, 2.7437),
    (0.20, 5.17, 1.79180, 1.7837),
    (0.20, 7.00, 2.90650, 2.9007),
    (0.30, 8.00, -0.1458, -0.1518),
    (0.35, 34.0, 2.81010, 2.8065),
    (0.35, 11.0, 4.52050, 4.5169),
    (0.35, 34.0, 3.01960, 3.0159),
]
# What those curves mean: braking acceleration [rad/s^2] and reaction time [s].
FR3_BRAKING = [(6.0, 0.050), (2.6, 0.077), (3.5, 0.057), (4.0, 0.075), (17.0, 0.021),
               (5.5, 0.064), (17.0, 0.021)]


@pytest.mark.parametrize('curve,braking', list(zip(FR3, FR3_BRAKING)))
def test_the_envelope_is_the_speed_limit_of_the_fr3(curve, braking):
    c0, c1, offset, limit = curve
    acceleration = c1 / 2.0
    reaction = c0 / acceleration
    stop = offset - c0**2 / c1
    position = np.linspace(stop - 2.0, stop, 400)
    franka = -c0 + np.sqrt(c1 * (offset - position))
    ours = envelope(stop - position, np.array(acceleration), reaction)
    np.testing.assert_allclose(ours, franka, rtol=0.0, atol=1e-9)
    assert stop == pytest.approx(limit, abs=8e-3)
    assert (round(acceleration, 1), round(reaction, 3)) == braking


@given(st.floats(0.0, 10.0), st.floats(0.01, 100.0), st.floats(0.0, 0.5))
def test_stopping_from_the_envelope_takes_the_distance(distance, acceleration, reaction):
    speed = float(envelope(np.array(distance), np.array(acceleration), reaction))
    needed = speed * reaction + speed**2 / (2.0 * acceleration)
    assert needed == pytest.approx(distance, rel=1e-6, abs=1e-9)


def test_the_envelope_is_zero_beyond_the_limit_and_infinite_without_one():
    braking = np.array([2.0, 2.0, 2.0])
    speed = envelope(np.array([-1.0, 0.0, math.inf]), braking, 0.1)
    assert speed.tolist() == [0.0, 0.0, math.inf]


@given(st.lists(st.floats(allow_nan=False), min_size=3, max_size=3))
def test_clamp_keeps_what_is_inside(values):
    value, lower, upper = np.array(values), np.full(3, -1.0), np.full(3, 2.0)
    result = clamp(value, lower, upper)
    inside = (value >= lower) & (value <= upper)
    assert result[inside].tobytes() == value[inside].tobytes()
    assert ((result >= lower) & (result <= upper)).all()
    assert (result[value > 2.0] == 2.0).all() and (result[value < -1.0] == -1.0).all()


def test_clamp_writes_where_it_is_told():
    out = np.empty(2)
    assert clamp(np.array([5.0, -5.0]), np.array([-1.0]), np.array([1.0]), out) is out
    assert out.tolist() == [1.0, -1.0]


def test_effort_and_rate():
    asked = np.array([10.0, -10.0, 1.0])
    assert clamp_effort(asked, np.array([4.0, 4.0, 4.0])).tolist() == [4.0, -4.0, 1.0]
    previous, step = np.array([2.0, 2.0, 2.0]), np.array([3.0, 3.0, 3.0])
    assert clamp_rate(asked, previous, step).tolist() == [5.0, -1.0, 1.0]


def test_nan_is_never_inside():
    nan, one = np.array([math.nan, 0.5, 2.0, 1.0]), np.ones(4)
    assert exceeds(nan, one).tolist() == [True, False, True, False]
    assert exceeds(one, nan).tolist() == [True, True, False, False]
    assert np.isnan(clamp_effort(nan, one)[0])
    assert np.isnan(envelope(nan, one, 0.1)[0])


def test_effort_bounds_brake_outside_the_envelope():
    velocity = np.array([0.0, 2.0, -2.0])
    lower, upper = effort_bounds(velocity, np.ones(3), np.ones(3), np.full(3, 10.0), hold=5.0)
    assert lower.tolist() == [-5.0, -25.0, 15.0]
    assert upper.tolist() == [15.0, -5.0, 35.0]
    lower, upper = effort_bounds(velocity, np.ones(3), np.ones(3), np.full(3, 10.0))
    assert lower.tolist() == [-10.0, -30.0, 10.0] and upper.tolist() == [10.0, -10.0, 30.0]
