"""Rows in which a person was in command, collected while they happen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout


class Interventions:
    """
    Keep each such row once, in the order in which they came, up to a bound.

    :param layout: layout of the rows.
    :param most: rows that are kept; later ones are counted and left out.
    """

    def __init__(self, layout: RowLayout, most: int) -> None:
        self.layout = layout
        self.counts = dict.fromkeys(('rows', 'episodes', 'successes', 'left_out'), 0)
        self._most = most
        self._parts: list[NDArray[np.float64]] = []
        self._known: set[tuple[int, int]] = set()

    def add(self, rows: NDArray[np.float64]) -> int:
        """
        Take rows of any kind; returns how many of them are new and a person's.

        :param rows: shape (N, layout.width), already checked by `RowLayout.check`.
        """
        epoch, seq = (self.layout.column(name).start for name in ('epoch', 'seq'))
        shown = []
        for row in rows[self._flag(rows, 'intervened')]:
            name = int(row[epoch]), int(row[seq])  # rows are sent again for a learner that asks
            if name in self._known:
                continue
            if len(self._known) >= self._most:
                self.counts['left_out'] += 1
                continue
            self._known.add(name)
            shown.append(row)
        if shown:
            new = np.array(shown)
            self._parts.append(new)
            ends = self._flag(new, 'terminated') | self._flag(new, 'truncated')
            self.counts['rows'] += len(new)
            self.counts['episodes'] += int(ends.sum())
            self.counts['successes'] += int((ends & self._flag(new, 'success')).sum())
        return len(shown)

    def _flag(self, rows: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
        flags: NDArray[np.bool_] = rows[:, self.layout.column(name).start] != 0.0
        return flags

    @property
    def refusal(self) -> str:
        """Why there is no file of demonstrations to make yet, empty where there is one."""
        if not self.counts['rows']:
            return 'a person was in command in no row'
        if not self.counts['episodes']:
            return (f'a person was in command in {self.counts["rows"]} rows, but at the end of '
                    'no episode')
        return ''

    def collected(self) -> NDArray[np.float64]:
        """Return all rows, shape (N, layout.width)."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0] if self._parts else np.zeros((0, self.layout.width))
