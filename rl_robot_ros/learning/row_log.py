"""
Every row that was taken, on disk within a moment: what a learner that is killed does not lose.

Rows get a position in the order in which the inbox took them.  They are appended to segment files
(`segments`) by a thread of its own, so whoever takes them never waits for the disk.  Nothing is
written twice: a learner that comes back begins a new segment behind what it found intact.

Where the disk refuses, rows wait in memory, bounded, and are tried again; training goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import suppress
import logging
import os
from pathlib import Path
import threading

from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.segments import head
from rl_robot_ros.learning.segments import parts
from rl_robot_ros.learning.segments import Record
from rl_robot_ros.learning.segments import Segment

SEGMENT_BYTES = 8 << 20  # a segment that is larger gets a successor
QUEUE_BYTES = 64 << 20  # rows that may wait for the disk
HURRY_BYTES = 4 << 20  # so many do not wait for the period
PATIENCE = 10.0  # [s] for the disk to take what waits
MOST_PARTS = os.sysconf('SC_IOV_MAX')  # of a gathering write
logger = logging.getLogger(__name__)


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Return position of the first row and file of every segment, oldest first."""
    return sorted((int(path.stem), path) for path in folder.glob('*.rows')
                  if path.stem.isdecimal())


def write_all(file: int, data: Sequence[bytes | memoryview]) -> None:
    """
    Append parts from where they lie: fresh memory to join them in costs more than to write them.

    :raises OSError: not all could be written.
    """
    for start in range(0, len(data), MOST_PARTS):
        some = data[start:start + MOST_PARTS]
        written = os.writev(file, some)
        if written < sum(map(len, some)):
            rest = memoryview(b''.join(some))[written:]
            while rest:
                rest = rest[os.write(file, rest):]


class Reader:
    """
    Read the rows of a log in order; writes nothing.

    :param folder: where the segments are.
    :param layout: layout of the rows.
    :param tell: called with one sentence for each damage that is met.
    """

    def __init__(self, folder: Path, layout: RowLayout,
                 tell: Callable[[str], None] = logger.warning) -> None:
        self.folder, self.layout, self._tell = folder, layout, tell
        self.end = 0  # position behind the newest row that was read
        self.lost = 0  # rows that should be there and are not

    def read(self, start: int = 0) -> Iterator[Record]:
        """
        Return all rows from a position on.

        :raises OSError: a file can't be read.
        :raises ValueError: these are rows of another layout.
        """
        self.end = start
        files = segments(self.folder)
        why = 'no segment holds them'
        for number, (_, path) in enumerate(files):
            newest = number + 1 == len(files)
            if not newest and files[number + 1][0] <= start:
                continue
            segment = Segment(path, self.layout)
            for record in segment:
                _, rest = record.split(self.end)
                if len(rest.rows):
                    self._miss(rest.position, why)
                    self.end = rest.end
                    yield rest
            why = f'{path} is damaged in front of its last {segment.torn} bytes' \
                if segment.torn else 'no segment holds them'
            if newest and segment.torn:
                self._tell(f'{path} ends in {segment.torn} torn bytes, at most {segment.lost} '
                           'rows: they are left out')

    def _miss(self, position: int, why: str) -> None:
        if position > self.end:
            count = position - self.end
            self.lost += count
            self._tell(f'{count} rows (from {self.end}) are missing in {self.folder}: {why}')


