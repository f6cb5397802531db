from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.distance import PairDistance
from rl_robot_ros.safety.distance import PlaneDistance

coordinates = st.integers(-8, 8).map(lambda x: x / 4.0) | st.floats(-2.0, 2.0)
points = st.tuples(coordinates, coordinates, coordinates).map(np.array)
segments = st.tuples(points, points).map(np.array)


def to_segment(point, segment):
    """Distance of a point from a segment."""
    along = segment[1] - segment[0]
    square = along @ along
    share = np.clip((point - segment[0]) @ along / square, 0.0, 1.0) if square > 0.0 else 0.0
    return np.linalg.norm(point - segment[0] - share * along)


def reference(one, other):
    """Distance of two segments: at an end of one of them, or where both lines are nearest."""
    found = [to_segment(end, other) for end in one] + [to_segment(end, one) for end in other]
    lines = np.stack((one[1] - one[0], other[0] - other[1]), axis=1)
    share = np.linalg.lstsq(lines, other[0] - one[0], rcond=None)[0]
    if (share >= 0.0).all() and (share <= 1.0).all():
        found.append(np.linalg.norm(one[0] + lines @ share - other[0]))
    return min(found)


def distance(one, other, radius=(0.0, 0.0)):
    capsules = np.array([[one, other]])
    length = np.linalg.norm(capsules[0, :, 1] - capsules[0, :, 0], axis=1)
    return PairDistance(np.array([[0, 1]]), np.array(radius), length)(capsules)[0, 0]


@given(segments, segments)
@settings(max_examples=200)
@example(np.zeros((2, 3)), np.zeros((2, 3)))
@example(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.5, 0, 1], [3, 0, 1]]))  # parallel
@example(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[3.0, 0, 0], [2, 0, 0]]))  # in one line
@example(np.array([[0.0, 0, 0], [1, 0, 0]]), np.array([[0.5, -1, 0], [0.5, 1, 0]]))  # crossing
def test_the_distance_is_that_of_the_reference(one, other):
    assert distance(one, other) == pytest.approx(reference(one, other), abs=1e-6)


@given(segments, segments, st.floats(-1e-7, 1e-7), st.floats(-1e-7, 1e-7))
def test_nearly_parallel_segments(one, shift, tilt, lift):
    other = one + shift[0] + np.array([[0.0, 0.0, 0.0], [tilt, lift, tilt]])
    assert distance(one, other) == pytest.approx(reference(one, other), abs=1e-6)


@given(segments, segments)
def test_the_order_does_not_matter(one, other):
    assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-6)
    assert distance(one[::-1], other) == pytest.approx(distance(one, other), abs=1e-6)


def test_radii_are_taken_off():
    one, other = np.zeros((2, 3)), np.full((2, 3), [0.0, 0.0, 1.0])
    assert distance(one, other, (0.25, 0.125)) == pytest.approx(0.625)
    assert distance(one, one, (0.25, 0.125)) == pytest.approx(-0.375)


def test_many_pairs_in_many_configurations():
    rng = np.random.default_rng(0)
    start, along = rng.normal(size=(20, 5, 3)), rng.normal(size=(1, 5, 3))
    along = rng.choice([-1.0, 1.0], size=(20, 5, 1)) * along
    capsules = np.stack((start, start + along), axis=2)
    pairs = np.array([[0, 1], [3, 1], [4, 2]])
    found = PairDistance(pairs, np.full(5, 0.125), np.linalg.norm(along[0], axis=1))(capsules)
    expected = [[reference(c[a], c[b]) - 0.25 for c in capsules] for a, b in pairs]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    none = PairDistance(pairs[:0], np.full(5, 0.125), np.ones(5))(capsules)
    assert none.shape == (0, 20)


def test_planes():
    capsules = np.array([[[[0.0, 0.5, 1.0], [2.0, 0.25, 3.0]], [[1.0, 1.0, 1.0]] * 2]])
    planes = PlaneDistance(np.array([0, 0, 1, 0]), np.array([2, 0, 1, 1]),
                           np.array([1.0, -1.0, -1.0, 1.0]), np.array([0.25, 4.0, 1.5, 0.5]),
                           np.array([0.125, 0.0625]))
    assert planes(capsules)[:, 0].tolist() == [0.625, 1.875, 0.4375, -0.375]
