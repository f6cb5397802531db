"""
REINFORCE (Williams 1992): do more of what turned out better than expected.  On-policy.

The oldest policy gradient.  It collects whole episodes and makes one step on them; what it shares
with its successors is `algorithms.on_policy`.  What is added to the paper:

- a learned value as baseline: Sutton and Barto 2018, section 13.4
- an episode that ran out of time goes on with the value of `next_obs`: Pardo et al. 2018, arXiv
  1712.00378
- advantages are scaled to unit variance, which frees the learning rate from the reward's scale
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.on_policy import OnPolicy
from rl_robot_ros.algorithms.on_policy import OnPolicyConfig
from rl_robot_ros.algorithms.on_policy import standardised
from rl_robot_ros.core.config import option
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.memory.rollout import Block
from rl_robot_ros.memory.rollout import returns_to_go
import torch

BASELINES = ('value', 'none')
S1: Mapping[str, Any] = {'lr': 1e-3, 'gamma': 0.99, 'baseline': 'none', 'normalise_returns': True}


@dataclass(frozen=True)
class ReinforceConfig(OnPolicyConfig):
    """What there is to choose in REINFORCE beside `on_policy.OnPolicyConfig`."""

    batch: int = option(1000, 'rows of whole episodes for one update', unit='rows', low=2,
                        high=1_000_000)
    lr: float = option(5e-3, 'learning rate of the policy', low=0.0, high=1.0)
    lr_value: float = option(1e-2, 'learning rate of the baseline', low=0.0, high=1.0)
    value_steps: int = option(20, 'gradient steps of the baseline per update', low=1, high=1000)
    baseline: str = option('value', 'what returns are compared with', choices=BASELINES)
    normalise_returns: bool = option(True, 'scale advantages to mean 0 and variance 1')


class Reinforce(OnPolicy):
    """REINFORCE, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = ReinforceConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        's0_reinforce': {**S1, 'hidden': (128,)}, 's1_reinforce': {**S1, 'hidden': (64,)}}
    partial = False

    def learn(self, block: Block) -> dict[str, float]:
        """Fit the baseline, then make one step of the policy."""
        use, details = block.use, {}
        returns, advantage = self._judge(block)
        if self.config.baseline == 'value':
            details = self._fit_value(block.rows[use], returns[use])
        return details | self._improve(block.rows[use], advantage[use])

    def _judge(self, block: Block) -> tuple[Vector, Vector]:
        """Return returns-to-go and advantages of all rows."""
        value = after = np.zeros(len(block.rows))
        if self.config.baseline == 'value':
            value, after = self.values_of(block.rows)
        ended = self.cells(block.rows, 'terminated') != 0.0
        returns = returns_to_go(self.cells(block.rows, 'reward'), block.last,
                                np.where(ended, 0.0, after), self.config.gamma)
        advantage = returns - value
        if self.config.normalise_returns:
            advantage = standardised(advantage, block.use)
        return returns, advantage

    def _improve(self, rows: NDArray[np.float64], advantage: Vector) -> dict[str, float]:
        obs, request = self.observe(rows, 'obs'), self.requested(rows)
        sent = self.on_device(self.cells(rows, 'log_prob'))
        self.actor.flat.grad, details = self.actor_gradient(
            self.actor.flat, obs, request, self.on_device(advantage))
        loss, entropy = details.tolist()
        require_finite('policy loss', loss)
        self.actor_adam.advance()
        with torch.no_grad():
            kl = float((sent - self.log_prob(self.actor.flat, obs, request)[0]).mean())
        return {'actor_loss': loss, 'entropy': entropy, 'kl': kl}

    def _fit_value(self, rows: NDArray[np.float64], returns: Vector) -> dict[str, float]:
        obs, wanted = self.observe(rows, 'obs'), self.targets(returns)
        for _ in range(self.config.value_steps):
            gradient, loss = self.critic_gradient(self.critic.flat, obs, wanted)
            require_finite('value loss', float(loss))
            self.critic.flat.grad = gradient
            self.critic_adam.advance()
        return {'value_loss': float(loss), 'return': float(returns.mean())}


ALGORITHM = Reinforce
