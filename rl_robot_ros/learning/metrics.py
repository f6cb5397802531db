"""
How training went: ``metrics.csv`` of a run.

It has a header and one line every few seconds; unknown columns are ignored, missing ones are
empty::

    wall_s,steps,rows,episodes,updates,return_mean,success_rate,success_end_rate,length_mean,...

A file may hold several headers, lines that were torn when a process died, and a time that goes
back when training was resumed from a checkpoint.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from rl_robot_ros.core.spec import Vector

LONGEST = 1e9  # [s] a time beyond that is no time


def read_metrics(path: Path | str) -> dict[str, Vector]:
    """
    Read ``metrics.csv`` into columns of equal length, NaN where there is no number.

    A line is left out where it was torn, so that it has not as many cells as its header or, as the
    last one, no end, and where it has no time.  Where `wall_s` goes back, training was resumed:
    time goes on from the line before, so that it only rises.

    :raises OSError: the file cannot be read.
    """
    names: list[str] = []
    lines: list[dict[str, float]] = []
    before = offset = 0.0
    text = Path(path).read_bytes().decode(errors='replace')
    for line in text.split('\n')[:-1]:
        cells = [cell.strip() for cell in line.split(',')]
        if 'wall_s' in cells:
            names = cells
            continue
        if not names or len(cells) != len(names):
            continue
        values = {name: _number(cell) for name, cell in zip(names, cells)}
        wall = values['wall_s']
        if not 0.0 <= wall < LONGEST:
            continue
        offset += max(0.0, before - (wall + offset))
        before = values['wall_s'] = wall + offset
        lines.append(values)
    every = dict.fromkeys(name for values in lines for name in values)
    return {name: np.array([values.get(name, math.nan) for values in lines]) for name in every}


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
