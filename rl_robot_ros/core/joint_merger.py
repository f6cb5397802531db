"""One joint state out of several messages, where a robot publishes its joints in parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from numpy.typing import NDArray


class JointMerger:
    """
    Collect joints by name until every one of them is new.

    A merged state is complete when each joint has come again since the last complete state, and
    none of them was heard longer ago than `max_age`: one joint that is silent keeps the whole
    state from being complete, so whoever waits for states notices.  Ages are by time of receipt;
    stamps only decide which of two values of one joint is the newer one.

    :param names: the joints that make a state, in the order of the result.
    :param max_age: [s] between the receipts of the oldest and the newest joint of one state.
    """

    def __init__(self, names: Sequence[str], max_age: float) -> None:
        self.names = tuple(names)
        self._where = {name: i for i, name in enumerate(self.names)}
        self._max_age = max_age
        self.position = np.zeros(len(self.names))  # [rad or m]
        self.velocity = np.zeros(len(self.names))  # [rad/s or m/s]
        self.stamp = -1  # [ns] of the newest part
        self._stamps = np.full(len(self.names), -1, dtype=np.int64)
        self._heard = np.full(len(self.names), -np.inf)
        self._new = np.zeros(len(self.names), dtype=np.bool_)
        self.splits = False  # whether the newest message was a part

    def forget(self) -> None:
        """Begin again, for instance because one message carries everything now."""
        self.stamp = -1
        self._stamps[:] = -1
        self._heard[:] = -np.inf
        self._new[:] = False
        self.splits = False

    def add(self, names: Sequence[str], stamp: int, now: float, position: ArrayLike,
            velocity: ArrayLike) -> bool:
        """
        Take one message; returns whether the state in `position` and `velocity` is complete.

        :param names: joints of the message; others than ours are passed over.
        :param stamp: [ns] of the message; a joint whose value is not newer stays as it is.
        :param now: [s] time of receipt on the steady clock.
        :param position: [rad or m] one per name.
        :param velocity: [rad/s or m/s] one per name.
        :raises ValueError: a joint is there twice, a length differs, or a value is not finite.
        """
        q, v = np.asarray(position, dtype=np.float64), np.asarray(velocity, dtype=np.float64)
        if q.shape != (len(names),) or v.shape != (len(names),):
            raise ValueError(f'length: {len(names)} names but {q.size} values of position and '
                             f'{v.size} of velocity')
        there = [i for i, name in enumerate(names) if name in self._where]
        ours = np.array([self._where[names[i]] for i in there], dtype=np.intp)
        if len(set(ours.tolist())) != len(ours):
            raise ValueError('names: a joint is there twice')
        if not (np.isfinite(q[there]).all() and np.isfinite(v[there]).all()):
            raise ValueError(f'finite: position is {q[there].tolist()}, '
                             f'velocity is {v[there].tolist()}')
        self.splits = self.splits or bool(there)
        newer = self._stamps[ours] < stamp
        self._take(ours[newer], np.array(there, dtype=np.intp)[newer], stamp, now, q, v)
        return self._complete(now)

    def _take(self, ours: NDArray[np.intp], there: NDArray[np.intp], stamp: int, now: float,
              position: NDArray[np.float64], velocity: NDArray[np.float64]) -> None:
        self.position[ours] = position[there]
        self.velocity[ours] = velocity[there]
        self._stamps[ours] = stamp
        self._heard[ours] = now
        self._new[ours] = True

    def _complete(self, now: float) -> bool:
        if not self._new.all() or self.late(now):
            return False
        self._new[:] = False
        self.stamp = int(self._stamps.max())
        return True

    def late(self, now: float) -> list[str]:
        """Name the joints that were heard longer than `max_age` ago, or never."""
        return [name for name, heard in zip(self.names, self._heard)
                if not now - heard <= self._max_age]
