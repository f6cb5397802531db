"""
Environment steps per second from end to end: acting, the arm with its safety filter, learning.

Networks and batches are equal, and so are environments.  Each measurement is a process of its own
that counts after learning has begun; contenders take turns, and each round is kept.
Stable-Baselines3 runs with one and with two threads of torch, and the better one counts; what it
makes of two environments, each in a process, is there to compare with ours in two.

=========== ======================================================================================
case        what is equal for all
=========== ======================================================================================
`sac_...`   two critics, 2 x 256, batch 256, one update per environment step
`ppo_...`   two networks of 2 x 64 tanh, 2048 rows, ten passes in minibatches of 64
`..._arm`   the environment is `bare_arm.py`, the physics of arm7 without a safety filter, which is
            what the goals were set on; ours is the loop of `gym_rows.py`
`..._robot` it is arm7 reach (`env.py`), four control periods a step, each through the filter; ours
            is `rl-robot train --in-process`
=========== ======================================================================================

"beside": as many processes act while this one learns, `in_process.actors`.

    pip install stable-baselines3==2.9.2
    python benchmarks/env_steps.py [--rounds 3] [--seconds 20]
"""

from __future__ import annotations

from functools import partial
import os
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any
from typing import NamedTuple

from bare_arm import BareArm
from gym_rows import Learner
from results import make_parser
from results import peer
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.settings import Settings

EQUAL: dict[str, dict[str, Any]] = {
    'sac': {'algorithm.hidden': (256, 256), 'algorithm.batch': 256, 'algorithm.utd': 1.0,
            'algorithm.hindsight': 'off', 'sync.rows': 64},
    'ppo': {'algorithm.hidden': (64, 64), 'algorithm.batch': 2048, 'algorithm.epochs': 10,
            'algorithm.minibatch': 64, 'algorithm.target_kl': 0.0, 'sync.rows': 2048}}
BEGIN = {'sac': 1500, 'ppo': 4096}  # environment steps after which time counts
GOALS = {'sac': '>= 1.75', 'ppo': '>= 4.3'}
CONTENDERS = {'ours': ('ours', 0), 'ours, beside': ('ours', 1), 'ours, 2 beside': ('ours', 2),
              'Stable-Baselines3': ('sb3', 1), 'Stable-Baselines3, 2 threads': ('sb3', 2),
              'Stable-Baselines3, 2 environments': ('sb3_beside', 2)}
PEERS = ('Stable-Baselines3', 'Stable-Baselines3, 2 threads')  # the better one counts
ALONE = ('ours', *PEERS)  # those with one process and one environment


class Case(NamedTuple):
    """What learns where."""

    algorithm: str
    world: str  # arm or robot

    def __str__(self) -> str:
        """Return the name in the table."""
        return '_'.join(self)


CASES = {str(case): case for algorithm in EQUAL
         for case in (Case(algorithm, 'arm'), Case(algorithm, 'robot'))}


class Stopwatch:
    """
    Counts steps per second from `begin` steps on, for so many seconds or a little longer.

    Steps may come in blocks: time counts from one change of their number to another.
    """

    def __init__(self, begin: int, seconds: float) -> None:
        self._begin, self._seconds = begin, seconds
        self._first: tuple[int, float] | None = None
        self._steps = 0
        self.rate = 0.0

    def over(self, steps: int) -> bool:
        """Take a look; returns whether it has seen enough."""
        if steps == self._steps or steps < self._begin:
            return False
        now, self._steps = time.monotonic(), steps
        if self._first is None:
            self._first = steps, now
        elif now - self._first[1] >= self._seconds:
            self.rate = (steps - self._first[0]) / (now - self._first[1])
            return True
        return False


def ours(case: Case, actors: int, watch: Stopwatch) -> None:
    """Train ours."""
    if case.world == 'arm':
        ours_alone(case.algorithm, watch)
        return
    stop: list[int] = []

    def tell(snapshot: dict[str, Any]) -> None:
        if watch.over(snapshot['rows']):
            stop.append(1)

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.resolve({
            'robot': 'arm7', 'task': 'reach', 'algorithm': case.algorithm, 'seed': 1,
            'learner.run': str(Path(folder) / 'run'), 'in_process.actors': actors,
            **EQUAL[case.algorithm]})
        failure = train_in_process(settings, stop, tell)
    if failure:
        raise RuntimeError(failure)


