r"""
Exploration in the policy process: kind and scale travel with the weights, noise is made here.

An exploration is named by one line, a kind and its numbers; `scale` (epsilon or sigma) follows the
learner's schedule and therefore travels beside it:

=============================== ================================================================
exploration                     action
=============================== ================================================================
``none``                        the most likely one
``policy``                      a sample of the policy's own distribution
``uniform``                     uniform, whatever the policy says
``epsilon``                     uniform with probability `scale`, else the most likely one
``gaussian``                    the most likely one plus white noise, :math:`N(0, scale^2)`
``ornstein_uhlenbeck theta dt`` ... plus :math:`dx = -\theta x\,dt + scale\,dW`, x = 0 at the
                                start of an episode; dt is the time of one decision in the unit
                                of 1/theta (Uhlenbeck and Ornstein 1930)
``coloured beta``               ... plus noise of variance :math:`scale^2` and spectrum
                                :math:`1 / f^\beta`: 0 white, 1 pink, 2 red (Timmer and Koenig
                                1995; for exploration Eberhard et al. 2023, "Pink noise is all
                                you need", ICLR)
=============================== ================================================================

Whatever is added, the action is clipped to [-1, 1].  Noise is an offset of motors, so there is
none on an effort set.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from typing import Protocol

import numpy as np
from rl_robot_ros.core.policy import Acting
from rl_robot_ros.core.policy import Decision
from rl_robot_ros.core.policy import EXPLORATIONS
from rl_robot_ros.core.spec import Vector

# Kinds with a memory: name, lowest and highest value of each of their numbers.
NUMBERS: dict[str, dict[str, tuple[float, float]]] = {
    'ornstein_uhlenbeck': {'theta': (1e-6, 1e3), 'dt': (1e-6, 1e3)},
    'coloured': {'beta': (0.0, 4.0)},
}
NOISES = ('gaussian', *NUMBERS)
DISCRETE = ('none', 'policy', 'uniform', 'epsilon')  # what an effort set can be explored with
COLOURED_DECISIONS = 1024  # drawn at once; the lowest frequency is one over it


class ExplorationSpec(NamedTuple):
    """A parsed exploration."""

    kind: str
    numbers: tuple[float, ...] = ()

    @classmethod
    def parse(cls, text: str) -> ExplorationSpec:
        """
        Read a kind and its numbers.

        :raises ValueError: says what was given and what is allowed.
        """
        kind, *words = text.split(' ')
        ranges = NUMBERS.get(kind, {})
        allowed = ', '.join([*EXPLORATIONS, *(' '.join([k, *v]) for k, v in NUMBERS.items())])
        known = kind in EXPLORATIONS or kind in NUMBERS
        if not known or len(words) != len(ranges):
            raise ValueError(f'got {text[:200]!r}, allowed are {allowed}')
        numbers = []
        for word, (name, (low, high)) in zip(words, ranges.items()):
            try:
                number = float(word)
            except ValueError:
                number = math.nan
            if not low <= number <= high:
                raise ValueError(f'got {text[:200]!r}, {name} must lie in [{low}, {high}]')
            numbers.append(number)
        return cls(kind, tuple(numbers))


class Noise(Protocol):
    """Noise with a memory, of unit scale; a new one per episode."""

    def draw(self) -> Vector:
        """Return the noise of the next decision."""
        ...


class OrnsteinUhlenbeck:
    """
    The process of that name, integrated exactly, so that its statistics do not depend on dt.

    Its stationary variance is 1 / (2 theta), its autocorrelation exp(-theta * dt * decisions).

    :param size: numbers in one action.
    :param theta: how fast it forgets, in one over the unit of `dt`.
    :param dt: time of one decision.
    """

    def __init__(self, size: int, rng: np.random.Generator, theta: float, dt: float) -> None:
        self._rng = rng
        self._keep = math.exp(-theta * dt)
        self._step = math.sqrt(-math.expm1(-2.0 * theta * dt) / (2.0 * theta))
        self._x = np.zeros(size)

    def draw(self) -> Vector:
        """Go on by one decision."""
        self._x = self._keep * self._x + self._step * self._rng.standard_normal(len(self._x))
        return self._x


class Coloured:
    """
    Gaussian noise of unit variance and spectrum 1/f^beta, `COLOURED_DECISIONS` at once.

    :param size: numbers in one action.
    :param beta: exponent of the spectrum.
    """

    def __init__(self, size: int, rng: np.random.Generator, beta: float) -> None:
        self._size, self._rng = size, rng
        frequency = np.fft.rfftfreq(COLOURED_DECISIONS)
        frequency[0] = frequency[1]  # a constant offset counts as the slowest wave
        # Parts of a wave have this standard deviation; the first and last have no imaginary one.
        self._amplitude = frequency**(-0.5 * beta)
        self._amplitude[[0, -1]] *= math.sqrt(2.0)
        power = 4.0 * (self._amplitude[1:-1]**2).sum() + (self._amplitude[[0, -1]]**2).sum()
        self._amplitude *= COLOURED_DECISIONS / math.sqrt(power)
        self._sequence = np.zeros((size, 0))
        self._at = 0

    def draw(self) -> Vector:
        """Return the next of the sequence; draws another where it has ended."""
        if self._at == self._sequence.shape[1]:
            parts = self._rng.standard_normal((2, self._size, len(self._amplitude)))
            parts[1, :, [0, -1]] = 0.0
            waves = self._amplitude * (parts[0] + 1j * parts[1])
            self._sequence, self._at = np.fft.irfft(waves, COLOURED_DECISIONS), 0
        self._at += 1
        return np.array(self._sequence[:, self._at - 1])


class Explorer:
    """
    Chooses actions as the weights in use want them to be explored.

    It outlives the weights, because noise goes on over a push.

    :param rng: source of everything random.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._text = 'none'
        self._spec = ExplorationSpec('none')
        self._noise: Noise | None = None

    def begin(self) -> None:
        """Start an episode: what is remembered of the one before is forgotten."""
        self._noise = None

    def act(self, policy: Acting, observation: Vector, exploration: str,
            scale: float) -> Decision:
        """
        Choose an action.

        :param observation: raw SI units.
        :param exploration: see the module docstring.
        :param scale: epsilon or sigma.
        :raises ValueError: unknown exploration.
        """
        if exploration != self._text:
            self._spec = ExplorationSpec.parse(exploration)
            self._text, self._noise = exploration, None
        kind, numbers = self._spec
        if kind not in NUMBERS:
            return policy.act(observation, self._rng, kind, scale)
        if self._noise is None:
            size = policy.spec.action_size
            self._noise = (Coloured(size, self._rng, *numbers) if kind == 'coloured'
                           else OrnsteinUhlenbeck(size, self._rng, *numbers))
        centre = policy.act(observation, self._rng).action
        return Decision(np.clip(centre + scale * self._noise.draw(), -1.0, 1.0), 0.0)
