"""Figures with their intervals as text: how each is written, and columns that line up."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence
import math
from typing import NamedTuple

from rl_robot_ros.learning.intervals import FEW
from rl_robot_ros.learning.intervals import Interval


class Scale(NamedTuple):
    """How a figure is called and written."""

    label: str
    percent: bool = False
    digits: int = 2  # behind the point, of what is no percentage

    def text(self, value: float) -> str:
        """Return one number; infinity is what was not reached."""
        if math.isnan(value):
            return '-'
        if math.isinf(value):
            return 'never'
        return f'{value:.1%}' if self.percent else f'{value:.{self.digits}f}'

    def span(self, interval: Interval) -> str:
        """Return the interval alone, empty where there is none."""
        low, high = float(interval.low), float(interval.high)
        return '' if math.isnan(low) else f'[{self.text(low)}, {self.text(high)}]'

    def both(self, interval: Interval) -> str:
        """Return the estimate and its interval."""
        return f'{self.text(float(interval.point))} {self.span(interval)}'.rstrip()


def warn_of_few(counts: Iterable[int]) -> list[str]:
    """Return a warning where an interval is over too few runs, from `FEW` on none."""
    fewest = min(counts)
    return [f'fewer than {FEW} runs of a set-up: intervals are too narrow, train more seeds'] \
        if fewest < FEW else []


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines of columns that line up; the first row is the header."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ['  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
            for row in rows]
