"""
Whether a learner that is killed and comes back is the learner that never died.

A short run without ROS is recorded, message by message: two policy processes, the second takes
over in the middle of a block, some rows of evaluation, some messages twice.  A learner that is
fed with these messages and never dies says what is right.  Others are killed (SIGKILL) at random
points, started again with `learner.resume`, and fed on from the first message that did not reach
the disk: all that is older has to come from there.  In the end weights, optimisers, random
generators, counters and replay must be the same bytes, and every row must stand in the log once.

    OMP_NUM_THREADS=1 python benchmarks/resume.py
"""

from __future__ import annotations

from collections.abc import Callable
import hashlib
import json
import mmap
import os
from pathlib import Path
import signal
import struct
import sys
import tempfile
import traceback
from typing import Any
from typing import NamedTuple

from kill_points import KillPoint
from kill_points import POINTS
import numpy as np
from recorded_stream import CASES
from recorded_stream import drain
from recorded_stream import Messages
from recorded_stream import messages_of
from recorded_stream import record
from recorded_stream import settings
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.demonstrate import rows_of
from rl_robot_ros.in_process import make_session
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.session import Session
from rl_robot_ros.learning.store import ROWS
from rl_robot_ros.settings import Settings
import torch

# -- who is fed --------------------------------------------------------------------------------


def learn(given: Settings, messages: Messages, point: KillPoint, taken: mmap.mmap,
          result: Path) -> None:
    """Learn from the messages, save here and there, say what came out; dies at the point."""
    point.arm()
    session = make_session(given)
    replayed = session.trainer.inbox.waiting
    session.prepare()
    rng, column = np.random.default_rng(len(messages)), session.layout.column('policy_version')
    went_out = {}  # version of each push, which is not what it was before a restart
    for message in messages:
        went_out[session.versions.pushes] = session.version
        rows = message.copy()
        rows[:, column] = [[went_out.get(int(push), push)] for push in message[:, column.start]]
        session.trainer.ingest(rows, '/')
        taken[:8] = struct.pack('<q', session.trainer.inbox.position)
        if rng.random() < 0.5:
            session.work(0.0)  # or else they wait, also while a checkpoint is written
        if rng.random() < 0.3:
            session.save()
    drain(session)
    session.close()
    result.write_text(json.dumps({'digest': fingerprint(session), 'replayed': replayed,
                                  'calls': point.calls, 'rows': session.trainer.rows,
                                  'updates': session.trainer.updates}))


