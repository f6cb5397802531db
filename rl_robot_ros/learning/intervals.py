"""
How sure a figure is: interquartile means and bootstrap intervals.

After Agarwal et al., *Deep Reinforcement Learning at the Edge of the Statistical Precipice*
(NeurIPS 2021): the interquartile mean is as robust as a median and needs fewer runs, and its
interval comes from a percentile bootstrap (Efron, 1979), stratified where the values are of
several kinds.  Everything is seeded: the same values give the same interval.

The last axis counts the values; axes before it are computed side by side, with the same resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.spec import Vector

RESAMPLES = 10_000
OUTSIDE = 0.025  # of the resamples on either side of a 95 % interval
SEED = 2021
# Of normal values, the interval of the interquartile mean holds the true one in 51 % of cases with
# 2 values, 74 % with 3, 87 % with 4, 90 % with 5 and 95 % with 10 (see the test).
FEW = 5
AT_ONCE = 2_000_000  # numbers in memory

# Takes an array of shape (..., n), of several resamples too, and reduces the last axis.
Statistic = Callable[[Vector], Vector]


class Interval(NamedTuple):
    """An estimate and its 95 % interval, numbers or arrays; NaN ends where there is no telling."""

    point: Vector | float
    low: Vector | float
    high: Vector | float


def mean(values: Vector) -> Vector:
    """Return the mean over the last axis."""
    return np.asarray(values.mean(axis=-1))


def std(values: Vector) -> Vector:
    """Return the standard deviation over the last axis."""
    return np.asarray(values.std(axis=-1))


def weighted_mean(values: Vector) -> Vector:
    """
    Return ``sum(w x) / sum(w)``.

    :param values: shape (2, ..., n): the values x and their weights w.
    """
    return np.asarray((values[0] * values[1]).sum(axis=-1) / values[1].sum(axis=-1))


def interquartile_mean(values: Vector) -> Vector:
    """
    Return the mean of the middle half over the last axis.

    Of n values, ``n // 4`` are left out at either end, as ``scipy.stats.trim_mean(x, 0.25)`` and
    rliable do: of fewer than four it is the mean.
    """
    count = values.shape[-1]
    cut = count // 4
    if cut:
        values = np.partition(values, (cut, count - cut - 1), axis=-1)[..., cut:count - cut]
    return mean(values)


def bootstrap(values: Vector, statistic: Statistic = interquartile_mean,
              resamples: int = RESAMPLES) -> Interval:
    """
    Return a statistic of the values and its percentile bootstrap interval.

    :param values: shape (..., n).
    """
    return stratified_bootstrap([np.asarray(values, dtype=np.float64)], statistic, resamples)


def stratified_bootstrap(strata: Sequence[Vector],
                         statistic: Statistic = interquartile_mean,
                         resamples: int = RESAMPLES) -> Interval:
    """
    Do the same where values are of several kinds: each kind is resampled by itself.

    The interval is stretched where needed to hold the estimate: percentiles alone do not promise
    that, as for the deviation of values of which half are 0 and half are 1.  Where a kind has only
    one value, nothing tells how much it could differ: the ends of the interval are NaN.

    :param strata: per kind an array of shape (..., n_i); the statistic is that of all together.
    :raises ValueError: a kind has no values.
    """
    values = np.concatenate(strata, axis=-1)
    fewest = min(stratum.shape[-1] for stratum in strata)
    if not fewest:
        raise ValueError('an interval needs at least one value of every kind')
    point = statistic(values)
    if fewest < 2:
        return Interval(point, np.full_like(point, np.nan), np.full_like(point, np.nan))
    rng, estimates = np.random.default_rng(SEED), []
    together = max(1, AT_ONCE // max(1, values.size))
    for first in range(0, resamples, together):
        count = min(together, resamples - first)
        picks, before = [], 0
        for stratum in strata:
            size = stratum.shape[-1]
            picks.append(before + rng.integers(size, size=(count, size)))
            before += size
        estimates.append(statistic(values[..., np.concatenate(picks, axis=-1)]))
    # Percentiles by rank: interpolation would make NaN of values that are infinite.
    ordered = np.sort(np.concatenate(estimates, axis=-1), axis=-1)
    cut = int(OUTSIDE * resamples)
    return Interval(point, np.minimum(ordered[..., cut], point),
                    np.maximum(ordered[..., resamples - 1 - cut], point))
