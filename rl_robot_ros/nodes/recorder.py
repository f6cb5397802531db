"""
The `recorder` node: the whole graph into a rosbag2 file, as it was sent.

Messages are written as they came, serialised: nothing is decoded.  Every topic of the graph is
followed, in every namespace, as soon as somebody publishes it.
"""

from __future__ import annotations

from dataclasses import dataclass
import importlib
from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rl_robot_ros.bags import BagWriter
from rl_robot_ros.bags import Offer
from rl_robot_ros.core.config import option
from rl_robot_ros.nodes.bag_thread import BagThread
from rl_robot_ros.nodes.bag_thread import MIB
from rl_robot_ros.nodes.graph_topics import belongs
from rl_robot_ros.nodes.graph_topics import listening_qos
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.topic_tap import TopicTap

LOOK_PERIOD = 0.2  # [s] between two looks for new topics
DRAIN_PERIOD = 0.01  # [s] in which no more than `graph_topics.DEPTH` messages of a topic may come
END_TIMEOUT = 60.0  # [s] for what waits to be written at the end


@dataclass(frozen=True)
class RecordConfig:
    """What is recorded, and where to."""

    output: str = option('', 'folder to make; empty: rosbag2_<date and time>')
    topics: str = option('', 'further topics, separated by commas')
    queue: int = option(64, 'messages that may wait for the disk; then new ones are dropped and '
                        'counted', unit='MiB', low=1, high=16_384)
    keep_free: int = option(512, 'the recording ends where less than this is free on the disk',
                            unit='MiB', low=16, high=1_000_000_000)

    @property
    def more(self) -> set[str]:
        """Return the names in `topics`, made absolute."""
        names = (name.strip() for name in self.topics.split(','))
        return {'/' + name.lstrip('/') for name in names if name}


class RecorderNode(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('recorder')
        self.config = self.configure(RecordConfig, 'record.')
        path = Path(self.config.output or time.strftime('rosbag2_%Y_%m_%d-%H_%M_%S'))
        self._bag = BagWriter(path)
        self._taps: dict[str, TopicTap] = {}
        self._listener = Node('recorder_taps', namespace=self.get_namespace(),
                              use_global_arguments=False)
        self._passed: set[str] = set()  # topics that cannot be recorded
        self._more = self.config.more
        self.thread = BagThread(self._bag, self.config.queue * MIB, self.config.keep_free * MIB,
                                lambda: self.stop_requested.append(0))
        self.thread.start()
        print(f'recording to {path}, Ctrl-C ends', flush=True)
        self.every(LOOK_PERIOD, self._look)
        self.every(DRAIN_PERIOD, self._drain)

    def _look(self) -> None:
        """Follow what is new, and listen otherwise where a publisher offers something else."""
        for topic, kinds in self.get_topic_names_and_types():
            if topic in self._passed or not (belongs(topic) or topic in self._more):
                continue
            offers = [info.qos_profile for info in self.get_publishers_info_by_topic(topic)]
            if not offers:
                continue
            tap, qos = self._taps.get(topic), listening_qos(offers)
            if tap is None:
                self._follow(topic, kinds, qos, offers)
            elif (tap.qos.reliability, tap.qos.durability) != (qos.reliability, qos.durability):
                tap.listen(qos)
            if topic in self._taps:
                self._taps[topic].publishers = len(offers)

    def _follow(self, topic: str, kinds: list[str], qos: QoSProfile,
                offers: list[QoSProfile]) -> None:
        problem = self._problem(kinds)
        if problem:
            self._passed.add(topic)
            self.get_logger().warning(f'{topic} is not recorded: {problem}')
            return
        connection = self._bag.add(topic, kinds[0], [
            Offer(int(offer.reliability), int(offer.durability), int(offer.history), offer.depth)
            for offer in offers])
        self._taps[topic] = TopicTap(
            self._listener, topic, message_class(kinds[0]), qos,
            lambda received, data: self.thread.put(topic, connection, received, data))

    def _drain(self) -> None:
        """Take what has come on every topic."""
        for tap in self._taps.values():
            tap.drain()

    @property
    def lost(self) -> int:
        """Messages that were published and never came, as far as their numbers tell."""
        return sum(tap.lost for tap in self._taps.values())

    def _problem(self, kinds: list[str]) -> str:
        """Say why messages of these types cannot be recorded."""
        if len(kinds) != 1:
            return f'it has several types, {", ".join(kinds)}'
        if not self._bag.knows(kinds[0]):
            return f'{kinds[0]} is no message of the common interfaces: use `ros2 bag record`'
        try:
            message_class(kinds[0])
        except (ImportError, AttributeError, ValueError):
            return f'{kinds[0]} is not installed'
        return ''

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell what was written and what not."""
        values = {'topics': len(self._taps), 'topics_passed': len(self._passed),
                  'written': self.thread.written.total(), 'dropped': self.thread.dropped,
                  'lost': self.lost}
        if self.thread.failure:
            return DiagnosticStatus.ERROR, self.thread.failure, values
        if self.thread.dropped:
            return DiagnosticStatus.WARN, 'the disk is too slow (parameter record.queue)', values
        if self.lost:
            return DiagnosticStatus.WARN, 'messages get lost: the machine is busy', values
        return DiagnosticStatus.OK, 'recording', values

    def close(self) -> None:
        """Write what waits, end the bag and say what is in it."""
        self._drain()
        self._listener.destroy_node()
        in_time = self.thread.close(END_TIMEOUT)
        for topic in sorted(self._taps):
            print(f'{self.thread.written[topic]:9d}  {topic}')
        print(f'{self.thread.written.total():9d}  messages in {self._bag.path}, '
              f'{self.thread.dropped} dropped, {self.lost} lost on the way', flush=True)
        problem = self.thread.failure or ('' if in_time else
                                          f'the disk took more than {END_TIMEOUT:g} s')
        if problem:
            print(f'recorder: {problem}', file=sys.stderr, flush=True)
            self.exit_status = 1


def message_class(kind: str) -> Any:
    """
    Return the class of a message type such as ``sensor_msgs/msg/Joy``.

    :raises ImportError: its package is not installed.
    :raises AttributeError: its package does not have it.
    :raises ValueError: it is no name of a message type.
    """
    package, middle, name = kind.split('/')
    return getattr(importlib.import_module(f'{package}.{middle}'), name)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(RecorderNode, args)


if __name__ == '__main__':
    sys.exit(main())
