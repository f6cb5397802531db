"""
A policy that was trained elsewhere, acting here: its model between our quantities and our motors.

What each number of its input and output means is in its contract (`core.description`).  Joints are
looked up by name once, here; after that everything is indices.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import numpy as np
from rl_robot_ros.core.description import Observed
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import Decision
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.interchange.model import open_model

Run = Callable[[Any], Any]  # (1, numbers in) to (1, numbers out)


class _Input:
    """One observation term: where its numbers come from, and its last values."""

    def __init__(self, term: Observed, robot: RobotSpec, slices: dict[str, slice]) -> None:
        self._quantity = term.quantity
        self._index = [robot.joint_names.index(name) for name in term.joints]
        self._slice = slices.get(term.quantity, slice(0))
        self._offset = np.array(term.offset or (0.0,) * term.size)
        self._scale = np.array(term.scale or (1.0,) * term.size)
        self._clip = term.clip
        self._past = np.zeros((term.history, term.size))
        self._empty = True

    def begin(self) -> None:
        """Start an episode."""
        self._empty = True

    def take(self, observation: Vector, position: Vector, velocity: Vector,
             last_action: Vector) -> Vector:
        """Return this term with its history, oldest first, flat."""
        if self._quantity == 'position':
            value = position[self._index]
        elif self._quantity == 'velocity':
            value = velocity[self._index]
        elif self._quantity == 'last_action':
            value = last_action
        else:
            value = observation[self._slice]
        value = value - self._offset
        if self._clip:
            value = np.clip(value, *self._clip)
        if self._empty:
            self._past[:] = value * self._scale
            self._empty = False
        else:
            self._past[:-1] = self._past[1:].copy()
            self._past[-1] = value * self._scale
        return self._past.ravel()


class ImportedPolicy:
    """
    See the module docstring; acts as `core.policy.Policy` does.

    :param description: its contract, which fits the robot (`core.compatibility`).
    :param run: the model.
    :param terms: observation terms of the task, in order.
    """

    def __init__(self, description: PolicyDescription, run: Run, robot: RobotSpec,
                 terms: Sequence[Term]) -> None:
        self.spec = NetworkSpec.parse(description.network)
        self._run = run
        slices, start = {}, 0
        for term in terms:
            slices[f'task.{term.name}'] = slice(start, start + term.size)
            start += term.size
        self._inputs = [_Input(term, robot, slices) for term in description.observation]
        action = description.action
        self._action = action
        # Where each motor of the robot stands in the output, which may have another order.
        order = [action.joints.index(name) for name in robot.actuated]
        self._order = np.array(order, dtype=np.intp)
        self._scale, self._offset = np.array(action.scale), np.array(action.offset)
        self._unit = robot.action_to_effort
        self._motors = robot.actuated_index
        self._steered = action.kind == 'position'
        if self._steered:
            self._stiffness, self._damping, self._limit = (
                np.array(values)[order] for values in (action.stiffness, action.damping,
                                                       action.effort_limit))
        self._position = self._velocity = np.zeros(len(robot.joint_names))
        self.begin()

    def begin(self) -> None:
        """Start an episode: forget history and last action."""
        self._last = np.zeros(len(self._action.joints))
        self._target: Vector | None = None
        for term in self._inputs:
            term.begin()

    def see(self, position: Vector, velocity: Vector) -> Vector | None:
        """See a control state; returns the normalised effort where it holds a target."""
        self._position, self._velocity = position, velocity
        return None if self._target is None else self._steer(self._target)

    def _steer(self, target: Vector) -> Vector:
        effort = (self._stiffness * (target - self._position[self._motors])
                  - self._damping * self._velocity[self._motors])
        return np.clip(effort, -self._limit, self._limit) / self._unit

    def act(self, observation: Vector, rng: np.random.Generator, exploration: str = 'none',
            scale: float = 1.0) -> Decision:
        """
        Choose an action for the state that was seen last.

        :raises ValueError: an exploration; there is nothing that would learn from it.
        """
        if exploration != 'none':
            raise ValueError(f'exploration {exploration!r}: an imported policy has none')
        numbers = np.concatenate([term.take(observation, self._position, self._velocity,
                                            self._last) for term in self._inputs])
        raw = self._run(numbers[None])[0].astype(np.float64)
        if self._action.clip:
            raw = np.clip(raw, *self._action.clip)
        self._last = raw
        meant = (self._offset + self._scale * raw)[self._order]
        if not self._steered:
            return Decision(meant / self._unit, 0.0)
        self._target = meant
        return Decision(self._steer(meant), 0.0)


def make_imported(description: PolicyDescription, model: bytes, robot: RobotSpec,
                  terms: Sequence[Term], network: str, weights: Vector) -> ImportedPolicy:
    """
    Open the model of a policy file.

    :param network: and `weights`: of its weight set; the model was checked against them.
    :raises ValueError: onnxruntime is not there, or the model does not fit its contract.
    """
    opened = open_model(model, description.output)
    sizes = (opened.input_size, opened.output_size)
    if sizes != (description.input_size, len(description.action.joints)):
        raise ValueError(f'the model takes {sizes[0]} numbers and gives {sizes[1]}, its contract '
                         f'says {description.input_size} and {len(description.action.joints)}')
    return ImportedPolicy(description, opened.run, robot, terms)
