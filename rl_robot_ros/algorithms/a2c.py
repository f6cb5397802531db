"""
A2C, advantage actor-critic (Mnih et al. 2016, arXiv 1602.01783, without its many threads).

On-policy: one gradient step of actor and value on each small block of rows, whose returns are cut
off after the block and go on with the value.  `gae_lambda` 1 is the paper's n-step return, less
trusts the value more (Schulman et al. 2015, arXiv 1506.02438).  The optimiser is Adam instead of
RMSProp, as everywhere here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.networks import clip_norm_
from rl_robot_ros.algorithms.on_policy import OnPolicy
from rl_robot_ros.algorithms.on_policy import OnPolicyConfig
from rl_robot_ros.algorithms.on_policy import standardised
from rl_robot_ros.core.config import option
from rl_robot_ros.memory.rollout import Block


@dataclass(frozen=True)
class A2cConfig(OnPolicyConfig):
    """What there is to choose in A2C beside `on_policy.OnPolicyConfig`."""

    batch: int = option(256, 'rows for one update', unit='rows', low=2, high=1_000_000)
    lr: float = option(2e-3, 'learning rate of the policy', low=0.0, high=1.0)
    lr_value: float = option(1e-2, 'learning rate of the value', low=0.0, high=1.0)
    gae_lambda: float = option(0.95, 'weight of longer returns in the advantage', low=0.0,
                               high=1.0)
    normalise_advantages: bool = option(True, 'scale advantages to mean 0 and variance 1')
    max_grad_norm: float = option(0.5, 'gradients are scaled down to this norm, 0 never', low=0.0,
                                  high=1e6)


class A2c(OnPolicy):
    """A2C, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = A2cConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        # Its trunk is shared between actor and value and its value coefficient 0.5; here they are
        # two networks, and Adam does not see a constant factor.
        's1_actor_critic': {'hidden': (64,), 'lr': 1e-3, 'lr_value': 1e-3, 'gamma': 0.99,
                            'gae_lambda': 1.0, 'normalise_advantages': False}}

    def learn(self, block: Block) -> dict[str, float]:
        """Make one step of each network on the rows that may be used."""
        advantage, returns = self.judge(block, self.config.gae_lambda)
        if self.config.normalise_advantages:
            advantage = standardised(advantage, block.use)
        rows = block.rows[block.use]
        obs, request = self.observe(rows, 'obs'), self.requested(rows)
        self.critic.flat.grad, value_loss = self.critic_gradient(
            self.critic.flat, obs, self.targets(returns[block.use]))
        self.actor.flat.grad, details = self.actor_gradient(
            self.actor.flat, obs, request, self.on_device(advantage[block.use]))
        loss, entropy = details.tolist()
        require_finite('value loss', float(value_loss))
        require_finite('policy loss', loss)
        for network, adam in ((self.actor, self.actor_adam), (self.critic, self.critic_adam)):
            clip_norm_(network.flat.grad, self.config.max_grad_norm)
            adam.advance()
        return {'actor_loss': loss, 'value_loss': float(value_loss), 'entropy': entropy,
                'return': float(returns[block.use].mean())}


ALGORITHM = A2c
