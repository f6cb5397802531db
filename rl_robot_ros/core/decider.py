"""From observations to efforts: the policy in use, and what is asked of the motors meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.policy import Acting
from rl_robot_ros.core.policy import Decision
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.weights import WeightSet

Maker = Callable[[str, Vector], Acting]  # from network and weights to a policy


class Decider:
    """
    One policy on one robot.

    :param contract: network and effort set.
    :param rng: for exploration.
    :param make: builds a policy of new weights.
    """

    def __init__(self, contract: PolicyContract, robot: RobotSpec, rng: np.random.Generator,
                 make: Maker = Policy) -> None:
        self.weights: WeightSet | None = None
        self.effort: Vector = np.zeros(len(robot.actuated))  # [N m or N], asked for now
        self._network, self._make = contract.network, make
        self._efforts = np.array(contract.efforts)
        self._unit = robot.action_to_effort
        self._explorer = Explorer(rng)
        self._policy: Acting | None = None

    def use(self, weights: WeightSet) -> None:
        """Decide with these weights from now on."""
        if weights is not self.weights:
            self._policy = self._make(self._network, weights.weights)
            self.weights = weights

    def begin(self) -> None:
        """Start an episode."""
        self._explorer.begin()
        if self._policy is not None:
            self._policy.begin()

    def decide(self, observation: Vector, position: Vector, velocity: Vector,
               explore: bool) -> Decision:
        """
        Choose an action for a control state.

        :param observation: raw SI units.
        :param position: of every movable joint [rad or m].
        :param velocity: of every movable joint [rad/s or m/s].
        :param explore: as the weights say, else the most likely action.
        :raises RuntimeError: there are no weights.
        """
        weights, policy = self.weights, self._policy
        if weights is None or policy is None:
            raise RuntimeError('Decider.decide() before Decider.use()')
        policy.see(position, velocity)
        decision = self._explorer.act(policy, observation,
                                      weights.exploration if explore else 'none',
                                      weights.exploration_scale)
        action = decision.action
        command = self._efforts[int(action[0])] if len(self._efforts) else action
        self.effort = command * self._unit
        return decision

    def follow(self, position: Vector, velocity: Vector) -> Vector:
        """Return the effort [N m or N] for a control state, by the action decided on last."""
        action = None if self._policy is None else self._policy.see(position, velocity)
        if action is not None:
            self.effort = action * self._unit
        return self.effort
