"""
Distances between capsules, and between capsules and planes, for many configurations at once.

Arrays of capsules have shape (configurations, capsules, 2, 3): the two ends of every capsule's
axis [m].  Distances are between surfaces and have shape (rows, configurations); they are negative
where axes are nearer than the radii, by as much as that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector

# Below this, two axes count as parallel and any starting point is as good as any other [m^4].
PARALLEL = 1e-30


class PairDistance:
    """
    Distance of pairs of capsules.

    The closest points of two segments p + s u and q + t w, s and t in [0, 1], by Ericson,
    "Real-Time Collision Detection" (2005), section 5.1.9: s of the two lines, clamped; the best t
    for it, clamped; the best s for that, clamped.  The last two steps make parallel segments and
    those of no length exact without a branch.

    :param pairs: indices of capsules, shape (pairs, 2).
    :param radius: [m] per capsule.
    :param length: [m] of the axis per capsule, 0 for a sphere.
    """

    def __init__(self, pairs: NDArray[np.intp], radius: Vector, length: Vector) -> None:
        count, capsules = len(pairs), len(radius)
        first, second = pairs.reshape(-1, 2).T
        row = np.arange(count)
        # One product with the end points gives u, w and p - q of every pair.
        select = np.zeros((3, count, capsules, 2))
        select[0, row, first] = select[1, row, second] = -1.0, 1.0
        select[2, row, first, 0] = 1.0
        select[2, row, second, 0] = -1.0
        self._select = select.reshape(3 * count, 2 * capsules)
        self._u2 = (length[first] ** 2)[:, None]
        self._w2 = (length[second] ** 2)[:, None]
        self._u2w2 = self._u2 * self._w2
        self._per_u2, self._per_w2 = (np.where(x > 0.0, 1.0 / np.maximum(x, PARALLEL), 0.0)
                                      for x in (self._u2, self._w2))
        self._radii = (radius[first] + radius[second])[:, None]

    def __call__(self, capsules: Vector) -> Vector:
        """Return the distances, shape (pairs, configurations)."""
        count = len(capsules)
        ends = np.ascontiguousarray(capsules.reshape(count, -1, 3).transpose(1, 2, 0))
        vectors = (self._select @ ends.reshape(-1, 3 * count)).reshape(3, -1, 3, count)
        u, w, r = vectors
        products = vectors * r  # u r, w r, r r
        ur, wr, rr = products[:, :, 0] + products[:, :, 1] + products[:, :, 2]
        uw = u * w
        uw = uw[:, 0] + uw[:, 1] + uw[:, 2]
        s = (uw * wr - ur * self._w2) / np.maximum(self._u2w2 - uw * uw, PARALLEL)
        t = _unit((uw * _unit(s) + wr) * self._per_w2)
        along = uw * t - ur
        s = _unit(along * self._per_u2)
        square = rr + s * (self._u2 * s - 2.0 * along) + t * (self._w2 * t - 2.0 * wr)
        apart: Vector = np.sqrt(np.maximum(square, 0.0)) - self._radii
        return apart


class PlaneDistance:
    """
    Distance of capsules from planes across one axis of the base frame.

    :param capsule: index of the capsule, shape (rows,).
    :param axis: 0, 1 or 2 for x, y or z, shape (rows,).
    :param side: 1 where the capsule has to stay above `height`, -1 where below, shape (rows,).
    :param height: [m] of the plane along its axis, shape (rows,).
    :param radius: [m] per capsule.
    """

    def __init__(self, capsule: NDArray[np.intp], axis: NDArray[np.intp], side: Vector,
                 height: Vector, radius: Vector) -> None:
        self._first = 6 * capsule + axis
        self._side = side[:, None]
        self._offset = (side * height + radius[capsule])[:, None]

    def __call__(self, capsules: Vector) -> Vector:
        """Return the distances, shape (rows, configurations)."""
        numbers = capsules.reshape(len(capsules), -1).T
        above: Vector = np.minimum(numbers[self._first] * self._side,
                                   numbers[self._first + 3] * self._side) - self._offset
        return above


def _unit(x: Vector) -> Vector:
    """Clamp to [0, 1], in place."""
    np.maximum(x, 0.0, out=x)
    return np.minimum(x, 1.0, out=x)
