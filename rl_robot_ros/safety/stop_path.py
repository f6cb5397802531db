"""The path on which a robot stops: every joint brakes by itself until it stands."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector


class StopPath:
    """
    The stop path of a robot whose joints all brake as hard as they are certified to.

    A joint at speed v brakes with a_b for whole control periods and, in the last period, with what
    is left of its speed divided by the period, so that it stands at the end of it.  One period of
    :meth:`brake` along the path leads to a state whose stop path is the rest of the same path:
    whoever can follow it once can follow it to its end.

    :param braking_acceleration: [rad/s^2 or m/s^2] per joint, positive.
    :param period: [s] the control period.
    """

    def __init__(self, braking_acceleration: Vector, period: float) -> None:
        self._braking = np.array(braking_acceleration, dtype=np.float64)
        if not (np.isfinite(self._braking) & (self._braking > 0.0)).all():
            raise ValueError('every joint needs a positive braking acceleration, got '
                             f'{self._braking.tolist()}')
        self._period = period
        self._loss = self._braking * period

    def brake(self, velocity: Vector) -> Vector:
        """Return the acceleration that follows the path over the next period."""
        return np.minimum(np.maximum(velocity * (-1.0 / self._period), -self._braking),
                          self._braking)

    def travel(self, velocity: Vector) -> Vector:
        """Return how far every joint goes until it stands [rad or m], without sign."""
        speed, time, rest = self._split(velocity)
        gone: Vector = 0.5 * ((speed + rest) * time + rest * self._period)
        return gone

    def positions(self, position: Vector, velocity: Vector, count: int) -> Vector:
        """
        Return positions along paths, the last one at standstill; `position` is not among them.

        Times are chosen so that the joint that brakes longest covers equal distances between
        them.

        :param position: [rad or m] shape (paths, joints).
        :param velocity: [rad/s or m/s] shape (paths, joints).
        :returns: shape (count, paths, joints).
        """
        speed, full, rest = self._split(velocity)
        end = (full + self._period * (rest > 0.0)).max(axis=-1, keepdims=True)
        time = end * (1.0 - np.sqrt(np.arange(count - 1.0, -1.0, -1.0) / count))[:, None, None]
        braking = np.minimum(time, full)
        last = np.minimum(np.maximum(time - full, 0.0), self._period)
        gone = (braking * (speed - 0.5 * self._braking * braking)
                + rest * last * (1.0 - last * (0.5 / self._period)))
        passed: Vector = position + np.copysign(gone, velocity)
        return passed

    def _split(self, velocity: Vector) -> tuple[Vector, Vector, Vector]:
        """Return speed, time of braking in whole periods, and the speed left after it."""
        speed = np.abs(velocity)
        periods = np.floor(speed / self._loss)
        return speed, periods * self._period, np.maximum(speed - periods * self._loss, 0.0)
