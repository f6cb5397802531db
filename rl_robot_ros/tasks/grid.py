"""
A grid world on a real robot: reach a cell, around the mud; small enough for a table.

The range of two linear joints is cut into square cells after a plan (`floor`), which is read like
a map: columns along the first joint, rows along the second one, the last row at its lower end.
``S`` is where an episode starts, ``G`` the goal, ``#`` mud, ``.`` plain floor.  With the effort
set ``push`` a decision moves `gantry` by one cell.  The reward is that of grid worlds in Sutton
and Barto, "Reinforcement Learning", 2018 (example 6.5): every step costs, until the goal.

**Action space**: normalised effort of both joints; meant for ``actions:=push``.

**Observation space** (2 numbers)

======== ==== ==== =======================================================
term     size unit meaning
======== ==== ==== =======================================================
position 2    1    column and row, from 0 at the lower ends; not rounded
======== ==== ==== =======================================================

**Reward**, per control state, the sum of

==== ============================= ======
term value                         scale
==== ============================= ======
step -1 outside the goal           `step`
mud  -1 in a cell of mud           `mud`
==== ============================= ======

**Start**: in the middle of ``S``, up to `start_spread` beside it, at rest.

**Success**: in the goal.

**End**: terminates in the goal; truncated after `max_episode_steps` control periods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import ClassVar

import numpy as np
from rl_robot_ros.core.config import option
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector

START, GOAL, MUD, PLAIN = 'SG#.'


@dataclass(frozen=True)
class GridConfig:
    """Plan, scales and figures of `grid`."""

    floor: str = option('....G .##.. ...#. .#.#. S..#.', 'the plan: rows from the upper end of '
                        'the second joint down, separated by spaces; S start, G goal, # mud')
    cell: float = option(0.2, 'side of a cell', unit='m', low=0.001, high=10.0)
    step: float = option(1.0, 'scale of the step term', low=0.0)
    mud: float = option(4.0, 'scale of the mud term', low=0.0)
    start_spread: float = option(0.02, 'start within this of the middle of the cell', unit='m',
                                 low=0.0, high=1.0)
    max_episode_steps: int = option(1000, 'length of an episode', unit='control periods', low=1)
    train_episode_steps: int = option(1000, 'length of an episode in training',
                                      unit='control periods', low=1)

    def __post_init__(self) -> None:
        """Check the plan; raises ValueError."""
        rows = self.floor.split()
        if not rows or len({len(row) for row in rows}) != 1:
            raise ValueError(f'task.floor: got {self.floor!r}, its rows must be of one length')
        strange = set(''.join(rows)) - {START, GOAL, MUD, PLAIN}
        if strange or any(self.floor.count(one) != 1 for one in (START, GOAL)):
            raise ValueError(f'task.floor: got {self.floor!r}, it must have one S, one G, and '
                             'otherwise # or .')
        if self.start_spread > 0.5 * self.cell:
            raise ValueError(f'task.start_spread: got {self.start_spread}, it must not exceed '
                             f'half of task.cell = {self.cell}')


class Grid:
    """Reach a cell around the mud, see the module docstring."""

    Config: type = GridConfig
    PRESETS: ClassVar[dict[str, dict[str, object]]] = {}
    goal = Goal()
    reward_terms = ('step', 'mud')
    observation_terms = (Term('position', 2),)
    terminates = True

    def __init__(self, robot: RobotSpec, config: Any = None) -> None:
        self.robot = robot
        self.config = self.Config() if config is None else config
        rows = self.config.floor.split()[::-1]  # row 0 lies at the lower end
        self._cells = [[rows[y][x] for y in range(len(rows))] for x in range(len(rows[0]))]
        self._most = np.array([len(rows[0]), len(rows)]) - 1
        # The plan lies in the middle of the plane that the joints span.
        self._corner = -0.5 * self.config.cell * self._most
        if robot.joint_names != ('x', 'y') or robot.actuated != ('x', 'y'):
            raise ValueError(f'this task needs a robot with two linear joints, x and y; '
                             f'{robot.name} has {", ".join(robot.joint_names)}; use '
                             'robot:=gantry')
        reach = self._corner < np.array(robot.position_lower)
        if reach.any():
            raise ValueError(f'task.floor: got {self.config.floor!r}, {robot.name} does not reach '
                             f'the middle of its outermost cells: lower task.cell = '
                             f'{self.config.cell}, or take a smaller plan')
        self.max_episode_steps = self.config.max_episode_steps
        self.train_episode_steps = self.config.train_episode_steps

    def initial_state(self, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Draw a state near the middle of the start."""
        x, y = next((x, column.index(START)) for x, column in enumerate(self._cells)
                    if START in column)
        beside = self.config.start_spread * rng.uniform(-1.0, 1.0, 2)
        return self._corner + self.config.cell * np.array([x, y]) + beside, np.zeros(2)

    def sample_goal(self, rng: np.random.Generator) -> Vector:
        """Return the empty goal: where to go is on the plan."""
        return np.zeros(0)

    def begin(self, goal: Vector) -> None:
        """Start an episode; there is nothing to forget."""

    def observe(self, position: Vector, velocity: Vector, previous_action: Vector) -> Vector:
        """Return column and row, see the module docstring."""
        return (position - self._corner) / self.config.cell

    def evaluate(self, position: Vector, velocity: Vector, action: Vector,
                 previous_action: Vector) -> Outcome:
        """Judge one control state, see the module docstring."""
        place = np.rint((position - self._corner) / self.config.cell)
        x, y = np.clip(place, 0, self._most).astype(int)
        cell = self._cells[x][y]
        terms = np.array([-self.config.step * (cell != GOAL), -self.config.mud * (cell == MUD)])
        return Outcome(float(terms.sum()), terms, cell == GOAL, cell == GOAL)


TASK = Grid
