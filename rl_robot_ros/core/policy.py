"""
Policy inference in NumPy: one observation in, one action out, in about ten microseconds.

Names of networks, and what stands where in their weights: `core.network`.
"""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple
from typing import Protocol

import numpy as np
from numpy import log1p  # to look a function up in its module takes as long as a small one
from numpy import maximum
from numpy import minimum
from numpy import subtract
from numpy import tanh
from numpy.typing import NDArray
from rl_robot_ros.core.network import CHOOSING
from rl_robot_ros.core.network import IMPORTED
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Vector

EXPLORATIONS = ('policy', 'uniform', 'gaussian', 'epsilon', 'none')
LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
OBSERVATION_CLIP = 10.0
FARTHEST = 1e30  # what an input that is not scaled may be, within float32
HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
# A ufunc takes twice as long with a Python number as with an array of no dimensions.
ZERO, SMALL = np.array(0.0, np.float32), np.array(1e-6)
LOWEST, HIGHEST = np.array(LOG_STD_MIN), np.array(LOG_STD_MAX)


class Decision(NamedTuple):
    """What a policy decided: the action and what on-policy methods need to know about it."""

    action: Vector
    log_prob: float


class Acting(Protocol):
    """Whatever chooses actions: a :class:`Policy`, or one that was trained elsewhere."""

    spec: NetworkSpec

    def begin(self) -> None:
        """Start an episode: forget what came before."""

    def see(self, position: Vector, velocity: Vector) -> Vector | None:
        """
        See a control state, in particular the one that is decided on next.

        :returns: the normalised effort for it, where that changes between decisions; None where
            the action that was decided on is held.
        """

    def act(self, observation: Vector, rng: np.random.Generator, exploration: str = 'none',
            scale: float = 1.0) -> Decision:
        """Choose an action, see `Policy.act`."""
        ...


