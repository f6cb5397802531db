"""What pushes the joints besides what the model knows: wrong masses, friction, a payload."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp

FURTHEST_OFF = 50.0  # [rad/s^2 or m/s^2] one sample that is further off is noise, not a push


class DisturbanceObserver:
    """
    Compare what the joints did with what the model expected, and remember the difference.

    d <- d + gain (dv / T - a_expected), clamped.  The model uses bias - M d in place of its bias,
    so a steady error of the model fades out of all predictions in about 1 / gain periods.

    :param size: number of joints.
    :param gain: part of a new difference that is believed.
    :param most: [rad/s^2 or m/s^2] clamp, for all joints or one each; a disturbance this large is
        a model that does not fit; 0 learns nothing and finds nothing.
    """

    def __init__(self, size: int, gain: float, most: Vector | float) -> None:
        self.gain = gain
        self.most = most
        self.acceleration = np.zeros(size)  # [rad/s^2 or m/s^2] the estimate
        self.saturated = 0  # control periods in a row in which it was at the clamp
        self._velocity = np.zeros(size)
        self._expected = np.zeros(size)
        self._difference = np.zeros(size)
        self._ready = False

    def begin(self) -> None:
        """Forget everything."""
        self.acceleration[:] = 0.0
        self.saturated = 0
        self._ready = False

    def take_over(self, old: DisturbanceObserver) -> None:
        """Go on with what another observer has learnt and expects."""
        clamp(old.acceleration, -self.most, self.most, self.acceleration)
        self._velocity[:], self._expected[:] = old._velocity, old._expected
        self.saturated, self._ready = old.saturated, old._ready

    def expect(self, velocity: Vector, acceleration: Vector) -> None:
        """Note what the model expects of the coming period."""
        self._velocity[:] = velocity
        self._expected[:] = acceleration
        self._ready = True

    def skip(self) -> None:
        """Expect nothing: a state was lost, or the limits do not know what acts."""
        self._ready = False

    def observe(self, velocity: Vector, period: float) -> None:
        """Learn from the velocity at the end of the period that was expected."""
        if not self._ready:
            return
        self._ready = False
        difference, estimate = self._difference, self.acceleration
        np.subtract(velocity, self._velocity, out=difference)
        np.divide(difference, period, out=difference)
        np.subtract(difference, self._expected, out=difference)
        clamp(difference, -FURTHEST_OFF, FURTHEST_OFF, difference)
        np.multiply(difference, self.gain, out=difference)
        np.add(estimate, difference, out=estimate)
        clamp(estimate, -self.most, self.most, estimate)
        at_limit = bool(((np.abs(estimate) >= self.most) & (estimate != 0.0)).any())
        self.saturated = self.saturated + 1 if at_limit else 0
