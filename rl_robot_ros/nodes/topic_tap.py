"""
One topic, taken as it comes, serialised, with the number that its publisher gave to each message.

Messages are taken from the subscription directly and many at a time: an executor's callback costs
several times as much as what it is called for here, and cannot be told the numbers of serialised
messages.  The numbers tell what was lost on the way, which no event of the middleware does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

MOST_AT_ONCE = 2000  # messages, so that other topics have their turn


class TopicTap:
    """
    Listen to a topic, from a node that no executor spins.

    :param message: class of its messages.
    :param put: takes receipt [ns] and serialised message.
    """

    def __init__(self, node: Node, topic: str, message: type, qos: QoSProfile,
                 put: Callable[[int, bytes], None]) -> None:
        self.lost = 0  # messages that were published and never came, where one node publishes
        self.qos = qos
        self.publishers = 1
        self._node, self._topic, self._message, self._put = node, topic, message, put
        self._last = 0
        self._subscription = self._subscribe()

    def _subscribe(self) -> Any:
        return self._node.create_subscription(self._message, self._topic, print, self.qos,
                                              raw=True)

    def listen(self, qos: QoSProfile) -> None:
        """Listen with another QoS from now on."""
        self._node.destroy_subscription(self._subscription)
        self.qos, self._last = qos, 0
        self._subscription = self._subscribe()

    def drain(self) -> None:
        """Take what has come."""
        handle = self._subscription.handle
        for _ in range(MOST_AT_ONCE):
            with handle:
                taken = handle.take_message(self._message, True)
            if taken is None:
                return
            data, info = taken
            self._count(info['publication_sequence_number'])
            self._put(info['received_timestamp'], data)

    def _count(self, number: int) -> None:
        """See whether numbers are missing before this one; a publisher begins with 1 again."""
        if self.publishers == 1 and 0 < self._last < number:
            self.lost += number - self._last - 1
        self._last = number
