from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.stop_path import StopPath

PERIOD = 0.005
BRAKING = np.array([6.0, 2.5, 17.0])
PATH = StopPath(BRAKING, PERIOD)
speeds = st.floats(-3.0, 3.0) | st.integers(-40, 40).map(lambda n: n * 2.5 * PERIOD)
velocities = st.tuples(speeds, speeds, speeds).map(np.array)


def follow(position, velocity):
    """Brake period by period; yield every state on the way, standstill included."""
    while True:
        yield position, velocity
        if not velocity.any():
            return
        after = velocity + PERIOD * PATH.brake(velocity)
        after[np.abs(after) < 1e-12] = 0.0
        position, velocity = position + PERIOD * 0.5 * (velocity + after), after


@given(velocities)
def test_braking_leads_along_the_rest_of_the_same_path(velocity):
    """What makes stop paths a safe set: one period later, the same path is left."""
    start = np.zeros(3)
    end = start + np.sign(velocity) * PATH.travel(velocity)
    line = np.concatenate((start[None], PATH.positions(start[None], velocity[None], 2000)[:, 0]))
    for position, speed in follow(start, velocity):
        np.testing.assert_allclose(position + np.sign(speed) * PATH.travel(speed), end, atol=1e-9)
        # It lies on the line that was looked at, and not only its end does.
        miss = np.abs(line - position).max(axis=1).min()
        assert miss <= np.abs(np.diff(line, axis=0)).max()


@given(velocities, st.integers(1, 30))
def test_positions_lead_to_standstill_in_one_direction(velocity, count):
    start = np.array([1.0, -2.0, 0.5])
    passed = PATH.positions(start[None], velocity[None], count)[:, 0]
    assert passed.shape == (count, 3)
    np.testing.assert_allclose(passed[-1], start + np.sign(velocity) * PATH.travel(velocity),
                               atol=1e-12)
    steps = np.diff(np.concatenate((start[None], passed)), axis=0) * np.sign(velocity)
    assert (steps >= -1e-12).all()


def test_positions_of_several_paths_are_those_of_each():
    rng = np.random.default_rng(0)
    position, velocity = rng.normal(size=(2, 4, 3))
    together = PATH.positions(position, velocity, 7)
    for i in range(4):
        alone = PATH.positions(position[i:i + 1], velocity[i:i + 1], 7)
        np.testing.assert_allclose(together[:, i], alone[:, 0], atol=1e-12)


def test_travel_is_hardly_longer_than_without_periods():
    velocity = np.array([2.0, -2.0, 0.01])
    ideal = velocity**2 / (2.0 * BRAKING)
    longer = PATH.travel(velocity) - ideal
    assert (longer >= -1e-12).all() and (longer <= BRAKING * PERIOD**2 / 8.0 + 1e-12).all()


def test_a_joint_that_cannot_brake_is_refused():
    with pytest.raises(ValueError, match='positive braking acceleration'):
        StopPath(np.array([1.0, 0.0]), PERIOD)
