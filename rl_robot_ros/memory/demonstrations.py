"""
Demonstrations: whole episodes of somebody who can do the task, as a file of experience rows.

A file is safetensors: the rows as they were recorded, float64, shape (N, width), and in its
metadata their schema (see `core.transition`) and a sha256 over schema and rows.  Nothing in it can
run code.  Rows are from whoever acted: a person at `teleop_effort`, a script, another policy.
What was demonstrated is `action` where a person intervened, else `request`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.replay import Replay
from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.numpy import save


class Demonstrations(NamedTuple):
    """What a file holds."""

    rows: NDArray[np.float64]  # shape (N, layout.width), at least one episode's end among them
    digest: str  # sha256 over schema and rows, in hex
    episodes: int  # that end in these rows

    def fill(self, replay: Replay) -> None:
        """
        Put the rows into an empty memory.

        :raises ValueError: they do not fit in, or none of them tells what was chosen.
        """
        if len(self.rows) > replay.capacity:
            raise ValueError(f'algorithm.demonstrations: the file has {len(self.rows)} rows, '
                             f'algorithm.capacity is {replay.capacity}: raise it')
        if not replay.add(self.rows):
            raise ValueError('algorithm.demonstrations: nothing to learn from; what a person does '
                             'through teleop_effort is no choice of an effort set: set '
                             'actions=continuous, or give demonstrations of another policy')


def save_demonstrations(path: Path, layout: RowLayout,
                        rows: NDArray[np.float64]) -> Demonstrations:
    """
    Write rows, atomically, as rows to learn from: a mark of evaluation is taken off.

    :param rows: shape (N, layout.width), whole episodes one after another.
    :raises ValueError: they are no rows of this layout, or hold no end of an episode.
    """
    rows = np.array(rows, dtype=np.float64)
    if rows.ndim == 2 and rows.shape[1] == layout.width:
        rows[:, layout.column('evaluation')] = 0.0
    result = _checked(rows, layout)
    write_atomically(path, save({'rows': rows},
                                {'schema': layout.schema, 'digest': result.digest}))
    return result


def load_demonstrations(path: Path, layout: RowLayout) -> Demonstrations:
    """
    Read and check a file.

    :param layout: layout of the rows that the learner takes; those of the file are brought to
        it where they differ in extra columns only, which demonstrations do without.
    :raises FileNotFoundError: there is none.
    :raises ValueError: it is damaged, of another schema, or holds no whole episode.
    """
    if not path.is_file():
        raise FileNotFoundError(f'algorithm.demonstrations: there is no file {path}; '
                                '`rl-robot demonstrate` makes one')
    try:
        with safe_open(str(path), framework='numpy') as file:
            metadata = file.metadata() or {}
            schema, digest = metadata['schema'], metadata['digest']
            rows = file.get_tensor('rows')
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f'algorithm.demonstrations: {path} is no intact file of demonstrations: '
                         f'{error}') from None
    try:
        given = RowLayout.parse(schema)
        result = _checked(rows, given)
    except ValueError as error:
        raise ValueError(f'algorithm.demonstrations: {path}: {error}') from None
    if _shown(given) != _shown(layout):
        raise ValueError(f'algorithm.demonstrations: the rows of {path} are {schema[:2000]!r}, '
                         f'this run has {layout.schema!r}: give demonstrations of the same robot, '
                         'task and kind of actions')
    if result.digest != digest:
        raise ValueError(f'algorithm.demonstrations: {path} is damaged: its rows do not hash to '
                         'the digest they were saved with')
    return result._replace(rows=_moved(rows, given, layout))


def _shown(layout: RowLayout) -> RowLayout:
    """Leave out what one algorithm asked for and another did not; `effort` marks an index."""
    return RowLayout(layout.observation_size, layout.action_size, layout.terms,
                     tuple(term for term in layout.extra if term.name == 'effort'))


def _moved(rows: NDArray[np.float64], given: RowLayout, layout: RowLayout) -> NDArray[np.float64]:
    """Bring rows to a layout with other extra columns; those that are missing are zero."""
    moved = np.zeros((len(rows), layout.width))
    for name, _, _ in layout.columns:
        if name in given:
            moved[:, layout.column(name)] = rows[:, given.column(name)]
    return moved


def _checked(rows: NDArray[np.float64], layout: RowLayout) -> Demonstrations:
    problem = layout.check(rows) if rows.dtype == np.float64 else f'rows are {rows.dtype}'
    if problem:
        raise ValueError(problem)
    if rows[:, layout.column('evaluation')].any():
        raise ValueError('there are rows of an evaluation, which are not learned from')
    episodes = int(_ends(rows, layout).sum())
    if not episodes:
        raise ValueError(f'{len(rows)} rows hold no whole episode: none is terminated or '
                         'truncated')
    digest = hashlib.sha256(layout.schema.encode())
    digest.update(np.ascontiguousarray(rows, dtype='<f8').tobytes())
    return Demonstrations(rows, digest.hexdigest(), episodes)


def require_same(recorded: str, found: str) -> None:
    """
    Refuse to go on with other demonstrations than a checkpoint was made with.

    :param recorded: digest in the checkpoint, empty where there were none.
    :param found: digest of what this run has, empty where it has none.
    :raises ValueError: they differ.
    """
    if recorded != found:
        raise ValueError(f'the checkpoint was made with demonstrations {recorded[:12] or "none"}, '
                         f'this run has {found[:12] or "none"} (first digits of their sha256): '
                         'set algorithm.demonstrations as it was, or start a new run')


def whole_episodes(rows: NDArray[np.float64], layout: RowLayout) -> list[NDArray[np.float64]]:
    """
    Cut rows of one or several policies into their whole episodes, in the order of their ends.

    An episode is whole where no row is missing by number, from the first after another's end, or
    after the policy's start, to its own end.

    :param rows: shape (N, layout.width), those of each policy in order.
    """
    epochs, numbers = (rows[:, layout.column(name).start] for name in ('epoch', 'seq'))
    ends = _ends(rows, layout)
    found: list[tuple[int, NDArray[np.float64]]] = []
    for epoch in np.unique(epochs):
        places = np.flatnonzero(epochs == epoch)
        start = 0
        for stop in np.flatnonzero(ends[places]) + 1:
            part = places[start:stop]
            before = numbers[places[start - 1]] if start else -1.0
            if np.array_equal(numbers[part], before + np.arange(1.0, len(part) + 1.0)):
                found.append((int(part[-1]), rows[part]))
            start = stop
    return [episode for _, episode in sorted(found, key=lambda item: item[0])]


def _ends(rows: NDArray[np.float64], layout: RowLayout) -> NDArray[np.bool_]:
    columns = [layout.column(name).start for name in ('terminated', 'truncated')]
    flags: NDArray[np.bool_] = (rows[:, columns] != 0.0).any(axis=1)
    return flags