class RowLog:
    """
    Write what comes; see the module docstring.

    :param folder: where the segments are.
    :param layout: layout of the rows.
    :param period: [s] between two writes, each with a sync.
    :param limit: [bytes] of all segments; beyond, the oldest rows are given up.
    """

    def __init__(self, folder: Path, layout: RowLayout, period: float = 0.2,
                 limit: float = 20e9) -> None:
        self.folder, self.layout, self.period, self.limit = folder, layout, period, limit
        self.error = ''  # why the disk does not take rows; empty while it does
        self.counts = dict.fromkeys(('log_rows', 'log_lost', 'log_expired'), 0)
        self._segments = deque((first, path.stat().st_size) for first, path in segments(folder))
        self._changed = threading.Condition()
        self._queue: deque[Record] = deque()
        self._waiting = 0  # bytes of rows in the queue
        self._taken = self._written = self._failures = 0  # records, records, attempts
        self._keep_from = 0
        self._hurry = self._closing = False
        self._thread: threading.Thread | None = None
        self._file: int | None = None

    # -- any thread ---------------------------------------------------------------------------

    def append(self, record: Record) -> None:
        """Take rows, to be written soon; does not wait for the disk."""
        with self._changed:
            if self._waiting + record.rows.nbytes > QUEUE_BYTES:
                self.counts['log_lost'] += len(record.rows)
                return
            self._queue.append(record)
            self._waiting += record.rows.nbytes
            self._taken += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name='row_log', daemon=True)
                self._thread.start()
            if self._waiting > HURRY_BYTES and not self._hurry:
                self._hurry = True
                self._changed.notify_all()

    def flush(self) -> None:
        """
        Wait until all that was taken is on disk.

        :raises OSError: the disk refuses, or needs more than `PATIENCE` seconds.
        """
        with self._changed:
            goal, failures = self._taken, self._failures
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._written >= goal or self._failures > failures, PATIENCE)
            if self._written < goal:
                raise OSError(self.error or f'{self.folder} takes no rows for {PATIENCE} s')

    def forget(self, position: int) -> None:
        """Allow segments with rows in front of a position only to be deleted."""
        self._keep_from = position

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(PATIENCE)
        left = sum(len(record.rows) for record in self._queue)
        if left:
            logger.error('%d rows could not be written: %s', left, self.error)

    def report(self) -> dict[str, float]:
        """Return counters: rows written, lost to the disk and to the limit; size."""
        size = sum(size for _, size in tuple(self._segments))
        return {**self.counts, 'log_megabytes': size / 1e6}

    # -- the writing thread -------------------------------------------------------------------

    def _run(self) -> None:
        closing = False
        while not closing:
            with self._changed:
                self._changed.wait_for(lambda: self._hurry or self._closing, self.period)
                self._hurry, closing = False, self._closing
                records = list(self._queue)
            try:
                self._write(records)
                self._expire()
            except OSError as error:
                self._fail(error)
            else:
                if self.error and records:
                    self.error = ''
                    logger.warning('rows are written to disk again, %d were lost since the start',
                                   self.counts['log_lost'])
        if self._file is not None:
            os.close(self._file)

    def _fail(self, error: OSError) -> None:
        if not self.error:
            logger.error('the disk refuses rows for %s, training goes on and they wait: %s',
                         self.folder, error)
        with self._changed:
            self.error = str(error)
            self._failures += 1
            self._hurry = False
            self._changed.notify_all()
            # Not at once again: a queue that is nearly full is always in a hurry.
            self._changed.wait_for(lambda: self._closing, self.period)

    def _write(self, records: list[Record]) -> None:
        """Write records, segment by segment; those on disk leave the queue."""
        while records:
            if self._file is None or self._segments[-1][1] >= SEGMENT_BYTES:
                self._begin(records[0].position)
            data: list[bytes | memoryview] = []
            count, room = 0, SEGMENT_BYTES - self._segments[-1][1]
            for record in records:
                data += parts(record)
                count, room = count + 1, room - len(data[-2]) - len(data[-1])
                if room <= 0:
                    break
            self._put(data)
            written, records = records[:count], records[count:]
            with self._changed:
                for record in written:
                    self._queue.popleft()
                    self._waiting -= record.rows.nbytes
                    self.counts['log_rows'] += len(record.rows)
                self._written += count
                self._changed.notify_all()

    def _begin(self, position: int) -> None:
        """Begin a segment; one of this name can only be one without an intact row."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f'{position:015d}.rows'
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        if self._segments and self._segments[-1][0] == position:
            self._segments.pop()
        self._segments.append((position, 0))

    def _put(self, data: list[bytes | memoryview]) -> None:
        """Append and sync, or leave the file as it was."""
        assert self._file is not None
        first, size = self._segments[-1]
        data = data if size else [head(self.layout), *data]
        try:
            write_all(self._file, data)
            os.fsync(self._file)
            # Nobody reads it until a learner comes back: memory is better used, and used again.
            os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
        except OSError:
            try:
                os.ftruncate(self._file, size)
            except OSError:  # a reader stops in front of the torn bytes, a new segment follows
                with suppress(OSError):
                    os.close(self._file)
                self._file = None
            raise
        self._segments[-1] = first, size + sum(map(len, data))

    def _expire(self) -> None:
        """Delete the oldest segments: those nobody needs, and those beyond the limit."""
        total = sum(size for _, size in self._segments)
        while len(self._segments) > 1:
            (first, size), (second, _) = self._segments[0], self._segments[1]
            needless = second <= self._keep_from
            if not needless and total <= self.limit:
                return
            (self.folder / f'{first:015d}.rows').unlink(missing_ok=True)
            self._segments.popleft()
            total -= size
            if not needless:
                if not self.counts['log_expired']:
                    logger.warning('%s has reached learner.log_gigabytes = %g, the oldest rows '
                                   'are given up', self.folder, self.limit / 1e9)
                self.counts['log_expired'] += second - first
