"""Where rows wait for the learning thread: bounded, ordered, without duplicates."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from dataclasses import field
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout

CAPACITY = 200_000  # rows
MAX_EPOCHS = 1000  # policy processes that are remembered
MAX_MISSING = 100_000  # rows per policy process that may still come


@dataclass
class Known:
    """Which rows of one policy process have come: all below `upcoming` but the missing ones."""

    upcoming: int = 0
    missing: set[int] = field(default_factory=set)


class Inbox:
    """
    Rows from any number of policies, for one reader in another thread.

    Every policy process has an `epoch` and numbers its rows by `seq`: gaps, duplicates and
    restarts are seen and counted here.  A row that was missing is taken when it is sent again
    (`policy/resend`), every other one once.

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
        self._known: dict[int, Known] = {}
        self.counts = dict.fromkeys(('rows', 'gaps', 'lost', 'duplicates', 'dropped',
                                     'policy_epochs'), 0)

    def put(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Take rows of one policy, in order; returns those that are new."""
        # Known and waiting change together: a checkpoint must not see one without the other.
        with self._changed:
            rows = self._new(rows)
            if len(rows):
                self._batches.append(rows)
                self.waiting += len(rows)
                while self.waiting > self._capacity and len(self._batches) > 1:
                    dropped = len(self._batches.popleft())
                    self.waiting -= dropped
                    self.counts['dropped'] += dropped
                self._changed.notify()
        return rows

    def _new(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        epochs = dict.fromkeys(rows[:, self._epoch].tolist())
        parts = [self._new_of(int(epoch), rows[rows[:, self._epoch] == epoch]) for epoch in epochs]
        fresh = np.concatenate(parts) if parts else rows[:0]
        self.counts['rows'] += len(fresh)
        self.counts['duplicates'] += len(rows) - len(fresh)
        self.counts['gaps'] = sum(len(known.missing) for known in self._known.values())
        return fresh

    def _new_of(self, epoch: int, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return those rows of one policy epoch that were not there before, and remember them."""
        known = self._known.pop(epoch, None)
        if known is None:
            self.counts['policy_epochs'] += 1
            known = Known()
        self._known[epoch] = known
        while len(self._known) > MAX_EPOCHS:
            self._known.pop(next(iter(self._known)))
        new = []
        for seq in rows[:, self._seq].astype(np.int64).tolist():
            if seq >= known.upcoming:
                if seq - known.upcoming <= MAX_MISSING - len(known.missing):
                    known.missing.update(range(known.upcoming, seq))
                else:
                    self.counts['lost'] += seq - known.upcoming
                known.upcoming = seq + 1
                new.append(True)
            else:
                new.append(seq in known.missing)
                known.missing.discard(seq)
        return rows[new]

    def missing(self, epoch: int) -> int:
        """Return how many rows of a policy epoch have not come."""
        known = self._known.get(epoch)
        return 0 if known is None else len(known.missing)

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
        with self._changed:
            # Rows that still wait were not learned from: they are wanted again.
            waiting = {(int(row[self._epoch]), int(row[self._seq]))
                       for batch in self._batches for row in batch}
            known = {epoch: [known.upcoming, *sorted(
                known.missing | {s for e, s in waiting if e == epoch and s < known.upcoming})]
                for epoch, known in self._known.items()}
        return {'known': known, 'counts': dict(self.counts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self._known = {epoch: Known(numbers[0], set(numbers[1:]))
                       for epoch, numbers in state['known'].items()}
        self.counts.update(state['counts'])
