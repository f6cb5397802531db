"""
The gate between a learner and a robot: which new weights are promoted, and why others are not.

A learner that explores its own mistakes is right to try weights that are worse; a robot is not.
With the gate, new weights go to the policies only if

1. they are finite,
2. they would not have acted very differently from the promoted ones on the newest observations:
   root mean square over observations and action numbers of the difference between both normalised
   actions, without exploration, at most `max_distance` (for effort sets: the share of
   observations on which another choice would have been made),
3. whole episodes in the learner's own simulation (`env.py`, the same filter) do not bring less
   than the best promoted weights brought in the same episodes, minus `margin`.  The best, not the
   last: else each set could lose a margin on the one before.

What is cheap comes first.  Refused weights are never pushed; learning goes on from them, so that a
later, better set passes.  The promoted weights keep acting until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.config import option
from rl_robot_ros.core.network import CHOOSING
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Vector

OBSERVATIONS = 256  # newest ones that both weights are asked about

Trial = Callable[[Vector], float]


@dataclass(frozen=True)
class GateConfig:
    """When new weights are good enough for the robot."""

    enabled: bool = option(False, 'promote new weights only where they are not worse; not with '
                           'sync, whose policies wait for every push')
    max_distance: float = option(0.5, 'most that actions may differ from those of the promoted '
                                 'weights (root mean square, 1 is full torque); 0: no matter',
                                 low=0.0, high=2.0)
    episodes: int = option(5, 'episodes in simulation that both sets run; 0: none', low=0,
                           high=1000)
    margin: float = option(0.1, 'return that may be lost, as a share of the best promoted one',
                           low=0.0, high=10.0)

    def check(self, sync: bool) -> None:
        """Check what no single range can say; raises ValueError."""
        if self.enabled and sync:
            raise ValueError('gate.enabled and sync.enabled are true: policies in sync wait for '
                             'every push, the gate holds some back; set sync.enabled=false')


class Gate:
    """
    See the module docstring.

    :param network: of the weights, see `core.network`.
    :param trial: runs the episodes with flat weights and returns the mean return; the same
        episodes each time.  Takes seconds, in the learning thread.
    """

    def __init__(self, config: GateConfig, network: str, trial: Trial) -> None:
        self.config, self._network, self._trial = config, network, trial
        self._promoted: Vector | None = None
        self._best: float | None = None  # return of promoted weights
        self._observations: NDArray[np.float64] | None = None
        self._rng = np.random.default_rng(0)  # never drawn from: nothing is explored here
        self.reason = ''  # why the newest weights were refused; empty where they were promoted
        self.counts = {'gate_promoted': 0, 'gate_refused': 0}
        self.values: dict[str, float] = {}

    def saw(self, observations: NDArray[np.float64]) -> None:
        """Remember the newest observations, shape (N, observation_size), raw SI units."""
        if self._observations is not None:
            observations = np.concatenate((self._observations, observations))
        self._observations = observations[-OBSERVATIONS:].copy()

    def allows(self, weights: Vector) -> bool:
        """Tell whether weights are promoted; if so, they are what the next are compared with."""
        start = time.monotonic()
        self.reason = self._objection(weights)
        self.values['gate_seconds'] = time.monotonic() - start
        self.counts['gate_refused' if self.reason else 'gate_promoted'] += 1
        if not self.reason:
            self._promoted = weights.copy()
        return not self.reason

    def report(self) -> dict[str, float]:
        """Return counters, and distance, return and seconds of the newest judgement."""
        return {**self.counts, **self.values}

    def _objection(self, weights: Vector) -> str:
        """Return why these weights must not be promoted, or an empty string."""
        if not np.isfinite(weights).all():
            return 'the weights are not finite'
        if self._promoted is not None:
            distance = self.values['gate_distance'] = self._distance(weights, self._promoted)
            if 0.0 < self.config.max_distance < distance:
                return (f'actions differ by {distance:.2f} from those of the promoted weights, '
                        f'allowed are {self.config.max_distance:g} (gate.max_distance)')
        if not self.config.episodes:
            return ''
        value = self.values['gate_return'] = self._trial(weights)
        if not np.isfinite(value):
            return f'the return in simulation is {value}'
        if self._best is not None:
            least = self._best - self.config.margin * abs(self._best)
            if value < least:
                return (f'the return in simulation is {value:.4g}, at least {least:.4g} is asked '
                        f'for: {self._best:.4g} of promoted weights less {self.config.margin:g} '
                        'of it (gate.margin)')
        self._best = value if self._best is None else max(value, self._best)
        return ''

    def _distance(self, weights: Vector, promoted: Vector) -> float:
        if self._observations is None:
            return 0.0
        new, old = Policy(self._network, weights), Policy(self._network, promoted)
        pairs = np.array([[policy.act(observation, self._rng).action for policy in (new, old)]
                          for observation in self._observations])
        if new.spec.kind in CHOOSING:
            return float((pairs[:, 0] != pairs[:, 1]).mean())
        return float(np.sqrt(np.square(pairs[:, 0] - pairs[:, 1]).mean()))