def ours_alone(algorithm: str, watch: Stopwatch) -> None:
    """Train ours on the bare arm."""
    prepare_torch()
    cls, equal = resolve('algorithm', algorithm), EQUAL[algorithm]
    config = cls.Config(**{name.removeprefix('algorithm.'): value for name, value in equal.items()
                           if name.startswith('algorithm.')})
    learner = Learner(BareArm, cls, config, seed=1, block=equal['sync.rows'])
    learner.algorithm.prepare()
    while not watch.over(learner.steps):
        learner.advance()


def sb3(case: Case, threads: int, watch: Stopwatch, count: int = 1) -> None:
    """Train Stable-Baselines3, with `count` environments."""
    peer('torch').set_num_threads(threads)
    options: dict[str, Any] = {
        'sac': {'batch_size': 256, 'learning_starts': 1000, 'buffer_size': 500_000,
                'policy_kwargs': {'net_arch': [256, 256]}},
        'ppo': {'n_steps': 2048 // count, 'batch_size': 64, 'n_epochs': 10,
                'policy_kwargs': {'net_arch': [64, 64]}}}[case.algorithm]
    make = BareArm if case.world == 'arm' else partial(RobotEnv.make, 'arm7', 'reach')
    env = make() if count == 1 else \
        peer('stable_baselines3.common.vec_env').SubprocVecEnv([make] * count)
    model = getattr(peer('stable_baselines3'), case.algorithm.upper())(
        'MlpPolicy', env, seed=1, device='cpu', gamma=0.98, **options)
    # Between two updates of PPO nothing but acting happens: only whole rounds may count.
    every = 2048 if case.algorithm == 'ppo' else 1

    def tell(*_: Any) -> bool:
        steps = model.num_timesteps
        return bool(steps % every) or not watch.over(steps)

    model.learn(10**9, callback=tell)


def sb3_beside(case: Case, count: int, watch: Stopwatch) -> None:
    """Train Stable-Baselines3 with environments in processes of their own."""
    sb3(case, 1, watch, count)


def rate(case: Case, name: str, seconds: float) -> float:
    """Let a process of its own measure once."""
    who, number = CONTENDERS[name]
    found = subprocess.run(
        [sys.executable, __file__, 'one', str(case), who, str(number), str(seconds)], check=True,
        text=True, stdout=subprocess.PIPE, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    return float(found.stdout.split()[-1])


def measure(case: Case, seconds: float) -> dict[str, Any]:
    """Let each contender of a case have its turn."""
    names = ALONE if case.world == 'arm' else CONTENDERS
    return {'case': str(case), 'rates': {name: rate(case, name, seconds) for name in names},
            'seconds': seconds}


def lines_of(case: Case, rounds: list[dict[str, Any]]) -> list[list[str]]:
    """Return the lines of one case: medians, and medians of the ratios inside the rounds."""
    lines = []
    theirs = [max(turn['rates'][name] for name in PEERS) for turn in rounds]
    for name in rounds[0]['rates']:
        rates = [turn['rates'][name] for turn in rounds]
        ratios = [ours / best for ours, best in zip(rates, theirs)]
        lines.append([str(case), name, f'{statistics.median(rates):.0f}',
                      f'{statistics.median(ratios):.2f} ({min(ratios):.2f} to '
                      f'{max(ratios):.2f})',
                      GOALS[case.algorithm] if name.startswith('ours') else ''])
    return lines


def main() -> None:
    """Measure what is missing, print the table."""
    if sys.argv[1:2] == ['one']:
        name, who, number, seconds = sys.argv[2:]
        case = CASES[name]
        watch = Stopwatch(BEGIN[case.algorithm], float(seconds))
        {'ours': ours, 'sb3': sb3, 'sb3_beside': sb3_beside}[who](case, int(number), watch)
        print(watch.rate)
        return
    parser = make_parser(__doc__, rounds=3)
    parser.add_argument('--seconds', type=float, default=20.0, help='of one measurement')
    options = parser.parse_args()
    table = Rows(options.results / 'env_steps', options)
    lines, measured = [], []
    for name, case in CASES.items():
        if table.wants(name):
            rounds = [table.get(f'{name}_round{number}', partial(measure, case, options.seconds))
                      for number in range(1, options.rounds + 1)]
            lines += lines_of(case, rounds)
            measured += rounds
    print_table(['case', 'who', 'environment steps per second', 'x Stable-Baselines3', 'goal'],
                lines, measured)


if __name__ == '__main__':
    main()
