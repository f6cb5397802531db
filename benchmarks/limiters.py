"""
What people put in front of motors today, as formulas, beside our filter; see safety.py.

Each is a function of position, velocity and wanted effort.  The ros2_control formulas are those of
`joint_limits` (`compute_effort_limits` and the effort branch of `JointSoftLimiter`), written anew
for arrays.
"""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.dynamics import MujocoDynamics


class Nothing:
    """Let everything through."""

    def __init__(self, robot: RobotSpec) -> None:
        self.lower, self.upper = np.array(robot.position_lower), np.array(robot.position_upper)
        self.fastest, self.most = np.array(robot.velocity_limit), np.array(robot.effort_limit)

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        return effort


class Clip(Nothing):
    """Clamp to the effort limits."""

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        return np.clip(effort, -self.most, self.most)


class Saturation(Nothing):
    """ros2_control: no effort further out beyond a position limit, or faster beyond a velocity."""

    def bounds(self, position: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """Return lowest and highest effort."""
        low = np.where(((position <= self.lower) & (velocity <= 0.0)) | (velocity < -self.fastest),
                       0.0, -self.most)
        high = np.where(((position >= self.upper) & (velocity >= 0.0)) | (velocity > self.fastest),
                        0.0, self.most)
        return low, high

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        return np.clip(effort, *self.bounds(position, velocity))


class SoftLimiter(Saturation):
    """ros2_control with soft limits 0.1 rad inside the hard ones."""

    INSET, CREEP, HARD = 0.1, np.deg2rad(1.0), 0.002

    def __init__(self, robot: RobotSpec, k_position: float, k_velocity: Vector) -> None:
        super().__init__(robot)
        self.k_position, self.k_velocity = k_position, k_velocity

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        low, high = self.lower + self.INSET, self.upper - self.INSET
        slowest = np.clip(-self.k_position * (position - low), -self.fastest, self.fastest)
        fastest = np.clip(-self.k_position * (position - high), -self.fastest, self.fastest)
        beyond = (position < self.lower - self.HARD) | (position > self.upper + self.HARD)
        soft = ((position < low) | (position > high)) & ~beyond
        slowest = np.where(soft, np.copysign(self.CREEP, slowest), np.where(beyond, 0.0, slowest))
        fastest = np.where(soft, np.copysign(self.CREEP, fastest), np.where(beyond, 0.0, fastest))
        least = np.clip(-self.k_velocity * (velocity - slowest), -self.most, self.most)
        greatest = np.clip(-self.k_velocity * (velocity - fastest), -self.most, self.most)
        hard_low, hard_high = self.bounds(position, velocity)
        return np.minimum(np.maximum(effort, np.maximum(least, hard_low)),
                          np.minimum(greatest, hard_high))


class ExponentialCbf(Nothing):
    """Exponential control barrier functions with the model, then clamp (as OSCBF, alpha = 10)."""

    ALPHA = 10.0

    def __init__(self, robot: RobotSpec, position_margin: float, velocity_margin: float) -> None:
        super().__init__(robot)
        self.dynamics = MujocoDynamics(robot)
        self.lower, self.upper = self.lower + position_margin, self.upper - position_margin
        self.slow = (1.0 - velocity_margin) * self.fastest

    def __call__(self, position: Vector, velocity: Vector, effort: Vector) -> Vector:
        """Return what goes to the motors."""
        mass, bias = self.dynamics.evaluate(position, velocity)
        wanted = self.dynamics.solve(np.clip(effort, -self.most, self.most) - bias)
        alpha = self.ALPHA
        high = np.minimum(alpha * alpha * (self.upper - position) - 2.0 * alpha * velocity,
                          alpha * (self.slow - velocity))
        low = np.maximum(alpha * alpha * (self.lower - position) - 2.0 * alpha * velocity,
                         alpha * (-self.slow - velocity))
        allowed = np.minimum(np.maximum(wanted, low), high)
        return np.clip(mass @ allowed + bias, -self.most, self.most)
