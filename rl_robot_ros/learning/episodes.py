"""Whole episodes from experience rows, and what each of them brought."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout

MOST_EPISODES = 10_000  # that a collector keeps, the newest
MOST_ROWS = 100_000  # in one episode; a longer one is given up


class Episode(NamedTuple):
    """What one whole episode brought."""

    epoch: int
    version: int  # of the weights, in its last decision
    total: float  # sum of rewards, one per decision
    decisions: int
    seconds: float
    success: bool  # at any time
    success_end: bool  # in its last decision
    terminated: bool
    filtered: float  # share of decisions that the safety filter changed
    intervened: float  # share of decisions that a person took over
    energy: float  # mean |action|^2
    smoothness: float  # mean |change of action| from one decision to the next
    terms: tuple[float, ...]  # mean of each reward term


class EpisodeCollector:
    """
    Group rows into episodes.

    An episode counts only if it is whole: where a row is missing, by number or by time, the rest
    of that episode is ignored and counted in `dropped`.  Rows that come again are ignored.

    :param layout: layout of the rows.
    :param decision_period: [s] between two rows.
    :param evaluation_only: ignore episodes with a row that was not made in evaluation.
    """

    def __init__(self, layout: RowLayout, decision_period: float,
                 evaluation_only: bool = False) -> None:
        if not decision_period > 0.0:
            raise ValueError(f'decision_period must be positive, got {decision_period} s')
        self.layout = layout
        self.decision_period = decision_period
        self.evaluation_only = evaluation_only
        self.episodes: list[Episode] = []
        self.dropped = 0  # incomplete episodes
        self.duplicates = 0  # rows
        self._at = {name: layout.column(name).start for name, size, _ in layout.columns
                    if size == 1}
        # With discrete actions, `action` is an index; what reached the motors is `effort`.
        self._action = layout.column('effort' if 'effort' in layout else 'action')
        self._open: dict[int, list[Vector]] = {}  # rows of the episode under way, per epoch
        self._last: dict[int, tuple[float, float]] = {}  # newest seq and stamp [s], per epoch

    def add(self, rows: NDArray[np.float64]) -> None:
        """
        Take rows in the order they were made; several policies may be mixed.

        :param rows: shape (N, layout.width).
        :raises ValueError: they are no rows of this layout.
        """
        problem = self.layout.check(rows)
        if problem:
            raise ValueError(f'EpisodeCollector.add: {problem}')
        at = self._at
        for row in rows:
            epoch, seq = int(row[at['epoch']]), row[at['seq']]
            stamp = row[at['stamp_sec']] + 1e-9 * row[at['stamp_nanosec']]
            ended = bool(row[at['terminated']] or row[at['truncated']])
            known = self._last.get(epoch)
            if known is not None and seq <= known[0]:
                self.duplicates += 1
                continue
            self._follow(epoch, seq, stamp, known)
            self._last[epoch] = (seq, stamp)
            episode = self._open.get(epoch)
            if episode is not None:
                episode.append(row.copy())
                if len(episode) > MOST_ROWS:
                    del self._open[epoch]
                    self.dropped += 1
            if ended:
                self._finish(epoch, stamp)

    def _follow(self, epoch: int, seq: float, stamp: float,
                known: tuple[float, float] | None) -> None:
        """Open the first episode of a policy, and give up one that lacks a row."""
        if known is None:
            while len(self._last) >= 1000:  # policies that are gone
                gone = next(iter(self._last))
                del self._last[gone]
                self._open.pop(gone, None)
            whole = seq == 0.0
            if whole:
                self._open[epoch] = []
        else:
            late = stamp - known[1] > 1.5 * self.decision_period
            inside = bool(self._open.get(epoch, True))
            whole = seq == known[0] + 1.0 and not (late and inside)
        if not whole and (known is None or self._open.pop(epoch, None) is not None):
            self.dropped += 1

    def _finish(self, epoch: int, stamp: float) -> None:
        rows = self._open.get(epoch)
        self._open[epoch] = []
        if not rows:
            return
        table = np.array(rows)
        if self.evaluation_only and not table[:, self._at['evaluation']].all():
            return
        self.episodes.append(self._episode(table))
        if len(self.episodes) > MOST_EPISODES:
            del self.episodes[0]

    def _episode(self, rows: NDArray[np.float64]) -> Episode:
        def column(name: str) -> Vector:
            return rows[:, self._at[name]]

        actions = rows[:, self._action]
        changes = np.diff(actions, axis=0, prepend=np.zeros((1, actions.shape[1])))
        return Episode(
            epoch=int(rows[-1, self._at['epoch']]),
            version=int(rows[-1, self._at['policy_version']]),
            total=float(column('reward').sum()),
            decisions=len(rows),
            seconds=len(rows) * self.decision_period,
            success=bool(column('success').any()),
            success_end=bool(column('success')[-1]),
            terminated=bool(column('terminated')[-1]),
            filtered=float(column('filtered').mean()),
            intervened=float(column('intervened').mean()),
            energy=float(np.square(actions).sum(axis=1).mean()),
            smoothness=float(np.linalg.norm(changes, axis=1).mean()),
            terms=tuple(float(column(f'terms.{name}').mean()) for name in self.layout.terms))
