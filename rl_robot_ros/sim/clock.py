"""Simulated time that never goes back, not on reset and not when the process restarts."""

from __future__ import annotations

from pathlib import Path

from rl_robot_ros.core.files import Reservation

SPAN = 10_000  # [s] of simulated time, and number of episodes, reserved at once
NANOSECONDS = 1_000_000_000


class SimClock:
    """
    Stamps and episode numbers of one simulator.

    :param period: [ns] one control period.
    :param path: where reservations are kept; None begins at zero and remembers nothing.
    :raises ValueError: the file holds something else.
    """

    def __init__(self, period: int, path: Path | None = None) -> None:
        self.period = period
        self._reservation = Reservation(path, {'stamp': SPAN * NANOSECONDS, 'episode': SPAN})
        self.stamp = self._reservation.first['stamp']
        self.episode = self._reservation.first['episode']

    def tick(self) -> int:
        """Advance one control period; returns the new stamp [ns]."""
        self.stamp += self.period
        self._reservation.use(stamp=self.stamp)
        return self.stamp

    def next_episode(self) -> int:
        """Advance to a new episode, one control period later; returns its number."""
        self.episode += 1
        self._reservation.use(episode=self.episode)
        self.tick()
        return self.episode
