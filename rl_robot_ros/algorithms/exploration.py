"""
How much is explored, decided by the learner: schedules and the options that name them.

The learner counts rows, episodes and updates, so that a restarted policy does not begin its decay
again; kind and scale go out with every push.  What they do to an action is `core.exploration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.config import option
from rl_robot_ros.core.exploration import NOISES
from rl_robot_ros.core.transition import RowLayout

UNITS = {'step': 'rows', 'episode': 'episodes', 'update': 'updates'}


class Counts:
    """
    What schedules count: rows (steps), ended episodes and updates; `UNITS` names them.

    :param layout: layout of the rows.
    """

    def __init__(self, layout: RowLayout) -> None:
        self._ends = [layout.column(name).start for name in ('terminated', 'truncated')]
        self.rows = self.episodes = self.updates = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Count rows, and the episodes that ended in them."""
        self.rows += len(rows)
        self.episodes += int((rows[:, self._ends] != 0.0).any(axis=1).sum())

    def state_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in UNITS.values()}

    def of(self, unit: str) -> int:
        """Return how many of `unit` there were."""
        return int(getattr(self, UNITS[unit]))

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go back to the counts of `state`."""
        for name in UNITS.values():
            setattr(self, name, state[name])


def schedule(start: float, end: float, decay: float, over: int, count: int) -> float:
    """
    Return where a quantity that falls from `start` to `end` stands.

    :param decay: factor per count, used where `over` is 0.
    :param over: counts after which a straight line has reached `end`.
    """
    if over:
        return start + (end - start) * min(1.0, count / over)
    return max(end, start * float(decay)**count)


def _check_order(config: Any, name: str) -> None:
    start, end = getattr(config, f'{name}_start'), getattr(config, f'{name}_end')
    if end > start:
        raise ValueError(f'algorithm.{name}_end: got {end}, it must not exceed '
                         f'algorithm.{name}_start = {start}')


@dataclass(frozen=True)
class EpsilonConfig:
    """Epsilon-greedy (Watkins 1989) for effort sets."""

    epsilon_start: float = option(1.0, 'probability of a random action at the start', low=0.0,
                                  high=1.0)
    epsilon_end: float = option(0.05, 'probability of a random action in the end', low=0.0,
                                high=1.0)
    epsilon_unit: str = option('step', 'what its decay counts: rows, episodes or updates',
                               choices=tuple(UNITS))
    epsilon_decay: float = option(0.999, 'factor per unit, where epsilon_over is 0', low=0.0,
                                  high=1.0)
    epsilon_over: int = option(0, 'units of a straight fall to the end; 0: by epsilon_decay',
                               low=0)

    def check_epsilon(self) -> None:
        """Check what no single range can say; raises ValueError."""
        _check_order(self, 'epsilon')

    def explore(self, counts: Counts) -> tuple[str, float]:
        """Return kind and scale of the exploration now."""
        return 'epsilon', schedule(self.epsilon_start, self.epsilon_end, self.epsilon_decay,
                                   self.epsilon_over, counts.of(self.epsilon_unit))


@dataclass(frozen=True)
class NoiseConfig:
    """Noise on top of a deterministic policy."""

    noise: str = option('gaussian', 'kind of noise, see core.exploration', choices=NOISES)
    noise_start: float = option(0.1, 'scale at the start: standard deviation, or the sigma of '
                                'ornstein_uhlenbeck', low=0.0, high=10.0)
    noise_end: float = option(0.1, 'scale in the end', low=0.0, high=10.0)
    noise_unit: str = option('episode', 'what its decay counts: rows, episodes or updates',
                             choices=tuple(UNITS))
    noise_decay: float = option(0.995, 'factor per unit, where noise_over is 0', low=0.0,
                                high=1.0)
    noise_over: int = option(0, 'units of a straight fall to the end; 0: by noise_decay', low=0)
    noise_theta: float = option(0.15, 'ornstein_uhlenbeck: how fast it forgets, in one over the '
                                'unit of noise_dt', low=1e-6, high=1e3)
    noise_dt: float = option(1.0, 'ornstein_uhlenbeck: time of one decision; 1 counts time in '
                             'decisions, the decision period in seconds', low=1e-6, high=1e3)
    noise_beta: float = option(1.0, 'coloured: exponent of the spectrum, 0 white, 1 pink, 2 red',
                               low=0.0, high=4.0)

    def check_noise(self) -> None:
        """Check what no single range can say; raises ValueError."""
        _check_order(self, 'noise')

    def explore(self, counts: Counts) -> tuple[str, float]:
        """Return kind and scale of the exploration now."""
        numbers = {'ornstein_uhlenbeck': (self.noise_theta, self.noise_dt),
                   'coloured': (self.noise_beta,)}.get(self.noise, ())
        return (' '.join([self.noise, *map(repr, numbers)]),
                schedule(self.noise_start, self.noise_end, self.noise_decay, self.noise_over,
                         counts.of(self.noise_unit)))
