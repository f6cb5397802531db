"""
How long one decision takes: one observation in, one action out, NumPy arrays at both ends.

Contenders take turns in blocks of calls, and every call is timed by itself, in CPU time of the
thread, so that being interrupted does not count; what the clock itself costs is taken off, and the
first calls of a turn, which find another's caches, are left out.  Per round and contender that
gives a median and a 99th percentile; shown are their medians over the rounds, and the medians of
the ratios inside each round.  On a busy machine the 99th percentile is that of calls that come
back to cold caches: only an idle one says something about it.  The floor is three matrix products
in NumPy and nothing else: no bias, no activation, no tanh.

    pip install stable-baselines3==2.9.2
    OMP_NUM_THREADS=1 python benchmarks/inference.py
"""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time
from typing import Any

from learner_contenders import Case
from learner_contenders import Nothing
import numpy as np
from results import make_parser
from results import peer
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.policy import Policy

OBS, ACTION, HIDDEN = 14, 7, 256
BLOCK, BLOCKS, COLD = 500, 8, 20  # calls in one turn, turns in one round, first calls of a turn
NETWORK = f'squashed_gaussian {OBS}-{HIDDEN}-{HIDDEN}-{2 * ACTION} relu'
FLOOR, OURS, PREDICT = 'three products', 'Policy.act', 'Stable-Baselines3 predict'
TARGETS = {'Policy.output': 'p50 <= 1.5, p99 <= 1.6 floor', OURS: '>= 20 x SB3'}


def floor(rng: np.random.Generator) -> Callable[[Any], Any]:
    """Return three matrix-vector products, outputs preallocated."""
    sizes = (OBS, HIDDEN, HIDDEN, 2 * ACTION)
    matrices = [rng.standard_normal(shape).astype(np.float32) * 0.05
                for shape in zip(sizes, sizes[1:])]
    a, b, c = matrices
    x, y, z = (np.empty(size, np.float32) for size in sizes[1:])
    small = np.zeros(OBS, np.float32)

    def run(_: Any) -> Any:
        np.dot(small, a, out=x)
        np.dot(x, b, out=y)
        return np.dot(y, c, out=z)
    return run


def contenders() -> dict[str, Callable[[Any], Any]]:
    """Return who takes part."""
    rng = np.random.default_rng(0)
    policy = Policy(NETWORK, initial_weights(NETWORK, rng))
    case = Case('sac', OBS, ACTION, (HIDDEN, HIDDEN), 256, {})
    model = peer('stable_baselines3').SAC(
        'MlpPolicy', Nothing(case), buffer_size=1000, device='cpu',
        policy_kwargs={'net_arch': [HIDDEN, HIDDEN]})
    return {FLOOR: floor(rng), 'Policy.output': policy.output,
            OURS: lambda seen: policy.act(seen, rng),
            'Policy.act, exploring': lambda seen: policy.act(seen, rng, 'policy'),
            PREDICT: lambda seen: model.predict(seen, deterministic=True)}


def calls(run: Callable[[Any], Any], seen: Any, count: int) -> list[float]:
    """Return CPU nanoseconds of each call, without those of the clock."""
    clock, spent, idle = time.thread_time_ns, [], []
    for _ in range(count):
        start = clock()
        run(seen)
        end = clock()
        spent.append(end - start)
        idle.append(clock() - end)
    own = statistics.median(idle)
    return [value - own for value in spent[COLD:]]


def measure(rounds: int) -> dict[str, Any]:
    """Let all take turns; returns p50 and p99 [us] of each in each round."""
    runs, seen = contenders(), np.random.default_rng(1).standard_normal(OBS)
    found: dict[str, Any] = {name: {'p50': [], 'p99': []} for name in runs}
    for run in runs.values():
        calls(run, seen, BLOCK)
    for _ in range(rounds):
        spent: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(BLOCKS):
            for name, run in runs.items():
                spent[name] += calls(run, seen, BLOCK if name != PREDICT else BLOCK // 5)
        for name, values in spent.items():
            for key in ('p50', 'p99'):
                found[name][key].append(float(np.percentile(values, int(key[1:]))) / 1000.0)
    return {'network': NETWORK, 'rounds': rounds, 'who': found}


def main() -> None:
    """Measure, print the table."""
    options = make_parser(__doc__, rounds=15).parse_args()
    prepare_torch()
    row = Rows(options.results / 'inference', options).get('relu_256',
                                                           lambda: measure(options.rounds))
    who = {name: {key: np.array(values) for key, values in figures.items()}
           for name, figures in row['who'].items()}
    lines = [[name, f'{np.median(figures["p50"]):.1f}', f'{np.median(figures["p99"]):.1f}',
              f'{np.median(figures["p50"] / who[FLOOR]["p50"]):.2f}',
              f'{np.median(figures["p99"] / who[FLOOR]["p99"]):.2f}',
              f'{np.median(who[PREDICT]["p50"] / figures["p50"]):.1f}', TARGETS.get(name, '')]
             for name, figures in who.items()]
    print_table(['who', 'p50 [CPU us]', 'p99 [CPU us]', 'p50 / floor', 'p99 / floor',
                 'x faster than SB3', 'target'], lines, [row])


if __name__ == '__main__':
    main()
