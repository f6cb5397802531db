"""What all nodes of one graph share: robot, task and seed."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.settings import GraphConfig


@dataclass(frozen=True)
class Graph:
    """The resolved :class:`GraphConfig`."""

    config: GraphConfig
    robot: RobotSpec
    task: Task

    def seed_or(self, drawn: int) -> int:
        """Return the configured seed, or `drawn` where there is none."""
        return drawn if self.config.seed < 0 else self.config.seed


def load_graph(node: RobotNode) -> Graph:
    """
    Declare and resolve the parameters that every node of a graph shares.

    :raises ValueError: unknown robot, task, preset or parameter.
    """
    config = node.configure(GraphConfig)
    robot = resolve('robot', config.robot)
    cls = resolve('task', config.task)
    task = cls(robot, node.configure(cls.Config, 'task.', cls.PRESETS, config.presets))
    return Graph(config, robot, task)
