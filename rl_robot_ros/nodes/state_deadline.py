"""Whether joint states have stopped, and whether that is only a simulator on pause."""

from __future__ import annotations

from collections.abc import Callable
import enum


class States(enum.Enum):
    """What has become of the joint states."""

    FRESH = enum.auto()
    PAUSED = enum.auto()
    LOST = enum.auto()


class StateDeadline:
    """
    Time joint states on the steady clock, and tell a paused simulator from a lost one.

    A paused simulator stops `/clock` as well.  What the clock says half-way to the deadline, when
    the last one has surely arrived, is compared with what it says at the deadline.  A clock that
    was never seen to run proves nothing, so a robot that is told to use simulated time by mistake
    is not taken for a paused simulator.

    :param timeout: [s] on the steady clock.
    :param clock: returns ROS time [ns].
    :param simulated: whether the node has used simulated time since it started.
    """

    def __init__(self, timeout: float, clock: Callable[[], int], simulated: bool) -> None:
        self.timeout = timeout
        self._clock = clock
        self._simulated = simulated
        self._runs = False  # the clock has been seen to run
        self._first = 0  # [ns] what it said first
        self._noted = (-1.0, 0)  # for the state of which time, what the clock said
        self._paused = False
        self._resumed = 0.0  # [s] when the clock went on after a pause

    def watch_clock(self) -> None:
        """Find out whether there is a clock at all; called now and then."""
        if self._simulated and not self._runs:
            now = self._clock()
            self._runs = now > self._first > 0
            self._first = self._first or now

    def check(self, seen: float, now: float) -> tuple[States, float]:
        """
        Say how the states are, and after how long [s] to ask again.

        :param seen: [s] when the newest state came, steady clock.
        :param now: [s] steady clock.
        """
        since = max(seen, self._resumed)
        age = now - since
        half = 0.5 * self.timeout
        if age <= half:
            self._paused = False
            return States.FRESH, half - age
        if age <= self.timeout:
            if self._runs and self._noted[0] != since:
                self._noted = (since, self._clock())
            return States.FRESH, self.timeout - age
        if not self._runs:
            return States.LOST, 0.0
        if self._clock() == self._noted[1]:
            self._paused = True
            return States.PAUSED, 0.0
        if self._paused:  # the clock goes on, so states have their time again to come
            self._paused = False
            self._resumed = now
            return States.PAUSED, 0.0
        return States.LOST, 0.0
