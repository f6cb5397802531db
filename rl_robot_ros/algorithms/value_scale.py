"""
Values in units of their own spread, whatever the scale of the rewards.

A network starts with outputs about 1, and Adam moves it by about its learning rate: where returns
are hundreds, the value needs hundreds of updates only to get there, and advantages are wrong
meanwhile.  Here the critic's network learns returns of mean 0 and variance 1, and its last layer
is changed whenever mean and spread are, so that what it has learned stays what it was (PopArt, van
Hasselt et al. 2016, arXiv 1602.07714).  Scaling the rewards instead (`VecNormalize`) changes what
a value of yesterday meant.  Of five tasks, Andrychowicz et al. 2021 (arXiv 2006.05990, section
3.3) find it crucial in two, helpful in two and harmful in one.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

from torch import Tensor

RATE = 0.05  # of the newest returns in mean and spread, once there were twenty times as many
LEAST = 0.01  # of the mean: a spread below this is not told from none


class ValueScale:
    """Mean and spread of returns so far."""

    def __init__(self) -> None:
        self.count = 0  # blocks
        self.mean, self.square = 0.0, 1.0  # of returns, and of their squares

    @property
    def spread(self) -> float:
        """Return the standard deviation; 1 before anything was seen."""
        least = max(LEAST * abs(self.mean), 1e-6)
        return max(math.sqrt(max(self.square - self.mean**2, 0.0)), least)

    def take(self, returns: Tensor, weight: Tensor, bias: Tensor) -> None:
        """
        Take returns into account, and keep what a network says as it is, but for its first guess.

        :param returns: of a block, in units of the reward, shape (N,).
        :param weight: of the network's last layer, changed in place, as `bias` is.
        """
        mean, spread = self.mean, self.spread
        self.count += 1
        rate = max(1.0 / self.count, RATE)
        self.mean += rate * (float(returns.mean()) - self.mean)
        self.square += rate * (float(returns.square().mean()) - self.square)
        if self.count > 1:
            weight.mul_(spread / self.spread)
            bias.mul_(spread / self.spread).add_((mean - self.mean) / self.spread)

    def value(self, output: Tensor) -> Tensor:
        """Return the value [reward] that a network's output stands for."""
        return self.mean + self.spread * output

    def output(self, value: Tensor) -> Tensor:
        """Return the output that stands for a value [reward]."""
        return (value - self.mean) / self.spread

    def state_dict(self) -> dict[str, Any]:
        """Return everything."""
        return {'count': self.count, 'mean': self.mean, 'square': self.square}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        self.count, self.mean, self.square = state['count'], state['mean'], state['square']
