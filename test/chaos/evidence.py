"""Evidence from files: of the witnesses, and of the log of rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.audit import Evidence
from chaos.audit import Issued
from chaos.witness import COUNTS
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.demonstrate import rows_of
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.store import ROWS
from rl_robot_ros.runs import find_config
from rl_robot_ros.settings import Settings


def rows_by(witness: Path) -> dict[int, tuple[int, int]]:
    """Return how many rows each policy process of a robot has begun, and made."""
    found = {}
    for path in witness.glob('*.made'):
        begun, made = COUNTS.unpack(path.read_bytes() or bytes(COUNTS.size))
        found[int(path.stem)] = begun, made
    return found


def made_by(witness: Path) -> dict[int, int]:
    """Return how many rows each policy process of a robot has made."""
    return {epoch: made for epoch, (_, made) in rows_by(witness).items()}


def pairs_of(path: Path) -> list[Issued]:
    """Read versions and digests."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [(int(version), digest) for version, digest in map(str.split, lines)]


def read_log(folder: Path) -> tuple[NDArray[np.float64], RowLayout]:
    """Return all rows in the log, in its order, and their layout."""
    layout = rows_of(Settings.resolve(find_config(folder / 'run')))[1]
    records = [record.rows for record in Reader(folder / 'run' / ROWS, layout,
                                                lambda text: None).read()]
    return (np.concatenate(records) if records else np.zeros((0, layout.width))), layout


def gather(folder: Path, noted: Mapping[str, Mapping[int, tuple[int, int]]], lost: int,
           log_lost: int) -> Evidence:
    """
    Put together what is known.

    :param noted: rows begun and made, per robot and policy epoch, read before.
    :param lost: what the learner reports.
    """
    rows, layout = read_log(folder)

    def column(name: str) -> Any:
        return rows[:, layout.column(name).start].astype(np.int64)

    witness = folder / 'witness'
    everybody: dict[int, tuple[int, int]] = {}
    for robot in noted:
        # Rows of a policy that began since are nobody's yet, but they have been made.
        everybody |= dict.fromkeys(made_by(witness / robot), (0, 0)) | dict(noted[robot])
    made = {epoch: count for epoch, (_, count) in everybody.items()}
    unsure = {(epoch, count) for epoch, (begun, count) in everybody.items() if begun > count}
    # Before what was issued: nobody can have taken what comes later.
    accepted = {robot: [pairs_of(path) for path in sorted((witness / robot).glob('*.accepted'))]
                for robot in noted}
    return Evidence(made, column('epoch'), column('seq'), column('policy_version'), lost,
                    log_lost, pairs_of(witness / 'issued'), accepted, unsure)
