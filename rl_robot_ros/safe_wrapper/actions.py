"""Which actions an environment takes, and what is made of everything else."""

from __future__ import annotations

import math
from typing import Any

from gymnasium.spaces import Box
from gymnasium.spaces import Discrete
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector


class Actions:
    """
    The action space, as far as safety goes.

    :param space: `Box` of floats, or `Discrete`.
    :raises ValueError: another space.
    """

    def __init__(self, space: Any) -> None:
        self.discrete = isinstance(space, Discrete)
        if not self.discrete and not (isinstance(space, Box) and space.dtype.kind == 'f'):
            raise ValueError(f'action space is {space}, must be a Box of floats, or Discrete')
        self.space = space
        self.shape: tuple[int, ...] = space.shape
        self.size = math.prod(self.shape)

    def read(self, given: Any) -> tuple[Any, str]:
        """
        Return the action that is meant, or None and why there is none; never raises.

        A number outside its bounds counts as the nearest inside; one inside is bit-identical.
        """
        if self.discrete:
            if self.space.contains(given):
                return int(given), ''
            return None, f'action is not one of {self.space}'
        try:
            action = np.array(given)
            if action.dtype.kind not in 'biuf':
                return None, f'action is made of {action.dtype}, not of numbers'
            if action.dtype not in (np.float32, np.float64):
                with np.errstate(over='ignore'):
                    action = action.astype(self.space.dtype)
        except Exception as error:  # whatever somebody else's array does, the loop goes on
            return None, f'action is no array: {type(error).__name__}: {error}'
        if action.shape != self.shape:
            return None, f'action has shape {action.shape}, needs {self.shape}'
        if not np.isfinite(action).all():
            return None, 'action is not finite'
        return self.inside(action), ''

    def inside(self, action: NDArray[Any]) -> NDArray[Any]:
        """Bring the numbers of an action into their bounds."""
        return np.clip(action, self.space.low, self.space.high)

    def from_vector(self, values: Vector) -> NDArray[Any]:
        """Make an action of one finite value per entry."""
        action = values.reshape(self.shape).astype(self.space.dtype)
        return self.inside(action)

    def neutral(self) -> Any:
        """Return the action nearest to zero, or the first choice."""
        if self.discrete:
            return int(self.space.start)
        return self.from_vector(np.zeros(self.size))

    def difference(self, applied: Any, asked: Any) -> NDArray[np.float64]:
        """Return applied minus asked; of choices, 1 for another; 0 where nothing was asked."""
        if asked is None:
            return np.zeros(self.shape)
        if self.discrete:
            return np.array(float(applied != asked))
        return np.asarray(applied, dtype=np.float64) - asked
