"""Goals as messages: the stock type that fits the task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import PoseStamped
import numpy as np
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.wire import joint_state
from rl_robot_ros.wire import JointReader
from rl_robot_ros.wire import time_of
from rl_robot_ros.wire import WireError
from sensor_msgs.msg import JointState


def goal_message_type(goal: Goal) -> type | None:
    """Return the message type that carries goals of this kind; None where there are none."""
    return {'none': None, 'position': PoseStamped, 'joint': JointState}[goal.kind]


def goal_message(goal: Goal, values: Vector, stamp: int, names: Sequence[str] = ()) -> Any:
    """Build the message of a goal."""
    if goal.kind == 'joint':
        return joint_state(names, stamp, goal.frame_id, position=values)
    message = PoseStamped()
    message.header.stamp = time_of(stamp)
    message.header.frame_id = goal.frame_id
    point = message.pose.position
    point.x, point.y, point.z = (float(value) for value in values)
    return message


def read_goal(goal: Goal, message: Any, names: Sequence[str] = ()) -> Vector:
    """
    Read a goal.

    :raises WireError: another frame, not finite, or joints missing.
    """
    if goal.kind == 'joint':
        return JointReader(names).read(message, 'position')[0]
    if message.header.frame_id not in ('', goal.frame_id):
        raise WireError('frame', f'goals are given in {goal.frame_id}, '
                                 f'got {message.header.frame_id[:100]!r}')
    point = message.pose.position
    values = np.array([point.x, point.y, point.z])
    if not np.isfinite(values).all():
        raise WireError('finite', f'goal is {values.tolist()}')
    return values
