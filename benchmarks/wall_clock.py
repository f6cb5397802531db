"""
Wall clock and rows to a success rate: four processes over DDS, and Stable-Baselines3's SAC.

Both learn arm7 reach from the first second of their processes, compilation included: ours as
`rl-robot train` does, Stable-Baselines3 in process on the same environment (`env.py`, the same
filter), with the same network, batch, discount and learning rates.  Every `--every` seconds each
leaves its policy on disk.  Afterwards, outside of anybody's time, these policies are evaluated on
the same unseen targets: time and rows of a run are those of its first policy that reaches
`--success`.  Rows are decisions, which are what Stable-Baselines3 calls steps.

    python benchmarks/wall_clock.py [--seeds 1 2 3] [--minutes 20] [--success 0.9]

The two may be measured at different times and for different minutes: `--only ours`, `--only SB3`.
"""

from __future__ import annotations

import argparse
from functools import partial
import os
from pathlib import Path
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np
from results import make_parser
from results import peer
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.policy_file import load_policy

ROBOT, TASK = 'arm7', 'reach'
UNSEEN = 20_240  # seed of the targets in evaluation
EPISODES = 50


def train_ours(folder: Path, seed: int, options: argparse.Namespace) -> None:
    """Run `rl-robot train` and keep a copy of each policy that it leaves, named by its time."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, '-m', 'rl_robot_ros.cli', 'train', '--robot', ROBOT, '--task', TASK,
         '--seed', str(seed), '--minutes', str(options.minutes), '--runs', str(folder),
         '--name', 'run', '--episodes', '0', f'learner.checkpoint_period={options.every}',
         *(['--preset', options.preset] if options.preset else [])], stdout=subprocess.DEVNULL)
    policy, seen = folder / 'run' / 'policy.safetensors', 0
    while process.poll() is None:
        time.sleep(0.5)
        if policy.exists() and policy.stat().st_mtime_ns != seen:
            seen = policy.stat().st_mtime_ns
            shutil.copy(policy, folder / f'{time.monotonic() - started:08.1f}.safetensors')
    if process.returncode:
        raise RuntimeError(f'rl-robot train ended with {process.returncode}')


def train_sb3(folder: Path, seed: int, options: argparse.Namespace) -> None:
    """Let a process of its own train Stable-Baselines3's SAC, see `sb3`."""
    subprocess.run([sys.executable, __file__, 'sb3', str(folder), str(seed),
                    str(options.minutes), str(options.every), repr(time.time())], check=True)


def sb3(folder: Path, seed: int, minutes: float, every: float, started: float) -> None:
    """Train, and leave a policy every so often."""
    peer('torch').set_num_threads(1)
    env = RobotEnv.make(ROBOT, TASK)
    model = peer('stable_baselines3').SAC(
        'MlpPolicy', env, seed=seed, device='cpu', gamma=0.98, batch_size=256,
        learning_starts=1000, buffer_size=500_000, policy_kwargs={'net_arch': [128, 128]})
    due = started + every

    def tell(*_: Any) -> bool:
        nonlocal due
        now = time.time()
        if now >= due:
            due = now + every
            model.policy.save(folder / f'{now - started:08.1f}_{model.num_timesteps}.zip')
        return now < started + 60.0 * minutes

    model.learn(10**9, callback=tell)


def success_of_ours(path: Path, env: RobotEnv) -> float:
    """Evaluate one of our policies."""
    weights: WeightSet = load_policy(path)
    found = run_episodes(env, weights, EPISODES, UNSEEN).episodes[:EPISODES]
    return float(np.mean([episode.success for episode in found]))


def success_of_sb3(path: Path, env: RobotEnv) -> float:
    """Evaluate one of Stable-Baselines3's policies, on the same targets."""
    policy = peer('stable_baselines3.sac.policies').SACPolicy.load(path)
    observation, _ = env.reset(seed=UNSEEN)
    successes = []
    while len(successes) < EPISODES:
        succeeded = ended = False
        while not ended:
            action, _ = policy.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            succeeded, ended = succeeded or info['success'], terminated or truncated
        successes.append(succeeded)
        observation, _ = env.reset()
    return float(np.mean(successes))


def rows_of_ours(path: Path) -> int:
    """Return how many rows one of our policies has learned from."""
    metrics = read_metrics(path.parent / 'run' / 'metrics.csv')
    return int(metrics['rows'][metrics['version'] <= load_policy(path).version].max(initial=0))


def rows_of_sb3(path: Path) -> int:
    """Return how many rows one of Stable-Baselines3's policies has learned from."""
    return int(path.stem.split('_')[1])


def measure(who: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train once, then evaluate what was left on the way until it is good enough."""
    train, judge, rows_of, ending = {
        'ours': (train_ours, success_of_ours, rows_of_ours, 'safetensors'),
        'SB3': (train_sb3, success_of_sb3, rows_of_sb3, 'zip')}[who.split()[0]]
    best = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train(folder, seed, options)
        env = RobotEnv.make(ROBOT, TASK, evaluation=True)
        for path in sorted(folder.glob(f'*.{ending}')):
            best, reached = max(best, judge(path, env)), float(path.stem.split('_')[0])
            if best >= options.success:
                break
        # Who never got there has what it took at least: all that it was given.
        return {'reached': best >= options.success, 'seconds': reached, 'rows': rows_of(path),
                'best': best, 'minutes': options.minutes}


def main() -> None:
    """Measure what is missing, print the table."""
    if sys.argv[1:2] == ['sb3']:
        sb3(Path(sys.argv[2]), int(sys.argv[3]), *map(float, sys.argv[4:]))
        return
    parser = make_parser(__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3])
    parser.add_argument('--minutes', type=float, default=20.0, help='a run may take')
    parser.add_argument('--every', type=float, default=20.0, help='[s] between two policies')
    parser.add_argument('--success', type=float, default=0.9, help='rate to reach')
    parser.add_argument('--preset', default='', help='of ours; its rows have lines of their own')
    options = parser.parse_args()
    os.environ.setdefault('OMP_NUM_THREADS', '1')
    prepare_torch()
    table = Rows(options.results / 'wall_clock', options)
    lines, measured = [], []
    runs: dict[str, list[dict[str, Any]]] = {}
    ours = f'ours {options.preset}'.strip()
    for who in (ours, 'SB3'):
        names = {seed: f'{who}_{seed}'.replace(' ', '_') for seed in options.seeds}
        rows = {seed: table.get(name, partial(measure, who, seed, options)) if table.wants(name)
                else table.known(name) for seed, name in names.items()}
        found = {seed: row for seed, row in rows.items() if row}
        for seed, row in found.items():
            sign = '' if row['reached'] else '> '
            lines.append([who, str(seed), f'{sign}{row["seconds"]:.0f}', f'{sign}{row["rows"]}',
                          f'{row["best"]:.0%}', f'{row["minutes"]:g}'])
        runs[who] = list(found.values())
        measured += found.values()
    print_table(['who', 'seed', f'seconds to {options.success:.0%}', 'rows',
                 'best until then', 'minutes given'], lines, measured)
    if all(runs.values()):
        for name in ('seconds', 'rows'):
            one, other = (statistics.median(row[name] for row in rows) for rows in runs.values())
            print(f'\nratio of medians, {name}: {one / other:.2f}')


if __name__ == '__main__':
    main()
