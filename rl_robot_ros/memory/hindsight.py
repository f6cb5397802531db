"""
Hindsight experience replay (Andrychowicz et al. 2017, arXiv 1707.01495), strategy ``future``.

Where reward says only whether a goal was reached, an episode that missed it teaches nothing, but
for what it did reach.  When a whole episode has come, `goals` copies are made of each of its rows,
each with a goal that was achieved at the end of a row drawn from this one to the episode's last.
What is observed, what it is worth and whether it ends is said by the task: a copy is exactly the
row that `core.episode.Recorder` would have written under the other goal, because a recorder writes
it, from the control states that the row carries (`core.row_trace`).

Which goals are drawn depends on the seed and on the episode's epoch and number, on nothing else:
the same rows in other batches, or read again from the log, give the same copies.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.goals import GoalTask
from rl_robot_ros.core.row_trace import COLUMN
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout

MOST_ROWS = 20_000  # in episodes that are under way, all policies together
MOST_EPOCHS = 1000  # policy processes that are remembered
JUDGED = ('obs', 'action', 'next_obs', 'reward', 'terminated', 'success')


class Part(NamedTuple):
    """Rows as they came, and the episode that they complete."""

    rows: NDArray[np.float64]  # shape (N, layout.width)
    episode: NDArray[np.float64] | None  # shape (M, layout.width), where the last row ends it


class Known(NamedTuple):
    """What is known of one policy process."""

    seq: float  # of its newest row
    rows: list[Vector] | None  # of the episode under way; None where one is missing


class Hindsight:
    """
    See the module docstring.

    :param task: one of its own, because its goal is changed all the time.
    :param layout: layout of the rows, with the column ``trace``.
    :param goals: copies of each row.
    :param seed: of the choice of goals.
    :param discrete: whether an action is an index, see `Recorder`.
    :raises ValueError: the rows carry no trace of this robot.
    """

    def __init__(self, task: GoalTask, layout: RowLayout, goals: int, seed: int,
                 discrete: bool = False) -> None:
        self.task, self.layout, self.goals, self.seed = task, layout, goals, seed
        self.trace = Trace.of(task.robot)
        if self.trace.term not in layout.extra:
            raise ValueError(f'hindsight needs rows with the column {COLUMN}:'
                             f'{self.trace.term.size}, these are {layout.schema[:500]!r}')
        self.dropped = 0  # episodes that were not whole
        plain = RowLayout(layout.observation_size, layout.action_size, layout.terms,
                          tuple(term for term in layout.extra if term != self.trace.term))
        self._recorder = Recorder(task, plain, task.robot.decision_periods, discrete)
        self._judged = [(layout.column(name), plain.column(name)) for name in (
            *JUDGED, *(f'terms.{name}' for name in layout.terms), *['effort'] * discrete)]
        self._at = {name: layout.column(name).start
                    for name in ('epoch', 'seq', 'terminated', 'truncated')}
        self._cells = layout.column(COLUMN)
        self._known: dict[float, Known] = {}
        self._rows = 0  # in episodes under way

    # -- episodes -----------------------------------------------------------------------------

    def split(self, rows: NDArray[np.float64]) -> list[Part]:
        """
        Cut rows, in the order in which they came, behind each that completes an episode.

        An episode is whole where every row goes on from the row before it, by number and by state,
        from the first one after another's end, or after the policy's start, to its own end.
        """
        parts, start = [], 0
        for stop, row in enumerate(rows, 1):
            episode = self._follow(row)
            if episode is not None:
                parts.append(Part(rows[start:stop], episode))
                start = stop
        return parts + [Part(rows[start:], None)] * (start < len(rows))

    def _follow(self, row: Vector) -> NDArray[np.float64] | None:
        """Take one row; returns its episode where it completes one."""
        epoch, seq = float(row[self._at['epoch']]), float(row[self._at['seq']])
        known = self._known.get(epoch, Known(-1.0, None if seq else []))
        if seq <= known.seq:
            return None  # it was missing and was sent again: its episode is given up already
        episode = known.rows
        if episode is not None and not (seq == known.seq + 1.0 and self._goes_on(episode, row)):
            self._give_up(episode)
            episode = None
        if episode is not None:
            episode.append(row.copy())
            self._rows += 1
        ended = row[self._at['terminated']] or row[self._at['truncated']]
        self._known.pop(epoch, None)  # the newest stand last
        self._known[epoch] = Known(seq, [] if ended else episode)
        if ended:
            self._rows -= len(episode or ())
            return None if episode is None else np.array(episode)
        self._keep_bounds()
        return None

    def _goes_on(self, episode: list[Vector], row: Vector) -> bool:
        """Tell whether a row begins in the state in which the newest of its episode ended."""
        if not episode:
            return True
        last = self.trace.states(episode[-1][self._cells])[-1]
        first = self.trace.states(row[self._cells])[0]
        return (np.array_equal(last.position, first.position)
                and np.array_equal(last.velocity, first.velocity))

    def _give_up(self, episode: list[Vector]) -> None:
        self._rows -= len(episode)
        self.dropped += bool(episode)

    def _keep_bounds(self) -> None:
        """Give up episodes of the policies that have been silent for longest."""
        for epoch in list(self._known):
            if self._rows <= MOST_ROWS and len(self._known) <= MOST_EPOCHS:
                return
            known = self._known[epoch]
            self._give_up(known.rows or [])
            if len(self._known) > MOST_EPOCHS:
                del self._known[epoch]
            else:
                self._known[epoch] = Known(known.seq, None)

    # -- goals --------------------------------------------------------------------------------

    def relabel(self, episode: NDArray[np.float64]) -> NDArray[np.float64]:
        """
        Return the copies of a whole episode, those of its first row first.

        :param episode: shape (M, layout.width).
        :returns: shape (M * goals, layout.width).
        """
        ends = [self.trace.states(row[self._cells])[-1] for row in episode]
        achieved = [self.task.achieved_goal(end.position, end.velocity) for end in ends]
        first = episode[0]
        rng = np.random.default_rng([self.seed, int(first[self._at['epoch']]),
                                     int(first[self._at['seq']])])
        copies = np.repeat(episode, self.goals, axis=0)
        for number, copy in enumerate(copies):
            drawn = rng.integers(number // self.goals, len(episode))
            self._judge(copy, achieved[drawn])
        return copies

    def _judge(self, row: Vector, goal: Vector) -> None:
        """Let the task judge a row under another goal; `row` is changed."""
        recorder, cells = self._recorder, row[self._cells]
        first, *states = self.trace.states(cells)
        stopped = self.trace.stopped(cells)
        recorder.begin(goal, first.position, first.velocity, first.action)
        recorder.max_steps = len(states)  # the row ends with its last state, if not before
        recorder.decide(row[self.layout.column('request')], {}, 0, 0, 0, False)
        for number, (position, velocity, action) in enumerate(states, 1):
            source = 'stop' if stopped and number == len(states) else 'policy'
            judged = recorder.judge(position, velocity, Applied(action, source, False)).row
            if judged is not None:
                break
        ended = row[self._at['terminated']] or row[self._at['truncated']]
        for here, there in self._judged:
            row[here] = judged[there]
        row[self._at['truncated']] = ended and not row[self._at['terminated']]

    # -- after a restart ----------------------------------------------------------------------

    def restore(self, rows: NDArray[np.float64], wanted: int) -> NDArray[np.float64]:
        """
        Return the newest rows and copies, as they were added, and go on from there.

        :param rows: the newest rows that were taken before the restart, oldest first.
        :param wanted: how many are needed; there may be more, where there are enough.
        """
        self._known.clear()
        self._rows = self.dropped = 0
        taken: list[NDArray[np.float64]] = []
        count = 0
        for part in reversed(self.split(rows)):
            if count >= wanted:
                break
            copies = rows[:0] if part.episode is None else self.relabel(part.episode)
            taken += [copies, part.rows]
            count += len(copies) + len(part.rows)
        return np.concatenate(taken[::-1]) if taken else rows
