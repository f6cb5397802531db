"""Where rows wait for the learning thread: bounded, ordered, without duplicates."""

from __future__ import annotations

from collections import deque
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rl_robot_ros.core.transition import RowLayout

CAPACITY = 200_000  # rows


class Inbox:
    """
    Rows from any number of policies, for one reader in another thread.

    Every policy process has an `epoch` and numbers its rows by `seq`: gaps, duplicates and
    restarts are seen and counted here.

    :param layout: layout of the rows.
    :param capacity: rows that may wait; then the oldest batch is dropped and counted.
    """

    def __init__(self, layout: RowLayout, capacity: int = CAPACITY) -> None:
        self._epoch = layout.column('epoch').start
        self._seq = layout.column('seq').start
        self._capacity = capacity
        self._batches: deque[NDArray[np.float64]] = deque()
        self._changed = threading.Condition()
        self.waiting = 0
        self.next_seq: dict[int, int] = {}
        self.counts = dict.fromkeys(('rows', 'gaps', 'duplicates', 'dropped', 'policy_epochs'), 0)

    def put(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take rows of one policy, in order; returns those that are new."""
        rows = self._new(rows)
        if len(rows):
            with self._changed:
                self._batches.append(rows)
                self.waiting += len(rows)
                while self.waiting > self._capacity and len(self._batches) > 1:
                    dropped = len(self._batches.popleft())
                    self.waiting -= dropped
                    self.counts['dropped'] += dropped
                self._changed.notify()
        return rows

    def _new(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        parts = []
        for epoch in dict.fromkeys(rows[:, self._epoch].tolist()):
            part = rows[rows[:, self._epoch] == epoch]
            expected = self.next_seq.get(int(epoch))
            if expected is None:
                self.counts['policy_epochs'] += 1
                # What was made before we listened is not lost: it was never ours.
                expected = int(part[0, self._seq])
            fresh = part[part[:, self._seq] >= expected]
            self.counts['duplicates'] += len(part) - len(fresh)
            if len(fresh):
                last = int(fresh[-1, self._seq])
                self.counts['gaps'] += last + 1 - expected - len(fresh)
                expected = last + 1
                parts.append(fresh)
            self.next_seq.pop(int(epoch), None)
            self.next_seq[int(epoch)] = expected
            while len(self.next_seq) > 1000:
                self.next_seq.pop(next(iter(self.next_seq)))
        self.counts['rows'] += sum(len(part) for part in parts)
        return np.concatenate(parts) if parts else rows[:0]

    def get(self, timeout: float) -> NDArray[np.float64] | None:
        """Return the oldest batch, or None after `timeout` seconds."""
        with self._changed:
            if not self._batches:
                self._changed.wait(timeout)
            if not self._batches:
                return None
            rows = self._batches.popleft()
            self.waiting -= len(rows)
            return rows

    def put_back(self, rows: NDArray[np.float64]) -> None:
        """Return the rest of a batch; it is the next to be read."""
        with self._changed:
            self._batches.appendleft(rows)
            self.waiting += len(rows)

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a restart: which rows are known, and the counts."""
        return {'next_seq': dict(self.next_seq), 'counts': dict(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.next_seq = dict(state['next_seq'])
        self.counts.update(state['counts'])
