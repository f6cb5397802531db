"""
The random baseline: uniform actions for ever, nothing is learned.

It measures what a task gives away for free, and drives the graph in tests and benchmarks.
"""  # noqa: A005  the name is what people type

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout


@dataclass(frozen=True)
class Config:
    """There is nothing to choose."""


class Random(Algorithm):
    """Uniform actions; parameters as in `algorithms.base.Algorithm`."""

    Config = Config

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: Config,
                 seed: int) -> None:
        self._weights = initial_weights(contract.network, np.random.default_rng(seed))
        self.rows = 0

    @classmethod
    def network(cls, config: Config, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name a network that is never asked."""
        if choices:
            return f'categorical {observation_size}-{choices} tanh'
        return f'gaussian {observation_size}-{action_size} tanh'

    @property
    def ready(self) -> bool:
        """There is never anything to update."""
        return False

    def add(self, rows: NDArray[np.float64]) -> None:
        """Count rows."""
        self.rows += len(rows)

    def update(self) -> dict[str, float]:
        """Do nothing."""
        return {}

    def actor_weights(self) -> Vector:
        """Return the weights of the network that is never asked."""
        return self._weights

    def exploration(self) -> tuple[str, float]:
        """Explore uniformly."""
        return 'uniform', 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return the count."""
        return {'rows': self.rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the count."""
        self.rows = state['rows']


ALGORITHM = Random
