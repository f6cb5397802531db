"""Small robots for the tests of the safety filter."""

from __future__ import annotations

from dataclasses import replace
import math
from typing import Any

from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.safety.config import SafetyConfig

EFFORT = 87.0


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
        control_period=0.005, decision_periods=4, physics_steps=5, action_scale=0.3,
        gravity_compensated=True)
    return replace(robot, **changes)


def continuous(robot: RobotSpec) -> RobotSpec:
    """Return the same robot with joints that turn for ever."""
    return replace(robot, position_lower=(-math.inf,) * len(robot.actuated),
                   position_upper=(math.inf,) * len(robot.actuated))


def at_once(**changes: Any) -> SafetyConfig:
    """Make a configuration that is ACTIVE at the first request."""
    return replace(SafetyConfig(start_hold=0.0, fade_in=0.0), **changes)
