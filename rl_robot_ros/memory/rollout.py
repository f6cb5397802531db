"""
Rollouts: rows put back together into episodes, for methods that learn on-policy.

Rows of several policies arrive mixed, an episode may be spread over many batches, rows may be
missing, and some were not made by the policy that is to learn from them.  A rollout sorts that
out and says of every row whether it may be learned from.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout


class Block(NamedTuple):
    """What a rollout hands out: whole pieces of episodes, one after another."""

    rows: NDArray[np.float64]  # shape (N, layout.width)
    last: NDArray[np.bool_]  # the last row of its piece, shape (N,)
    use: NDArray[np.bool_]  # may be learned from, shape (N,)


class Rollout:
    """
    Collects rows until somebody takes them.

    :param layout: layout of the rows.
    :param max_policy_lag: rows made by weights that are more versions old are not learned from
        (they still count for the returns of the rows before them).
    :param partial: whether pieces of episodes are of use, as they are to methods that bootstrap
        from `next_obs`; otherwise an episode with missing rows is dropped up to the gap.
    :param capacity: rows that are kept; then the oldest pieces are dropped.
    """

    def __init__(self, layout: RowLayout, max_policy_lag: int, partial: bool = False,
                 capacity: int = 1_000_000) -> None:
        self.layout = layout
        self.max_policy_lag = max_policy_lag
        self.partial = partial
        self.capacity = capacity
        self.dropped = 0  # rows lost to gaps and to the bound
        self._whole: list[NDArray[np.float64]] = []
        self._open: dict[float, list[NDArray[np.float64]]] = {}

    def __len__(self) -> int:
        """Return how many rows `take` would hand out."""
        return sum(map(len, self._whole)) + (self._open_rows() if self.partial else 0)

    def _open_rows(self) -> int:
        return sum(len(part) for parts in self._open.values() for part in parts)

    def add(self, rows: NDArray[np.float64]) -> None:
        """
        Take rows of any number of policies; those of each policy in order.

        :param rows: shape (N, layout.width).
        """
        epochs = rows[:, self.layout.column('epoch').start]
        for epoch in dict.fromkeys(epochs.tolist()):
            self._add_epoch(epoch, rows[epochs == epoch])
        while self._open_rows() + sum(map(len, self._whole)) > self.capacity:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        if self._whole:
            self.dropped += len(self._whole.pop(0))
        else:
            self.dropped += sum(map(len, self._open.pop(next(iter(self._open)))))

    def _add_epoch(self, epoch: float, rows: NDArray[np.float64]) -> None:
        seq, terminated, truncated = (self.layout.column(name).start
                                      for name in ('seq', 'terminated', 'truncated'))
        before = self._open.get(epoch)
        if before and rows[0, seq] != before[-1][-1, seq] + 1.0:
            self._break(epoch)
        ended = (rows[:, terminated] != 0.0) | (rows[:, truncated] != 0.0)
        gap = np.append(np.diff(rows[:, seq]) != 1.0, False)
        start = 0
        for stop in (np.flatnonzero(ended | gap) + 1).tolist():
            self._open.setdefault(epoch, []).append(rows[start:stop])
            if ended[stop - 1]:
                self._whole.append(np.concatenate(self._open.pop(epoch)))
            else:
                self._break(epoch)
            start = stop
        if start < len(rows):
            self._open.setdefault(epoch, []).append(rows[start:])

    def _break(self, epoch: float) -> None:
        """End an open episode at a gap."""
        piece = np.concatenate(self._open.pop(epoch))
        if self.partial:
            self._whole.append(piece)
        else:
            self.dropped += len(piece)

    def take(self, version: int) -> Block:
        """
        Hand out what was collected, and forget it.

        :param version: of the newest weights; the lag of a row is counted from it.
        """
        pieces, self._whole = self._whole, []
        if self.partial:
            pieces += [np.concatenate(parts) for parts in self._open.values()]
            self._open.clear()
        rows = np.concatenate(pieces) if pieces else np.zeros((0, self.layout.width))
        last = np.zeros(len(rows), dtype=np.bool_)
        last[np.cumsum([len(piece) for piece in pieces], dtype=np.intp) - 1] = True
        lag = version - rows[:, self.layout.column('policy_version').start]
        # What a person did says nothing about what the policy should have done.
        person = rows[:, self.layout.column('intervened').start] != 0.0
        return Block(rows, last, (lag <= self.max_policy_lag) & ~person)

    def parts(self) -> tuple[NDArray[np.float64], list[int], int]:
        """Return all that is kept: rows, lengths of their pieces, how many of these are whole."""
        pieces = [*self._whole, *(np.concatenate(parts) for parts in self._open.values())]
        rows = np.concatenate(pieces) if pieces else np.zeros((0, self.layout.width))
        return rows, list(map(len, pieces)), len(self._whole)

    def restore(self, rows: NDArray[np.float64], lengths: list[int], whole: int) -> None:
        """Keep what `parts` of another rollout has returned, and nothing else."""
        pieces = np.split(rows, np.cumsum(lengths)[:-1]) if lengths else []
        epoch = self.layout.column('epoch').start
        self._whole = pieces[:whole]
        self._open = {float(piece[0, epoch]): [piece] for piece in pieces[whole:]}


def returns_to_go(reward: Vector, last: NDArray[np.bool_], bootstrap: Vector,
                  gamma: float) -> Vector:
    """
    Sum up discounted rewards from each row to the end of its piece.

    :param reward: shape (N,).
    :param last: whether a row is the last of its piece, shape (N,).
    :param bootstrap: what is still to come after a last row, 0 where it terminated, shape (N,).
    :param gamma: discount per row.
    """
    returns = np.empty_like(reward)
    total = 0.0
    for i in range(len(reward) - 1, -1, -1):
        total = reward[i] + gamma * (bootstrap[i] if last[i] else total)
        returns[i] = total
    return returns


def generalised_advantages(reward: Vector, value: Vector, after: Vector,
                           last: NDArray[np.bool_], gamma: float, gae_lambda: float) -> Vector:
    """
    Estimate advantages (Schulman et al. 2015, arXiv 1506.02438, equation 16).

    :param reward: shape (N,).
    :param value: of `obs`, shape (N,).
    :param after: value of `next_obs`, 0 where the episode terminated, shape (N,).
    :param last: whether a row is the last of its piece, shape (N,).
    :param gamma: discount per row.
    :param gae_lambda: 0 looks one row ahead, 1 to the end of the piece.
    """
    surprise = reward + gamma * after - value
    advantage = np.empty_like(surprise)
    total = 0.0
    for i in range(len(surprise) - 1, -1, -1):
        total = surprise[i] + (0.0 if last[i] else gamma * gae_lambda * total)
        advantage[i] = total
    return advantage
