"""
What it costs to keep every row on disk: rows per second into a learner, with the log and without.

Messages of 16 rows of `arm7` go into a session that learns nothing (algorithm `random`), as in the
learner node: one thread takes them, another works them off.  Both ways take turns; figures are
medians over the rounds, the ratio is the median of the ratios inside each round.  A round ends
when all rows are worked off, with the log when they are on disk as well.

    OMP_NUM_THREADS=1 python benchmarks/ingestion.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import statistics
import tempfile
import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.in_process import make_session
from rl_robot_ros.learning.session import Session
from rl_robot_ros.settings import Settings

MESSAGE = 16  # rows, see experience.batch_rows
MOST_WAITING = 100_000  # rows: the inbox must not drop any
TARGET = '>= 0.90'
Feed = Callable[[Session, list[NDArray[np.float64]]], list[float]]


def make_rows(session: Session, count: int, epoch: int) -> list[NDArray[np.float64]]:
    """Return messages with the rows of one policy process."""
    rows = np.random.default_rng(epoch).standard_normal((count, session.layout.width))
    rows[:, :session.layout.column('obs').start] = 0.0
    rows[:, session.layout.column('epoch').start] = epoch
    rows[:, session.layout.column('seq').start] = np.arange(count)
    return [rows[i:i + MESSAGE] for i in range(0, count, MESSAGE)]


def feed_directly(session: Session, messages: list[NDArray[np.float64]]) -> list[float]:
    """Hand messages over one after another; returns how long each call took, in seconds."""
    times = []
    for message in messages:
        while session.trainer.inbox.waiting > MOST_WAITING:
            time.sleep(0.001)
        start = time.perf_counter()
        session.trainer.ingest(message, '/')
        times.append(time.perf_counter() - start)
    return times


def one_round(session: Session, messages: list[NDArray[np.float64]], durable: bool,
              feed: Feed) -> dict[str, float]:
    """Feed a session; returns rows per second, and microseconds that a message was waited for."""
    session.trainer.inbox.journal = session.store.log.append if durable else None
    goal = session.trainer.rows + sum(map(len, messages))
    done = threading.Event()

    def work() -> None:
        while session.trainer.rows < goal:
            session.work(0.1)
        done.set()

    worker = threading.Thread(target=work)
    start, cpu = time.perf_counter(), time.process_time()
    worker.start()
    times = np.array(feed(session, messages))
    done.wait()
    if durable:
        session.store.log.flush()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    worker.join()
    count = sum(map(len, messages))
    return {'rows_per_s': count / seconds, 'cpu_us_per_row': 1e6 * cpu / count,
            'message_median_us': 1e6 * float(np.median(times)),
            'message_p99_us': 1e6 * float(np.quantile(times, 0.99))}


def measure(folder: Path, rounds: int, count: int,
            feed: Feed) -> dict[str, list[dict[str, float]]]:
    """Let both ways take turns, with the log on the disk of this folder."""
    found: dict[str, list[dict[str, float]]] = {'without': [], 'with': []}
    with tempfile.TemporaryDirectory(dir=folder) as run:
        session = make_session(Settings.resolve({
            'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'sync.enabled': False,
            'learner.run': str(Path(run) / 'run')}))
        session.prepare()
        for number in range(rounds):
            for durable in (False, True) if number % 2 else (True, False):
                messages = make_rows(session, count, 2 * number + durable)
                found['with' if durable else 'without'].append(
                    one_round(session, messages, durable, feed))
        assert session.trainer.inbox.counts['dropped'] == 0
        assert session.store.log.counts['log_lost'] == 0
        session.close()
    return found


def lines_of(found: dict[str, list[dict[str, float]]]) -> list[list[str]]:
    """Return the lines of the table."""
    lines = []
    for name, figures in found.items():
        middle = {key: statistics.median(each[key] for each in figures) for key in figures[0]}
        ratio = statistics.median(ours['rows_per_s'] / theirs['rows_per_s']
                                  for ours, theirs in zip(figures, found['without']))
        lines.append([f'{name} the log', f'{middle["rows_per_s"]:.0f}',
                      f'{middle["cpu_us_per_row"]:.1f}', f'{middle["message_median_us"]:.0f}',
                      f'{middle["message_p99_us"]:.0f}', f'{ratio:.2f}',
                      TARGET if name == 'with' else ''])
    return lines


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__, rounds=9)
    parser.add_argument('--rows', type=int, default=50_000, help='in a round '
                        '(default %(default)s)')
    options = parser.parse_args()
    rows = Rows(options.results / 'ingestion', options)
    found: dict[str, Any] = rows.get('in_process', lambda: measure(
        rows.folder, options.rounds, options.rows, feed_directly))
    figures = {name: found[name] for name in ('without', 'with')}
    print_table(['in process', 'rows/s', 'CPU us/row', 'message median [us]', 'p99 [us]',
                 'of without', 'target'], lines_of(figures), [found])


if __name__ == '__main__':
    main()
