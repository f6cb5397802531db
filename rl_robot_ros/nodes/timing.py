"""Period, jitter and age of what a node does, cheap enough for the control path."""

from __future__ import annotations

import numpy as np


class Timing:
    """
    Remember the newest intervals between marks, and any other durations by name.

    :param period: [s] nominal interval; jitter is the deviation from it.
    """

    WINDOW = 1024

    def __init__(self, period: float) -> None:
        self.period = period
        self._intervals = np.zeros(self.WINDOW)
        self._count = 0
        self._last = 0.0
        self._other: dict[str, tuple[np.ndarray, int]] = {}

    def mark(self, now: float) -> None:
        """Note that one period has passed at `now` [s] on the steady clock."""
        if self._last:
            self._intervals[self._count % self.WINDOW] = now - self._last
            self._count += 1
        self._last = now

    def note(self, name: str, seconds: float) -> None:
        """Note one duration [s], such as an inference time."""
        window, count = self._other.get(name, (None, 0))
        if window is None:
            window = np.zeros(self.WINDOW)
        window[count % self.WINDOW] = seconds
        self._other[name] = (window, count + 1)

    def report(self) -> dict[str, float]:
        """Return median period, and median and 99th percentile of the rest [ms]."""
        values: dict[str, float] = {}
        if self._count:
            intervals = self._intervals[:self._count] * 1e3
            values['period_ms'] = quantile(intervals, 0.5)
            values['rate_hz'] = 1e3 / max(float(intervals.mean()), 1e-9)
            jitter = np.abs(intervals - self.period * 1e3)
            values['jitter_p50_ms'] = quantile(jitter, 0.5)
            values['jitter_p99_ms'] = quantile(jitter, 0.99)
        for name, (window, count) in self._other.items():
            durations = window[:count] * 1e3
            values[f'{name}_p50_ms'] = quantile(durations, 0.5)
            values[f'{name}_p99_ms'] = quantile(durations, 0.99)
        return values


def quantile(values: np.ndarray, part: float) -> float:
    """
    Return the value that `part` of `values` do not exceed.

    NumPy's own median and percentile import `numpy.ma` when they are first called: 70 ms of
    computing, in the control path of a robot that has begun to move.
    """
    return float(np.sort(values)[round(part * (len(values) - 1))])
