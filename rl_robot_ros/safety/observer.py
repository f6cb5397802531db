"""What pushes the joints besides what the model knows: wrong masses, friction, a payload."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp

FURTHEST_OFF = 50.0  # [rad/s^2 or m/s^2] one sample that is further off is noise, not a push


class DisturbanceObserver:
    """
    Compare what the joints did with what the model expected, and remember the difference.

    d <- d + gain (v - v_expected) / T, clamped.  The model uses bias - M d in place of its bias,
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
        self.saturated = 0  # control periods in a row in which the clamp held it
        self._expected = np.empty(size)  # [rad/s or m/s] at the end of the period
        self._wanted = np.empty(size)
        self._ready = False

    def begin(self) -> None:
        """Forget everything."""
        self.acceleration[:] = 0.0
        self.saturated = 0
        self._ready = False

    def take_over(self, old: DisturbanceObserver) -> None:
        """Go on with what another observer has learnt and expects."""
        clamp(old.acceleration, -self.most, self.most, self.acceleration)
        self._expected[:] = old._expected
        self.saturated, self._ready = old.saturated, old._ready

    def expect(self, velocity: Vector) -> None:
        """Note the velocity that the model expects at the end of the coming period."""
        self._expected[:] = velocity
        self._ready = True

    def skip(self) -> None:
        """Expect nothing: a state was lost, or the limits do not know what acts."""
        self._ready = False

    def observe(self, velocity: Vector, period: float) -> None:
        """Learn from the velocity at the end of the period that was expected."""
        if not self._ready:
            return
        self._ready = False
        wanted, estimate = self._wanted, self.acceleration
        np.subtract(velocity, self._expected, out=wanted)
        np.multiply(wanted, self.gain / period, out=wanted)
        furthest = self.gain * FURTHEST_OFF
        clamp(wanted, -furthest, furthest, wanted)
        np.add(estimate, wanted, out=wanted)
        clamp(wanted, -self.most, self.most, estimate)
        # A clamp of 0 holds everything and means that nobody wants to know.
        at_limit = wanted.tobytes() != estimate.tobytes() and estimate.any()
        self.saturated = self.saturated + 1 if at_limit else 0
