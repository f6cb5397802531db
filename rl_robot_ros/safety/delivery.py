"""The last step to the motors: every limit in order, and a word about what it changed."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.envelope import EffortLimit
from rl_robot_ros.safety.limits import JointLimits

COUNTERS = ('rate_overrides',)

RATE = 'limited by effort or effort rate'


class Delivered(NamedTuple):
    """New arrays: `effort` on top of gravity, `motor` as the controller is told."""

    effort: Vector
    motor: Vector
    reason: str  # empty where `effort` is bit-identical to what was wanted


class Delivery:
    """
    Limits in order: effort rate, the state-dependent limit, effort.

    The rate is a limit on what is asked for: the state-dependent limit and a stop outrank it.  The
    others are limits on what the controller is told, gravity included where the robot does not
    compensate it itself.

    :param limit: the state-dependent limit.
    :param lifts: the dynamics of a robot whose gravity must be added; None where it is
        compensated, or not known.
    :param counters: where to count, see `COUNTERS`.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, limit: EffortLimit,
                 lifts: Dynamics | None, counters: MutableMapping[str, int]) -> None:
        self._limit = limit
        self._lifts = lifts
        self._counters = counters
        self._upper = np.array(limits.effort)
        self._lower = -self._upper
        self._rate_step = np.array(limits.effort_rate) * robot.control_period
        self._rate_low = np.empty_like(self._upper)
        self._rate_high = np.empty_like(self._upper)
        self._out = np.empty_like(self._upper)
        self._asked = np.empty_like(self._upper)
        self.applied = np.zeros_like(self._upper)  # [N m or N] on top of gravity, the last one

    def deliver(self, wanted: Vector, braking: bool, limited: bool, position: Vector,
                following: bool = True) -> Delivered:
        """
        Apply every limit to `wanted`.

        :param wanted: [N m or N] on top of gravity compensation, finite.
        :param braking: whether this is a stop, which does not wait for the effort rate.
        :param limited: whether the limit has seen a state that can be trusted; where not, only the
            effort limit is left.
        :param position: [rad or m] where gravity acts, the best that is known.
        :param following: whether this follows a request; False where the robot is held.
        """
        out = self._out
        np.subtract(self.applied, self._rate_step, out=self._rate_low)
        np.add(self.applied, self._rate_step, out=self._rate_high)
        if braking:
            out[:] = wanted
        else:
            clamp(wanted, self._rate_low, self._rate_high, out)
        rated = out.tobytes()
        gravity = None if self._lifts is None else self._lifts.gravity(position)
        if gravity is not None:
            self._asked[:] = out
            out += gravity
        before = out.tobytes()
        if limited:
            self._limit.limit(out, following)
        clamp(out, self._lower, self._upper, out)
        motor = out.copy()
        untouched = out.tobytes() == before
        if gravity is not None:
            if untouched:
                out[:] = self._asked  # adding and taking away gravity would round
            else:
                out -= gravity
        if (braking or not untouched) and ((out < self._rate_low)
                                           | (out > self._rate_high)).any():
            self._counters['rate_overrides'] += 1
        reason = '' if untouched and rated == wanted.tobytes() else self._explain(
            wanted, out, untouched)
        self._limit.sent(motor)
        self.applied[:] = out
        return Delivered(out.copy(), motor, reason)

    def rest_effort(self, position: Vector) -> Vector:
        """Return what the controller must be told to hold a robot that stands still [N m or N]."""
        effort = np.zeros_like(self._upper)
        if self._lifts is not None:
            clamp(self._lifts.gravity(position), self._lower, self._upper, effort)
        return effort

    def _explain(self, wanted: Vector, out: Vector, untouched: bool) -> str:
        """Say which limit it was; only the sign of a zero is no change."""
        if (out == wanted).all():
            out[:] = wanted
            return ''
        if untouched:
            return RATE
        rated = clamp(wanted, self._rate_low, self._rate_high)
        if (clamp(rated, self._lower, self._upper, rated) == out).all():
            return RATE
        return self._limit.reason
