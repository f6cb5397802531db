"""
Every algorithm through the graph over DDS, beside the same training in process.

One run of `rl-robot train` per seed, with the four processes, and as many in process; everything
else is equal.  The question is whether the graph costs learning: its final return shall lie within
the spread of the seeds in process, widened by the interval of the evaluation that it comes from.
All policies are evaluated in process, on the same targets.

    python benchmarks/graph_learning.py [--only ppo] [--seeds 1 2 3] [--where graph]

Policy and learner wait for each other however long it takes (`sync.timeout=0`): what else the
machine does shall change seconds, not returns.  Wall time is that of the graph alone, if nothing
else is running; in process it does not count.
"""

from __future__ import annotations

import argparse
from functools import partial
import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time
from typing import Any
from typing import NamedTuple

from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.settings import Settings


class Case(NamedTuple):
    """What is trained, and for how long."""

    robot: str
    task: str
    rows: int
    values: tuple[str, ...] = ()  # parameters besides

    @property
    def steps(self) -> int:
        """Return control periods."""
        periods: int = Settings.resolve({'robot': self.robot,
                                         'task': self.task}).make_task().robot.decision_periods
        return self.rows * periods

    def command(self, algorithm: str) -> list[str]:
        """Return the arguments of `rl-robot train` that name it."""
        return ['--algorithm', algorithm.split()[0], '--robot', self.robot, '--task', self.task,
                '--steps', str(self.steps), '--minutes', '60', 'sync.timeout=0', *self.values]


CASES = {
    'dqn': Case('cartpole', 'balance', 12_000),
    'q_learning': Case('cartpole', 'balance', 30_000, ('--preset', 'cartpole')),
    'q_learning grid': Case('gantry', 'grid', 4000, ('--preset', 'grid')),
    'reinforce': Case('cartpole', 'balance', 20_000),
    'a2c': Case('cartpole', 'balance', 20_000),
    'ppo': Case('arm7', 'reach', 30_000),
    'ddpg': Case('arm7', 'reach', 15_000),
    'td3': Case('arm7', 'reach', 15_000),
    'sac': Case('arm7', 'reach', 15_000),
    'sac robot': Case('arm7', 'reach', 8000, ('--preset', 'robot')),
}


def call(*arguments: str) -> None:
    """Run `rl-robot`; raises RuntimeError where it fails."""
    found = subprocess.run([sys.executable, '-m', 'rl_robot_ros.cli', *arguments], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if found.returncode:
        raise RuntimeError(f'rl-robot {" ".join(arguments)}: {found.stdout[-2000:]}')


def measure(algorithm: str, seed: int, in_process: bool, episodes: int) -> dict[str, Any]:
    """Train and evaluate once."""
    with tempfile.TemporaryDirectory() as folder:
        started, run = time.monotonic(), Path(folder) / 'run'
        call('train', *CASES[algorithm].command(algorithm), '--seed', str(seed), '--runs', folder,
             '--name', run.name, '--episodes', '0', *['--in-process'] * in_process)
        call('evaluate', str(run), '--episodes', str(episodes), '--in-process')
        metrics = read_metrics(run / 'metrics.csv')
        if metrics['steps'][-1] < CASES[algorithm].steps:
            raise RuntimeError(f'{algorithm}: its time was over before its steps')
        report = json.loads((run / 'evaluation.json').read_text())
    low, high = report['intervals']['return_mean']
    return {'rows': int(metrics['rows'][-1]), 'updates': int(metrics['updates'][-1]),
            'train_s': float(metrics['wall_s'][-1]), 'all_s': time.monotonic() - started,
            'return': report['return_mean'], 'low': low, 'high': high,
            'success': report['success_rate']}


def line(name: str, graph: list[dict[str, Any]], here: list[dict[str, Any]]) -> list[str]:
    """Return one line of the table."""
    low, high = min(row['low'] for row in here), max(row['high'] for row in here)
    within = sum(low <= row['return'] <= high for row in graph)
    return [name, f'{CASES[name].robot} {CASES[name].task}', str(graph[0]['rows']),
            ', '.join(f'{row["train_s"]:.0f}' for row in graph),
            ', '.join(f'{row["success"]:.0%}' for row in graph),
            ', '.join(f'{row["return"]:.1f}' for row in graph),
            ', '.join(f'{row["return"]:.1f}' for row in here),
            f'[{low:.1f}, {high:.1f}]', f'{within} of {len(graph)}']


def main() -> None:
    """Measure what is missing, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1])
    parser.add_argument('--in-process-seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--episodes', type=int, default=50, help='in each evaluation')
    parser.add_argument('--where', default='both', choices=('both', 'graph', 'process', 'nowhere'),
                        help='where missing rows are measured (default %(default)s)')
    options: argparse.Namespace = parser.parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    table = Rows(options.results / 'graph_learning', options)

    def all_of(name: str, where: str, seeds: list[int]) -> list[dict[str, Any]]:
        """Return the rows of all seeds; those that are not to be measured may be missing."""
        return table.all_of({
            f'{name}_{where}_{seed}'.replace(' ', '_'):
            partial(measure, name, seed, where == 'process', options.episodes)
            for seed in seeds}, options.where in ('both', where))

    lines, measured = [], []
    for name in CASES:
        if not table.wants(name):
            continue
        graph = all_of(name, 'graph', options.seeds)
        here = all_of(name, 'process', options.in_process_seeds)
        if graph and here:
            lines.append(line(name, graph, here))
            print(' | '.join(lines[-1]), flush=True)
        measured += graph + here
    print()
    print_table(['algorithm', 'task', 'rows', 'seconds, graph', 'success, graph', 'return, graph',
                 'return, in process', 'spread in process', 'within'], lines, measured)


if __name__ == '__main__':
    main()
