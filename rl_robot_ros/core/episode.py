"""
From control states and applied efforts to rows: one decision period at a time.

The recorder is the only place where rows are built; the policy node and `env.py` both use it.
For one decision with n control periods it sees::

    state 0 --command 0--> state 1 --command 1--> ... --command n-1--> state n

State 0 is observed and decided on, states 1 to n are judged by the task with the command that led
to them, and state n is `next_obs` and the first state of the next decision.  Reward and terms are
means over the judged states, flags are set if set in any, `action` is the mean applied action.
Where the layout has the column ``trace``, the states themselves go there (`core.row_trace`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.row_trace import COLUMN
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.row_trace import Traced
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout


class Applied(NamedTuple):
    """What reached the motors in one control period."""

    action: Vector  # normalised, shape (n_actuated,)
    source: str  # policy, teleop, hold or stop
    filtered: bool


class Step(NamedTuple):
    """What one judged control state brought."""

    row: Vector | None  # a completed row
    terminated: bool
    truncated: bool


class Recorder:
    """
    Build the rows of one robot.

    :param task: judges the states.
    :param layout: layout of the rows.
    :param decision_periods: control periods in one decision.
    :param discrete: whether `action` is an index (then `action` repeats `request` and the applied
        effort goes to the extra column ``effort``).
    """

    def __init__(self, task: Task, layout: RowLayout, decision_periods: int,
                 discrete: bool = False) -> None:
        self.task = task
        self.layout = layout
        self.periods = decision_periods
        self.discrete = discrete
        self.seq = 0
        self.steps = 0  # judged control states in this episode
        self.max_steps = task.max_episode_steps
        self.observation: Vector = np.zeros(layout.observation_size)
        self._motors = len(task.robot.actuated)
        self.previous_action = np.zeros(self._motors)
        self._row: Vector | None = None
        self._trace = Trace(len(task.robot.joint_names), self._motors, decision_periods)
        self._cells: Vector | None = None  # the trace of the open row, where rows have one
        self._state = (np.zeros(0), np.zeros(0))  # position and velocity observed last
        self._labelled = False
        self._count = 0
        self._action_sum = np.zeros(self._motors)
        self._terms = np.zeros(len(layout.terms))
        self._reward = 0.0
        self._at = {name: layout.column(name).start for name, size, _ in layout.columns
                    if size == 1}

    def begin(self, goal: Vector, position: Vector, velocity: Vector,
              previous_action: Vector | None = None) -> Vector:
        """
        Start an episode from its first state; returns the observation to decide on.

        :param previous_action: what was done before, where that was not nothing.
        """
        self.task.begin(goal)
        self.steps = 0
        self.previous_action = (np.zeros(self._motors) if previous_action is None
                                else previous_action)
        self._row = None
        return self.observe(position, velocity)

    def observe(self, position: Vector, velocity: Vector) -> Vector:
        """Observe anew, after a new goal or a lost row; the last row keeps what it saw."""
        self._state = position, velocity
        self.observation = self.task.observe(position, velocity, self.previous_action)
        return self.observation

    def decide(self, request: Vector, extra: dict[str, float], stamp: int, version: int,
               epoch: int, evaluation: bool) -> None:
        """Open the row of the decision that was just made on :attr:`observation`."""
        row = np.zeros(self.layout.width)
        at = self._at
        row[at['epoch']] = epoch
        row[at['stamp_sec']], row[at['stamp_nanosec']] = divmod(stamp, 1_000_000_000)
        row[at['policy_version']] = version
        row[at['evaluation']] = evaluation
        row[self.layout.column('obs')] = self.observation
        row[self.layout.column('request')] = request
        for name, value in extra.items():
            row[self.layout.column(name)] = value
        if COLUMN in self.layout:
            self._cells = row[self.layout.column(COLUMN)]
            self._trace.begin(self._cells, Traced(*self._state, self.previous_action))
        self._row = row
        self._labelled = False
        self._count = 0
        self._action_sum[:] = 0.0
        self._terms[:] = 0.0
        self._reward = 0.0

    @property
    def deciding(self) -> bool:
        """Whether a decision is under way."""
        return self._row is not None

    def label_success(self) -> bool:
        """Mark the open row as a success that ends the episode; False where none is open."""
        if self._row is None:
            return False
        self._row[self._at['success']] = 1.0
        self._labelled = True
        return True

    def drop(self) -> bool:
        """Forget the open row, because a partner message is missing; True if there was one."""
        was_open = self._row is not None
        if was_open and self._count:
            self.previous_action = self._action_sum / self._count
        self._row = None
        return was_open

    def may_complete(self, applied: Applied) -> bool:
        """Tell, before :meth:`judge`, whether the state after `applied` may complete the row."""
        return (self.task.terminates or self._labelled or applied.source == 'stop'
                or self._count + 1 >= self.periods or self.steps + 1 >= self.max_steps)

    def judge(self, position: Vector, velocity: Vector, applied: Applied) -> Step:
        """
        Judge one control state that followed `applied`; completes the row where it is due.

        :raises RuntimeError: no row is open.
        """
        row = self._row
        if row is None:
            raise RuntimeError('Recorder.judge() before Recorder.decide()')
        outcome = self.task.evaluate(position, velocity, applied.action, self.previous_action)
        self.steps += 1
        self._count += 1
        self._reward += outcome.reward
        self._terms += outcome.terms
        self._action_sum += applied.action
        at = self._at
        terminated = outcome.terminated or applied.source == 'stop'
        truncated = self._labelled or self.steps >= self.max_steps
        if self._cells is not None:
            self._trace.append(self._cells, Traced(position, velocity, applied.action),
                               applied.source == 'stop')
        if applied.source == 'teleop':
            row[at['intervened']] = 1.0
        if applied.filtered:
            row[at['filtered']] = 1.0
        if outcome.success:
            row[at['success']] = 1.0
        if not (self._count >= self.periods or terminated or truncated):
            return Step(None, False, False)
        row[at['terminated']] = terminated
        row[at['truncated']] = truncated and not terminated
        return Step(self._complete(row, position, velocity), terminated, truncated)

    def _complete(self, row: Vector, position: Vector, velocity: Vector) -> Vector:
        mean_action = self._action_sum / self._count
        layout = self.layout
        row[self._at['seq']] = self.seq
        row[self._at['reward']] = self._reward / self._count
        if self.discrete:
            row[layout.column('action')] = row[layout.column('request')]
            row[layout.column('effort')] = mean_action
        else:
            row[layout.column('action')] = mean_action
        start = layout.column('next_obs').stop
        row[start:start + len(layout.terms)] = self._terms / self._count
        self.previous_action = mean_action
        row[layout.column('next_obs')] = self.observe(position, velocity)
        self.seq += 1
        self._row = None
        return row
