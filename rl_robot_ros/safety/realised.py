"""Do the motors do what they were told?  Measured against commanded effort."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.limits import JointLimits


class RealisedEffort:
    """
    Compare measured with commanded effort, averaged over a window.

    The exponential average lets a command be on its way for a period or two, and lets sensor
    noise pass.  What remains is a drive that is off, saturated or geared otherwise than thought,
    or a wrong idea of who compensates gravity: then the residual at rest is the gravity effort.

    :param limits: effort limits, which scale the tolerance.
    :param tolerance: part of the effort limit by which both may differ.
    :param window: [control periods] memory of the average; nothing is said before it is full.
    :param gravity: [rad or m] to [N m or N], where the measurement holds a gravity compensation
        that the command does not; None where both mean the same.
    """

    def __init__(self, limits: JointLimits, tolerance: float, window: int,
                 gravity: Callable[[Vector], Vector] | None = None) -> None:
        self._joints = limits.joints
        self._limit = tolerance * np.array(limits.effort)
        self._window = window
        self._gravity = gravity
        self.residual = np.zeros_like(self._limit)  # [N m or N] measured minus expected, averaged
        self._periods = 0
        self.begin()

    def begin(self) -> None:
        """Forget what was: the robot was put elsewhere, or nothing was commanded."""
        self.residual[:] = 0.0
        self._periods = 0

    def check(self, measured: Vector, commanded: Vector, position: Vector,
              periods: int = 1) -> str:
        """
        Return what is wrong, empty where nothing is.

        :param measured: [N m or N] per actuated joint, with this state.
        :param commanded: [N m or N] what was applied when this state was measured.
        :param position: [rad or m] per actuated joint, for gravity.
        :param periods: control periods since the last call.
        """
        expected = commanded if self._gravity is None else commanded + self._gravity(position)
        share = min(1.0, periods / self._window)
        self.residual += share * (measured - expected - self.residual)
        self._periods = min(self._periods + periods, self._window)
        if self._periods < self._window:
            return ''
        bad = np.logical_not(np.abs(self.residual) <= self._limit)  # NaN is bad too
        if not bad.any():
            return ''
        return 'effort is not realised: ' + ', '.join(
            f'{joint} is off by {off:.3g}' for joint, off, wrong
            in zip(self._joints, self.residual, bad) if wrong)
