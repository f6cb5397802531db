"""
Rows from a recording: states, commands and goals, joined as a policy joins them.

A policy builds a row from what it hears (`core.episode`); whoever heard the same can build the
same row.  From states alone it is seen, too, where an episode ends: the policy does not answer its
last state.  What a recording does not tell: the policy's version and epoch (0 here), whether a
person has labelled the episode as a success, and, for an effort set, which of its efforts was
chosen.

A partner that is missing costs the row, and the next one: what is observed and rewarded may depend
on the action before.  :class:`Notes` counts why.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from collections.abc import Sequence
from typing import NamedTuple
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout

GAP = 1.5  # control periods between two states, above which one of them is missing
NO_COMMAND = 'states without what was applied then'
NO_GOAL = 'states without a goal before them'
GAPS = 'gaps between two states'
NO_START = 'states of an episode whose start is not in the bag'
NO_END = 'rows that were open where the recording or the episode ends'
SILENT = 'states that nobody answered'
NO_PAST = 'rows before which it is not known what was done'


class HeardState(NamedTuple):
    """One joint state, and when it was recorded."""

    stamp: int  # [ns]
    heard: int  # [ns] of the system clock
    mode: str
    episode: int
    position: Vector  # [rad or m]
    velocity: Vector  # [rad/s or m/s]


class HeardGoal(NamedTuple):
    """One goal, and when it was recorded."""

    heard: int  # [ns] of the system clock
    goal: Vector


class Notes:
    """What could not be used: how often, and the stamp [ns] of the first."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.first: dict[str, int] = {}

    def note(self, reason: str, stamp: int, number: int = 1) -> None:
        """Count a reason."""
        if number:
            self.counts[reason] = self.counts.get(reason, 0) + number
            self.first.setdefault(reason, stamp)


class Commands(Protocol):
    """What was applied after each state."""

    def after(self, state: HeardState, following: HeardState) -> Command | None:
        """Return what was applied from one state to the following one; None where unknown."""
        ...

    def answered(self, state: HeardState) -> bool:
        """Tell whether a state has an answer."""
        ...


class StampedCommands:
    """`effort_command`: joined by the exact stamp."""

    def __init__(self, commands: Mapping[int, Command]) -> None:
        self._commands = commands

    def after(self, state: HeardState, following: HeardState) -> Command | None:
        """Return the command with the state's own stamp."""
        return self._commands.get(state.stamp)

    def answered(self, state: HeardState) -> bool:
        """Tell whether there is a command with this stamp."""
        return state.stamp in self._commands


class UnstampedCommands:
    """
    Commands of an effort controller: the newest one before the following state was heard.

    :param heard: [ns] when each was recorded, rising.
    :param efforts: [N m or N], shape (len(heard), motors).
    :param period: [ns] control period; what is older than a period and a half is not used.
    """

    def __init__(self, heard: Sequence[int], efforts: NDArray[np.float64], period: int) -> None:
        self._heard, self._efforts, self._period = heard, efforts, period

    def after(self, state: HeardState, following: HeardState) -> Command | None:
        """Return the newest command before the following state, where it is fresh."""
        newest = bisect_right(self._heard, following.heard) - 1
        if newest < 0 or following.heard - self._heard[newest] > GAP * self._period:
            return None
        return Command(state.stamp, self._efforts[newest], 'policy')

    def answered(self, state: HeardState) -> bool:
        """Return True: an effort controller always applies something."""
        return True


