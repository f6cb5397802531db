"""Brake every joint to standstill, then hold it there."""

from __future__ import annotations

import math

import numpy as np
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import TURN


class ControlledStop:
    """
    A reference that starts at the measured motion, brakes evenly, and stays; a PD follows it.

    Standstill after at most velocity / braking acceleration, for every joint in its own time.
    The reference's own deceleration is fed forward, so the PD only corrects.  Without a usable
    state the feed-forward alone brakes along the last known motion for a short while, then the
    effort is zero on top of gravity: nothing better is known and nothing is safe for long, so the
    node must hand over to something else.

    The PD asks for accelerations, w^2 e + 2 zeta w de/dt with w = 2 pi `hold_frequency`, lowered
    where the sampled loop would become too stiff.  With the robot's dynamics they become efforts
    by the equation of motion (computed torque, as in Siciliano et al., "Robotics: Modelling,
    Planning and Control", 2009, "Inverse Dynamics Control").  Without, by `inertia` alone, and w
    is lowered as well where stopping from the velocity limit would ask for more than the effort
    limit.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                 braking_acceleration: Vector, dynamics: Dynamics | None = None) -> None:
        velocity = np.array(limits.velocity)
        zeta = config.hold_damping
        self._dynamics = dynamics
        self._inertia = np.array(robot.inertia)
        damping = np.full_like(velocity, min(4.0 * math.pi * config.hold_frequency * zeta,
                                             config.envelope_gain / robot.control_period))
        if dynamics is None:
            damping = np.minimum(damping, np.array(limits.effort) / velocity / self._inertia)
        frequency = damping / (2.0 * zeta)
        self.stiffness = frequency * frequency  # [1/s^2]
        self.damping = damping  # [1/s]
        self._braking = braking_acceleration
        self._slow_down = braking_acceleration * robot.control_period
        self._period = robot.control_period
        self._continuous = np.isinf(limits.position_lower) & np.isinf(limits.position_upper)
        self._blind_periods = math.ceil(config.blind_brake / robot.control_period)
        # Of the datasheet's limit: slower limits do not make a measurement less noisy.
        self._still = config.standstill * np.array(robot.velocity_limit)
        self.target = np.zeros_like(velocity)  # [rad or m] where the reference is
        self._speed = np.zeros_like(velocity)
        self._acceleration = np.zeros_like(velocity)
        self._work = np.zeros_like(velocity)
        self._blind = 0
        self._moving = False
        self.engaged = False

    def release(self) -> None:
        """Forget the reference: the next call starts from the motion it is given."""
        self.engaged = False

    def take_over(self, old: ControlledStop) -> None:
        """Go on with the reference of another stop, wherever on its way it is."""
        self.target[:], self._speed[:] = old.target, old._speed
        self._moving, self._blind, self.engaged = old._moving, old._blind, old.engaged

    def _engage(self, position: Vector, velocity: Vector) -> None:
        self.target[:] = position
        self._speed[:] = velocity
        self._moving = True
        self._blind = 0
        self.engaged = True

    def _advance(self, periods: int) -> None:
        """Move the reference on by one control state, and set its feed-forward."""
        self._acceleration[:] = 0.0
        if not self._moving:
            return
        step = self._slow_down * periods
        slower = np.sign(self._speed) * np.maximum(np.abs(self._speed) - step, 0.0)
        self.target += 0.5 * (self._speed + slower) * (self._period * periods)
        # Less than a full step where that is enough to stop.
        self._acceleration -= self._braking * (self._speed - slower) / step
        self._speed = slower
        self._moving = bool(slower.any())

    def effort(self, position: Vector, velocity: Vector, periods: int = 1) -> Vector:
        """
        Return the effort for this state, on top of gravity compensation.

        :param position: [rad or m] per actuated joint.
        :param velocity: [rad/s or m/s] per actuated joint.
        :param periods: control periods since the last call.
        """
        if not self.engaged:
            self._engage(position, velocity)
        self._blind = 0
        work, acceleration = self._work, self._acceleration
        np.subtract(self.target, position, out=work)
        if self._continuous.any():
            np.subtract(work, TURN * np.round(work / TURN), out=work, where=self._continuous)
        error = self._speed - velocity
        self._advance(periods)
        np.multiply(work, self.stiffness, out=work)
        np.add(acceleration, work, out=acceleration)
        np.multiply(error, self.damping, out=work)
        np.add(acceleration, work, out=acceleration)
        return self._to_effort(position, velocity)

    def blind_effort(self, position: Vector, velocity: Vector, periods: int = 1) -> Vector:
        """
        Return the effort without a state, from the last known motion.

        :param position: [rad or m] the last known one.
        :param velocity: [rad/s or m/s] the last known one.
        :param periods: control periods since the last call.
        """
        if not self.engaged:
            self._engage(position, velocity)
        position, velocity = self.target.copy(), self._speed.copy()
        self._advance(periods)
        self._blind += periods
        if self._blind > self._blind_periods:
            return np.zeros_like(velocity)
        return self._to_effort(position, velocity)

    def _to_effort(self, position: Vector, velocity: Vector) -> Vector:
        """Return the effort, on top of gravity, of the acceleration that is asked for."""
        if self._dynamics is None:
            effort: Vector = self._inertia * self._acceleration
            return effort
        mass, bias = self._dynamics.evaluate(position, velocity)
        effort = mass @ self._acceleration + bias
        if not self._dynamics.compensated:
            effort -= self._dynamics.gravity(position)
        return effort

    def at_rest(self, velocity: Vector) -> bool:
        """Say whether the reference and every joint stand still."""
        return (self.engaged and not self._moving
                and bool((np.abs(velocity) <= self._still).all()))
