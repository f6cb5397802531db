"""What a person at the command line hears of a running graph: diagnostics and rows."""

from __future__ import annotations

from collections.abc import Mapping
import os
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros import wire
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from std_msgs.msg import Float64MultiArray


class Monitor:
    """
    Listen to a graph from outside.

    :param environment: environment of the graph, for its domain.
    :param rows: whether to collect experience rows too.
    """

    def __init__(self, environment: Mapping[str, str], namespace: str = '',
                 rows: bool = False) -> None:
        for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
            os.environ[name] = environment[name]
        self.status: dict[str, DiagnosticStatus] = {}
        self.layout: RowLayout | None = None
        self.rows: list[NDArray[np.float64]] = []
        self._context = Context()
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('rl_robot_monitor', context=self._context, namespace=namespace,
                          use_global_arguments=False)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics,
                                       QoSProfile(depth=20))
        if rows:
            self._node.create_subscription(Float64MultiArray, 'experience', self._on_rows,
                                           EXPERIENCE_QOS)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)

    def __enter__(self) -> Monitor:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the graph."""
        self._executor.remove_node(self._node)
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status[status.hardware_id or status.name] = status

    def _on_rows(self, message: Float64MultiArray) -> None:
        try:
            if self.layout is None and len(message.layout.dim) == 2:
                self.layout = RowLayout.parse(message.layout.dim[1].label)
            if self.layout is not None:
                self.rows.append(wire.read_rows(message, self.layout))
        except ValueError:
            return  # the learner reports it; whoever watches must not fall over it

    def spin(self, seconds: float) -> None:
        """Listen for up to `seconds`."""
        self._executor.spin_once(seconds)

    def take_rows(self) -> list[NDArray[np.float64]]:
        """Return the batches that came since the last call."""
        rows, self.rows = self.rows, []
        return rows

    def values(self, node: str) -> dict[str, Any]:
        """Return the newest diagnostic values of a node, numbers as numbers."""
        status = self.status.get(node)
        return {} if status is None else {pair.key: _number(pair.value) for pair in status.values}

    def warnings(self) -> list[str]:
        """Return what nodes complain about now."""
        return [f'{name}: {status.message}' for name, status in sorted(self.status.items())
                if status.level != DiagnosticStatus.OK]


def _number(text: str) -> Any:
    try:
        return float(text) if '.' in text or 'e' in text else int(text)
    except ValueError:
        return text
