"""Which topics belong to a graph, and how to listen to somebody who offers this or that QoS."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.qos import DurabilityPolicy
from rclpy.qos import HistoryPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy

# Those of ARCHITECTURE.md, in any namespace.
TOPICS = ('joint_states', 'task_state', 'imu', 'scan', 'image', 'effort_request', 'teleop_effort',
          'joy', 'effort_command', 'effort_controller/commands', 'goal', 'policy/active_goal',
          'experience', 'safety_filter/state', 'safety_filter/intervention',
          'safety_filter/certificate', 'safety_filter/enable', 'robot_description')
COMMON = ('/clock', '/diagnostics')
DEPTH = 1000  # messages that may wait for a recorder that was held up


def belongs(topic: str) -> bool:
    """Tell whether a topic, by its full name, is one of a graph."""
    return topic in COMMON or any(topic.endswith(f'/{name}') for name in TOPICS)


def listening_qos(offers: Sequence[QoSProfile]) -> QoSProfile:
    """
    Return the strictest QoS that hears everyone, as `ros2 bag record` does.

    :param offers: what the publishers offer; where there are none yet, the weakest is asked for.
    """
    reliable = bool(offers) and all(offer.reliability == ReliabilityPolicy.RELIABLE
                                    for offer in offers)
    latched = bool(offers) and all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL
                                   for offer in offers)
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=DEPTH,
        reliability=(ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT),
        durability=(DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE))
