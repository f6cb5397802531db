"""
How long replay takes: drawing a batch of 256 rows out of a million, and adding rows.

Contenders take turns; a figure is CPU time per batch or per row, the median over the rounds, a
ratio the median of the ratios inside each round.  Rows come to our learner in blocks (`sync.rows`,
64 by default) and are checked and packed there, so that is what is timed, beside blocks of one.

    pip install stable-baselines3==2.9.2
    OMP_NUM_THREADS=1 python benchmarks/replay.py
"""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time
from typing import Any
from typing import NamedTuple

from learner_contenders import Case
from learner_contenders import make_ours
from learner_contenders import Nothing
from learner_contenders import rows_of
import numpy as np
from results import make_parser
from results import peer
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch

CAPACITY, BATCH = 1_000_000, 256
CASE = Case('sac', 14, 7, (8, 8), BATCH, {'capacity': CAPACITY})
SB3 = 'Stable-Baselines3'
TARGETS = {'sample 256': '>= 7', 'add, blocks of 64': '>= 4'}


class Entry(NamedTuple):
    """One way to do one thing."""

    count: int  # batches or rows in one call
    work: Callable[[], Any]


def entries() -> dict[str, dict[str, Entry]]:
    """Return, per thing to do, who takes part."""
    rng = np.random.default_rng(0)
    algorithm, layout = make_ours(CASE, 'off')
    rows = rows_of(layout, 100_000, 0, rng)
    for _ in range(CAPACITY // len(rows)):
        algorithm.replay.add(rows)
    env = Nothing(CASE)
    buffer = peer('stable_baselines3.common.buffers').ReplayBuffer(
        CAPACITY, env.observation_space, env.action_space, device='cpu')
    for name in ('observations', 'next_observations', 'actions', 'rewards'):
        array = getattr(buffer, name)
        array[:] = rng.standard_normal(array.shape)
    buffer.full = True
    obs, action = np.zeros((1, CASE.obs), np.float32), np.zeros((1, CASE.action), np.float32)
    one, flags, infos = np.zeros(1, np.float32), np.zeros(1, np.bool_), [{}]

    def theirs() -> None:
        for _ in range(64):
            buffer.add(obs, obs, action, one, flags, infos)

    return {
        'sample 256': {SB3: Entry(1, lambda: buffer.sample(BATCH)),
                       'ours': Entry(1, algorithm.sample)},
        'add, blocks of 64': {SB3: Entry(64, theirs),
                              'ours': Entry(64, lambda: algorithm.replay.add(rows[:64]))},
        'add, blocks of 1': {SB3: Entry(64, theirs),
                             'ours': Entry(1, lambda: algorithm.replay.add(rows[:1]))}}


def race(runs: dict[str, Entry], rounds: int) -> dict[str, list[float]]:
    """Let all take turns; returns CPU microseconds per batch or row of each in each round."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, entry in runs.items():
            calls = max(1, 2000 // entry.count)
            start = time.process_time()
            for _ in range(calls):
                entry.work()
            found[name].append(1e6 * (time.process_time() - start) / (calls * entry.count))
    return found


def main() -> None:
    """Measure, print the table."""
    options = make_parser(__doc__, rounds=15).parse_args()
    prepare_torch()
    rows = Rows(options.results / 'replay', options)
    row = rows.get('million', lambda: {name: race(runs, options.rounds)
                                       for name, runs in entries().items()})
    lines = [[name, f'{statistics.median(figures[SB3]):.1f}',
              f'{statistics.median(figures["ours"]):.1f}',
              f'{statistics.median(a / b for a, b in zip(figures[SB3], figures["ours"])):.1f}',
              TARGETS.get(name, '')]
             for name, figures in row.items() if name != 'machine']
    print_table(['what', 'SB3 [CPU us]', 'ours [CPU us]', 'x faster', 'target'], lines, [row])


if __name__ == '__main__':
    main()
