"""Learning curves of several runs side by side: seeds of one set-up are one curve with a band."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.learning.groups import group_runs
from rl_robot_ros.learning.intervals import bootstrap
from rl_robot_ros.learning.intervals import Interval
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.learning.statistics import WINDOW
from rl_robot_ros.learning.tables import Scale
from rl_robot_ros.learning.tables import table
from rl_robot_ros.learning.tables import warn_of_few
from rl_robot_ros.runs import find_config

POINTS = 200  # of a curve
RESAMPLES = 2000  # at every point of a curve
MOSTLY = 0.9  # of the longest run of a group: who ends before that is named


class Axis(NamedTuple):
    """What a curve is drawn of or against."""

    column: str  # of metrics.csv
    unit: float  # the column is divided by this
    label: str
    scale: Scale


PLOTS = {
    'return': Axis('return_mean', 1.0, 'return per episode', Scale('return')),
    'success': Axis('success_rate', 1.0, 'success rate', Scale('success', percent=True))}
AGAINST = {
    'steps': Axis('steps', 1.0, 'control periods', Scale('steps', digits=0)),
    'updates': Axis('updates', 1.0, 'updates', Scale('updates', digits=0)),
    'time': Axis('wall_s', 60.0, 'training time [min]', Scale('minutes', digits=1))}


class Run(NamedTuple):
    """What is read of a run directory."""

    config: dict[str, Any]
    metrics: dict[str, Vector]


def read_run(path: Path, plot: str, against: str) -> Run:
    """
    Read configuration and metrics.

    :param plot: of `PLOTS`; this and `against`, of `AGAINST`, must have numbers.
    :raises OSError: a file is missing or cannot be read.
    :raises ValueError: a file does not hold what it should.
    """
    if not path.is_dir():
        raise FileNotFoundError('there is no such directory')
    config = dict(find_config(path))
    file = path / 'metrics.csv'
    if not file.is_file():
        raise FileNotFoundError(f'no {file.name}: has it been trained?')
    metrics = read_metrics(file)
    run = Run(config, metrics)
    if not len(series(run, plot, against)[0]):
        raise ValueError(f'{file.name} has no line with both {AGAINST[against].column} and '
                         f'{PLOTS[plot].column}')
    return run


def series(run: Run, plot: str, against: str) -> tuple[Vector, Vector]:
    """
    Return where it was measured, strictly rising, and what, both of shape (n,).

    Where training went on from a checkpoint, steps and updates go back: what had come after that
    checkpoint was lost with the process, and is left out.
    """
    empty = np.full(len(run.metrics.get('wall_s', ())), np.nan)
    x = run.metrics.get(AGAINST[against].column, empty) / AGAINST[against].unit
    y = run.metrics.get(PLOTS[plot].column, empty) / PLOTS[plot].unit
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    following = np.minimum.accumulate(np.append(x, math.inf)[::-1])[::-1][1:]
    return x[x < following], y[x < following]


def reached(run: Run, plot: str, against: str, threshold: float) -> float:
    """
    Return where a run first reached a threshold, infinity where it did not.

    What is measured over fewer than `WINDOW` episodes does not count, as with ``--until``.
    """
    x = run.metrics.get(AGAINST[against].column)
    y = run.metrics.get(PLOTS[plot].column)
    if x is None or y is None:
        return math.inf
    episodes = run.metrics.get('episodes', np.full(len(x), np.inf))
    there = np.isfinite(x) & (y >= threshold) & ~(episodes < WINDOW)
    return float(x[there][0]) / AGAINST[against].unit if there.any() else math.inf


def at_end(run: Run, name: str) -> float:
    """Return the last number of what `PLOTS` or `AGAINST` name; NaN without one."""
    axis = {**PLOTS, **AGAINST}[name]
    values = run.metrics.get(axis.column, np.zeros(0))
    values = values[np.isfinite(values)]
    return float(values[-1]) / axis.unit if len(values) else math.nan


class Curve(NamedTuple):
    """The curve of a group, where all of its runs are; and the curves that it is made of."""

    x: Vector  # shape (n,)
    y: Interval  # interquartile mean over the runs, each of shape (n,)
    runs: list[tuple[Vector, Vector]]


def curve_of(runs: Sequence[Run], plot: str, against: str) -> Curve:
    """
    Return interquartile mean and band of a group.

    It begins where the last of its runs begins and ends where the first one ends, so that it is
    always about the same runs; there may be nothing in between.
    """
    curves = [series(run, plot, against) for run in runs]
    first, last = max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves)
    grid = np.linspace(first, last, POINTS) if first < last else np.zeros(0)
    values = np.stack([np.interp(grid, x, y) for x, y in curves], axis=-1)
    return Curve(grid, bootstrap(values, resamples=RESAMPLES), curves)


@dataclass(frozen=True)
class Comparison:
    """
    Groups of runs, compared.

    :param groups: what sets a set-up apart, to its runs by name.
    """

    groups: dict[str, dict[str, Run]]
    plot: str
    against: str

    @classmethod
    def of(cls, runs: Mapping[str, Run], plot: str, against: str) -> Comparison:
        """Group runs by their configuration."""
        groups = group_runs({name: run.config for name, run in runs.items()})
        return cls({label: {name: runs[name] for name in names}
                    for label, names in groups.items()}, plot, against)

    def curves(self) -> dict[str, Curve]:
        """Return the curve of each group."""
        return {label: curve_of(list(runs.values()), self.plot, self.against)
                for label, runs in self.groups.items()}

    def lines(self, threshold: float | None = None) -> list[str]:
        """
        Return a table of how the groups ended.

        :param threshold: tell also where `plot` reached it.
        """
        header = ['set-up', 'runs', *PLOTS, *(AGAINST[name].scale.label for name in AGAINST)]
        if threshold is not None:
            goal = f'{self.plot} {PLOTS[self.plot].scale.text(threshold)}'
            header += [f'reached {goal}', 'at steps', 'at minutes']
        rows = [header]
        for label, group in self.groups.items():
            runs = list(group.values())
            ends = {name: np.array([at_end(run, name) for run in runs])
                    for name in (*PLOTS, *AGAINST)}
            cells = [_over_runs(ends[name], PLOTS[name].scale) for name in PLOTS]
            cells += [AGAINST[name].scale.text(float(np.median(ends[name]))) for name in AGAINST]
            if threshold is not None:
                when = {name: np.array([reached(run, self.plot, name, threshold) for run in runs])
                        for name in ('steps', 'time')}
                cells += [f'{np.isfinite(when["time"]).sum()} of {len(runs)}',
                          *(_over_runs(when[name], AGAINST[name].scale) for name in when)]
            rows.append([label, str(len(runs)), *cells])
        return [*table(rows), '', 'at the end of training: interquartile mean over the runs with '
                'its 95 % bootstrap interval, median of steps, updates and minutes',
                *warn_of_few(map(len, self.groups.values())), *self._short()]

    def _short(self) -> list[str]:
        """Name the runs that cut the curve of their group short."""
        lines = []
        scale = AGAINST[self.against].scale
        for runs in self.groups.values():
            ends = {name: float(series(run, self.plot, self.against)[0][-1])
                    for name, run in runs.items()}
            lines += [f'{name} ends at {scale.text(end)} of {scale.text(max(ends.values()))} '
                      f'{scale.label}, and the curve of its group with it'
                      for name, end in ends.items() if end < MOSTLY * max(ends.values())]
        return lines


def _over_runs(values: Vector, scale: Scale) -> str:
    values = values[~np.isnan(values)]
    return scale.both(bootstrap(values)) if len(values) else '-'
