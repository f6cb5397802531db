"""
How well `rl-robot train` learns its default task: one run per seed, then the table and the curve.

A run that has been evaluated already is not repeated, so an interrupted benchmark goes on where it
ended.  Time counts from the start of the learner's process, compilation included.

    python benchmarks/reach.py --seeds 1 2 3 --runs runs --curve docs/learning_curve.png
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import statistics
import subprocess
import sys

from machine import machine
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.learning.pictures import learning_curve


def main() -> None:
    """Train where needed, print the table, draw the curve."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--runs', type=Path, default=Path('runs'))
    parser.add_argument('--curve', type=Path, help='where to draw the learning curve')
    parser.add_argument('values', nargs='*', metavar='name=value', help='parameters of the runs')
    options = parser.parse_args()
    rates, curves = [], []
    print('| seed | minutes | rows | updates | success over 100 unseen targets | at the end |')
    print('|---|---|---|---|---|---|')
    for seed in options.seeds:
        run = options.runs / f'seed{seed}'
        if not (run / 'evaluation.json').exists():
            subprocess.run([sys.executable, '-m', 'rl_robot_ros.cli', 'train', '--seed', str(seed),
                            '--runs', str(options.runs), '--name', run.name, *options.values],
                           check=True, stdout=sys.stderr)
        report = json.loads((run / 'evaluation.json').read_text())
        metrics = read_metrics(run / 'metrics.csv')
        rates.append(report['success_rate'])
        curves.append(run / 'metrics.csv')
        print(f'| {seed} | {metrics["wall_s"][-1] / 60.0:.1f} | {metrics["rows"][-1]:.0f} | '
              f'{metrics["updates"][-1]:.0f} | {report["success_rate"]:.0%} | '
              f'{report["success_end_rate"]:.0%} |', flush=True)
    print(f'\nmedian {statistics.median(rates):.0%}, lowest {min(rates):.0%}; {machine()}')
    if options.curve:
        learning_curve(curves, options.curve)


if __name__ == '__main__':
    main()
