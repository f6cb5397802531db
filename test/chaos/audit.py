"""
Whether anything was lost, invented, or taken that should not have been: pure code, no processes.

The evidence comes from those who did not take part: from files that a witness inside each process
wrote (`witness`), from the log of rows as it lies on disk, and from what the learner reports.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from collections.abc import Set
from dataclasses import dataclass
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

Issued = tuple[int, str]  # version, digest


@dataclass
class Evidence:
    """What is known at one moment."""

    made: Mapping[int, int]  # rows per policy epoch, by the witness; read before the log
    epoch: NDArray[np.int64]  # of every row in the log, in its order
    seq: NDArray[np.int64]
    version: NDArray[np.int64]  # of the weights that acted
    lost: int = 0  # rows that the learner reports as lost on their way
    log_lost: int = 0  # rows that it reports as lost from its log
    issued: Sequence[Issued] = ()  # in order, by all learner processes
    accepted: Mapping[str, Sequence[Sequence[Issued]]] = field(default_factory=dict)  # per robot,
    # per process in the order of their starts, in order
    unsure: Set[tuple[int, int]] = frozenset()  # epoch and seq of rows that may have been made


@dataclass(frozen=True)
class Account:
    """Where the rows are that were made."""

    made: int
    stored: int  # of those that were made, once each
    lost: int  # not stored, reported
    unaccounted: int  # not stored, not reported
    invented: int  # reported as lost, but stored
    twice: int  # stored more than once
    log_lost: int = 0

    @property
    def closed(self) -> bool:
        """Whether every row is where it should be."""
        return not (self.unaccounted or self.invented or self.twice)


def account(evidence: Evidence) -> Account:
    """
    Count rows.

    Rows that the log lost may have been taken again from a policy that still had them: then they
    are stored, and reported as lost from the log as well.
    """
    pairs = np.stack([evidence.epoch, evidence.seq], axis=1)
    unique = np.unique(pairs, axis=0) if len(pairs) else pairs
    limit = np.array([evidence.made.get(int(epoch), 0) for epoch in unique[:, 0]], np.int64)
    stored = int((unique[:, 1] < limit).sum())
    made = sum(evidence.made.values())
    gone = made - stored
    # A process was killed while it made them: they may be reported as lost, or nowhere at all.
    unsure = sum(bool((unique != row).any(axis=1).all()) for row in evidence.unsure)
    unaccounted = max(0, gone - evidence.lost - evidence.log_lost)
    invented = max(0, evidence.lost - gone - unsure)
    return Account(made, stored, gone - unaccounted, unaccounted, invented,
                   len(pairs) - len(unique), evidence.log_lost)


def wrong_rows(evidence: Evidence) -> list[str]:
    """Say what is wrong with rows that are stored."""
    found = []
    strangers = sorted(set(evidence.epoch.tolist()) - set(evidence.made))
    if strangers:
        found.append(f'rows of policies that nobody saw: epochs {strangers[:5]}')
    known = {version for version, _ in evidence.issued}
    unknown = sorted(set(evidence.version.tolist()) - known)
    if unknown:
        found.append(f'rows were acted with versions that no learner issued: {unknown[:5]}')
    for epoch in set(evidence.epoch.tolist()):
        mine = evidence.epoch == epoch
        versions = evidence.version[mine][np.argsort(evidence.seq[mine], kind='stable')]
        if (np.diff(versions) < 0).any():
            found.append(f'versions fall in the rows of policy epoch {epoch}')
    return found


def wrong_versions(issued: Sequence[Issued]) -> list[str]:
    """Say where version numbers of the learner do not rise, or are used twice."""
    return [f'version {after} was issued after {before}'
            for (before, _), (after, _) in zip(issued, issued[1:]) if after <= before]


def wrong_weights(evidence: Evidence) -> list[str]:
    """Say which weights a policy took that it should have refused: wrong ones, stale ones."""
    found, issued = [], set(evidence.issued)
    for robot, processes in evidence.accepted.items():
        newest = 0
        for process in processes:
            held = 0
            for version, digest in process:
                if (version, digest) not in issued:
                    found.append(f'{robot} took version {version}, {digest[:8]}, that no learner '
                                 'issued')
                # A new process may take again what the one before it held, and nothing older.
                if version <= held or version < newest:
                    found.append(f'{robot} took version {version}, it held {held}, the process '
                                 f'before it {newest}')
                held = version
            newest = max(newest, held)
    return found


def violations(evidence: Evidence) -> list[str]:
    """Return everything that must not be, in words."""
    rows = account(evidence)
    found = [*wrong_rows(evidence), *wrong_versions(evidence.issued), *wrong_weights(evidence)]
    for count, what in ((rows.unaccounted, 'neither stored nor reported as lost'),
                        (rows.invented, 'reported as lost, but stored'),
                        (rows.twice, 'stored more than once')):
        if count:
            found.append(f'{count} of {rows.made} rows are {what}')
    return found


def returns(epoch: NDArray[np.int64], seq: NDArray[np.int64], stamp: NDArray[np.float64],
            reward: NDArray[np.float64], ended: NDArray[np.bool_],
            period: float) -> NDArray[np.float64]:
    """
    Return the return of each whole episode, in the order in which their last rows came.

    An episode that was cut by a fault has a gap in its stamps or numbers and does not count.

    :param stamp: [s] of each row.
    :param period: [s] between two rows of an episode.
    """
    found: list[tuple[int, float]] = []
    for one in dict.fromkeys(epoch.tolist()):
        where = np.flatnonzero(epoch == one)
        where = where[np.argsort(seq[where], kind='stable')]
        total, whole, last = 0.0, True, -1
        for row in where.tolist():
            if last >= 0 and (seq[row] != seq[last] + 1
                              or stamp[row] - stamp[last] > 1.5 * period):
                total, whole = 0.0, False
            total, last = total + float(reward[row]), row
            if ended[row]:
                if whole:
                    found.append((row, total))
                total, whole, last = 0.0, True, -1
    return np.array([total for _, total in sorted(found)])


def rises(values: NDArray[np.float64], part: float = 0.2) -> tuple[float, float]:
    """Return the mean of the first and of the last part of what was reached."""
    count = max(1, int(part * len(values)))
    return float(values[:count].mean()), float(values[-count:].mean())
