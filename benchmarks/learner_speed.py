"""
Updates per CPU second of one learner thread, next to other libraries with the same networks.

Contenders take turns, a few updates each, for several rounds.  A figure is the median over the
rounds; a ratio is the median of the ratios inside each round, so that a clock that drifts or a
neighbour that comes and goes does not count.  Time is CPU time of the process: a busy machine does
not count either.  Sampling from replay is part of an update; compiling is not.

=========== ======================================================================================
case        what is equal for all
=========== ======================================================================================
`sac_256`   observation 14, action 7, two critics, 2 x 256, batch 256, temperature learned, actor
            and targets with every update
`sac_64`    the same, 2 x 64, batch 64
`td3_256`   as sac_256; actor and targets with every second update
`dqn`       observation 4, 2 choices, 120-84, batch 128, target jumps
`ppo`       observation 14, action 7, two networks of 2 x 64 tanh, 2048 rows, ten passes in
            minibatches of 64; an update is one minibatch
=========== ======================================================================================

Ours appear as they are with a C++ compiler, as they are without one (recorded), and with
`compile=off`, where PyTorch goes through the loss anew each time (eager).  SBX appears twice: as
it works at one update per row, and with 25 updates in one compiled loop.
Of `sac_256` the table also says which part of the machine's sgemm (1024^3, measured in the same
rounds) the products of one update, 575 MFLOP, make up.

    pip install stable-baselines3==2.9.2 sbx-rl==0.28.0
    OMP_NUM_THREADS=1 python benchmarks/learner_speed.py
"""

from __future__ import annotations

from collections.abc import Callable
import statistics
import time
from typing import Any
from typing import NamedTuple

from learner_contenders import CASES
from learner_contenders import contenders
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
import torch

UPDATE_FLOP = 575e6  # of sac_256: products that no formulation can leave out
GEMM = 1024
TARGETS = {
    ('sac_256', 'ours, compiled'): '>= 1.85 SB3, >= 1.0 SBX, >= 55 % of sgemm',
    ('sac_64', 'ours, compiled'): '>= 4', ('sac_64', 'ours, recorded'): '>= 2.3',
    ('td3_256', 'ours, compiled'): '>= 1.5', ('dqn', 'ours, compiled'): '>= 3.3',
    ('ppo', 'ours, compiled'): '>= 5', ('ppo', 'ours, recorded'): '>= 2.2'}


class Sgemm:
    """The machine's matrix product; an `update` of it is one product of 2 * 1024^3 FLOP."""

    def __init__(self) -> None:
        self.count = 4
        self._a, self._b = torch.randn(GEMM, GEMM), torch.randn(GEMM, GEMM)
        self._out = torch.empty(GEMM, GEMM)

    def work(self) -> None:
        """Multiply."""
        for _ in range(self.count):
            torch.mm(self._a, self._b, out=self._out)


class Contender(NamedTuple):
    """Somebody who learns."""

    count: int  # updates in one call of `work`
    work: Callable[[], Any]


def race(entries: dict[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Let all take turns; returns updates per CPU second of each in each round."""
    for entry in entries.values():
        entry.work()
        entry.work()
    speeds: dict[str, list[float]] = {name: [] for name in entries}
    for _ in range(rounds):
        for name, entry in entries.items():
            start = time.process_time()
            entry.work()
            speeds[name].append(entry.count / (time.process_time() - start))
    return speeds


def measure(case: str, rounds: int) -> dict[str, Any]:
    """Race all contenders of a case."""
    entries = {name: Contender(*pair) for name, pair in contenders(CASES[case]).items()}
    if case == 'sac_256':
        gemm = Sgemm()
        entries['sgemm'] = Contender(gemm.count, gemm.work)
    return {'case': case, 'rounds': rounds, 'speeds': race(entries, rounds)}


def ratio(speeds: dict[str, list[float]], name: str, to: str) -> float | None:
    """Return the median of the ratios inside the rounds."""
    if to not in speeds:
        return None
    return statistics.median(a / b for a, b in zip(speeds[name], speeds[to]))


def lines_of(row: dict[str, Any]) -> list[list[str]]:
    """Return the table's lines of one case."""
    speeds, lines = row['speeds'], []
    for name in speeds:
        if name == 'sgemm':
            continue
        times = [ratio(speeds, name, to) for to in ('Stable-Baselines3', 'SBX')]
        part = ratio(speeds, name, 'sgemm')
        lines.append([
            row['case'], name, f'{statistics.median(speeds[name]):.0f}',
            *('' if value is None else f'{value:.2f}' for value in times),
            '' if part is None else f'{part * UPDATE_FLOP / (2.0 * GEMM**3):.0%}',
            TARGETS.get((row['case'], name), '')])
    return lines


def main() -> None:
    """Measure what is missing, print the table."""
    options = make_parser(__doc__, rounds=15).parse_args()
    prepare_torch()
    rows = Rows(options.results / 'learner_speed', options)
    found = [rows.get(case, lambda case=case: measure(case, options.rounds))
             for case in CASES if rows.wants(case)]
    print_table(['case', 'who', 'updates per CPU second', 'x SB3', 'x SBX', 'of sgemm', 'target'],
                [line for row in found for line in lines_of(row)], found)


if __name__ == '__main__':
    main()
