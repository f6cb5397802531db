"""
What people read about a run: the learning curve and the evaluation report.

``metrics.csv`` has a header and one line every few seconds; unknown columns are ignored, missing
ones are empty::

    wall_s,steps,rows,episodes,updates,return_mean,success_rate,success_end_rate,length_mean,...

A file may hold several headers, lines that were torn when a process died, and a time that goes
back when training was resumed from a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from dataclasses import dataclass
import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.learning.episodes import EpisodeCollector

LONGEST = 1e9  # [s] a time beyond that is no time
Z95 = 1.959964  # two-sided 95 % of a normal distribution
BLUE = '#2f6db5'
GREEN = '#2a9d62'


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """
    Return the 95 % confidence interval of a rate (Wilson, 1927).

    It stays inside [0, 1] and is right for small numbers too; without trials it is (0, 1).

    :raises ValueError: more successes than trials, or fewer than none.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f'{successes} successes in {trials} trials')
    if trials == 0:
        return 0.0, 1.0
    rate, square = successes / trials, Z95 * Z95
    middle = rate + square / (2 * trials)
    half = Z95 * math.sqrt(rate * (1.0 - rate) / trials + square / (4 * trials * trials))
    scale = 1.0 + square / trials
    low = 0.0 if successes == 0 else (middle - half) / scale
    high = 1.0 if successes == trials else (middle + half) / scale
    return low, high


@dataclass(frozen=True)
class EvaluationReport:
    """Figures over the episodes of an evaluation; without one they are NaN (null in JSON)."""

    episodes: int
    return_mean: float
    return_std: float
    length_mean: float  # [s]
    success_rate: float
    success_low: float  # 95 % interval
    success_high: float
    success_end_rate: float
    terminated_rate: float
    filtered: float  # share of decisions
    intervened: float  # share of decisions
    energy: float  # mean |action|^2
    smoothness: float  # mean |change of action|
    terms: dict[str, float]  # mean of each reward term
    dropped: int  # episodes with a missing row

    @classmethod
    def of(cls, collector: EpisodeCollector, episodes: int | None = None) -> EvaluationReport:
        """
        Sum up what was collected.

        :param episodes: take the first so many; by default all.
        """
        chosen = collector.episodes[:episodes]
        weights = [episode.decisions for episode in chosen]

        def each(name: str) -> Vector:
            return np.array([getattr(episode, name) for episode in chosen], dtype=np.float64)

        def mean(name: str) -> float:
            return float(each(name).mean()) if chosen else math.nan

        def per_decision(values: Iterable[float]) -> float:
            return float(np.average(list(values), weights=weights)) if chosen else math.nan

        low, high = wilson_interval(int(each('success').sum()), len(chosen))
        return cls(
            episodes=len(chosen), return_mean=mean('total'),
            return_std=float(each('total').std()) if chosen else math.nan,
            length_mean=mean('seconds'), success_rate=mean('success'), success_low=low,
            success_high=high, success_end_rate=mean('success_end'),
            terminated_rate=mean('terminated'), filtered=per_decision(each('filtered')),
            intervened=per_decision(each('intervened')), energy=per_decision(each('energy')),
            smoothness=per_decision(each('smoothness')),
            terms={name: per_decision(episode.terms[i] for episode in chosen)
                   for i, name in enumerate(collector.layout.terms)},
            dropped=collector.dropped)

    def to_json(self, path: Path | str) -> None:
        """Write it as JSON; readers see the old file or the new one."""
        def finite(value: Any) -> Any:
            return None if isinstance(value, float) and not math.isfinite(value) else value

        values = {name: {key: finite(v) for key, v in value.items()}
                  if isinstance(value, dict) else finite(value)
                  for name, value in asdict(self).items()}
        write_atomically(Path(path), json.dumps(values, indent=2, allow_nan=False) + '\n')

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        if not self.episodes:
            return [f'no whole episode ({self.dropped} were incomplete)']
        lines = [
            f'episodes        {self.episodes}'
            + (f' ({self.dropped} incomplete ones not counted)' if self.dropped else ''),
            f'success         {self.success_rate:.1%} (95 % interval {self.success_low:.1%} to '
            f'{self.success_high:.1%}), {self.success_end_rate:.1%} at the end',
            f'return          {self.return_mean:.2f} +- {self.return_std:.2f}',
            f'length          {self.length_mean:.2f} s, {self.terminated_rate:.1%} terminated',
            f'filter          changed {self.filtered:.2%} of the decisions',
            f'person          took over {self.intervened:.2%} of the decisions',
            f'action          |a|^2 {self.energy:.3f}, |change| {self.smoothness:.3f}']
        if self.terms:
            lines.append('reward terms    ' + ', '.join(f'{name} {value:.4f}'
                                                        for name, value in self.terms.items()))
        return lines


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


