"""
Checkpoints that are whole or not there, and the rows that belong to them.

A checkpoint is one file: 32 bytes of sha256, then what `torch.save` wrote.  It is written to a
temporary name, synced and renamed; the newest intact one is found on resume, a damaged one is
named and skipped.  Loading never unpickles objects (`weights_only=True`).

Rows are appended to segment files of plain float64 and never rewritten.  A checkpoint holds how
many rows there were, so a resumed learner sees the same replay in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.files import write_atomically
import torch

DIGEST_BYTES = 32
SEGMENT_ROWS = 65_536


class Checkpoints:
    """
    The checkpoints of one run.

    :param folder: where they are.
    :param keep: how many are kept.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder = folder
        self.keep = keep

    def files(self) -> list[Path]:
        """Return all checkpoint files, oldest first."""
        return sorted(self.folder.glob('checkpoint-*.pt'))

    def save(self, number: int, state: dict[str, Any]) -> Path:
        """
        Write a checkpoint.

        :param number: rises from checkpoint to checkpoint, such as rows learned from.
        :raises OSError: the disk is full or not writable; older checkpoints are untouched.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getvalue()
        path = self.folder / f'checkpoint-{number:012d}.pt'
        write_atomically(path, hashlib.sha256(payload).digest() + payload)
        for old in self.files()[:-self.keep]:
            old.unlink(missing_ok=True)
        return path

    def load(self, tell: Callable[[str], None]) -> dict[str, Any] | None:
        """
        Return the newest intact checkpoint, or None where there is none.

        :param tell: called with one sentence for each checkpoint that is skipped.
        :raises ValueError: there are checkpoints, but none is intact.
        """
        for path in reversed(self.files()):
            data = path.read_bytes()
            payload = data[DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != data[:DIGEST_BYTES]:
                tell(f'{path} is damaged and is skipped')
                continue
            state: dict[str, Any] = torch.load(io.BytesIO(payload), weights_only=True)
            return state
        if self.files():
            raise ValueError(f'there is no intact checkpoint in {self.folder}; delete the damaged '
                             'ones to begin again, or give another learner.run')
        return None


class RowLog:
    """
    Rows on disk, in the order in which they were learned from.

    :param folder: where the segments are.
    :param width: numbers in one row.
    :param capacity: rows that are needed after a restart; older segments are deleted, but for one
        that an older checkpoint may need.  Where it is 0, nothing is written.
    """

    def __init__(self, folder: Path, width: int, capacity: int) -> None:
        self.folder, self.width, self.capacity = folder, width, capacity
        self.count = 0
        self._waiting: list[NDArray[np.float64]] = []

    def append(self, rows: NDArray[np.float64]) -> None:
        """Take rows; they are written by :meth:`flush`."""
        if self.capacity:
            self._waiting.append(rows)

    def _segment(self, number: int) -> Path:
        return self.folder / f'{number:06d}.rows'

    def flush(self) -> int:
        """Write and sync what was appended; returns how many rows there are in all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        while self._waiting:
            rows = self._waiting[0]
            segment, start = divmod(self.count, SEGMENT_ROWS)
            part = rows[:SEGMENT_ROWS - start]
            with open(self._segment(segment), 'r+b' if start else 'wb') as file:
                # What a crash left behind the last checkpoint is overwritten.
                file.seek(start * self.width * 8)
                file.write(np.ascontiguousarray(part).tobytes())
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            self.count += len(part)
            if len(part) == len(rows):
                self._waiting.pop(0)
            else:
                self._waiting[0] = rows[len(part):]
        oldest = (self.count - self.capacity) // SEGMENT_ROWS - 1
        for path in self.folder.glob('*.rows'):
            if int(path.stem) < oldest:
                path.unlink(missing_ok=True)
        return self.count

    def restore(self, count: int) -> NDArray[np.float64]:
        """
        Return the newest rows of the first `count`, at most `capacity`, and go on from there.

        :raises ValueError: a segment is missing or too short.
        """
        self.count = count
        self._waiting = []
        parts = []
        first = max(0, count - self.capacity)
        for number in range(first // SEGMENT_ROWS, -(-count // SEGMENT_ROWS)):
            start = number * SEGMENT_ROWS
            rows = min(count - start, SEGMENT_ROWS)
            path = self._segment(number)
            values = np.fromfile(path, dtype=np.float64, count=rows * self.width) \
                if path.exists() else np.zeros(0)
            if len(values) != rows * self.width:
                raise ValueError(f'{path} holds {len(values) // self.width} rows, the checkpoint '
                                 f'needs {rows}')
            parts.append(values.reshape(rows, self.width)[max(0, first - start):])
        return np.concatenate(parts) if parts else np.zeros((0, self.width))
