"""A small robot and its physics, for the tests of the safety filter."""

from __future__ import annotations

from dataclasses import replace
import math
from typing import Any

import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig

EFFORT = 87.0
PERIOD = 0.005


def make_robot(joints: int = 3, **changes: Any) -> RobotSpec:
    """Make a robot of equal joints with limits, 200 Hz."""
    names = tuple(f'joint{index + 1}' for index in range(joints))

    def each(value: float) -> tuple[float, ...]:
        return (value,) * joints

    robot = RobotSpec(
        name='test', urdf='', joint_names=names, actuated=names,
        position_lower=each(-2.0), position_upper=each(1.5), velocity_limit=each(2.0),
        effort_limit=each(EFFORT), effort_rate_limit=each(1000.0),
        braking_acceleration=each(8.0), inertia=each(1.2), armature=each(0.1), home=each(0.0),
        control_period=PERIOD, decision_periods=4, physics_steps=5, action_scale=0.3,
        gravity_compensated=True)
    return replace(robot, **changes)


def make_mixed_robot(**changes: Any) -> RobotSpec:
    """Make a robot of six different joints, the last of which turns for ever."""
    values: dict[str, Any] = {
        'position_lower': (-2.0, -0.1, 0.0, -3.0, -1.0, -math.inf),
        'position_upper': (1.5, 0.1, 0.5, -0.5, 1.0, math.inf),
        'velocity_limit': (2.0, 0.5, 1.0, 4.0, 10.0, 3.0),
        'effort_limit': (87.0, 20.0, 300.0, 12.0, 40.0, 5.0),
        'effort_rate_limit': (1000.0, 200.0, 5000.0, 1000.0, 4000.0, 100.0),
        'braking_acceleration': (8.0, 10.0, 5.0, 20.0, 30.0, 5.0),
        'inertia': (1.2, 1.0, 20.0, 0.1, 0.5, 0.3)}
    return make_robot(6, **{**values, **changes})


def continuous(robot: RobotSpec) -> RobotSpec:
    """Return the same robot with joints that turn for ever."""
    return replace(robot, position_lower=(-math.inf,) * len(robot.actuated),
                   position_upper=(math.inf,) * len(robot.actuated))


def at_once(**changes: Any) -> SafetyConfig:
    """Make a configuration that is ACTIVE at the first request, with round margins."""
    config = SafetyConfig(start_hold=0.0, fade_in=0.0, position_margin=0.01, velocity_margin=0.05)
    return replace(config, **changes)


class Coupled:
    """`core.spec.Dynamics` of two joints that feel each other, a constant pull and damping."""

    mass, pull, damping = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -2.0]), 0.7

    def __init__(self, compensated: bool = True) -> None:
        self.compensated = compensated

    def evaluate(self, position: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """Return mass and bias, new arrays."""
        return self.mass.copy(), self.pull + self.damping * velocity

    def solve(self, force: Vector) -> Vector:
        """Return mass^-1 force."""
        return np.linalg.solve(self.mass, force)

    def gravity(self, position: Vector) -> Vector:
        """Return the pull, which is gravity where the robot does not compensate it."""
        return self.pull.copy()

    def twin(self) -> Coupled:
        """Return itself: nothing is remembered."""
        return self


class Plant:
    """Joints that do not know of each other: inertia times acceleration is effort."""

    def __init__(self, robot: RobotSpec, position: Vector | float = 0.0,
                 velocity: Vector | float = 0.0, inertia: float = 1.0) -> None:
        self.inertia = inertia * np.array(robot.inertia)
        self.position = np.zeros_like(self.inertia) + position
        self.velocity = np.zeros_like(self.inertia) + velocity
        self.period = robot.control_period

    def move(self, effort: Vector, parts: int = 1) -> tuple[Vector, Vector]:
        """Move on by a control period; returns what was passed on the way, shape (parts, n)."""
        step = self.period / parts
        acceleration = effort / self.inertia
        passed = []
        for _ in range(parts):
            self.position = self.position + self.velocity * step + acceleration * step**2 / 2.0
            self.velocity = self.velocity + acceleration * step
            passed.append((self.position, self.velocity))
        return np.array([q for q, _ in passed]), np.array([v for _, v in passed])
