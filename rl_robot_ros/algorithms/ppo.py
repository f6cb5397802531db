"""
PPO, proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347): on-policy.

Several passes over the newest block of rows, in minibatches, while a clip keeps the policy from
going further than the rows can vouch for.  What else there is, and where it comes from:

- generalised advantage estimation: Schulman et al. 2015, arXiv 1506.02438
- stop the passes where the policy has moved too far (`target_kl`), with the estimator
  (r - 1) - log r: Schulman 2020, "Approximating KL divergence"
- rows of older weights are left out (`max_policy_lag`): the ratio belongs to the weights that
  acted, and the policy process says which those were
- advantages are scaled to unit variance, gradients to a largest norm: Andrychowicz et al. 2021,
  arXiv 2006.05990, tell what each of these is worth

The ratio is that of the whole action vector, not one per motor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.networks import clip_gradient
from rl_robot_ros.algorithms.networks import COMPILE
from rl_robot_ros.algorithms.networks import GradientFunction
from rl_robot_ros.algorithms.on_policy import OnPolicy
from rl_robot_ros.algorithms.on_policy import OnPolicyConfig
from rl_robot_ros.algorithms.on_policy import standardised
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.rollout import Block
import torch
from torch import Tensor


@dataclass(frozen=True)
class PpoConfig(OnPolicyConfig):
    """What there is to choose in PPO beside `on_policy.OnPolicyConfig`."""

    batch: int = option(2048, 'rows for one update', unit='rows', low=2, high=1_000_000)
    epochs: int = option(10, 'passes over these rows', low=1, high=1000)
    minibatch: int = option(64, 'rows in one gradient step', unit='rows', low=2, high=65_536)
    clip: float = option(0.2, 'how far the ratio counts from 1', low=0.0, high=1.0)
    gae_lambda: float = option(0.95, 'weight of longer returns in the advantage', low=0.0,
                               high=1.0)
    target_kl: float = option(0.03, 'end the passes beyond this divergence, 0 never', unit='nat',
                              low=0.0, high=10.0)
    max_grad_norm: float = option(0.5, 'gradients are scaled down to this norm, 0 never', low=0.0,
                                  high=1e6)
    compile: str = option(  # noqa: A003
        'auto', 'torch.compile: auto is on where a C++ compiler is found', choices=COMPILE)

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        super().__post_init__()
        if self.minibatch > self.batch:
            raise ValueError(f'algorithm.minibatch: got {self.minibatch}, it must not exceed '
                             f'algorithm.batch = {self.batch}')


class Ppo(OnPolicy):
    """PPO, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = PpoConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        's1_ppo': {'hidden': (64, 64), 'lr': 3e-4, 'lr_value': 3e-4, 'gamma': 0.99, 'clip': 0.2,
                   'epochs': 10},
        # Its trunk is shared and its standard deviation depends on the state; here there are two
        # networks, and one learned standard deviation per motor.
        's3_actor_critic': {'hidden': (256,), 'lr': 3e-4, 'lr_value': 3e-4, 'gamma': 0.99,
                            'clip': 0.2}}

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: PpoConfig,
                 seed: int) -> None:
        super().__init__(contract, layout, config, seed)
        self.gradient = GradientFunction(self.loss, config.compile)

    def loss(self, both: Tensor, obs: Tensor, request: Tensor, sent: Tensor, advantage: Tensor,
             returns: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the sum of both losses, so that one call has both gradients.

        Networks this small cost less than a call: two calls would take half as long again.

        :param both: actor and critic, one after the other.
        :returns: loss, and the details of `actor_loss` with the critic's loss behind them.
        """
        actor, critic = both.split((len(self.actor.flat), len(self.critic.flat)))
        policy_loss, details = self.actor_loss(actor, obs, request, sent, advantage)
        value_loss, alone = self.critic_loss(critic, obs, returns)
        return policy_loss + value_loss, torch.cat((details, alone.reshape(1)))

    def actor_loss(self, actor: Tensor, obs: Tensor, request: Tensor, sent: Tensor,
                   advantage: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the clipped surrogate; details: loss, entropy, divergence, share that was clipped.

        :param sent: log-probability of the request under the weights that acted, shape (N,).
        """
        logs, entropy = self.log_prob(actor, obs, request)
        ratio = torch.exp(logs - sent)
        clip = self.config.clip
        gain = torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
        loss = -gain.mean() - self.config.entropy * entropy
        divergence = (ratio - 1.0 - (logs - sent)).mean()
        clipped = ((ratio - 1.0).abs() > clip).float().mean()
        return loss, torch.stack((loss, entropy, divergence, clipped)).detach()

    def learn(self, block: Block) -> dict[str, float]:
        """Make `epochs` passes over the rows that may be used."""
        advantage, returns = self.judge(block, self.config.gae_lambda)
        advantage, rows = standardised(advantage, block.use)[block.use], block.rows[block.use]
        data = (self.observe(rows, 'obs'),
                torch.from_numpy(rows[:, self.layout.column('request')]).float(),
                *(torch.from_numpy(part).float() for part in (
                    self.cells(rows, 'log_prob'), advantage, returns[block.use])))
        before = self.actor.flat.clone(), self.critic.flat.clone()
        try:
            return {**self._passes(data), 'return': float(returns[block.use].mean())}
        except NonFiniteLoss:
            # Half of the passes may be done: what they led to is not to be trusted either.
            self.actor.flat.copy_(before[0])
            self.critic.flat.copy_(before[1])
            raise

    def _passes(self, data: tuple[Tensor, ...]) -> dict[str, float]:
        size, count = self.config.minibatch, len(data[0])
        steps = 0
        for epoch in range(self.config.epochs):
            # All minibatches are of one size: the last rows of a pass wait for the next one, and
            # where there are too few for one minibatch, some come twice.
            order = torch.randperm(max(count, size), generator=self.generator) % count
            for at in range(0, len(order) - size + 1, size):
                part = [tensor[order[at:at + size]] for tensor in data]
                details = self._step(*part)
                steps += 1
                if 0.0 < 1.5 * self.config.target_kl < details['kl']:
                    return {**details, 'epochs': epoch + 1.0, 'steps_of_gradient': float(steps)}
        return {**details, 'epochs': epoch + 1.0, 'steps_of_gradient': float(steps)}

    def _step(self, obs: Tensor, request: Tensor, sent: Tensor, advantage: Tensor,
              returns: Tensor) -> dict[str, float]:
        gradient, details = self.gradient(torch.cat((self.actor.flat, self.critic.flat)), obs,
                                          request, sent, advantage, returns)
        self.actor.flat.grad, self.critic.flat.grad = gradient.split(
            (len(self.actor.flat), len(self.critic.flat)))
        loss, entropy, kl, clipped, value_loss = details.tolist()
        require_finite('value loss', value_loss)
        require_finite('policy loss', loss)
        # A step that starts from too far away is not made.
        if not 0.0 < 1.5 * self.config.target_kl < kl:
            for network, adam in ((self.actor, self.actor_adam), (self.critic, self.critic_adam)):
                if self.config.max_grad_norm:
                    clip_gradient(network.flat, self.config.max_grad_norm)
                adam.step()
        return {'actor_loss': loss, 'value_loss': value_loss, 'entropy': entropy, 'kl': kl,
                'clipped': clipped}

    def prepare(self) -> None:
        """Compile the gradient on an empty minibatch; changes no parameter."""
        size, sizes = self.config.minibatch, self.spec.sizes
        zeros = torch.zeros(size)
        obs, request = torch.zeros(size, sizes[0]), torch.zeros(size, self.spec.action_size)
        self.gradient(torch.cat((self.actor.flat, self.critic.flat)), obs, request, zeros, zeros,
                      zeros)


ALGORITHM = Ppo
