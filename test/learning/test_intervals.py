"""Interquartile means and intervals: their properties, and how often they hold the truth."""

import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
import numpy as np
import pytest
from rl_robot_ros.learning.intervals import bootstrap
from rl_robot_ros.learning.intervals import interquartile_mean
from rl_robot_ros.learning.intervals import mean
from rl_robot_ros.learning.intervals import std
from rl_robot_ros.learning.intervals import stratified_bootstrap
from rl_robot_ros.learning.intervals import weighted_mean

VALUES = arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6, width=32))
STATISTICS = st.sampled_from([mean, std, interquartile_mean])


def slow_iqm(values):
    ordered = sorted(values)
    cut = int(0.25 * len(ordered))
    middle = ordered[cut:len(ordered) - cut]
    return math.fsum(middle) / len(middle)


@given(VALUES)
def test_interquartile_mean_is_that_of_the_middle_half(values):
    expected = pytest.approx(slow_iqm(values), rel=1e-9, abs=1e-6)
    assert interquartile_mean(values) == expected
    assert interquartile_mean(np.stack([values, -values]))[0] == expected


def test_interquartile_mean_by_hand():
    assert interquartile_mean(np.array([9.0, 1.0, 2.0])) == 4.0
    assert interquartile_mean(np.array([1.0, 1e9, 2.0, 3.0])) == 2.5
    assert interquartile_mean(np.arange(11.0)) == 5.0
    # A run that never gets there does not spoil it, two of four do.
    assert interquartile_mean(np.array([1.0, 2.0, 4.0, math.inf])) == 3.0
    assert interquartile_mean(np.array([1.0, 2.0, math.inf, math.inf])) == math.inf


@given(VALUES, STATISTICS)
def test_the_interval_holds_the_estimate(values, statistic):
    interval = bootstrap(values, statistic, 200)
    assert interval.point == statistic(values)
    if len(values) > 1:
        assert interval.low <= interval.point <= interval.high
        slack = 1e-9 * (1.0 + np.abs(values).max())
        if statistic is not std:
            assert values.min() - slack <= interval.low
            assert interval.high <= values.max() + slack
    else:
        assert np.isnan(interval.low) and np.isnan(interval.high)


@pytest.mark.parametrize('sign', [1.0, -1.0])
def test_percentiles_alone_would_miss_an_extreme_estimate(sign):
    # No resample of as many zeros as ones deviates more, and hardly any as much.
    values = np.arange(5000) % 2.0
    interval = bootstrap(values, lambda resampled: sign * std(resampled), 500)
    assert interval.point == 0.5 * sign in (interval.low, interval.high)


@given(VALUES.filter(lambda values: len(values) > 1), st.floats(0.01, 100.0),
       st.floats(-1e3, 1e3))
def test_it_moves_and_scales_with_the_values(values, scale, shift):
    before, after = bootstrap(values, resamples=200), bootstrap(scale * values + shift,
                                                                resamples=200)
    tolerance = 1e-9 * (1.0 + abs(shift) + scale * np.abs(values).max())
    np.testing.assert_allclose(after, scale * np.array(before) + shift, atol=tolerance)


def test_it_shrinks_with_the_root_of_the_number():
    rng = np.random.default_rng(1)
    widths = []
    for count in (25, 100, 400):
        interval = bootstrap(rng.normal(size=(100, count)), resamples=500)
        widths.append(float(np.mean(interval.high - interval.low)))
    assert widths[0] / widths[1] == pytest.approx(2.0, rel=0.15)
    assert widths[1] / widths[2] == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize('statistic', [mean, interquartile_mean])
@pytest.mark.parametrize('count, low, high', [(3, 0.68, 0.80), (5, 0.80, 0.93), (10, 0.90, 0.97),
                                              (50, 0.92, 0.97)])
def test_how_often_it_holds_the_truth(statistic, count, low, high):
    """About 95 %, less for few values: the comment at `FEW` tells the figures."""
    interval = bootstrap(np.random.default_rng(2).normal(size=(1000, count)), statistic, 1000)
    held = np.mean((interval.low <= 0.0) & (0.0 <= interval.high))
    assert low < held < high


def test_it_agrees_with_the_theory():
    values = np.random.default_rng(3).normal(5.0, 2.0, 1000)
    interval = bootstrap(values, mean)
    half = 1.96 * values.std() / math.sqrt(1000)
    assert interval.high - interval.point == pytest.approx(half, rel=0.05)
    assert interval.point - interval.low == pytest.approx(half, rel=0.05)


def test_strata_do_not_mix():
    # Each kind is certain, so is their mean; taken as one kind it is not.
    strata = [np.zeros(10), np.full(10, 1.0)]
    assert stratified_bootstrap(strata, mean) == (0.5, 0.5, 0.5)
    mixed = bootstrap(np.concatenate(strata), mean)
    assert mixed.high - mixed.low > 0.3
    rng = np.random.default_rng(4)
    strata = [rng.normal(size=8), rng.normal(10.0, 1.0, 20)]
    together = stratified_bootstrap(strata, mean)
    each = [stratified_bootstrap([stratum], mean) for stratum in strata]
    widths = [float(interval.high - interval.low) for interval in (together, *each)]
    # Variances add, weighted by the square of the share of each kind.
    assert widths[0] == pytest.approx(math.hypot(8 / 28 * widths[1], 20 / 28 * widths[2]), rel=0.1)


def test_one_value_of_a_kind_tells_no_interval():
    interval = stratified_bootstrap([np.array([1.0]), np.arange(9.0)], mean)
    assert interval.point == 3.7 and np.isnan(interval.low) and np.isnan(interval.high)


def test_weights_count():
    values = np.array([[1.0, 0.0, 0.0], [1.0, 3.0, 0.0]])
    interval = bootstrap(values[:, :2], weighted_mean)
    assert interval.point == 0.25 and (interval.low, interval.high) == (0.0, 1.0)


def test_the_same_values_give_the_same_interval(monkeypatch):
    values = np.random.default_rng(5).normal(size=30)
    assert bootstrap(values) == bootstrap(values.copy())
    whole = bootstrap(values, resamples=500)
    monkeypatch.setattr('rl_robot_ros.learning.intervals.AT_ONCE', 1000)
    assert bootstrap(values, resamples=500) == whole, 'how much is done at once does not matter'


@settings(max_examples=30)
@given(st.integers(2, 12), st.integers(1, 12))
def test_infinite_values_make_no_nan(count, infinite):
    values = np.arange(float(count))
    values[-min(infinite, count):] = math.inf
    interval = bootstrap(values, resamples=200)
    assert not np.isnan(np.array(interval)).any()
    assert interval.low <= interval.high


def test_no_values():
    with pytest.raises(ValueError, match='at least one value of every kind'):
        stratified_bootstrap([np.ones(3), np.zeros(0)])
    nowhere = bootstrap(np.zeros((0, 3)))
    assert np.shape(nowhere.point) == np.shape(nowhere.low) == (0,)
