"""
rosbag2 files, written and read: the one place that knows the package `rosbags`.

The same pure Python code everywhere, because `rosbag2_py` comes with an apt ROS only and there is
no wheel of it.  Written are MCAP files; read is what rosbag2 of any distribution writes, MCAP or
SQLite.  Messages are decoded by the definitions of one distribution, not by those in the file: we
read stock types, and a file must not tell us what they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
import os
from pathlib import Path
import threading
from types import TracebackType
from typing import Any
from typing import NamedTuple

MOST_ELEMENTS = 20_000_000  # of one array in one message
NEWEST_QOS = 9  # version of the metadata
ENDIAN = {b'\0\0': 'be', b'\0\1': 'le'}  # by the first two bytes of a message


class Offer(NamedTuple):
    """QoS that a publisher offers; policies are numbers of rmw."""

    reliability: int
    durability: int
    history: int
    depth: int


def _rosbags() -> Any:
    """
    Import `rosbags`.

    :raises ValueError: it is not installed.
    """
    try:
        import rosbags.rosbag2
        import rosbags.typesys
    except ImportError:
        raise ValueError('bags need the package rosbags: `pip install rosbags`') from None
    return rosbags


def _typestore() -> Any:
    """Return the message definitions of the distribution in use, Jazzy where none is sourced."""
    from rosbags.typesys import get_typestore
    from rosbags.typesys import Stores
    name = f'ROS2_{os.environ.get("ROS_DISTRO", "jazzy").upper()}'
    store = get_typestore(getattr(Stores, name, Stores.ROS2_JAZZY))
    store.max_sequence_length = MOST_ELEMENTS
    return store


class BagWriter:
    """
    A new bag in MCAP format.  One thread may add topics while another one writes.

    :param path: folder to make.
    :raises ValueError: it exists, or `rosbags` is not installed.
    :raises OSError: it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        rosbag2 = _rosbags().rosbag2
        if path.exists():
            raise ValueError(f'{path} exists already: name a new folder')
        self.path = path
        self._lock = threading.Lock()
        self._store = _typestore()
        self._writer = rosbag2.Writer(path, version=NEWEST_QOS,
                                      storage_plugin=rosbag2.StoragePlugin.MCAP)
        self._writer.open()

    def knows(self, kind: str) -> bool:
        """Tell whether a message type such as ``sensor_msgs/msg/Joy`` can be written."""
        return kind in self._store.fielddefs

    def add(self, topic: str, kind: str, offers: Collection[Offer]) -> Any:
        """Add a topic; returns by what :meth:`write` knows it."""
        from rosbags import interfaces
        never = interfaces.QosTime(9223372036, 854775807)  # as rosbag2 writes "infinite"
        qos = [interfaces.Qos(
            interfaces.QosHistory(offer.history), offer.depth,
            interfaces.QosReliability(offer.reliability),
            interfaces.QosDurability(offer.durability), never, never,
            interfaces.QosLiveliness.AUTOMATIC, never, False) for offer in dict.fromkeys(offers)]
        with self._lock:
            return self._writer.add_connection(topic, kind, typestore=self._store,
                                               offered_qos_profiles=qos)

    def write(self, topic: Any, received: int, data: bytes) -> None:
        """
        Write one serialised message.

        :param received: [ns] of the system clock.
        :raises OSError: the disk is full.
        """
        with self._lock:
            self._writer.write(topic, received, data)

    def close(self) -> None:
        """Write what readers need to find their way; without it a bag is not readable."""
        with self._lock:
            try:
                self._writer.close()
            except BaseException:
                self._writer.abort()
                raise


class BagReader:
    """
    A bag that is there: what it holds, and its messages as they were received.

    :param path: folder, or the file in it.
    :raises FileNotFoundError: there is none.
    :raises ValueError: it is no intact bag, or `rosbags` is not installed.
    """

    def __init__(self, path: Path) -> None:
        rosbag2 = _rosbags().rosbag2
        if not path.exists():
            raise FileNotFoundError(f'there is no bag {path}')
        self.path = path
        self.undecodable: Counter[str] = Counter()  # messages by topic
        self._store = _typestore()
        try:
            self._reader = rosbag2.Reader(path)
            self._reader.open()
        except Exception as error:  # a damaged file breaks its reader in ways without end
            raise ValueError(self._damaged(error)) from None
        self.topics = {name: info.msgtype or '' for name, info in self._reader.topics.items()}
        self.counts = {name: info.msgcount for name, info in self._reader.topics.items()}

    def _damaged(self, error: Exception) -> str:
        return (f'{self.path} is no intact bag: {type(error).__name__}: {str(error)[:300]}; where '
                'a recording was cut off, `ros2 bag reindex` or `mcap recover` may mend it')

    def __enter__(self) -> BagReader:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Close the file."""
        self._reader.close()

    def messages(self, topics: Collection[str]) -> Iterator[tuple[str, int, Any]]:
        """
        Give messages in the order of their receipt: topic, receipt [ns], message.

        Those that cannot be decoded are counted in `undecodable` and left out.

        :raises ValueError: the file is damaged.
        """
        wanted = [connection for connection in self._reader.connections
                  if connection.topic in topics]
        if not wanted:
            return  # to the library, none means all
        source = self._reader.messages(wanted)
        while True:
            try:
                connection, received, data = next(source)
            except StopIteration:
                return
            except Exception as error:  # see above
                raise ValueError(self._damaged(error)) from None
            try:
                message = self._decode(data, connection.msgtype)
            except Exception:  # see above
                self.undecodable[connection.topic] += 1
                continue
            yield connection.topic, received, message

    def _decode(self, data: bytes, kind: str) -> Any:
        """Decode as rclpy does, which passes over bytes after the end and leaves some itself."""
        if data[:2] not in ENDIAN:
            raise ValueError(f'encapsulation {data[:2]!r}')
        definition = self._store.get_msgdef(kind)
        read = getattr(definition, f'deserialize_cdr_{ENDIAN[data[:2]]}')
        return read(data[4:], 0, definition.cls, self._store)[0]
