"""
Simulated time that never goes back, not on reset and not when the process restarts.

The clock reserves time and episode numbers ahead of use in a small file, as a database reserves
key ranges: a restarted simulator begins at the end of what was reserved, so it can neither repeat
a stamp nor an episode number, and the file is written once per `SPAN` and not once per step.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import tempfile

SPAN = 10_000  # [s] of simulated time, and number of episodes, reserved at once
NANOSECONDS = 1_000_000_000


def write_atomically(path: Path, text: str) -> None:
    """Write to a temporary name, sync, and rename: readers see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, 'w') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class SimClock:
    """
    Stamps and episode numbers of one simulator.

    :param period: [ns] one control period.
    :param path: where reservations are kept; None begins at zero and remembers nothing.
    :raises ValueError: the file holds something else.
    """

    def __init__(self, period: int, path: Path | None = None) -> None:
        self.period = period
        self._path = path
        self.stamp = 0
        self.episode = 0
        if path is not None and path.exists():
            try:
                stored = json.loads(path.read_text())
                self.stamp, self.episode = int(stored['stamp']), int(stored['episode'])
            except (ValueError, KeyError, TypeError):
                raise ValueError(f'clock_file {path} holds no reservation, got '
                                 f'{path.read_text()[:100]!r}; delete it or name another') from None
        self._reserved = (0, 0)
        self._reserve()

    def _reserve(self) -> None:
        self._reserved = (self.stamp + SPAN * NANOSECONDS, self.episode + SPAN)
        if self._path is not None:
            write_atomically(self._path, json.dumps({'stamp': self._reserved[0],
                                                     'episode': self._reserved[1]}))

    def tick(self) -> int:
        """Advance one control period; returns the new stamp [ns]."""
        self.stamp += self.period
        if self.stamp >= self._reserved[0]:
            self._reserve()
        return self.stamp

    def next_episode(self) -> int:
        """Advance to a new episode, one control period later; returns its number."""
        self.episode += 1
        if self.episode >= self._reserved[1]:
            self._reserve()
        self.tick()
        return self.episode
