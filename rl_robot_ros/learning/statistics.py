"""Episode statistics computed from rows, never from a side channel."""  # noqa: A005

from __future__ import annotations

from collections import deque
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout

WINDOW = 100  # episodes in a rolling mean


class Episode(NamedTuple):
    """What one episode brought."""

    total: float  # sum of rewards, one per decision
    length: int  # decisions
    success: bool  # at any time
    success_end: bool  # in its last decision
    filtered: float  # share of decisions that the filter changed
    intervened: float  # share of decisions that a person took over


class Statistics:
    """
    Rolling figures of training episodes, from rows in any number of streams.

    :param layout: layout of the rows.
    """

    def __init__(self, layout: RowLayout) -> None:
        self._at = {name: layout.column(name).start for name in (
            'epoch', 'seq', 'reward', 'terminated', 'truncated', 'success', 'filtered',
            'intervened', 'evaluation')}
        self._summed = [self._at[name] for name in ('reward', 'success', 'filtered', 'intervened')]
        self._terms = layout.column('next_obs').stop
        self._names = layout.terms
        self._open: dict[int, list[float]] = {}
        self._term_means: deque[NDArray[np.float64]] = deque(maxlen=WINDOW)
        self.recent: deque[Episode] = deque(maxlen=WINDOW)
        self.episodes = 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Take rows of one batch, oldest first; rows made in evaluation are not counted."""
        at = self._at
        evaluation = rows[:, at['evaluation']]
        if evaluation.any():
            rows = rows[evaluation == 0.0]
        if not len(rows):
            return
        end = self._terms + len(self._names)
        self._term_means.append(np.add.reduce(rows[:, self._terms:end]) / len(rows))
        ended = rows[:, at['terminated']] + rows[:, at['truncated']] != 0.0
        epochs, summed = rows[:, at['epoch']], rows[:, self._summed]
        stops = (ended[:-1] | (epochs[1:] != epochs[:-1])).nonzero()[0] + 1
        start = 0
        for stop in (*stops.tolist(), len(rows)):  # rows of one episode each
            epoch, seq, part = int(epochs[start]), rows[stop - 1, at['seq']], summed[start:stop]
            sums = self._open.setdefault(
                epoch, [0.0, 0.0, 0.0, 0.0, 0.0, rows[start, at['seq']]])
            # One after another, so that it makes no difference in which batches they came.
            part[0] += sums[:4]
            sums[:4] = np.add.accumulate(part)[-1].tolist()
            sums[4] += len(part)
            start, row = stop, rows[stop - 1]
            if ended[stop - 1]:
                total, success, filtered, intervened, length, first = self._open.pop(epoch)
                self.episodes += 1
                if seq - first + 1.0 != length:
                    continue  # rows are missing: its sums say nothing
                self.recent.append(Episode(total, int(length), success > 0.0,
                                           bool(row[at['success']]), filtered / length,
                                           intervened / length))
        while len(self._open) > 1000:  # policies that died inside an episode
            self._open.pop(next(iter(self._open)))

    @property
    def success_rate(self) -> float:
        """Share of recent episodes with success; 0 before the window is full."""
        if len(self.recent) < WINDOW:
            return 0.0
        return float(np.mean([episode.success for episode in tuple(self.recent)]))

    def report(self) -> dict[str, Any]:
        """Return rolling means by name."""
        values: dict[str, Any] = {'episodes': self.episodes}
        if self.recent:
            columns = np.array(tuple(self.recent), dtype=np.float64).mean(0)
            names = ('return_mean', 'length_mean', 'success_rate', 'success_end_rate', 'filtered',
                     'interventions')
            values |= {name: float(value) for name, value in zip(names, columns)}
        if self._term_means:
            means = np.mean(tuple(self._term_means), axis=0)
            values |= {f'terms.{name}': float(v) for name, v in zip(self._names, means)}
        return values

    def state_dict(self) -> dict[str, Any]:
        """Return episodes, recent and under way; the means of reward terms begin anew."""
        return {'episodes': self.episodes,
                'recent': [list(map(float, episode)) for episode in self.recent],
                'open': {epoch: list(map(float, sums)) for epoch, sums in self._open.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.episodes = state['episodes']
        self.recent.extend(Episode(*values) for values in state['recent'])
        self._open = {epoch: list(sums) for epoch, sums in state['open'].items()}
