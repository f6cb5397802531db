"""
Rows per second that one learner takes from 1, 4 and 16 policies, against who only receives them.

N processes publish messages of 16 rows of `arm7` as policies do, as fast as whoever takes them
lets them: each is at most 16 messages ahead of what was taken, so that none is dropped.  Four take
turns, each in a process of its own: a bare subscriber that counts messages; one that counts their
bytes, from which no message is built; the learner node without the log of rows; and as it is, with
it.  It learns nothing (algorithm `random`).  A turn is over when all rows are worked off, with the
log when they are on disk as well.

Figures are medians over the rounds, ratios medians of the ratios inside each round.  It is an
error if one row is missing, comes twice or is refused.

    OMP_NUM_THREADS=1 python benchmarks/ingestion_dds.py [--rounds 9] [--policies 1 4 16]
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
import multiprocessing
import os
from pathlib import Path
import statistics
import tempfile
import time
from typing import Any

from ingestion import MESSAGE
from ingestion_nodes import Board
from ingestion_nodes import CONSUMERS
from ingestion_nodes import learn
from ingestion_nodes import receive
from ingestion_nodes import send
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.core.effort_sets import CONTINUOUS
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.transition import RowLayout

PATIENCE = 120.0  # [s] for processes to be found, and for a turn
TARGETS = {'bare': 0.8, 'without': 0.9}  # with the log, of these
TITLES = {'bare': 'bare subscriber', 'bytes': 'bare subscriber of bytes'}
TICKS = os.sysconf('SC_CLK_TCK')  # [1/s]


def make_layout() -> RowLayout:
    """Return the layout of rows of `arm7`, as `random` wants them."""
    arm, algorithm = resolve('robot', 'arm7'), resolve('algorithm', 'random')
    task = resolve('task', 'reach')(arm)
    contract = make_contract(arm, task, algorithm, algorithm.Config(), CONTINUOUS)
    return RowLayout(contract.observation_size, contract.action_size, task.reward_terms,
                     contract.extra)


class Field:
    """All processes of one number of policies."""

    def __init__(self, policies: int, folder: Path) -> None:
        context = multiprocessing.get_context('forkserver')
        context.set_forkserver_preload(['ingestion_nodes', 'torch'])
        self.board = Board.make(context, policies)
        jobs: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
            (receive, (consumer,)) for consumer in (0, 1)]
        jobs += [(learn, (consumer, folder)) for consumer in (2, 3)]
        jobs += [(send, (sender, make_layout())) for sender in range(policies)]
        self.processes = [context.Process(target=job, args=(self.board, *arguments), daemon=True)
                          for job, arguments in jobs]

    def until(self, condition: Callable[[], bool]) -> None:
        """
        Wait for the others.

        :raises TimeoutError: in vain.
        """
        latest = time.monotonic() + PATIENCE
        while not condition():
            time.sleep(0.01)
            if time.monotonic() > latest or not all(each.is_alive() for each in self.processes):
                raise TimeoutError(f'a turn does not end, or somebody has died: taken '
                                   f'{list(self.board.taken)} of {list(self.board.goal)}')

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start all, and end them."""
        for process in self.processes:
            process.start()
        try:
            self.until(lambda: all(self.board.ready))
            yield
        finally:
            self.board.order[3] = True
            for learner in self.processes[2:4]:
                learner.terminate()
            for process in self.processes:
                process.join(10.0)
                process.kill()
                process.join()

    def cpu(self, consumer: int) -> float:
        """Return the seconds that a consumer has computed."""
        text = Path(f'/proc/{self.processes[consumer].pid}/stat').read_text()
        return sum(map(int, text.rpartition(')')[2].split()[11:13])) / TICKS

    def turn(self, consumer: int, messages: int) -> dict[str, float]:
        """Let everybody send so many messages; returns rows per second and CPU per row."""
        board, count = self.board, messages * self.board.senders * MESSAGE
        board.goal[consumer] += messages * board.senders
        before, cpu, start = board.ended[consumer], self.cpu(consumer), time.monotonic()
        board.order[1], board.order[2] = consumer, messages
        board.order[0] += 1  # the last: everybody looks at it
        self.until(lambda: board.ended[consumer] != before)
        assert sum(board.taken[consumer * board.senders:][:board.senders]) == board.goal[consumer]
        assert not any(board.wrong), dict(zip(CONSUMERS, board.wrong))
        return {'rows_per_s': count / (board.ended[consumer] - start),
                'cpu_us_per_row': 1e6 * (self.cpu(consumer) - cpu) / count}


def measure(policies: int, rounds: int, count: int) -> dict[str, Any]:
    """Let all take turns, `count` rows in each; returns their figures, per round."""
    os.environ.update(graph_environment())
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CONSUMERS}
    with tempfile.TemporaryDirectory(dir='.') as folder:
        field = Field(policies, Path(folder))
        with field.running():
            for number in range(rounds + 1):
                for consumer in sorted(range(len(CONSUMERS)), reverse=bool(number % 2)):
                    figures = field.turn(consumer, count // policies // MESSAGE)
                    if number:  # the first round warms up
                        found[CONSUMERS[consumer]].append(figures)
    return found


def lines_of(policies: int, found: dict[str, Any]) -> list[list[str]]:
    """Return the lines of the table."""
    lines = []
    for name in CONSUMERS:
        middle = {key: statistics.median(each[key] for each in found[name])
                  for key in found[name][0]}
        ratios = {other: statistics.median(
            ours['rows_per_s'] / theirs['rows_per_s']
            for ours, theirs in zip(found[name], found[other])) for other in TARGETS}
        what = TITLES.get(name, f'learner {name} the log')
        lines.append([str(policies), what, f'{middle["rows_per_s"]:.0f}',
                      f'{middle["cpu_us_per_row"]:.1f}', f'{ratios["bare"]:.2f}',
                      '' if name in TITLES else f'{ratios["without"]:.2f}',
                      ', '.join(f'>= {target:.1f}' for target in TARGETS.values())
                      if name == 'with' else ''])
    return lines


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__, rounds=9)
    parser.add_argument('--policies', type=int, nargs='+', default=(1, 4, 16))
    parser.add_argument('--rows', type=int, default=200_000, help='in a turn '
                        '(default %(default)s)')
    options = parser.parse_args()
    rows = Rows(options.results / 'ingestion_dds', options)
    results = [rows.get(f'{policies}', lambda policies=policies: measure(
        policies, options.rounds, options.rows)) for policies in options.policies]
    print_table(['policies', 'who takes them', 'rows/s', 'CPU us/row', 'of bare',
                 'of without', 'target'],
                [line for each in zip(options.policies, results) for line in lines_of(*each)],
                results)


if __name__ == '__main__':
    main()
