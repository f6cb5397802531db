"""
Bring a real robot back to where episodes start: joint by joint, slowly, through the safety filter.

A simulator puts its robot into place.  A robot has to be driven there, and this does it with the
same effort requests as a policy, so that the filter limits, fades in and stops it like one.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.config import option
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector

TURN = 2.0 * math.pi
# Largest speed and acceleration of the minimum-jerk curve, for a way and a time of 1.
PEAK_SPEED, PEAK_ACCELERATION = 1.875, 10.0 / math.sqrt(3.0)
MOST_OF_LOOP = 0.3  # part of a velocity error that the feedback takes away in one control period


@dataclass(frozen=True)
class HomingConfig:
    """How a robot that nobody can put into place gets back to its home position."""

    enabled: bool = option(True, 'drive home between episodes where no simulator resets the '
                           'robot; false: the next episode goes on where the last one ended')
    speed: float = option(0.2, 'part of the velocity limits that the way home uses', low=0.01,
                          high=1.0)
    acceleration: float = option(0.2, 'part of the braking acceleration that the way home uses',
                                 low=0.01, high=1.0)
    frequency: float = option(2.0, 'natural frequency of the feedback', unit='Hz', low=0.05,
                              high=20.0)
    tolerance: float = option(0.05, 'every joint is home within this of its position',
                              unit='rad or m', low=1e-4, high=1.0)
    standstill: float = option(0.02, 'and slower than this part of its velocity limit', low=1e-4,
                               high=0.5)
    timeout: float = option(5.0, 'give up when the robot is not home this long after it should '
                            'be; then a person resets the filter', unit='s', low=0.1, high=600.0)


class WayHome:
    """
    The reference: brake evenly, then a minimum-jerk curve that all joints end together.

    The curve is that of Flash and Hogan (1985), s = 10 t^3 - 15 t^4 + 6 t^5; it takes as long as
    the joint that has to go slowest.

    :param start: [rad or m] position at time 0.
    :param velocity: [rad/s or m/s] at time 0.
    :param home: [rad or m] where to go.
    :param continuous: whether a joint takes the shorter way round.
    :param top_speed: [rad/s or m/s] of the curve.
    :param acceleration: [rad/s^2 or m/s^2] of braking and curve.
    """

    def __init__(self, start: Vector, velocity: Vector, home: Vector,
                 continuous: NDArray[np.bool_],
                 top_speed: Vector, acceleration: Vector) -> None:
        self._start, self._velocity, self._acceleration = start, velocity, acceleration
        self._rest = start + 0.5 * velocity * np.abs(velocity) / acceleration
        way = home - self._rest
        self._way = np.where(continuous, way - TURN * np.round(way / TURN), way)
        self.braking = float(np.max(np.abs(velocity) / acceleration))  # [s]
        size = np.abs(self._way)
        self.moving = max(float(np.max(PEAK_SPEED * size / top_speed)), math.sqrt(
            float(np.max(PEAK_ACCELERATION * size / acceleration))), 1e-3)  # [s]

    @property
    def end(self) -> float:
        """Return when [s] the reference is home."""
        return self.braking + self.moving

    def at(self, time: float) -> tuple[Vector, Vector, Vector]:
        """Return position, velocity and acceleration of the reference after `time` [s]."""
        sign, decay = np.sign(self._velocity), self._acceleration
        left = np.maximum(np.abs(self._velocity) - decay * time, 0.0)  # speed still to lose
        position = self._rest - 0.5 * sign * left * left / decay
        velocity = sign * left
        acceleration = np.where(left > 0.0, -sign * decay, 0.0)
        t = min(max(time - self.braking, 0.0) / self.moving, 1.0)
        position = position + self._way * (t * t * t * (10.0 - 15.0 * t + 6.0 * t * t))
        velocity = velocity + self._way * (30.0 * t * t * (1.0 - t)**2 / self.moving)
        acceleration = acceleration + self._way * (
            60.0 * t * (1.0 - t) * (1.0 - 2.0 * t) / self.moving**2)
        return position, velocity, acceleration


class Homing:
    """
    Follow the way home: what to ask for at each joint state, until the robot is there.

    The reference starts anew as long as the filter does not do what is asked (it holds at its
    start and after a reset, or a person moves the robot), so that it never runs ahead of the
    robot.  A stop is waited out in silence.  A robot that does not arrive in time is asked for
    nothing any more: the filter brakes and latches, and after its reset by a person homing begins
    again.

    The feedback asks for accelerations, w^2 e + 2 w de/dt; with the robot's dynamics they become
    efforts by the equation of motion (computed torque), without by the `inertia` of the datasheet.

    :param robot: the datasheet.
    :param dynamics: the equation of motion, None where there is none.
    """

    def __init__(self, robot: RobotSpec, config: HomingConfig = HomingConfig(),
                 dynamics: Dynamics | None = None) -> None:
        self.config = config
        self.active = False
        self.episode = 0  # counts arrivals: an episode of a robot begins with one
        self.complaint = ''  # why it gave up, until it may try again
        self.counts = {'homings': 0, 'homings_failed': 0}
        self._joints, self._dynamics = robot.actuated, dynamics
        self._index = robot.actuated_index
        self._home = np.array(robot.home)[self._index]
        self._inertia = np.array(robot.inertia)
        limit = np.array(robot.velocity_limit)
        self._speed, self._still = config.speed * limit, config.standstill * limit
        self._braking = config.acceleration * np.array(robot.braking_acceleration)
        self._continuous = np.isinf(robot.position_lower) & np.isinf(robot.position_upper)
        self._damping = min(4.0 * math.pi * config.frequency,
                            MOST_OF_LOOP / robot.control_period)  # [1/s]
        self._period = round(1e9 * robot.control_period)
        self._source = ''  # of the last command
        self._begun = 0  # [ns] stamp of the state in which the way begins
        self._way: WayHome | None = None

    def begin(self) -> None:
        """Go home from wherever the next state is."""
        if not self.active:
            self.counts['homings'] += 1
        self.active = True
        self._way = None

    @property
    def waiting(self) -> str:
        """Say what happens, or what is waited for."""
        if self.complaint:
            return f'a person: {self.complaint}; then reset the safety filter'
        return 'safety_filter' if self._source == 'stop' else 'the robot to come home'

    def on_command(self, source: str) -> None:
        """Hear who moved the robot last: policy, teleop, hold or stop."""
        if self._source == 'stop' != source:
            self.complaint = ''
        self._source = source

    def on_state(self, stamp: int, position: Vector, velocity: Vector) -> Vector | None:
        """
        Return the effort to ask for, None for nothing; `active` ends with the arrival.

        :param stamp: [ns] of the state.
        :param position: [rad or m] of every movable joint.
        :param velocity: [rad/s or m/s] of every movable joint.
        """
        if not self.active:
            return None
        if self.complaint or self._source == 'stop':
            self._way = None
            return None
        position, velocity = position[self._index], velocity[self._index]  # copies
        if self._way is None or self._source != 'policy' or stamp < self._begun:
            self._begun = stamp
            self._way = WayHome(position, velocity, self._home, self._continuous, self._speed,
                                self._braking)
        time = 1e-9 * (stamp - self._begun)
        error = self._shorter(self._home - position)
        if time >= self._way.end:
            off = np.abs(error) / self.config.tolerance
            if (off <= 1.0).all() and (np.abs(velocity) <= self._still).all():
                self.active = False
                self.episode += 1
                return None
            if time > self._way.end + self.config.timeout:
                worst = int(np.argmax(off))
                self.complaint = (f'not home {self.config.timeout:g} s after the robot should be: '
                                  f'{self._joints[worst]} is {abs(error[worst]):.3g} away and '
                                  f'moves at {abs(velocity[worst]):.3g} (homing.timeout)')
                self.counts['homings_failed'] += 1
                return None
        # What is asked for now acts one control period later.
        return self._effort(position, velocity, *self._way.at(time + 1e-9 * self._period))

    def _shorter(self, way: Vector) -> Vector:
        return np.where(self._continuous, way - TURN * np.round(way / TURN), way)

    def _effort(self, position: Vector, velocity: Vector, wanted: Vector, speed: Vector,
                acceleration: Vector) -> Vector:
        """Return the effort, on top of gravity compensation."""
        asked = acceleration + self._damping * (speed - velocity) \
            + (0.5 * self._damping)**2 * self._shorter(wanted - position)
        if self._dynamics is None:
            return self._inertia * asked
        mass, bias = self._dynamics.evaluate(position, velocity)
        effort: Vector = mass @ asked + bias
        if not self._dynamics.compensated:
            effort = effort - self._dynamics.gravity(position)
        return effort