class Policy:
    """
    One set of weights, ready to act.

    :param network: see the module docstring.
    :param weights: flat weights, shape (NetworkSpec.parse(network).parameters,).
    :raises ValueError: wrong length or not finite.
    """

    def __init__(self, network: str, weights: Vector) -> None:
        self.spec = NetworkSpec.parse(network)
        if self.spec.kind == IMPORTED:
            raise ValueError(f'network {network!r} needs its model: name its policy file')
        if weights.shape != (self.spec.parameters,):
            raise ValueError(f'network {network!r} has {self.spec.parameters} weights, '
                             f'got {weights.shape}')
        if not np.isfinite(weights).all():
            raise ValueError('weights are not finite')
        n = self.spec.observation_size
        self._table: NDArray[np.float32] | None = None
        if self.spec.kind == 'table':
            self._table = weights[2 * n:].astype(np.float32).reshape(-1, self.spec.sizes[-1])
            self._lower, self._inverse_width = weights[:n].copy(), weights[n:2 * n].copy()
            return
        # In float64: what is far from its mean is clipped before it loses digits.
        self._mean, inverse_std, at = weights[:n].astype(np.float64), weights[n:2 * n], 2 * n
        with np.errstate(divide='ignore'):
            self._highest = np.minimum(np.abs(OBSERVATION_CLIP / inverse_std), FARTHEST)
        self._lowest, self._centred = -self._highest, np.empty(n)
        # Input with a 1 behind it, matrix with the bias below it, room for the output.
        layers: list[tuple[NDArray[np.float32], ...]] = []
        x = np.ones(n + 1, np.float32)
        self._input = x[:-1]
        for fan_in, fan_out in zip(self.spec.sizes, self.spec.sizes[1:]):
            matrix = weights[at:at + (fan_in + 1) * fan_out].reshape(fan_in + 1, fan_out).copy()
            at += matrix.size
            if not layers:
                matrix[:-1] *= inverse_std[:, None]
            y = np.ones(fan_out + 1, np.float32)
            # float32 halves the memory traffic of the products, which is all there is.
            layers.append((x, matrix.astype(np.float32), y[:-1]))
            x = y
        # What the network says in float64: for a squashed Gaussian mean and log_std.
        self._said, size = np.empty(self.spec.sizes[-1]), self.spec.action_size
        self._action, self._ones = self._said[:size], np.ones(size)
        self._log_std = self._said[size:] if self.spec.kind == 'squashed_gaussian' \
            else weights[at:].astype(np.float64)
        *self._hidden, self._last = layers
        self._relu = self.spec.activation == 'relu'

    def begin(self) -> None:
        """Start an episode: there is nothing to forget."""

    def see(self, position: Vector, velocity: Vector) -> Vector | None:
        """See a control state: actions are held, and what counts is in the observation."""
        return None

    def output(self, observation: Vector) -> NDArray[np.float32]:
        """Return the last layer for one observation; valid until the next call."""
        if self._table is not None:
            row: NDArray[np.float32] = self._table[cell_of(
                observation, self._lower, self._inverse_width, self.spec.sizes[:-1])]
            return row
        subtract(observation, self._mean, self._centred)
        minimum(self._centred, self._highest, out=self._centred)
        maximum(self._centred, self._lowest, out=self._centred)
        self._input[...] = self._centred
        for x, matrix, y in self._hidden:
            x.dot(matrix, out=y)
            if self._relu:
                maximum(y, ZERO, out=y)
            else:
                tanh(y, out=y)
        x, matrix, y = self._last
        return x.dot(matrix, out=y)

    def act(self, observation: Vector, rng: np.random.Generator, exploration: str = 'none',
            scale: float = 1.0) -> Decision:
        """
        Choose an action.

        :param observation: raw SI units.
        :param exploration: ``none`` the most likely action; ``policy`` a sample of the policy's
            own distribution, where it has one; ``uniform`` ignores the policy; ``gaussian`` adds
            N(0, scale^2); ``epsilon`` is uniform with probability `scale`.
        :raises ValueError: unknown exploration.
        """
        if exploration not in EXPLORATIONS:
            raise ValueError(f'exploration {exploration!r}, allowed are {EXPLORATIONS}')
        if exploration == 'epsilon':
            exploration = 'uniform' if rng.random() < scale else 'none'
        if self.spec.kind in CHOOSING:
            return self._choose(observation, rng, exploration)
        size = self.spec.action_size
        if exploration == 'uniform':
            return Decision(rng.uniform(-1.0, 1.0, size), -size * math.log(2.0))
        self._said[...] = self.output(observation)
        mean, kind = self._action, self.spec.kind
        if exploration == 'gaussian' or kind == 'deterministic':
            action = mean.copy() if kind == 'gaussian' else tanh(mean)
            if exploration == 'gaussian':
                action = np.clip(action + scale * rng.standard_normal(size), -1.0, 1.0)
            return Decision(action, 0.0)
        log_std = minimum(maximum(self._log_std, LOWEST), HIGHEST)
        # A product with ones is the sum, and costs a third of it.
        log_prob = -size * HALF_LOG_2PI - float(self._ones.dot(log_std))
        raw = mean
        if exploration == 'policy':
            noise = rng.standard_normal(size)
            raw = mean + np.exp(log_std) * noise
            log_prob -= 0.5 * float(noise.dot(noise))
        if kind == 'gaussian':
            return Decision(raw.copy(), log_prob)
        action = tanh(raw)
        squash = log1p(subtract(SMALL, action * action))
        return Decision(action, log_prob - float(self._ones.dot(squash)))

    def _choose(self, observation: Vector, rng: np.random.Generator,
                exploration: str) -> Decision:
        choices = self.spec.sizes[-1]
        if exploration == 'uniform':
            return Decision(np.array([float(rng.integers(choices))]), -math.log(choices))
        logits = self.output(observation).astype(np.float64)
        if self.spec.kind != 'categorical':  # values, not logits
            return Decision(np.array([float(np.argmax(logits))]), 0.0)
        log_probs = logits - logits.max()
        log_probs -= math.log(float(np.exp(log_probs).sum()))
        if exploration == 'policy':
            # Gumbel-max: one draw, no normalisation error.
            index = int(np.argmax(log_probs + rng.gumbel(size=choices)))
        else:
            index = int(np.argmax(log_probs))
        return Decision(np.array([float(index)]), float(log_probs[index]))


def cell_of(observation: Vector, lower: Vector, inverse_width: Vector,
            bins: Sequence[int]) -> int:
    """
    Return which cell of a table an observation falls into; the outermost reach to infinity.

    :param lower: where the bins of each number begin.
    :param inverse_width: one over the width of a bin.
    :param bins: how many there are of each number.
    """
    index = 0
    for i, count in enumerate(bins):
        at = (observation[i] - lower[i]) * inverse_width[i]
        index = index * count + min(count - 1, max(0, int(min(max(at, 0.0), count))))
    return index
