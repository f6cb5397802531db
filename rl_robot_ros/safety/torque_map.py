"""From bounds on acceleration to effort: closed form, bounded time, no solver."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp


def slide(start: Vector, end: Vector, limit: Vector) -> Vector:
    """
    Go from `start` towards `end` as far as every effort stays inside its limit.

    :param start: [N m or N], inside the limits.
    :param limit: [N m or N], symmetric.
    """
    way = end - start
    room = np.where(way > 0.0, limit - start, -limit - start)
    with np.errstate(divide='ignore', invalid='ignore'):
        part = float(np.where(way != 0.0, room / way, np.inf).min())
    result: Vector = start + max(0.0, min(1.0, part)) * way
    return result


def feasible_effort(wanted: Vector, mass: Vector, bias: Vector, hard: tuple[Vector, Vector],
                    gentle: tuple[Vector, Vector], limit: Vector) -> Vector:
    r"""
    Return the effort of an acceleration that respects its bounds *and* the effort limits.

    The accelerations inside their bounds and the efforts inside their limits are two convex sets.
    Where the wanted effort is outside its limits, slide towards it from a backup that lies in
    both: braking as hard as the bounds ask for, or, where that is too much for the motors, from
    the braking that the certificate promises.

    :param wanted: [rad/s^2 or m/s^2] acceleration inside the `hard` bounds.
    :param mass: shape (n, n).
    :param bias: [N m or N].
    :param hard: [rad/s^2 or m/s^2] lower and upper bounds that use all the braking there may be.
    :param gentle: lower and upper bounds that use certified braking only.
    :param limit: [N m or N], symmetric.
    """
    effort: Vector = mass @ wanted + bias
    if (np.abs(effort) <= limit).all():
        return effort
    backup: Vector = mass @ clamp(np.zeros_like(bias), *hard) + bias
    if not (np.abs(backup) <= limit).all():
        certified: Vector = mass @ clamp(np.zeros_like(bias), *gentle) + bias
        backup = slide(clamp(certified, -limit, limit), backup, limit)
    return slide(backup, effort, limit)
