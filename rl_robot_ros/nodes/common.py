"""What all nodes of one graph share: robot, task, algorithm, presets and seed."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.config import option
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.nodes.runtime import RobotNode


@dataclass(frozen=True)
class GraphConfig:
    """Which robot does what; the same for every node of a graph."""

    robot: str = option('arm7', 'name of a datasheet, or my_package.my_module:ROBOT')
    task: str = option('reach', 'name of a task, or my_package.my_module:TASK')
    preset: str = option('', 'names of presets of task and algorithm, separated by commas')
    seed: int = option(-1, 'seed of everything random; -1 draws one', low=-1)


@dataclass(frozen=True)
class Graph:
    """The resolved :class:`GraphConfig`."""

    config: GraphConfig
    robot: RobotSpec
    task: Task
    presets: tuple[str, ...]

    def seed_or(self, drawn: int) -> int:
        """Return the configured seed, or `drawn` where there is none."""
        return drawn if self.config.seed < 0 else self.config.seed


def load_graph(node: RobotNode) -> Graph:
    """
    Declare and resolve the parameters that every node of a graph shares.

    :raises ValueError: unknown robot, task, preset or parameter.
    """
    config = node.configure(GraphConfig)
    presets = tuple(name.strip() for name in config.preset.split(',') if name.strip())
    robot = resolve('robot', config.robot)
    cls = resolve('task', config.task)
    task = cls(robot, node.configure(cls.Config, 'task.', cls.PRESETS, presets))
    return Graph(config, robot, task, presets)
