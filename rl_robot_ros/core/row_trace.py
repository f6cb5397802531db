"""
The trace of a row: the control states behind it, so that a task can judge the row once more.

A row keeps what a task made of its states for one goal.  With the extra column ``trace`` it keeps
the states as well, and `memory.hindsight` asks the task again, for another goal.  For J movable
joints, M motors and decisions of n control periods the column holds

============ ================ ================================================================
numbers      shape            meaning
============ ================ ================================================================
judged       1                control states that were judged, at most n
stopped      1                1 where the safety filter's stop ended the episode in this row
states       (n + 1, 2 J + M) position, velocity, action of each; 0 where none was judged
============ ================ ================================================================

The first state is the one that was observed and decided on, its action the mean applied action of
the decision before; the action of each other one is what led to it (both normalised).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector

COLUMN = 'trace'
HEAD = 2  # numbers before the states


class Traced(NamedTuple):
    """One control state of a trace."""

    position: Vector  # [rad or m], shape (J,)
    velocity: Vector  # [rad/s or m/s], shape (J,)
    action: Vector  # normalised, shape (M,)


@dataclass(frozen=True)
class Trace:
    """
    Layout of the column ``trace``, see the module docstring.

    :param joints: movable joints, J.
    :param motors: actuated joints, M.
    :param periods: control periods in one decision, n.
    """

    joints: int
    motors: int
    periods: int

    @classmethod
    def of(cls, robot: RobotSpec) -> Trace:
        """Return the layout for a robot's rows."""
        return cls(len(robot.joint_names), len(robot.actuated), robot.decision_periods)

    @property
    def term(self) -> Term:
        """Return the column that rows must have."""
        return Term(COLUMN, HEAD + (self.periods + 1) * (2 * self.joints + self.motors))

    def _write(self, cells: Vector, number: int, state: Traced) -> None:
        start = HEAD + number * (2 * self.joints + self.motors)
        for part in state:
            cells[start:start + len(part)] = part
            start += len(part)

    def begin(self, cells: Vector, state: Traced) -> None:
        """Write the state that was decided on into an empty column, shape (term.size,)."""
        self._write(cells, 0, state)

    def append(self, cells: Vector, state: Traced, stopped: bool) -> None:
        """Write a state that was judged, and whether the filter's stop ends the row there."""
        cells[0] += 1.0
        cells[1] = stopped
        self._write(cells, int(cells[0]), state)

    def states(self, cells: Vector) -> list[Traced]:
        """Return the state that was decided on and those that were judged."""
        table = cells[HEAD:].reshape(self.periods + 1, -1)[:int(cells[0]) + 1]
        joints = self.joints
        return [Traced(row[:joints], row[joints:2 * joints], row[2 * joints:]) for row in table]

    @staticmethod
    def stopped(cells: Vector) -> bool:
        """Tell whether the safety filter's stop ended the row."""
        return bool(cells[1])
