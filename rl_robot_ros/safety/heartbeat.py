"""Has the safety filter fallen silent?  The judgement of `safety_watchdog`, without ROS."""

from __future__ import annotations

import math


class Heartbeat:
    """
    Hear states and the filter's outputs, find an output that does not come.

    The filter owes one output to every joint state, and goes on by itself when states have
    stopped for its state timeout.  So there are two deadlines: `patience` for a state that waits,
    and `state_timeout` + `patience` for silence on both.  In lockstep nothing is timed.

    Time in which nobody looked does not count: where the machine stalls, the filter stalls as
    well, and what it said meanwhile is still in our queue.

    :param patience: [s] a state may wait this long for its output.
    :param state_timeout: [s] the filter takes over by itself when states stop for this long.
    :param look: [s] nominal time between two calls of :meth:`look`.
    """

    def __init__(self, patience: float, state_timeout: float, look: float) -> None:
        self.patience = patience
        self.state_timeout = state_timeout
        self.longest = 0.0  # [s] that a state waited for an output which did come
        self._look = look
        self._looked = math.inf
        self._stalled = 0.0
        self._timed = False
        self._output: float | None = None
        self._state: float | None = None

    @property
    def armed(self) -> bool:
        """Whether silence would be noticed: the filter has spoken, and not in lockstep."""
        return self._timed and self._output is not None

    def silence(self, now: float) -> float:
        """Return [s] since the last output, infinite where there was none."""
        return math.inf if self._output is None else self._watched(now) - self._output

    def output(self, now: float) -> None:
        """Note an output of the filter at `now` [s] of a steady clock."""
        was, self._output = self._output, self._watched(now)
        if was is not None and self._state is not None:
            self.longest = max(self.longest, self._output - self._state)
        self._state = None

    def state(self, now: float, timed: bool, answerable: bool) -> None:
        """
        Note a joint state at `now` [s].

        :param timed: false in lockstep, where the filter may take as long as it likes.
        :param answerable: whether the filter owes it an output: it is new, complete and finite.
        """
        self._timed = timed
        if not timed:
            self._state = None
        elif answerable and self._state is None:
            self._state = self._watched(now)

    def look(self, now: float) -> str:
        """Say at `now` [s] why the filter must be given up, or nothing; call it all the time."""
        watched = self._watched(now)
        self._looked, self._stalled = now, now - watched
        if not self.armed:
            return ''
        if self._state is not None and watched - self._state > self.patience:
            return f'a joint state has waited {1e3 * (watched - self._state):.0f} ms for an output'
        silence = self.silence(now)
        if silence > self.state_timeout + self.patience:
            return f'no joint states, and no output for {1e3 * silence:.0f} ms'
        return ''

    def _watched(self, now: float) -> float:
        """Return the time that somebody looked, up to `now`: a stall of our own is left out."""
        return min(now, self._looked + 2.0 * self._look) - self._stalled
