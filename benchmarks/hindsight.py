"""
What hindsight replay is worth where reward is sparse: reach, preset `sparse`, with and without it.

One run per seed and setting, in process, everything else equal; then the success over unseen
targets.  A run that has been evaluated already is not repeated, so an interrupted benchmark goes
on where it ended.

    python benchmarks/hindsight.py --robot arm7 --seeds 1 2 3 --minutes 20
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

SETTINGS = {'without': 'algorithm.hindsight=off', 'with': 'algorithm.hindsight=on'}


def main() -> None:
    """Train where needed, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--settings', nargs='+', choices=SETTINGS, default=[*SETTINGS])
    parser.add_argument('--runs', type=Path, default=Path('runs'))
    parser.add_argument('--robot', default='arm7')
    parser.add_argument('--algorithm', default='sac')
    parser.add_argument('--minutes', type=float, default=20.0, help='of training in each run')
    parser.add_argument('values', nargs='*', metavar='name=value', help='parameters of the runs')
    options = parser.parse_args()
    print('| hindsight | seed | minutes | rows | updates | success over 100 unseen targets | '
          'at the end |')
    print('|---|---|---|---|---|---|---|')
    rates: dict[str, list[float]] = {}
    for name in options.settings:
        for seed in options.seeds:
            run = options.runs / f'{options.robot}_{options.algorithm}_{name}_seed{seed}'
            if not (run / 'evaluation.json').exists():
                subprocess.run([
                    sys.executable, '-m', 'rl_robot_ros.cli', 'train', '--in-process',
                    '--robot', options.robot, '--task', 'reach', '--preset', 'sparse',
                    '--algorithm', options.algorithm, '--minutes', str(options.minutes),
                    '--seed', str(seed), '--runs', str(options.runs), '--name', run.name,
                    SETTINGS[name], *options.values], check=True, stdout=sys.stderr)
            report = json.loads((run / 'evaluation.json').read_text())
            metrics = read_metrics(run / 'metrics.csv')
            rates.setdefault(name, []).append(report['success_rate'])
            print(f'| {name} | {seed} | {metrics["wall_s"][-1] / 60.0:.1f} | '
                  f'{metrics["rows"][-1]:.0f} | {metrics["updates"][-1]:.0f} | '
                  f'{report["success_rate"]:.0%} | {report["success_end_rate"]:.0%} |', flush=True)
    medians = ', '.join(f'{name} {statistics.median(values):.0%}'
                        for name, values in rates.items())
    print(f'\nmedian: {medians}; {machine()}')


if __name__ == '__main__':
    main()
