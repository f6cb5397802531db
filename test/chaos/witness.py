"""
Somebody inside a node who writes down what it does: not for the node, for the audit.

Every note is one system call, so that a kill does not undo it.
"""

from __future__ import annotations

from collections.abc import Callable
import os
from pathlib import Path
import struct
from typing import Any

COUNTS = struct.Struct('<qq')  # rows begun, rows made


def note_rows(folder: Path) -> None:
    """
    Keep the number of rows that this policy process has made, in a file called by its epoch.

    One that was begun when the process was killed has been made, or it has not.
    """
    from rl_robot_ros.nodes.outgoing import ExperienceSender
    begin, add, files = ExperienceSender.begin, ExperienceSender.add, []

    def noted_begin(self: Any, layout: Any, epoch: int) -> None:
        files.append(os.open(folder / f'{epoch}.made', os.O_RDWR | os.O_CREAT, 0o644))
        begin(self, layout, epoch)

    def noted_add(self: Any, row: Any, last: bool) -> None:
        rows = self.counts['rows']
        os.pwrite(files[-1], COUNTS.pack(rows + 1, rows), 0)
        add(self, row, last)
        os.pwrite(files[-1], COUNTS.pack(rows + 1, rows + 1), 0)

    ExperienceSender.begin, ExperienceSender.add = noted_begin, noted_add  # type: ignore


def note_accepted(folder: Path) -> None:
    """Write down each set of weights that this policy process takes: version and digest."""
    from rl_robot_ros.core.weights import WeightStore
    offer = WeightStore.offer
    path = folder / f'{len(list(folder.glob("*.accepted"))):04d}.accepted'
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def noted(self: Any, candidate: Any, now: float, signature: str = '') -> str:
        before = self.newest_version
        reason = offer(self, candidate, now, signature)
        if not reason and self.newest_version != before:
            os.write(file, f'{candidate.version} {candidate.digest}\n'.encode())
        return reason

    WeightStore.offer = noted  # type: ignore


def note_issued(folder: Path) -> None:
    """Write down each set of weights that the learner gives an identity."""
    from rl_robot_ros.core.weights import WeightSet
    from rl_robot_ros.learning.session import Session
    stamp = Session._stamp
    file = os.open(folder / 'issued', os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    make: Callable[..., WeightSet] = WeightSet.make

    def noted_make(*args: Any) -> WeightSet:
        made = make(*args)
        os.write(file, f'{made.version} {made.digest}\n'.encode())
        return made

    def noted(self: Any, *args: Any, **options: Any) -> None:
        WeightSet.make = noted_make  # type: ignore
        try:
            stamp(self, *args, **options)
        finally:
            WeightSet.make = make  # type: ignore

    Session._stamp = noted  # type: ignore


def watch(node: str, folder: Path) -> None:
    """Put the witness of a node into place, in this process."""
    folder.mkdir(parents=True, exist_ok=True)
    if node == 'policy':
        note_rows(folder)
        note_accepted(folder)
    elif node == 'learner':
        note_issued(folder)