class Rejoiner:
    """
    Build the rows of one robot from a recording.

    :param task: judges the states, as it does for a policy.
    :param layout: layout of the rows, for continuous actions and without extra columns.
    :param commands: what was applied.
    :param requests: [N m or N] by stamp, what was asked for; empty where that was not recorded,
        and then `request` repeats `action`.
    :param goals: in the order of their receipt.
    :param announced: whether goals are those that a policy announces, one at each episode's start,
        and not the wishes of a person.
    :param evaluation: whether episodes have the length of an evaluation.
    """

    def __init__(self, task: Task, layout: RowLayout, commands: Commands,
                 requests: Mapping[int, Vector], goals: Sequence[HeardGoal], announced: bool,
                 evaluation: bool = False) -> None:
        self.notes = Notes()
        self._task, self._commands, self._requests = task, commands, requests
        self._goals, self._announced = goals, announced
        self._recorder = Recorder(task, layout, task.robot.decision_periods)
        self._steps = task.max_episode_steps if evaluation else task.train_episode_steps
        self._period = task.robot.control_period * 1e9
        self._request = layout.column('request')
        self._action = layout.column('action')
        self._rows: list[Vector] = []
        self._goal = -1  # index of the goal that is pursued
        self._asked: Vector | None = None  # [N m or N] in the open row
        self._observed = -1  # stamp of the state that was observed last
        self._past = True  # whether the action before the open row is known

    def rows(self, states: Sequence[HeardState]) -> NDArray[np.float64]:
        """
        Return the rows, shape (N, layout.width), in order.

        :param states: in the order of their receipt, each stamp once.
        """
        start, before = 0, -1
        while start < len(states):
            mark = states[start].mode, states[start].episode
            stop = start + 1
            while stop < len(states) and (states[stop].mode, states[stop].episode) == mark:
                stop += 1
            part = states[start:stop]
            if mark[0] != HARDWARE and start == 0:
                # Which states were decided on is counted from an episode's first one.
                self.notes.note(NO_START, part[0].stamp, len(part))
            else:
                self._episode(part, before, stop < len(states))
            start, before = stop, part[-1].heard
        return np.array(self._rows) if self._rows else np.zeros((0, self._recorder.layout.width))

    def _episode(self, states: Sequence[HeardState], before: int, complete: bool) -> None:
        """
        Judge the states of one mark.

        :param before: [ns] when the last state of the mark before was heard.
        :param complete: whether another mark comes after it.
        """
        recorder = self._recorder
        last = self._last(states) if complete else len(states)
        # Where its last state is known, that ends the episode, and not a length that was set.
        recorder.max_steps = self._steps if last == len(states) else 2**62
        if not self._begin(states, before):
            self.notes.note(NO_GOAL, states[0].stamp, len(states))
            return
        for i, state in enumerate(states[:last + 1]):
            if i and self._judge(states[i - 1], state, i == last):
                if state.mode != HARDWARE:
                    return
                self._begin(states[i:], before)
            if not recorder.deciding and i + 1 < len(states):
                self._decide(state, states[i + 1])
        if recorder.drop():
            self.notes.note(NO_END, states[-1].stamp)

    def _last(self, states: Sequence[HeardState]) -> int:
        """Return the index of the state that ended the episode; their number where unknown."""
        answered = [i for i, state in enumerate(states) if self._answered(state)]
        return answered[-1] + 1 if answered and states[0].mode != HARDWARE else len(states)

    def _answered(self, state: HeardState) -> bool:
        """Tell whether the policy, or whoever acted, has answered a state."""
        if self._requests:
            return state.stamp in self._requests
        return self._commands.answered(state)

    # -- goals --------------------------------------------------------------------------------

    def _begin(self, states: Sequence[HeardState], before: int) -> bool:
        """Start an episode at the first of these states; False where its goal is not known."""
        goal = np.zeros(0)
        if self._task.goal.size:
            self._goal = self._first_goal(states, before)
            if self._goal < 0:
                return False
            goal = self._goals[self._goal].goal
        self._recorder.begin(goal, states[0].position, states[0].velocity)
        self._observed = states[0].stamp
        self._past = True
        return True

    def _first_goal(self, states: Sequence[HeardState], before: int) -> int:
        """Return the index of the goal at the start of an episode, -1 where there is none."""
        following = states[min(1, len(states) - 1)]
        if self._announced and following.mode != HARDWARE:
            # The policy has announced it after the last episode's last state.
            index = bisect_right(self._goals, before, key=lambda goal: goal.heard)
            if index < len(self._goals) and self._goals[index].heard < states[-1].heard:
                return index
        return self._newest_goal(following)

    def _newest_goal(self, following: HeardState) -> int:
        """Return the index of the goal at the state before this one."""
        return bisect_right(self._goals, following.heard, key=lambda goal: goal.heard) - 1

    # -- one state ----------------------------------------------------------------------------

    def _decide(self, state: HeardState, following: HeardState) -> None:
        """Open a row."""
        if not self._answered(state):
            self.notes.note(SILENT, state.stamp)
            self._past = False  # whoever acted may have answered: the answer is not recorded
            return
        newest = self._newest_goal(following)
        if self._task.goal.size and newest > self._goal:
            self._goal = newest
            self._task.begin(self._goals[newest].goal)
            self._observed = -1
        if self._observed != state.stamp:
            self._recorder.observe(state.position, state.velocity)
            self._observed = state.stamp
        self._asked = self._requests.get(state.stamp)
        scale = self._task.robot.action_to_effort
        request = np.zeros(len(scale)) if self._asked is None else self._asked / scale
        self._recorder.decide(request, {}, state.stamp, 0, 0, False)

    def _judge(self, before: HeardState, state: HeardState, last: bool) -> bool:
        """Judge a state with what led to it; True where the episode ends."""
        recorder = self._recorder
        if not recorder.deciding:
            return False
        command = self._commands.after(before, state)
        if state.stamp - before.stamp > GAP * self._period or command is None:
            self.notes.note(NO_COMMAND if command is None else GAPS, before.stamp)
            recorder.drop()
            self._past = False
            return False
        if last:
            recorder.max_steps = recorder.steps + 1
        applied = Applied(command.effort / self._task.robot.action_to_effort, command.source,
                          self._asked is not None and bool((command.effort != self._asked).any()))
        step = recorder.judge(state.position, state.velocity, applied)
        if step.row is None:
            return False
        if self._asked is None:
            step.row[self._request] = step.row[self._action]
        if self._past:
            self._rows.append(step.row)
        else:
            self.notes.note(NO_PAST, self._observed)  # nothing was observed since the decision
        self._past = True
        self._observed = state.stamp
        return step.terminated or step.truncated
