"""Work that can wait until the robot has its answer: diagnostics, a look around the graph."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

PATIENCE = 0.1  # [s] without spare time after which work is done whatever else is going on


class SpareTime:
    """
    Periodic jobs of an executor's thread, each a millisecond or so, in nobody's way.

    A node with a control period says when it has done its part of one, and what is due is done
    then: one job at a time, so that it is over when the next state comes.  Where no period has
    ended for `PATIENCE`, timers do the work.
    """

    def __init__(self, every: Callable[[float, Callable[[], None]], Any]) -> None:
        self._every = every
        self._due: list[Callable[[], None]] = []
        self._last = 0.0  # [s] when there was spare time

    def add(self, period: float, job: Callable[[], None]) -> None:
        """Do `job` every `period` seconds of the steady clock, or a control period later."""
        def ring() -> None:
            if time.monotonic() - self._last > PATIENCE:
                job()
            elif job not in self._due:
                self._due.append(job)
        self._every(period, ring)

    def use(self) -> None:
        """Do one of the jobs that are due; call it where a control period's work is done."""
        self._last = time.monotonic()
        if self._due:
            self._due.pop(0)()
