"""Where to look at a robot: points that fill a range evenly, and the range of endless joints."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector


def one_turn(lower: Vector, upper: Vector) -> tuple[Vector, Vector]:
    """
    Return limits with ends [rad or m]; a joint that turns for ever repeats itself after one turn.

    :param lower: ``-inf`` where there is none.
    :param upper: ``inf`` where there is none.
    """
    endless = np.isinf(lower) & np.isinf(upper)
    low = np.where(np.isinf(lower), np.where(endless, -np.pi, upper - 2.0 * np.pi), lower)
    high = np.where(np.isinf(upper), np.where(endless, np.pi, lower + 2.0 * np.pi), upper)
    return low, high


def quasi_random(count: int, size: int, seed: int) -> Vector:
    """
    Return points that fill the unit cube evenly, shape (count, size).

    The additive recurrence of M. Roberts ("The unreasonable effectiveness of quasirandom
    sequences", 2018): a generalisation of the golden ratio, shifted by a seeded offset.
    """
    ratio = 2.0
    for _ in range(64):  # the one positive root of x^(size + 1) = x + 1
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    step = ratio ** -np.arange(1.0, size + 1.0)
    offset = np.random.default_rng(seed).random(size)
    points: Vector = (offset + np.arange(count)[:, None] * step) % 1.0
    return points
