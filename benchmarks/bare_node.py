"""A node of rclpy that is nothing more, and imports nothing else: others measure its memory."""

import rclpy
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions


def make_node(name: str, namespace: str = '') -> Node:
    """Return the only node of this process; signals are left to it."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    return Node(name, namespace=namespace)
