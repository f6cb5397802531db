"""What an evaluation found: figures over the episodes of one run, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.learning.episodes import Episode
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.intervals import bootstrap
from rl_robot_ros.learning.intervals import Interval
from rl_robot_ros.learning.intervals import mean
from rl_robot_ros.learning.intervals import std
from rl_robot_ros.learning.intervals import weighted_mean
from rl_robot_ros.learning.tables import Scale

Z95 = 1.959964  # two-sided 95 % of a normal distribution
PER_EPISODE = {'return_mean': 'total', 'length_mean': 'seconds', 'success_rate': 'success',
               'success_end_rate': 'success_end', 'terminated_rate': 'terminated'}
PER_DECISION = ('filtered', 'intervened', 'energy', 'smoothness')
# How people read the figures that have an interval, and in which order.
FIGURES = {
    'return_mean': Scale('return'), 'return_std': Scale('return std'),
    'return_iqm': Scale('return IQM'), 'success_rate': Scale('success', percent=True),
    'success_end_rate': Scale('success at the end', percent=True),
    'length_mean': Scale('length [s]'), 'terminated_rate': Scale('terminated', percent=True),
    'filtered': Scale('changed by the filter', percent=True),
    'intervened': Scale('taken over by a person', percent=True),
    'energy': Scale('action |a|^2', digits=3), 'smoothness': Scale('action |change|', digits=3)}


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


def episode_figures(episodes: Sequence[Episode]) -> dict[str, Interval]:
    """Return all of `FIGURES` over episodes, by bootstrap over them; NaN without episodes."""
    if not episodes:
        return dict.fromkeys(FIGURES, Interval(math.nan, math.nan, math.nan))

    def each(name: str) -> Vector:
        return np.array([getattr(episode, name) for episode in episodes], dtype=np.float64)

    weights = each('decisions')
    found = {name: bootstrap(each(field), mean) for name, field in PER_EPISODE.items()}
    found['return_std'] = bootstrap(each('total'), std)
    found['return_iqm'] = bootstrap(each('total'))
    found |= {name: bootstrap(np.array([each(name), weights]), weighted_mean)
              for name in PER_DECISION}
    return {name: Interval(*map(float, found[name])) for name in FIGURES}


@dataclass(frozen=True)
class EvaluationReport:
    """
    Figures over the episodes of an evaluation; without one they are NaN (null in JSON).

    `intervals` are 95 % bootstrap intervals over the episodes, of every figure in `FIGURES`.  For
    the success rate people are shown Wilson's (`success_low`, `success_high`): where all of a
    hundred episodes succeed, a bootstrap is sure of 100 %.
    """

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
    return_iqm: float  # interquartile mean
    intervals: dict[str, tuple[float, float]]
    returns: tuple[float, ...]  # of every episode

    @classmethod
    def of(cls, collector: EpisodeCollector, episodes: int | None = None) -> EvaluationReport:
        """
        Sum up what was collected.

        :param episodes: take the first so many; by default all.
        """
        chosen = collector.episodes[:episodes]
        weights = [episode.decisions for episode in chosen]
        terms = {name: float(np.average([episode.terms[i] for episode in chosen],
                                        weights=weights)) if chosen else math.nan
                 for i, name in enumerate(collector.layout.terms)}
        found = episode_figures(chosen)
        low, high = wilson_interval(sum(episode.success for episode in chosen), len(chosen))
        return cls(episodes=len(chosen), success_low=low, success_high=high, terms=terms,
                   dropped=collector.dropped, returns=tuple(e.total for e in chosen),
                   intervals={name: (float(interval.low), float(interval.high))
                              for name, interval in found.items()},
                   **{name: float(interval.point) for name, interval in found.items()})

    def figure(self, name: str) -> Interval:
        """Return a figure with the interval that people are shown."""
        low, high = ((self.success_low, self.success_high) if name == 'success_rate'
                     else self.intervals[name])
        return Interval(getattr(self, name), low, high)

    def to_json(self, path: Path | str) -> None:
        """Write it as JSON; readers see the old file or the new one."""
        write_json(asdict(self), path)

    def lines(self) -> list[str]:
        """Return it as lines for a terminal."""
        if not self.episodes:
            return [f'no whole episode ({self.dropped} were incomplete)']

        def span(name: str) -> str:
            return FIGURES[name].span(self.figure(name)) or 'one episode has no interval'

        lines = [
            f'episodes        {self.episodes}'
            + (f' ({self.dropped} incomplete ones not counted)' if self.dropped else ''),
            f'success         {self.success_rate:.1%} (95 % interval {self.success_low:.1%} to '
            f'{self.success_high:.1%}), {self.success_end_rate:.1%} at the end',
            f'return          {self.return_mean:.2f} +- {self.return_std:.2f}, mean '
            f'{span("return_mean")}, deviation {span("return_std")}',
            f'return IQM      {self.return_iqm:.2f} {span("return_iqm")}',
            f'length          {self.length_mean:.2f} s {span("length_mean")}, '
            f'{self.terminated_rate:.1%} terminated',
            f'filter          changed {self.filtered:.2%} of the decisions {span("filtered")}',
            f'person          took over {self.intervened:.2%} of the decisions '
            f'{span("intervened")}',
            f'action          |a|^2 {self.energy:.3f} {span("energy")}, '
            f'|change| {self.smoothness:.3f} {span("smoothness")}']
        if self.terms:
            lines.append('reward terms    ' + ', '.join(f'{name} {value:.4f}'
                                                        for name, value in self.terms.items()))
        return [*lines, 'in brackets     95 % intervals, bootstrap over the episodes']


def write_json(values: Mapping[str, Any], path: Path | str) -> None:
    """Write figures as JSON, one a line; what is not finite becomes null."""
    def finite(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: finite(inner) for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [finite(inner) for inner in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    lines = [f'  {json.dumps(name)}: {json.dumps(finite(value), allow_nan=False)}'
             for name, value in values.items()]
    write_atomically(Path(path), '{\n' + ',\n'.join(lines) + '\n}\n')
