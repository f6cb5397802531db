"""
Pictures of runs for people, PNG.

Each function returns the file that it wrote, or None where there is nothing to draw, or nothing to
draw with: matplotlib is not needed on a robot.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import io
import math
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.learning.comparison import AGAINST
from rl_robot_ros.learning.comparison import Comparison
from rl_robot_ros.learning.comparison import PLOTS
from rl_robot_ros.learning.intervals import Interval
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.learning.report import FIGURES

BLUE = '#2f6db5'
GREEN = '#2a9d62'
LINES = ('-', '--', ':', '-.')
IN_PICTURE = ('return_mean', 'return_iqm', 'success_rate', 'length_mean', 'filtered', 'intervened',
              'energy', 'smoothness')


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
    figure = _figure(9.0, 3.6) if runs else None
    if figure is None:
        return None
    success, reward = figure.subplots(1, 2)
    _draw(success, runs, 'success_rate', 'success rate [%]', GREEN, 100.0)
    _draw(reward, runs, 'return_mean', 'return per episode', BLUE, 1.0)
    success.set_ylim(-3.0, 103.0)
    for axes in (success, reward):
        axes.set_xlim(0.0, max(1.0, *(run['wall_s'][-1] for run in runs)) / 60.0)
        _tell_rows(axes, runs[0])
    if title:
        figure.suptitle(title, fontsize=11)
    return _write(figure, output)


def comparison_picture(comparison: Comparison, output: Path | str) -> Path | None:
    """
    Draw one line for each set-up.

    Its runs are thin lines; the band is the 95 % interval of their interquartile mean.
    """
    plot, against = PLOTS[comparison.plot], AGAINST[comparison.against]
    curves = comparison.curves()
    figure = _figure(9.0, 4.8)
    if figure is None:
        return None
    axes = figure.subplots()
    axes.set_xlabel(against.label)
    axes.set_ylabel(f'{plot.label} (IQM, 95 % interval)')
    axes.grid(alpha=0.25)
    axes.spines[['right', 'top']].set_visible(False)
    for index, (label, curve) in enumerate(curves.items()):
        color, line = f'C{index % 10}', LINES[index // 10 % len(LINES)]
        for x, y in curve.runs:
            axes.plot(x, y, line, color=color, linewidth=0.7, alpha=0.4)
        axes.plot(curve.x, curve.y.point, line, color=color, linewidth=2.0,
                  label=fill(f'{label} ({len(curve.runs)})', 60))
        axes.fill_between(curve.x, curve.y.low, curve.y.high, color=color, alpha=0.2, linewidth=0)
    if plot.scale.percent:
        axes.set_ylim(-0.03, 1.03)
        axes.yaxis.set_major_formatter(lambda value, _: f'{value:.0%}')
    axes.set_xlim(left=0.0)
    axes.legend(frameon=False, title='set-up (runs)', fontsize=8, title_fontsize=8)
    return _write(figure, output)


def evaluation_picture(rows: Mapping[str, Mapping[str, Interval]],
                       output: Path | str) -> Path | None:
    """
    Draw figures with their intervals, a row for each run.

    :param rows: what to write beside each row, to its figures by the names in `report.FIGURES`.
    """
    figure = _figure(11.0, 2.2 + 0.5 * len(rows)) if rows else None
    if figure is None:
        return None
    labels = [shorten_left(label, 24) for label in rows]
    for axes, name in zip(figure.subplots(2, 4, sharey=True).flat, IN_PICTURE, strict=True):
        scale = FIGURES[name]
        for place, interval in enumerate(values[name] for values in rows.values()):
            axes.plot([interval.low, interval.high], [place, place], color=BLUE, linewidth=6.0,
                      alpha=0.35, solid_capstyle='butt')
            axes.plot(interval.point, place, '|', color=BLUE, markersize=12.0,
                      markeredgewidth=2.0)
        axes.set_title(scale.label, fontsize=9)
        axes.locator_params(axis='x', nbins=4)
        axes.set_yticks(range(len(labels)), labels, fontsize=8)
        axes.tick_params(axis='x', labelsize=8)
        axes.margins(x=0.15, y=0.2)
        axes.grid(axis='x', alpha=0.25)
        axes.spines[['right', 'top']].set_visible(False)
        if scale.percent:
            axes.set_xlim(-0.04, 1.04)
            axes.xaxis.set_major_formatter(lambda value, _: f'{value:.0%}')
    axes.invert_yaxis()
    figure.supxlabel('estimate and 95 % interval', fontsize=9)
    return _write(figure, output)


def shorten_left(text: str, length: int) -> str:
    """Return the end of a path that is too long: what tells runs apart stands there."""
    return text if len(text) <= length else '...' + text[3 - length:]


def _figure(width: float, height: float) -> Any:
    """Return an empty figure of this size [inch], None without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return None
    return Figure(figsize=(width, height), dpi=150, layout='constrained')


def _write(figure: Any, output: Path | str) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
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
