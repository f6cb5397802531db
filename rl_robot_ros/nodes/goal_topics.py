"""Goals of a task as topics: `goal` from people, `policy/active_goal` for everybody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rl_robot_ros import wire
from rl_robot_ros import wire_goals
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode


class GoalTopics:
    """
    Read goals, refuse what is none, and publish the one that is pursued.

    :param node: publishes and listens, where the task has goals.
    :param take: called with each goal that somebody gives.
    """

    def __init__(self, node: RobotNode, task: Task, take: Callable[[Vector], None]) -> None:
        self._node, self._task, self._take = node, task, take
        self.counts = {'goals_refused': 0}
        self._out: Any = None
        kind = wire_goals.goal_message_type(task.goal)
        if kind is not None:
            self._out = node.create_publisher(kind, 'policy/active_goal', LATCHED_QOS)
            node.create_subscription(kind, 'goal', self._on_goal, LATCHED_QOS)

    def _on_goal(self, message: Any) -> None:
        try:
            goal = wire_goals.read_goal(self._task.goal, message, self._task.robot.joint_names)
        except wire.WireError as error:
            self.counts['goals_refused'] += 1
            self._node.warn('goal', f'goal refused: {error}')
            return
        self._take(goal)

    def publish(self, goal: Vector) -> None:
        """Tell everybody which goal is pursued."""
        if self._out is not None:
            self._out.publish(wire_goals.goal_message(
                self._task.goal, goal, self._node.get_clock().now().nanoseconds,
                self._task.robot.joint_names))
