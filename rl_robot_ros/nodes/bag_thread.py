"""Serialised messages on their way to the disk: bounded, in a thread of their own."""

from __future__ import annotations

from collections import Counter
from collections import deque
from collections.abc import Callable
import shutil
import threading
import time
from typing import Any

from rl_robot_ros.bags import BagWriter

OVERHEAD = 200  # bytes that a waiting message takes beside its own
LOOK_PERIOD = 0.2  # [s] between two looks at the disk
MIB = 2**20


class BagThread(threading.Thread):
    """
    Writes what is put in, until closed or until the disk is full.

    :param bag: written by this thread alone, but for new topics.
    :param most: bytes that may wait; then new messages are dropped and counted.
    :param spare: bytes that are left free on the disk: the index of a bag needs some, and so does
        everybody else.
    :param on_failure: called from this thread when it can't go on, after the bag is closed.
    """

    def __init__(self, bag: BagWriter, most: int, spare: int,
                 on_failure: Callable[[], None]) -> None:
        super().__init__(name='bag', daemon=True)
        self.failure = ''
        self.written: Counter[str] = Counter()  # messages by topic
        self.dropped = 0
        self._bag, self._most, self._spare = bag, most, spare
        self._on_failure = on_failure
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, Any, int, bytes]] = deque()
        self._size = 0
        self._closing = False

    def put(self, name: str, topic: Any, received: int, data: bytes) -> None:
        """Take a message: topic's name, the bag's topic, receipt [ns], what was received."""
        size = len(data) + OVERHEAD
        with self._changed:
            if self._closing or self._size + size > self._most:
                self.dropped += 1
                return
            self._waiting.append((name, topic, received, data))
            self._size += size
            self._changed.notify()

    def run(self) -> None:
        """Write until closed."""
        try:
            self._write_all()
        except OSError as error:
            self.failure = f'{self._bag.path} cannot be written: {error}'
        try:
            self._bag.close()
        except OSError as error:
            self.failure = (f'{self._bag.path} could not be closed: {error}; `mcap recover` may '
                            'mend it')
        if self.failure:
            with self._changed:
                self._closing = True
            self._on_failure()

    def _write_all(self) -> None:
        looked = 0.0
        while not self.failure:
            if time.monotonic() - looked >= LOOK_PERIOD:
                looked = time.monotonic()
                self._look_at_disk()
                continue
            with self._changed:
                if not self._waiting:
                    if self._closing:
                        return
                    self._changed.wait(LOOK_PERIOD)
                batch, self._waiting, self._size = self._waiting, deque(), 0
            for name, topic, received, data in batch:
                self._bag.write(topic, received, data)
                self.written[name] += 1

    def _look_at_disk(self) -> None:
        free = shutil.disk_usage(self._bag.path).free
        if free < self._spare:
            self.failure = (f'{free // MIB} MiB are free on the disk of {self._bag.path}, '
                            f'{self._spare // MIB} are to stay free (record.keep_free): the '
                            'recording ends here, and can be read so far')

    def close(self, patience: float) -> bool:
        """Write what waits, then the end of the bag; returns whether that was done in time."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self.join(patience)
        return not self.is_alive()
