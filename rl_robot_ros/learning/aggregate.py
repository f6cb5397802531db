"""The evaluations of several runs together: how good a set-up is, not one lucky seed of it."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rl_robot_ros.learning.intervals import interquartile_mean
from rl_robot_ros.learning.intervals import Interval
from rl_robot_ros.learning.intervals import mean
from rl_robot_ros.learning.intervals import Statistic
from rl_robot_ros.learning.intervals import stratified_bootstrap
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.learning.report import FIGURES
from rl_robot_ros.learning.report import write_json
from rl_robot_ros.learning.tables import table
from rl_robot_ros.learning.tables import warn_of_few

IN_TABLE = ('return_mean', 'return_iqm', 'success_rate', 'length_mean')


@dataclass(frozen=True)
class Aggregate:
    """
    Figures over runs: every run counts once, by its own figure over its episodes.

    Intervals are 95 % bootstrap intervals over the runs, stratified by set-up: runs are the unit
    of chance, since episodes of one run share its weights.
    """

    runs: dict[str, EvaluationReport]
    setups: dict[str, list[str]]  # what sets it apart, to names of its runs
    iqm: dict[str, Interval]
    mean: dict[str, Interval]

    @classmethod
    def of(cls, runs: Mapping[str, EvaluationReport],
           setups: Mapping[str, Sequence[str]]) -> Aggregate:
        """
        Sum up.

        :param runs: report of each run by its name, each of one episode at least.
        :param setups: names of runs by set-up, see `groups.group_runs`.
        """
        def over_runs(name: str, statistic: Statistic) -> Interval:
            strata = [np.array([getattr(runs[run], name) for run in members])
                      for members in setups.values()]
            return Interval(*map(float, stratified_bootstrap(strata, statistic)))

        return cls(dict(runs), {label: list(members) for label, members in setups.items()},
                   {name: over_runs(name, interquartile_mean) for name in FIGURES},
                   {name: over_runs(name, mean) for name in FIGURES})

    def to_json(self, path: Path | str, failed: Mapping[str, str]) -> None:
        """
        Write it as JSON.

        :param failed: runs that could not be evaluated, and why.
        """
        values: dict[str, Any] = {'setups': self.setups, 'failed': dict(failed)}
        for kind, found in (('iqm', self.iqm), ('mean', self.mean)):
            values[kind] = {name: interval.point for name, interval in found.items()}
            values[f'{kind}_intervals'] = {name: (interval.low, interval.high)
                                           for name, interval in found.items()}
        values['runs'] = {name: asdict(report) for name, report in self.runs.items()}
        write_json(values, path)

    def lines(self) -> list[str]:
        """Return a table of the runs and one of them together."""
        each = [['run', 'episodes', *(FIGURES[name].label for name in IN_TABLE)]]
        each += [[run, str(report.episodes),
                  *(FIGURES[name].both(report.figure(name)) for name in IN_TABLE)]
                 for run, report in self.runs.items()]
        count = len(self.runs)
        together = [['1 run' if count == 1 else f'{count} runs', 'IQM', 'mean']]
        together += [[scale.label, scale.both(self.iqm[name]), scale.both(self.mean[name])]
                     for name, scale in FIGURES.items()]
        lines = [*table(each), '', *table(together), '',
                 'in brackets: 95 % intervals, bootstrap over the episodes of a run or over runs, '
                 "Wilson's for the success of a run",
                 *warn_of_few(map(len, self.setups.values()))]
        if len(self.setups) > 1:
            lines.append(f'{len(self.setups)} set-ups, each resampled by itself: '
                         + '; '.join(self.setups))
        return lines