def learning_curve(paths: Iterable[Path | str], output: Path | str,
                   title: str = '') -> Path | None:
    """
    Draw success rate and return over time, of one run or of several seeds.

    Several runs are thin lines with their median.  The upper axis tells the rows of the first run.

    :param paths: ``metrics.csv`` files; those without figures are left out.
    :param output: PNG to write.
    :return: `output`, or None where there is nothing to draw, or nothing to draw with.
    """
    runs = [read_metrics(path) for path in paths if Path(path).is_file()]
    runs = [run for run in runs if len(run.get('wall_s', ())) > 1]
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    if not runs:
        return None
    figure = Figure(figsize=(9.0, 3.6), dpi=150, layout='constrained')
    canvas: Any = FigureCanvasAgg(figure)
    success, reward = figure.subplots(1, 2)
    _draw(success, runs, 'success_rate', 'success rate [%]', GREEN, 100.0)
    _draw(reward, runs, 'return_mean', 'return per episode', BLUE, 1.0)
    success.set_ylim(-3.0, 103.0)
    for axes in (success, reward):
        axes.set_xlim(0.0, max(1.0, *(run['wall_s'][-1] for run in runs)) / 60.0)
        _tell_rows(axes, runs[0])
    if title:
        figure.suptitle(title, fontsize=11)
    picture = io.BytesIO()
    canvas.print_png(picture)
    write_atomically(Path(output), picture.getvalue())
    return Path(output)


def _draw(axes: Any, runs: list[dict[str, Vector]], name: str, label: str, color: str,
          scale: float) -> None:
    axes.set_xlabel('training time [min]')
    axes.set_ylabel(label)
    axes.grid(alpha=0.25)
    axes.spines[['right']].set_visible(False)
    curves = []
    for run in runs:
        value = scale * run.get(name, np.full(len(run['wall_s']), math.nan))
        there = np.isfinite(value)
        if there.any():
            curves.append((run['wall_s'][there] / 60.0, value[there]))
    for minutes, value in curves:
        alone = len(curves) == 1
        axes.plot(minutes, value, color=color, linewidth=1.8 if alone else 0.8,
                  alpha=1.0 if alone else 0.45)
    if len(curves) > 1:
        minutes = np.linspace(min(m[0] for m, _ in curves), max(m[-1] for m, _ in curves), 400)
        table = np.array([np.interp(minutes, m, v, left=math.nan, right=v[-1])
                          for m, v in curves])
        axes.plot(minutes, np.nanmedian(table, axis=0), color=color, linewidth=2.2,
                  label=f'median of {len(curves)} runs')
        axes.legend(frameon=False, loc='lower right')


def _tell_rows(axes: Any, run: dict[str, Vector]) -> None:
    """Write how many rows there were at the ticks of the time axis on an axis above."""
    rows = run.get('rows', np.full(len(run['wall_s']), math.nan))
    there = np.isfinite(rows)
    if not there.any():
        return
    last = run['wall_s'][-1] / 60.0
    ticks = [tick for tick in axes.get_xticks() if 0.0 <= tick <= last]
    above = axes.secondary_xaxis('top')
    above.set_xticks(ticks, [_short(float(np.interp(tick * 60.0, run['wall_s'][there],
                                                    rows[there]))) for tick in ticks])
    above.tick_params(labelsize=8)
    above.set_xlabel('experience rows', fontsize=8)


def _short(number: float) -> str:
    for size, unit in ((1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
        if abs(number) >= size:
            return f'{number / size:.3g}{unit}'
    return f'{number:.0f}'
