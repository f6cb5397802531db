"""Brake every joint to standstill, then hold it there."""

from __future__ import annotations

import math

import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import TURN


class ControlledStop:
    """
    A reference that starts at the measured motion, brakes evenly, and stays; a PD follows it.

    Standstill after at most velocity / braking acceleration, for every joint in its own time.
    `inertia` times deceleration is added as feed-forward, so the PD only corrects.  Without a
    usable state the feed-forward alone brakes along the last known motion for a short while, then
    the effort is zero: with gravity compensated nothing better is known, and without it nothing
    is safe, so the node must hand over to something else.

    PD gains per joint: inertia w^2 and 2 zeta inertia w with w = 2 pi `hold_frequency`, lowered
    where stopping from the velocity limit would ask for more than the effort limit, or where the
    sampled loop would become too stiff.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                 braking_acceleration: Vector) -> None:
        inertia, velocity = np.array(robot.inertia), np.array(limits.velocity)
        zeta = config.hold_damping
        damping = np.minimum(4.0 * math.pi * config.hold_frequency * zeta * inertia,
                             np.minimum(np.array(limits.effort) / velocity,
                                        config.envelope_gain * inertia / robot.control_period))
        frequency = damping / (2.0 * zeta * inertia)
        self.stiffness = inertia * frequency * frequency
        self.damping = damping
        self._brake = inertia * braking_acceleration
        self._slow_down = braking_acceleration * robot.control_period
        self._period = robot.control_period
        self._continuous = np.isinf(limits.position_lower) & np.isinf(limits.position_upper)
        self._blind_periods = math.ceil(config.blind_brake / robot.control_period)
        self._still = config.standstill * velocity
        self._target = np.zeros_like(velocity)
        self._speed = np.zeros_like(velocity)
        self._effort = np.zeros_like(velocity)
        self._work = np.zeros_like(velocity)
        self._blind = 0
        self._moving = False
        self.engaged = False

    def release(self) -> None:
        """Forget the reference: the next call starts from the motion it is given."""
        self.engaged = False

    def _engage(self, position: Vector, velocity: Vector) -> None:
        self._target[:] = position
        self._speed[:] = velocity
        self._moving = True
        self._blind = 0
        self.engaged = True

    def _advance(self, periods: int) -> None:
        """Move the reference on by one control state, and start its feed-forward."""
        self._effort[:] = 0.0
        if not self._moving:
            return
        step = self._slow_down * periods
        slower = np.sign(self._speed) * np.maximum(np.abs(self._speed) - step, 0.0)
        self._target += 0.5 * (self._speed + slower) * (self._period * periods)
        # Less than a full step where that is enough to stop.
        self._effort -= self._brake * (self._speed - slower) / step
        self._speed = slower
        self._moving = bool(slower.any())

    def effort(self, position: Vector, velocity: Vector, periods: int = 1) -> Vector:
        """
        Return the effort for this state; the array is reused by the next call.

        :param position: [rad or m] per actuated joint.
        :param velocity: [rad/s or m/s] per actuated joint.
        :param periods: control periods since the last call.
        """
        if not self.engaged:
            self._engage(position, velocity)
        self._blind = 0
        work, effort = self._work, self._effort
        np.subtract(self._target, position, out=work)
        if self._continuous.any():
            np.subtract(work, TURN * np.round(work / TURN), out=work, where=self._continuous)
        error = self._speed - velocity
        self._advance(periods)
        np.multiply(work, self.stiffness, out=work)
        np.add(effort, work, out=effort)
        np.multiply(error, self.damping, out=work)
        np.add(effort, work, out=effort)
        return effort

    def blind_effort(self, position: Vector, velocity: Vector, periods: int = 1) -> Vector:
        """
        Return the effort without a state, from the last known motion.

        :param position: [rad or m] the last known one.
        :param velocity: [rad/s or m/s] the last known one.
        :param periods: control periods since the last call.
        """
        if not self.engaged:
            self._engage(position, velocity)
        self._advance(periods)
        self._blind += periods
        if self._blind > self._blind_periods:
            self._effort[:] = 0.0
        return self._effort

    def at_rest(self, velocity: Vector) -> bool:
        """Say whether the reference and every joint stand still."""
        return (self.engaged and not self._moving
                and bool((np.abs(velocity) <= self._still).all()))
