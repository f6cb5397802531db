"""Where rows wait for the learning thread: bounded, ordered, without duplicates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from itertools import chain
import logging
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.segments import Record

CAPACITY = 200_000  # rows
MOST_RESTORED = 500_000  # rows that may wait after a restart
MAX_EPOCHS = 1000  # policy processes that are remembered
MAX_MISSING = 100_000  # rows per policy process that may still come
MAX_SKIPPED = 10_000  # places where rows were dropped that are remembered
logger = logging.getLogger(__name__)


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
    (`policy/resend`), every other one once.  What is taken gets a position, in the order in which
    it came.

    :param layout: layout of the rows.
    :param capacity: rows that may wait; then the oldest record is dropped and counted.
    """

    def __init__(self, layout: RowLayout, capacity: int = CAPACITY) -> None:
        self._epoch = layout.column('epoch').start
        self._seq = layout.column('seq').start
        self._capacity = capacity
        self._records: deque[Record] = deque()
        self._changed = threading.Condition()
        self.journal: Callable[[Record], None] | None = None  # is told all that is taken
        self.waiting = 0
        self.position = 0  # of the next row
        self._skipped: deque[list[int]] = deque(maxlen=MAX_SKIPPED)  # [start, end) of dropped rows
        self._known: dict[int, Known] = {}
        self.counts = dict.fromkeys(('rows', 'gaps', 'lost', 'duplicates', 'dropped',
                                     'policy_epochs'), 0)

    def put(self, rows: NDArray[np.float64], source: str = '') -> NDArray[np.float64]:
        """
        Take rows of one policy, in order; returns those that are new.

        :param source: goes with them, such as the namespace of the policy.
        """
        # Known, waiting and journal change together: a checkpoint must not see one without the
        # others.
        with self._changed:
            rows = self._new(rows)
            if len(rows):
                record = Record(self.position, source, rows)
                if self.journal is not None:
                    self.journal(record)
                self._append(record)
                self._keep_to(self._capacity)
                self._changed.notify()
        return rows

    def restore(self, record: Record) -> None:
        """
        Take rows again that were taken, but not learned from, before a restart.

        A learner that was paused for long may have left more of them than memory can hold.
        """
        with self._changed:
            self._new(record.rows)
            self._append(record)
            self._keep_to(MOST_RESTORED)
            self._capacity = max(self._capacity, 2 * self.waiting)

    def _append(self, record: Record) -> None:
        self._records.append(record)
        self.waiting += len(record.rows)
        self.position = record.end

    def _keep_to(self, capacity: int) -> None:
        """Drop the oldest records beyond a capacity, but for the newest one."""
        while self.waiting > capacity and len(self._records) > 1:
            record = self._records.popleft()
            self.waiting -= len(record.rows)
            self.counts['dropped'] += len(record.rows)
            if self._skipped and self._skipped[-1][1] == record.position:
                self._skipped[-1][1] = record.end
            else:
                self._skipped.append([record.position, record.end])

    def _new(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        epochs = dict.fromkeys(rows[:, self._epoch].tolist())
        parts = [self._new_of(int(epoch), rows if len(epochs) == 1 else
                              rows[rows[:, self._epoch] == epoch]) for epoch in epochs]
        fresh = parts[0] if len(parts) == 1 else np.concatenate([rows[:0], *parts])
        self.counts['rows'] += len(fresh)
        self.counts['duplicates'] += len(rows) - len(fresh)
        self.counts['gaps'] = sum(len(known.missing) for known in self._known.values())
        return fresh

    def _new_of(self, epoch: int, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return those rows of one policy epoch that were not there before, and remember them."""
        if epoch not in self._known:
            self.counts['policy_epochs'] += 1
        known, new = self._remember(epoch), []
        seqs = rows[:, self._seq].astype(np.int64)
        end = known.upcoming + len(rows)
        if np.array_equal(seqs, np.arange(known.upcoming, end)):  # nearly always
            known.upcoming = end
            return rows
        for seq in seqs.tolist():
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

    def _remember(self, epoch: int) -> Known:
        """Return what is known of a policy epoch, the newest now; the oldest is forgotten."""
        known = self._known[epoch] = self._known.pop(epoch, Known())
        while len(self._known) > MAX_EPOCHS:
            self._known.pop(next(iter(self._known)))
        return known

    def missing(self, epoch: int) -> int:
        """Return how many rows of a policy epoch have not come."""
        known = self._known.get(epoch)
        return 0 if known is None else len(known.missing)

    def give_up(self, epoch: int, first: int | None = None) -> int:
        """
        Count missing rows as lost, because nobody has them any more.

        :param first: number of the oldest row that is still kept; None where none is.
        :returns: how many.
        """
        with self._changed:
            known = self._known.get(epoch, Known())
            lost = {seq for seq in known.missing if first is None or seq < first}
            known.missing -= lost
            self.counts['lost'] += len(lost)
            self.counts['gaps'] -= len(lost)
        if lost:
            logger.warning('%d rows of policy epoch %d are lost: it does not keep them any more '
                           '(experience.keep_rows)', len(lost), epoch)
        return len(lost)

    def settle(self, epoch: int, rows: int) -> int:
        """
        Count what has not come of a policy process that has ended; the same again changes nothing.

        :param rows: how many it made.
        :returns: how many of them are lost.
        """
        with self._changed:
            known = self._remember(epoch)
            behind = max(0, rows - known.upcoming)
            known.upcoming += behind
            self.counts['lost'] += behind
        if behind:
            logger.warning('%d rows of policy epoch %d are lost: its process ended before they '
                           'came', behind, epoch)
        return behind + self.give_up(epoch)

    def get(self, timeout: float) -> Record | None:
        """Return the oldest record, or None after `timeout` seconds."""
        with self._changed:
            if not self._records:
                self._changed.wait(timeout)
            if not self._records:
                return None
            record = self._records.popleft()
            self.waiting -= len(record.rows)
            return record

    def put_back(self, record: Record) -> None:
        """Return the rest of a record; it is the next to be read."""
        with self._changed:
            self._records.appendleft(record)
            self.waiting += len(record.rows)

    @property
    def taken(self) -> int:
        """Return the position of the next row to be read."""
        records = self._records
        return records[0].position if records else self.position

    def skipped(self, record: Record) -> NDArray[np.bool_]:
        """Tell of which rows of a record were dropped, shape (N,)."""
        where = np.arange(record.position, record.end)
        dropped = np.zeros(len(where), np.bool_)
        for start, end in self._skipped:
            dropped |= (where >= start) & (where < end)
        return dropped

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive a restart: position, which rows are known, the counts."""
        with self._changed:
            known = {epoch: (known.upcoming, np.array(tuple(known.missing), np.float64))
                     for epoch, known in self._known.items()}
            marks = [record.rows[:, self._epoch:self._seq + 1] for record in self._records]
            state = {'position': self.taken, 'skipped': [list(part) for part in self._skipped],
                     'counts': {**self.counts, 'rows': self.counts['rows'] - self.waiting}}
        # Rows that still wait were not learned from: they are wanted again, from the log or from
        # the policy.
        epochs, seqs = np.concatenate([np.empty((0, 2)), *marks]).T
        waiting = {epoch: seqs[epochs == epoch] for epoch in np.unique(epochs).tolist()}
        return {**state, 'known': {
            epoch: [upcoming, *spans(np.concatenate([waiting.get(epoch, np.empty(0)), missing]))]
            for epoch, (upcoming, missing) in known.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.position = state['position']
        self._known = {}
        for epoch, (upcoming, *missing) in state['known'].items():
            # Older runs have numbers one by one.
            parts = (range(*part) if isinstance(part, list) else (part,) for part in missing)
            self._known[epoch] = Known(upcoming, set(chain.from_iterable(parts)))
        self._skipped.extend(list(part) for part in state['skipped'])
        self.counts.update(state['counts'])


def spans(numbers: NDArray[np.float64]) -> list[list[int]]:
    """Return whole numbers as [first, end) of each run without a gap, in order."""
    whole = np.unique(numbers).astype(np.int64)
    last = np.flatnonzero(np.diff(whole, append=np.inf) != 1)
    first = np.append(0, last[:-1] + 1)[:len(last)]
    found: list[list[int]] = np.stack([whole[first], whole[last] + 1], 1).tolist()
    return found
