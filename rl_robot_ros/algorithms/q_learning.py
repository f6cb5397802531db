"""
Tabular Q-learning (Watkins 1989): off-policy, for effort sets and few observation numbers.

Every observation number is cut into bins, a table holds the value of each choice in each cell, and
each row is learned from once, in the order in which it came:

    Q(s, a) += alpha * (reward + gamma * max Q(s') - Q(s, a))

where the future counts 0 after a real end and goes on where only time ran out (Pardo et al. 2018,
arXiv 1712.00378).  It has no network, no replay and nothing to normalise: it is here to be
understood, and because it is hard to beat where the state is small.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import require_discrete
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.exploration import Counts
from rl_robot_ros.algorithms.exploration import EpsilonConfig
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import MAX_CELLS
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import cell_of
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
import torch

WAITING_ROWS = 10_000  # bound of rows that were not learned from yet; then the oldest are lost
S1: Mapping[str, Any] = {'alpha': 0.1, 'gamma': 0.95, 'initial_value': 0.0}


@dataclass(frozen=True)
class QLearningConfig(EpsilonConfig):
    """What there is to choose in tabular Q-learning beside `EpsilonConfig`."""

    gamma: float = option(0.98, 'discount per decision', low=0.0, high=1.0)
    alpha: float = option(0.1, 'learning rate', low=0.0, high=1.0)
    bins: tuple[int, ...] = option((10,), 'bins of each observation number; 1 ignores it; one '
                                   'value stands for all', low=1, high=1000)
    lower: tuple[float, ...] = option((-1.0,), 'where the bins begin, in the unit of the number; '
                                      'one value stands for all', low=-1e6, high=1e6)
    upper: tuple[float, ...] = option((1.0,), 'where they end; beyond, the outermost bin counts',
                                      low=-1e6, high=1e6)
    initial_value: float = option(0.0, 'value of what was never tried; high ones explore',
                                  low=-1e6, high=1e6)

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        self.check_epsilon()
        for name in ('bins', 'lower', 'upper'):
            if not getattr(self, name):
                raise ValueError(f'algorithm.{name}: got none, it needs one value, or one per '
                                 'observation number')

    def grid(self, size: int) -> tuple[list[int], Vector, Vector]:
        """
        Return bins, lower and upper ends for `size` observation numbers.

        :raises ValueError: they do not fit.
        """
        parts = []
        for name in ('bins', 'lower', 'upper'):
            values = getattr(self, name)
            if len(values) not in (1, size):
                raise ValueError(f'algorithm.{name}: got {len(values)} values, the observation '
                                 f'has {size} numbers: give one value, or one for each')
            parts.append(np.array(values * (size if len(values) == 1 else 1)))
        bins, lower, upper = parts
        if not (lower < upper).all():
            raise ValueError(f'algorithm.lower: got {self.lower}, each must lie below '
                             f'algorithm.upper = {self.upper}')
        return bins.tolist(), lower, upper


class QLearning(Algorithm):
    """Tabular Q-learning, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = QLearningConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        's1_constant': {**S1, 'epsilon_start': 0.1, 'epsilon_end': 0.1, 'epsilon_decay': 1.0},
        's4_decay': {**S1, 'epsilon_start': 1.0, 'epsilon_end': 0.01, 'epsilon_decay': 0.995,
                     'epsilon_unit': 'episode'},
        # Ten bins for position, velocity, sine of the angle and angular velocity: 10^4 states.
        'cartpole': {'bins': (10, 10, 1, 10, 10), 'lower': (-2.4, -2.0, 0.0, -0.21, -2.0),
                     'upper': (2.4, 2.0, 1.0, 0.21, 2.0), 'alpha': 0.3, 'epsilon_unit': 'step',
                     'epsilon_over': 30_000},
        # One bin per cell of the task `grid`, whose rewards are all costs: zero is optimistic.
        'grid': {'bins': (5,), 'lower': (-0.5,), 'upper': (4.5,), 'alpha': 0.5, 'gamma': 0.95,
                 'epsilon_start': 0.2, 'epsilon_end': 0.02, 'epsilon_unit': 'step',
                 'epsilon_over': 1500}}

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: QLearningConfig,
                 seed: int) -> None:
        self.config, self.network_name, self.layout = config, contract.network, layout
        self.bins, self.lower, upper = config.grid(layout.observation_size)
        self.inverse_width = np.array(self.bins) / (upper - self.lower)
        spec = NetworkSpec.parse(contract.network)
        self.table = np.full((math.prod(self.bins), spec.sizes[-1]), config.initial_value)
        self.counts = Counts(layout)
        self.dropped = 0
        self._waiting: deque[Vector] = deque()

    @classmethod
    def network(cls, config: QLearningConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the table; raises ValueError for continuous actions and for a table too large."""
        require_discrete('q_learning', choices)
        bins, _, _ = config.grid(observation_size)
        if math.prod(bins) * choices > MAX_CELLS:
            raise ValueError(f'algorithm.bins: got {config.bins}, that makes '
                             f'{math.prod(bins) * choices:.1e} values, allowed are {MAX_CELLS}: '
                             'use fewer bins, 1 for numbers that do not matter')
        return f'table {"-".join(map(str, (*bins, choices)))} bins'

    @property
    def utd(self) -> float:
        """Return 1: each row is learned from once."""
        return 1.0

    @property
    def ready(self) -> bool:
        """Whether there is a row to learn from."""
        return len(self._waiting) > 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Queue rows; what a person did is no choice of the set, so it teaches nothing."""
        self.counts.add(rows)
        person = rows[:, self.layout.column('intervened').start] != 0.0
        self._waiting.extend(rows[~person])
        while len(self._waiting) > WAITING_ROWS:
            self._waiting.popleft()
            self.dropped += 1

    def cell(self, observation: Vector) -> int:
        """Return the row of the table that belongs to an observation."""
        return cell_of(observation, self.lower, self.inverse_width, self.bins)

    def update(self) -> dict[str, float]:
        """Learn from the next row."""
        if not self._waiting:
            return {}
        row, column = self._waiting.popleft(), self.layout.column
        chosen = self.cell(row[column('obs')]), int(row[column('request').start])
        after = float(self.table[self.cell(row[column('next_obs')])].max())
        going_on = 1.0 - float(row[column('terminated').start])
        error = (float(row[column('reward').start]) + self.config.gamma * going_on * after
                 - float(self.table[chosen]))
        require_finite('temporal difference', error)
        self.table[chosen] += self.config.alpha * error
        self.counts.updates += 1
        return {'td_error': error, 'epsilon': self.exploration()[1],
                'rows_dropped': float(self.dropped)}

    def actor_weights(self) -> Vector:
        """Return grid and table in the format of `core.network`."""
        return np.concatenate((self.lower, self.inverse_width, self.table.ravel()))

    def exploration(self) -> tuple[str, float]:
        """Choose at random with probability epsilon, on its schedule."""
        return self.config.explore(self.counts)

    def state_dict(self) -> dict[str, Any]:
        """Return everything, rows that wait included."""
        waiting = np.array(self._waiting).reshape(-1, self.layout.width)
        return {'network': self.network_name, 'table': torch.from_numpy(self.table.copy()),
                'waiting': torch.from_numpy(waiting), 'dropped': self.dropped,
                **self.counts.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        if state['network'] != self.network_name:
            raise ValueError(f'the checkpoint has {state["network"]!r}, this run asks for '
                             f'{self.network_name!r}: set algorithm.bins as it was, or start a '
                             'new run')
        self.counts.load_state_dict(state)
        self.table[:] = state['table'].numpy()
        self.dropped = state['dropped']
        self._waiting = deque(state['waiting'].numpy())


ALGORITHM = QLearning
