from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.memory.normaliser import MIN_VARIANCE
from rl_robot_ros.memory.normaliser import Normaliser


@given(st.integers(0, 1000), st.lists(st.integers(0, 9), min_size=1, max_size=8),
       st.floats(-1e4, 1e4))
def test_batches_give_the_figures_of_the_whole(seed, sizes, offset):
    data = offset + np.random.default_rng(seed).normal(size=(sum(sizes), 3)) * [1e-3, 1.0, 100.0]
    normaliser = Normaliser(3)
    for part in np.split(data, np.cumsum(sizes)[:-1]):
        normaliser.add(part)
    assert normaliser.count == len(data)
    if len(data) > 1:
        assert normaliser.mean == pytest.approx(data.mean(0), rel=1e-9, abs=1e-9)
        assert normaliser.inverse_std == pytest.approx(
            1.0 / np.sqrt(data.var(0) + MIN_VARIANCE), rel=1e-6)
    else:
        assert normaliser.inverse_std.tolist() == [1.0, 1.0, 1.0]


def test_stops_at_its_limit():
    normaliser = Normaliser(1, limit=3)
    normaliser.add(np.array([[1.0], [2.0]]))
    normaliser.add(np.array([[6.0], [1000.0]]))
    normaliser.add(np.array([[1000.0]]))
    assert normaliser.count == 3
    assert normaliser.mean.tolist() == [3.0]


def test_a_number_that_never_changed_does_not_explode():
    normaliser = Normaliser(1)
    normaliser.add(np.full((50, 1), 0.3))
    assert abs((0.31 - normaliser.mean[0]) * normaliser.inverse_std[0]) <= 1.0 + 1e-9


def test_state_round_trip():
    normaliser, other = Normaliser(2), Normaliser(2)
    normaliser.add(np.random.default_rng(0).normal(size=(7, 2)))
    other.load_state_dict(normaliser.state_dict())
    for each in (normaliser, other):
        each.add(np.ones((3, 2)))
    assert np.array_equal(normaliser.mean, other.mean)
    assert np.array_equal(normaliser.inverse_std, other.inverse_std)


def test_how_rows_are_batched_makes_no_difference():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(97, 3)) * 10.0 ** rng.integers(-3, 3, (97, 3))
    one, other = Normaliser(3), Normaliser(3)
    one.add(rows)
    start = 0
    while start < len(rows):
        size = int(rng.integers(1, 20))
        other.add(rows[start:start + size])
        start += size
    assert one.mean.tobytes() == other.mean.tobytes()
    assert one.inverse_std.tobytes() == other.inverse_std.tobytes()
