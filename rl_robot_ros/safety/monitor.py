"""Judges joint states: complete, finite, possible, and inside the limits."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import exceeds
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits

FURTHEST = 1e6  # [rad or m] no encoder counts further; keeps all arithmetic far from overflow
FASTEST = 10.0  # times the velocity limit; faster is a broken sensor, not a moving joint

TURN = 2.0 * math.pi

# Rows of what is compared in one go with what is allowed.
JUMP, DRIFT, SPEED, ABOVE, BELOW = range(5)
FATAL = {  # the gravest first
    DRIFT: 'position and velocity disagree',
    SPEED: 'velocity is far over its limit',
    ABOVE: 'position is far beyond its upper limit',
    BELOW: 'position is far beyond its lower limit',
}


class Finding(NamedTuple):
    """What is wrong with a state; `usable` still to be braked with, `fatal` means fault."""

    reason: str
    usable: bool
    fatal: bool


class StateMonitor:
    """
    Judges every joint state and keeps the newest one worth using.

    ============ ==================================================================== ==========
    check        trips when                                                           then
    ============ ==================================================================== ==========
    complete     wrong number of joints, or not numbers                               rejected
    finite       NaN or infinite                                                      rejected
    possible     an encoder or a drive cannot have meant it                           rejected
    jump         position is not where the velocity leads                             rejected
    drift        position and velocity disagree for a while (a sign, a dead sensor)   fault
    frozen       bit-identical states while the motors push                           fault
    speed        far over the velocity limit                                          fault
    outside      far beyond a position limit (further than where it started)          fault
    ============ ==================================================================== ==========

    A rejected state is bridged by moving the last one on at its velocity; several in a row are a
    fault.  No check knows the robot's dynamics.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig) -> None:
        self._period = robot.control_period
        self._config = config
        self._joints = limits.joints
        self._effort_limit = config.frozen_effort * np.array(limits.effort)
        self._upper = np.minimum(np.array(limits.position_upper) + config.position_tolerance,
                                 FURTHEST)
        self._lower = np.maximum(np.array(limits.position_lower) - config.position_tolerance,
                                 -FURTHEST)
        velocity = np.array(limits.velocity)  # scales what a sensor can have seen
        self._too_fast = (1.0 + config.velocity_tolerance) * config.velocity_scale * velocity
        continuous = np.isinf(limits.position_upper) & np.isinf(limits.position_lower)
        self._continuous = continuous if continuous.any() else None
        self._keep = 1.0 - 1.0 / config.consistency_window
        self._jump = config.max_position_jump * velocity * self._period
        self._jump_periods = 1
        self._allowed = np.empty((5, len(velocity)))
        self._allowed[JUMP] = self._jump
        self._allowed[DRIFT] = (config.velocity_consistency * velocity * self._period
                                * config.consistency_window)
        self._allowed[SPEED] = self._too_fast
        self._seen = np.zeros_like(self._allowed)
        self._jumped, self._drifted, self._speed, self._above, self._below = self._seen
        self._good = np.ones(self._allowed.shape, dtype=np.bool_)
        self._all_good = self._good.tobytes()
        self._now = self._seen[SPEED:]
        self._possible = np.full(self._now.shape, FURTHEST)
        self._possible[0] = FASTEST * velocity
        self._can = np.ones(self._now.shape, dtype=np.bool_)
        self._all_can = self._can.tobytes()
        self._drift = np.zeros_like(velocity)
        self._mean = np.empty_like(velocity)
        self._work = np.empty_like(velocity)
        self.position = np.zeros_like(velocity)
        self.velocity = np.zeros_like(velocity)
        self._same = 0
        self.begin()

    def begin(self) -> None:
        """Forget everything: the next state has nothing to do with the last one."""
        self.complaint = ''
        self._last_bytes = b''
        self.velocity[:] = 0.0
        self.restart()

    def restart(self) -> None:
        """Take the next state as the first one, wherever it is, but keep the complaint."""
        self._first = True
        self._rejected = 0
        self._recovering = self._slowing = False
        self._allowed[SPEED] = self._too_fast
        self._allowed[ABOVE] = self._upper
        self._allowed[BELOW] = -self._lower

    def take_over(self, old: StateMonitor) -> None:
        """
        Go on with the state of another monitor, and with all that it counts.

        Joints that are too fast or too far out now may slow down, and come back, first.
        """
        self.position[:], self.velocity[:] = old.position, old.velocity
        self._drift[:] = old._drift
        self.complaint, self._last_bytes = old.complaint, old._last_bytes
        self._first, self._rejected, self._same = old._first, old._rejected, old._same
        np.maximum(old._allowed[SPEED], self._too_fast, out=self._allowed[SPEED])
        self._slowing = True
        if not self._first:
            margin = self._config.position_tolerance
            np.maximum(self._upper, old.position + margin, out=self._allowed[ABOVE])
            np.maximum(-self._lower, margin - old.position, out=self._allowed[BELOW])
            self._recovering = True

    def lost(self, reason: str) -> Finding:
        """Report that there is no state: unusable, and fatal."""
        self.restart()
        self.complaint = reason
        return Finding(reason, usable=False, fatal=True)

    def check(self, position: ArrayLike | None, velocity: ArrayLike | None, effort: Vector,
              periods: int) -> Finding | None:
        """
        Judge one state.

        :param position: [rad or m] per actuated joint, None where there is no state at all.
        :param velocity: [rad/s or m/s] per actuated joint.
        :param effort: [N m or N] what was applied since the last state.
        :param periods: control periods since the last state.
        :returns: None where there is nothing to say; then `position` and `velocity` are new.
        """
        if position is None or velocity is None:
            return self._reject('no joint state', periods)
        try:
            q = np.asarray(position, dtype=np.float64)
            v = np.asarray(velocity, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            return self._reject('joint state is not made of numbers', periods)
        if q.shape != self.position.shape or v.shape != self.position.shape:
            return self._reject(f'joint state has {q.size} positions and {v.size} velocities, '
                                f'needs {len(self._joints)} of each', periods)
        np.absolute(v, out=self._speed)
        self._above[:] = q
        np.negative(q, out=self._below)
        if np.less_equal(self._now, self._possible, out=self._can).tobytes() != self._all_can:
            return self._reject(self._why_impossible(q, v), periods)
        self._measure(q, v, periods)
        if np.less_equal(self._seen, self._allowed, out=self._good).tobytes() != self._all_good:
            finding = self._diagnose(q, v, periods)
            if finding is not None:
                return finding
        finding = self._check_frozen(q, v, effort, periods)
        if finding is None:
            self._accept(q, v)
            self.complaint = ''
        return finding

    def _measure(self, q: Vector, v: Vector, periods: int) -> None:
        """Compare with the last state, for JUMP and DRIFT."""
        if self._first:
            self._seen[JUMP:SPEED] = 0.0
            self._drift[:] = 0.0
            return
        np.add(self.velocity, v, out=self._mean)
        np.multiply(self._mean, 0.5 * self._period * periods, out=self._mean)
        np.subtract(q, self.position, out=self._work)
        np.subtract(self._work, self._mean, out=self._work)
        if self._continuous is not None:  # an encoder that wraps has not jumped
            np.subtract(self._work, TURN * np.round(self._work / TURN), out=self._work,
                        where=self._continuous)
        np.multiply(self._drift, self._keep, out=self._drift)
        np.add(self._drift, self._work, out=self._drift)
        np.absolute(self._work, out=self._jumped)
        np.absolute(self._drift, out=self._drifted)
        if periods != self._jump_periods:
            np.multiply(self._jump, periods, out=self._allowed[JUMP])
            self._jump_periods = periods

    def _diagnose(self, q: Vector, v: Vector, periods: int) -> Finding | None:
        """Find out which check tripped, the gravest first."""
        bad = np.logical_not(self._good)
        if bad[JUMP].any():
            self._drift -= self._work  # a glitch is no drift
            return self._reject(f'position jumped: {self._name(bad[JUMP])}', periods)
        if self._first and not bad[SPEED].any():
            # Started outside: only further out is a fault; the way back in narrows behind it.
            self._recovering = True
            self._allowed[ABOVE:] = math.inf
            return None
        self._accept(q, v)
        row = next(row for row in FATAL if bad[row].any())
        reason = f'{FATAL[row]}: {self._name(bad[row])}'
        # A reset may let a joint come back from outside, so that is no cause to refuse it.
        self.complaint = '' if row >= ABOVE else reason
        return Finding(reason, usable=True, fatal=True)

    def _why_impossible(self, q: Vector, v: Vector) -> str:
        bad = np.logical_not(np.isfinite(q) & np.isfinite(v))
        if bad.any():
            return f'joint state is not finite: {self._name(bad)}'
        bad = np.logical_not(self._can[0] & self._can[1] & self._can[2])
        return f'joint state is not possible: {self._name(bad)}'

    def _check_frozen(self, q: Vector, v: Vector, effort: Vector, periods: int) -> Finding | None:
        """Find a state that repeats bit by bit while the motors push: real sensors have noise."""
        now = q.tobytes() + v.tobytes()
        if now != self._last_bytes:
            self._last_bytes = now
            self._same = 0
            return None
        if exceeds(np.abs(effort), self._effort_limit).any():
            self._same += periods
        if self._same < self._config.frozen_periods:
            return None
        return self.lost('joint state is frozen while the motors push')

    def _accept(self, q: Vector, v: Vector) -> None:
        self.position[:] = q
        self.velocity[:] = v
        self._first = False
        self._rejected = 0
        if self._slowing:
            self._narrow(v)
        if self._recovering:
            margin = self._config.position_tolerance
            for row, limit, value in ((ABOVE, self._upper, q), (BELOW, -self._lower, -q)):
                np.minimum(self._allowed[row], value + margin, out=self._allowed[row])
                np.maximum(self._allowed[row], limit, out=self._allowed[row])

    def _narrow(self, v: Vector) -> None:
        """Let the allowed speed fall with the joints that were faster than it."""
        still_fast = (1.0 + self._config.velocity_tolerance) * np.abs(v)
        allowed = self._allowed[SPEED]
        np.minimum(allowed, np.maximum(still_fast, self._too_fast), out=allowed)
        self._slowing = bool((allowed > self._too_fast).any())

    def _reject(self, reason: str, periods: int) -> Finding:
        """Bridge one bad state; several in a row are a fault."""
        self._rejected += 1
        if self._rejected >= self._config.max_invalid_states:
            return self.lost(reason)
        self.complaint = reason
        if not self._first:
            self.position += self.velocity * (self._period * periods)
        return Finding(reason, usable=not self._first, fatal=False)

    def _name(self, bad: NDArray[np.bool_]) -> str:
        return ', '.join(joint for joint, wrong in zip(self._joints, bad) if wrong)
