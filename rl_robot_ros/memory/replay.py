"""
Replay: a ring of packed float32 rows, the columns an off-policy learner needs and no others.

========== ================== ================================================================
column     width              meaning
========== ================== ================================================================
obs        observation_size   raw SI observation, normalised only when sampled
action     action_size        what the learner shall believe was done, see `learn_from`
next_obs   observation_size   raw observation from before any reset
reward     1                  as the task gave it
terminated 1                  1 where the episode ended for good: no bootstrapping
========== ================== ================================================================

One packed row per transition makes a batch one gather: 20 us for 256 rows, against 111 us for one
array per column (Stable-Baselines3's buffer, same machine).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout

LEARN_FROM = ('request', 'action', 'both')
COLUMNS = ('obs', 'action', 'next_obs', 'reward', 'terminated')


class Replay:
    """
    A bounded memory of transitions, oldest overwritten first; one writer, no locks.

    :param layout: layout of the rows that are added.
    :param capacity: transitions it can hold.
    :param learn_from: which action stands for a row that only the safety filter has changed:
        what was asked (``request``: the filter is part of the world), what was done (``action``),
        or one transition of each (``both``).  Where a person intervened it is always what was
        done, because the request had no part in it.
    :param discrete: whether an action is an index: what a person did has none, such rows are left
        out.
    :raises ValueError: unknown `learn_from` or a capacity below 1.
    """

    def __init__(self, layout: RowLayout, capacity: int, learn_from: str = 'request',
                 discrete: bool = False) -> None:
        if learn_from not in LEARN_FROM:
            raise ValueError(f'learn_from: got {learn_from!r}, allowed are '
                             + ', '.join(LEARN_FROM))
        if capacity < 1:
            raise ValueError(f'capacity: got {capacity}, it must be at least 1')
        self.layout = layout
        self.capacity = capacity
        self.learn_from = learn_from
        self.discrete = discrete
        self.columns: dict[str, slice] = {}
        width = 0
        for name in COLUMNS:
            source = layout.column(name)
            self.columns[name] = slice(width, width + source.stop - source.start)
            width += source.stop - source.start
        self.data: NDArray[np.float32] = np.zeros((capacity, width), np.float32)
        self.total = 0  # transitions ever added; the next one goes to total % capacity

    @property
    def size(self) -> int:
        """Transitions held now; they stand in ``data[:size]``."""
        return min(self.total, self.capacity)

    def add(self, rows: NDArray[np.float64]) -> int:
        """
        Remember rows, except those made in evaluation.

        :param rows: shape (N, layout.width), already checked by `RowLayout.check`.
        :returns: transitions added.
        """
        packed = self._pack(rows)
        added = len(packed)
        newest = packed[-self.capacity:]
        start = (self.total + added - len(newest)) % self.capacity
        first = min(len(newest), self.capacity - start)
        self.data[start:start + first] = newest[:first]
        self.data[:len(newest) - first] = newest[first:]
        self.total += added
        return added

    def refill(self, rows: NDArray[np.float64], total: int) -> None:
        """
        Put back what a checkpoint remembers, every transition in its old place.

        :param rows: the last rows that were added before the checkpoint, oldest first.
        :param total: `total` at the checkpoint.
        """
        self.total = 0
        packed = self._pack(rows)[-min(total, self.capacity):] if total else self._pack(rows)[:0]
        places = np.arange(total - len(packed), total) % self.capacity
        self.data[places] = packed
        # Fewer rows than before (a damaged log): they must still stand in data[:size].
        if len(packed) < min(total, self.capacity):
            self.data[:len(packed)] = packed
            total = len(packed)
        self.total = total

    def _pack(self, rows: NDArray[np.float64]) -> NDArray[np.float32]:
        """Choose columns and actions; a row stands for two transitions in mode ``both``."""
        flag = {name: rows[:, self.layout.column(name).start] != 0.0
                for name in ('evaluation', 'intervened', 'filtered')}
        done = flag['intervened']
        keep = ~flag['evaluation'] & ~(done & self.discrete)
        if self.learn_from == 'action':
            done = done | flag['filtered']
        packed: NDArray[np.float32] = np.empty((len(rows), self.data.shape[1]), np.float32)
        for name, column in self.columns.items():
            packed[:, column] = rows[:, self.layout.column(name)]
        request = rows[:, self.layout.column('request')]
        packed[~done, self.columns['action']] = request[~done]
        if self.learn_from == 'both':
            copies = 1 + (flag['filtered'] & ~done)
            packed, keep = np.repeat(packed, copies, axis=0), np.repeat(keep, copies)
            second = (np.cumsum(copies) - 1)[copies == 2]
            packed[second, self.columns['action']] = rows[copies == 2,
                                                          self.layout.column('action')]
        kept: NDArray[np.float32] = packed[keep]
        return kept
