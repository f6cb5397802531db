"""
What each kind of exploration noise is worth on each task: one learner, everything else equal.

Every kind has the same stationary standard deviation (`SCALE`), so that colour is what differs.
Trained in process, then evaluated without noise; returns are interquartile means over the seeds,
with 95 % bootstrap intervals.  The statistics of the kinds themselves (variance, autocorrelation,
spectrum) are what `test/core/test_exploration.py` tests.

    python benchmarks/noises.py [--seeds 1 2 3] [--only pendulum]
"""

from __future__ import annotations

from functools import partial
import math
from pathlib import Path
import tempfile
import time
from typing import Any

import numpy as np
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.in_process import make_evaluation_env
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.learning.intervals import bootstrap
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.settings import Settings

SCALE = 0.3  # stationary standard deviation of the noise, in normalised torque
THETA = 0.15
NOISES: dict[str, dict[str, Any]] = {
    'none': {'noise': 'gaussian', 'noise_start': 0.0, 'noise_end': 0.0},
    'white': {'noise': 'gaussian'},
    'Ornstein-Uhlenbeck': {'noise': 'ornstein_uhlenbeck', 'noise_theta': THETA,
                           # Its stationary standard deviation is sigma / sqrt(2 theta).
                           'noise_start': SCALE * math.sqrt(2.0 * THETA),
                           'noise_end': SCALE * math.sqrt(2.0 * THETA)},
    'pink': {'noise': 'coloured', 'noise_beta': 1.0},
    'red': {'noise': 'coloured', 'noise_beta': 2.0},
}
# Rows of training; episodes of evaluation.
TASKS = {('cartpole', 'balance'): (4000, 20), ('cartpole', 'swing_up'): (15_000, 20),
         ('pendulum', 'pendulum_swing_up'): (6000, 50), ('planar2', 'reach'): (10_000, 50)}
UNSEEN = 20_240  # seed of the starts and goals in evaluation


def measure(robot: str, task: str, noise: str, algorithm: str, seed: int) -> dict[str, Any]:
    """Train and evaluate once; uniform exploration before the first update is the same for all."""
    rows, count = TASKS[robot, task]
    options = {'noise_start': SCALE, 'noise_end': SCALE, **NOISES[noise]}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / 'run'
        settings = Settings.resolve({
            'robot': robot, 'task': task, 'algorithm': algorithm, 'seed': seed,
            'learner.run': str(run), 'algorithm.hidden': (64, 64), 'algorithm.hindsight': 'off',
            **{f'algorithm.{name}': value for name, value in options.items()}})
        periods = settings.make_task().robot.decision_periods
        settings = Settings.resolve({**settings.values, 'stop.steps': rows * periods})
        started = time.process_time()
        failure = train_in_process(settings, [], lambda _: None)
        seconds = time.process_time() - started
        weights = load_policy(run / 'policy.safetensors')
        env = make_evaluation_env(settings, weights)
        episodes = run_episodes(env, weights, count, UNSEEN).episodes[:count]
    return {'rows': rows, 'cpu_s': seconds, 'failure': failure,
            'return': float(np.mean([episode.total for episode in episodes])),
            'success': float(np.mean([episode.success for episode in episodes]))}


def main() -> None:
    """Measure what is missing, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--algorithm', default='td3', choices=('td3', 'ddpg'))
    options = parser.parse_args()
    table = Rows(options.results / 'noises', options)
    lines, measured = [], []
    for robot, task in TASKS:
        for noise in NOISES:
            name = f'{robot}_{task}_{options.algorithm}_{noise}'
            if not table.wants(name):
                continue
            rows = [table.get(f'{name}_{seed}', partial(measure, robot, task, noise,
                                                        options.algorithm, seed))
                    for seed in options.seeds]
            value, low, high = bootstrap(np.array([row['return'] for row in rows]))
            success = bootstrap(np.array([row['success'] for row in rows]))[0]
            lines.append([f'{robot} {task}', str(rows[0]['rows']), noise,
                          f'{value:.3g} [{low:.3g}, {high:.3g}]', f'{success:.0%}'])
            measured += rows
            print(' | '.join(lines[-1]), flush=True)
    print()
    print_table(['task', 'rows', f'noise of {SCALE:g}', 'return', 'success'], lines, measured)


if __name__ == '__main__':
    main()
