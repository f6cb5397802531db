"""
Running mean and variance of observations, which travel to the policy with its weights.

Batches are merged by the parallel form of Welford's method (Chan, Golub and LeVeque 1979), which
does not lose digits the way sums of squares do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector

MIN_VARIANCE = 1e-4  # a goal that never moved so far must not explode when it first does


class Normaliser:
    """
    Mean and inverse standard deviation of every observation number.

    :param size: numbers in one observation.
    :param limit: stop learning after this many rows, 0 never stops.
    """

    def __init__(self, size: int, limit: int = 0) -> None:
        self.limit = limit
        self.count = 0
        self.mean: Vector = np.zeros(size)
        self.squares: Vector = np.zeros(size)  # sum of squared distances from the mean

    def add(self, observations: NDArray[np.float64]) -> None:
        """Take observations into account, shape (N, size)."""
        if self.limit:
            observations = observations[:max(0, self.limit - self.count)]
        # Row by row (Welford 1962): sums over batches would depend on how the rows were batched,
        # and that depends on how busy the machine is.
        for row in observations:
            self.count += 1
            distance = row - self.mean
            self.mean += distance / self.count
            self.squares += distance * (row - self.mean)

    @property
    def inverse_std(self) -> Vector:
        """One over the standard deviation, 1 before two rows were seen."""
        if self.count < 2:
            return np.ones_like(self.mean)
        return 1.0 / np.sqrt(self.squares / self.count + MIN_VARIANCE)

    def before(self, weights: Vector) -> Vector:
        """Put the statistics in front of a network's weights, as `core.network` has them."""
        return np.concatenate((self.mean, self.inverse_std, weights))

    def state_dict(self) -> dict[str, Any]:
        """Return the statistics as numbers and lists."""
        return {'count': self.count, 'mean': self.mean.tolist(), 'squares': self.squares.tolist()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to the statistics of `state`."""
        self.count = state['count']
        self.mean = np.array(state['mean'])
        self.squares = np.array(state['squares'])
