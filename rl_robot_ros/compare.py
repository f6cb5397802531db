"""What ``rl-robot compare`` does: learning curves of several runs, with intervals."""

from __future__ import annotations

import argparse
import math
import sys

from rl_robot_ros.learning.comparison import Comparison
from rl_robot_ros.learning.comparison import PLOTS
from rl_robot_ros.learning.comparison import read_run
from rl_robot_ros.learning.comparison import Run
from rl_robot_ros.learning.groups import unique
from rl_robot_ros.learning.pictures import comparison_picture


def main(options: argparse.Namespace) -> int:
    """Print the table and draw the curves; returns 0, or 1 where a run had to be left out."""
    threshold = options.threshold
    if threshold is not None:
        rate = PLOTS[options.plot].scale.percent
        if not (0.0 <= threshold <= 1.0 if rate else math.isfinite(threshold)):
            raise ValueError(f'--threshold {threshold}: allowed is '
                             + ('[0, 1], a rate' if rate else 'a finite number'))
    runs: dict[str, Run] = {}
    given = unique(options.runs)
    for path in given:
        try:
            runs[str(path)] = read_run(path, options.plot, options.against)
        except (OSError, ValueError) as error:
            print(f'rl-robot compare: {path} is left out: {error}', file=sys.stderr)
    if not runs:
        raise ValueError('none of the runs can be compared')
    comparison = Comparison.of(runs, options.plot, options.against)
    print('\n'.join(comparison.lines(threshold)))
    picture = comparison_picture(comparison, options.output)
    print(f'learning curves: {picture}' if picture else
          'no picture: matplotlib is not installed')
    return int(len(runs) < len(given))