def fingerprint(session: Session) -> str:
    """Return a digest of everything that was learned."""
    trainer, digest = session.trainer, hashlib.sha256()

    def take(value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                digest.update(str(key).encode())
                take(value[key])
        elif isinstance(value, list | tuple):
            for each in value:
                take(each)
        elif isinstance(value, torch.Tensor | np.ndarray):
            digest.update(np.ascontiguousarray(value).tobytes())
        else:
            digest.update(repr(value).encode())

    state = trainer.state_dict()
    # How often rows came twice, and what versions were called, is another story after a crash.
    take({name: state[name] for name in state if name not in ('inbox', 'versions', 'live')})
    take([trainer.versions.pushes, trainer.algorithm.actor_weights()])
    if hasattr(trainer.algorithm, 'replay'):
        take(trainer.algorithm.replay.data)
    return digest.hexdigest()


def in_child(work: Callable[[], None]) -> int:
    """Run in a process of its own; returns its exit status, negative for a signal."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- what came of it ---------------------------------------------------------------------------


class Outcome(NamedTuple):
    """One kill and one return."""

    taken: int  # rows that the learner had taken when it died
    on_disk: int
    replayed: int  # learned from again, because the checkpoint was older
    identical: bool
    once: bool  # every row is in the log exactly once


class Trial:
    """
    A recorded stream, and what a learner makes of it that never dies.

    :param case: one of `CASES`.
    :param folder: for everything.
    """

    def __init__(self, case: str, folder: Path, blocks: int) -> None:
        self.case, self.folder = case, folder
        stream = folder / 'stream.npz'
        given = settings(case, folder / 'recorded')
        record(given, blocks, stream)  # here, so that no child has to import what this needs
        self.messages = messages_of(stream, 0)
        self.taken = mmap.mmap(-1, 8)  # shared with the children
        status, self.straight = self.run(folder / 'straight', KillPoint())
        if status:
            raise SystemExit('the learner that should not die failed')

    def run(self, run: Path, point: KillPoint, first: int | None = None) -> tuple[int, Any]:
        """
        Feed a learner; returns its exit status and what it said.

        :param first: number of the first message for one that comes back.
        """
        given, result = settings(self.case, run, first is not None), self.folder / 'result.json'
        result.unlink(missing_ok=True)
        self.taken[:8] = bytes(8)
        messages = self.messages[first or 0:]
        status = in_child(lambda: learn(given, messages, point, self.taken, result))
        return status, json.loads(result.read_text()) if status == 0 else None

    def kill(self, name: str, place: float, number: int) -> Outcome:
        """
        Kill a learner, let it come back.

        :param place: how far into its calls, 0 to 1.
        """
        count = 1 + int(place * self.straight['calls'][name])
        while True:
            run = self.folder / f'{number}-{count}'
            if self.run(run, KillPoint(name, count))[0] == -signal.SIGKILL:
                break
            count //= 2  # rows are written by the clock: there were fewer calls this time
            if not count:
                raise SystemExit(f'never killed at {name}')
        taken, = struct.unpack('<q', self.taken[:8])
        on_disk = self._rows_in(run)
        first = next((index for index, message in enumerate(self.messages)
                      if not {tuple(row[:2]) for row in message} <= set(on_disk)),
                     len(self.messages))
        status, found = self.run(run, KillPoint(), first)
        if status:
            raise SystemExit('the learner did not come back')
        in_the_end = self._rows_in(run)
        sent = {tuple(row[:2]) for message in self.messages for row in message}
        return Outcome(taken, len(on_disk), found['replayed'],
                       found['digest'] == self.straight['digest'],
                       len(in_the_end) == len(sent) and set(in_the_end) == sent)

    def _rows_in(self, run: Path) -> list[tuple[float, ...]]:
        """Return epoch and number of every row in the log."""
        reader = Reader(run / ROWS, rows_of(settings(self.case, run))[1], lambda text: None)
        return [tuple(row[:2]) for record in reader.read() for row in record.rows]


def kills_of(case: str, points: int, blocks: int, seed: int) -> dict[str, Any]:
    """Kill a learner so many times; returns one line of strings for each."""
    rng, lines = np.random.default_rng([seed, list(CASES).index(case)]), []
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(case, Path(folder), blocks)
        for number in range(points):
            name = list(POINTS)[(list(CASES).index(case) + 3 * number) % len(POINTS)]
            outcome = trial.kill(name, 0.9 * rng.random(), number)
            lines.append([case, name, *map(str, outcome[:3]),
                          *('yes' if good else 'NO' for good in outcome[3:])])
            print(*lines[-1], sep=', ', file=sys.stderr)
    return {'lines': lines}


def summary(lines: list[list[str]]) -> list[str]:
    """Return one line for all kills of a learner."""
    behind = [int(line[2]) - int(line[3]) for line in lines]
    return [lines[0][0], str(len(lines)), str(max(behind)),
            str(max(int(line[4]) for line in lines)),
            *(str(sum(line[column] == 'yes' for line in lines)) for column in (5, 6))]


def main() -> None:
    """Kill, resume, compare, print the tables; exit status 1 where something differs."""
    parser = make_parser(__doc__)
    parser.add_argument('--points', type=int, default=20,
                        help='kills of each (default %(default)s)')
    parser.add_argument('--blocks', type=int, default=12, help='of 32 rows, for each of the two '
                        'policies (default %(default)s)')
    parser.add_argument('--seed', type=int, default=0)
    options = parser.parse_args()
    prepare_torch()  # one thread, or else it could not be forked
    rows = Rows(options.results / 'resume', options)
    found = [rows.get(case, lambda case=case: kills_of(
        case, options.points, options.blocks, options.seed)) for case in CASES if rows.wants(case)]
    lines = [line for row in found for line in row['lines']]
    print_table(['learner', 'killed when', 'rows taken', 'on disk', 'learned again', 'identical',
                 'each row once'], lines, [])
    print_table(['learner', 'kills', 'most rows not on disk', 'most learned again', 'identical',
                 'each row once'], [summary(row['lines']) for row in found], found)
    if any('NO' in line for line in lines):
        raise SystemExit(1)


if __name__ == '__main__':
    main()
