"""
What a learning algorithm is: the seam between the trainer and everything that learns.

A new algorithm is one file that defines a class with these members and names it ``ALGORITHM``.
The trainer calls it from one thread, in this order, for ever::

    algorithm.policy_version = 7           (how often weights were pushed so far)
    algorithm.add(rows)
    while <updates are owed> and algorithm.ready:
        algorithm.update()
    push(algorithm.actor_weights(), algorithm.exploration())

Off-policy methods are owed `utd` updates per row; on-policy methods update whenever they are
ready, once per collected block.
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Mapping
import math
from typing import Any
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.effort_sets import effort_set
from rl_robot_ros.core.effort_sets import EFFORT_SETS
from rl_robot_ros.core.goals import GoalTask
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout


class NonFiniteLoss(FloatingPointError):
    """A loss became NaN or infinite: the weights are not to be pushed any more."""


class Algorithm(ABC):
    """
    A learning algorithm: rows in, weights out.

    :param contract: network, joints and observation terms, as the policy has them.
    :param layout: layout of the rows that will come.
    :param config: an instance of `Config`.
    :param seed: same seed and same rows in the same order give the same weights, bit by bit.
    """

    Config: ClassVar[type]
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    on_policy: ClassVar[bool] = False
    needs_demonstrations: ClassVar[bool] = False  # has nothing else to learn from

    # Set by the trainer: pushes so far; `policy_version` in rows is counted likewise, whatever
    # versions went out (`learning.versions`).
    policy_version: int = 0

    @abstractmethod
    def __init__(self, contract: PolicyContract, layout: RowLayout, config: Any,
                 seed: int) -> None: ...

    @classmethod
    def extra_columns(cls, action_size: int) -> tuple[Term, ...]:
        """Return columns that rows must have beyond the standard ones, such as ``log_prob``."""
        return ()

    @classmethod
    def relabels(cls, config: Any, task: Task) -> bool:
        """
        Tell whether it learns from rows under other goals as well, see `memory.hindsight`.

        :raises ValueError: it should, and this task has no goals that could be exchanged.
        """
        return False

    def take_task(self, task: GoalTask) -> None:
        """Take a task that rows may be judged with again; called once, where it `relabels`."""

    @classmethod
    @abstractmethod
    def network(cls, config: Any, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """
        Name the policy network, see `core.network`.

        :param choices: size of the effort set where actions are discrete, else 0.
        :raises ValueError: where this algorithm can't do such actions.
        """

    @property
    def utd(self) -> float:
        """Return updates per row (update-to-data ratio); only off-policy methods have one."""
        return 0.0

    @property
    def memory_rows(self) -> int:
        """How many of the last rows `refill` needs after a restart; 0 where there is no replay."""
        return 0

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether `update` may be called now."""

    @abstractmethod
    def add(self, rows: NDArray[np.float64]) -> None:
        """Take rows that were checked and not made in evaluation, oldest first."""

    @abstractmethod
    def update(self) -> dict[str, float]:
        """
        Learn once, and say how it went, name to value.

        :raises NonFiniteLoss: the parameters are then still those from before this update.
        """

    @abstractmethod
    def actor_weights(self) -> Vector:
        """Return flat weights in the format of `core.network`, normaliser included."""

    @abstractmethod
    def exploration(self) -> tuple[str, float]:
        """Return kind and scale of the exploration, see `core.exploration`."""

    def prepare(self) -> None:
        """Do what takes long the first time (compile), without learning anything."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return everything but replay as tensors, numbers, strings, lists and dicts of these."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; raises ValueError where it belongs to another network."""

    def refill(self, rows: NDArray[np.float64]) -> None:
        """Put rows back into memory after `load_state_dict`, without counting them as new."""


def require_widths(hidden: tuple[int, ...]) -> None:
    """Raise ValueError where `hidden` names no layers."""
    if not hidden or not all(width >= 1 for width in hidden):
        raise ValueError(f'algorithm.hidden: got {hidden}, every width must be >= 1')


def require_network(state: Mapping[str, Any], network: str) -> None:
    """Raise ValueError where a checkpoint belongs to another network."""
    if state['network'] != network:
        raise ValueError(f'the checkpoint has network {state["network"]!r}, this run asks for '
                         f'{network!r}: set algorithm.hidden as it was, or start a new run')


def require_continuous(name: str, choices: int) -> None:
    """Raise ValueError where actions are discrete."""
    if choices:
        raise ValueError(f'algorithm {name} needs continuous actions, this robot and task have '
                         f'{choices} discrete ones: set actions=continuous, or choose another '
                         'algorithm')


def require_discrete(name: str, choices: int) -> None:
    """Raise ValueError where actions are continuous."""
    if not choices:
        raise ValueError(f'algorithm {name} needs discrete actions, got actions=continuous: set '
                         f'actions to one of {", ".join(EFFORT_SETS[1:])}, or choose another '
                         'algorithm')


def make_contract(robot: RobotSpec, task: Task, algorithm: type[Algorithm], config: Any,
                  actions: str) -> PolicyContract:
    """
    Put robot, task and algorithm together.

    :param config: an instance of `algorithm.Config`.
    :param actions: ``continuous`` or the name of an effort set, see `core.effort_sets`.
    :raises ValueError: they do not fit.
    """
    motors = len(robot.actuated)
    efforts = effort_set(actions, motors)
    size = sum(term.size for term in task.observation_terms)
    numbers = 1 if efforts else motors
    extra = algorithm.extra_columns(numbers)
    if algorithm.relabels(config, task):
        extra = (*extra, Trace.of(robot).term)
    if efforts:
        extra = (*extra, Term('effort', motors))
    return PolicyContract(algorithm.network(config, size, numbers, len(efforts)), robot.actuated,
                          task.observation_terms, extra, efforts)


def require_finite(name: str, value: float) -> None:
    """Raise NonFiniteLoss where a number is NaN or infinite."""
    if not math.isfinite(value):
        raise NonFiniteLoss(f'{name} is {value}: no weights are pushed any more; look for extreme '
                            'rewards or observations, or lower the learning rates (algorithm.lr*)')
