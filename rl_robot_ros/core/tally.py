"""
What a policy process leaves to the one after it: how many rows it made, which weights it held.

A killed process takes rows with it that it had not sent yet, and nobody else knows that there
were any; a new process holds no weights, and would take old ones that somebody recorded.  So each
process keeps two numbers in a small memory map, which a kill does not undo.  Each number is one
aligned store of 64 bits: it is the old one or the new one.
"""

from __future__ import annotations

from pathlib import Path
import re
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.files import write_atomically

MAGIC = int.from_bytes(b'rltally1', 'little')
FORMER = 63  # processes that are remembered; the oldest is forgotten
HEAD = 2  # magic, newest version
WIDTH = 3  # of the numbers of one process
SIZE = HEAD + WIDTH * (FORMER + 1)


class Made(NamedTuple):
    """How many rows one policy process made."""

    epoch: int  # of the policy process
    rows: int
    learner: int  # epoch of the learner whose weights it held last


SAID = re.compile(r'epoch (\d{1,16}) made (\d{1,16}) for (\d{1,16})')


def made_before(text: str) -> list[Made]:
    """Read what a policy says of the processes before it when it accepts weights."""
    return [Made(*map(int, found)) for found in SAID.findall(text)[:FORMER]]


class Tally:
    """
    The numbers of this process, and those of the ones before.

    :param path: where they are kept; None keeps nothing.
    :raises ValueError: the file holds something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.former: list[Made] = []  # oldest first
        self.floor = 0  # newest version that a process before this one accepted
        self._numbers = np.zeros(SIZE, np.int64)
        if path is not None:
            if path.exists():
                self._read(path)
            self._numbers[0] = MAGIC
            write_atomically(path, self._numbers.tobytes())
            self._numbers = np.memmap(path, np.int64, 'r+', shape=(SIZE,))
        self._at = HEAD + WIDTH * len(self.former)  # where the numbers of this process are

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        numbers = np.frombuffer(data[:8 * SIZE].ljust(8 * SIZE, b'\0'), np.int64)
        if len(data) != 8 * SIZE or numbers[0] != MAGIC or (numbers < 0).any():
            raise ValueError(f'{path} holds no tally of a policy, got {data[:20]!r}; delete it or '
                             'name another (policy.tally_file)')
        slots = [Made(*slot) for slot in numbers[HEAD:].reshape(-1, WIDTH).tolist()]
        self.former = [made for made in slots if made.rows][-FORMER:]
        self.floor = int(numbers[1])
        self._numbers[1] = numbers[1]
        kept = np.array(self.former, np.int64).ravel()
        self._numbers[HEAD:HEAD + len(kept)] = kept

    def begin(self, epoch: int) -> None:
        """Note who makes rows from now on."""
        self._numbers[self._at] = epoch

    def made(self, rows: int) -> None:
        """Note how many rows this process has made, before anybody hears of the newest."""
        self._numbers[self._at + 1] = rows

    def accepted(self, version: int, learner: int) -> None:
        """Note the newest version of weights, and the epoch of the learner that made it."""
        self._numbers[1] = version
        self._numbers[self._at + 2] = learner

    def accepts(self, version: int) -> str:
        """Say so, and what the processes before this one made; :func:`made_before` reads it."""
        return ', '.join([f'accepted version {version}', *(
            f'epoch {made.epoch} made {made.rows} for {made.learner}' for made in self.former)])
