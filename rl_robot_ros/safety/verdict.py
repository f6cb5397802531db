"""What the safety filter answers."""

from __future__ import annotations

from typing import NamedTuple

from rl_robot_ros.core.spec import Vector


class Verdict(NamedTuple):
    """
    What goes to the motors, and why.

    :param effort: [N m or N] per actuated joint, on top of gravity compensation; a new array,
        finite.
    :param source: whose effort it is: policy, teleop, hold, or stop.
    :param filtered: whether it differs from what that source asked for; always for hold and stop.
    :param reason: empty where nothing was changed.
    :param motor_effort: [N m or N] what the controller is told: `effort`, and the gravity of a
        robot that does not compensate it; finite, within the effort limits.
    """

    effort: Vector
    source: str
    filtered: bool
    reason: str
    motor_effort: Vector
