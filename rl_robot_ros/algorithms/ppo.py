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

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.gradient import compile_option
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import clip_norm_
from rl_robot_ros.algorithms.on_policy import OnPolicy
from rl_robot_ros.algorithms.on_policy import OnPolicyConfig
from rl_robot_ros.algorithms.on_policy import standardised
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.spec import Vector
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
    compile: str = compile_option()  # noqa: A003

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
        request = layout.column('request')
        # Numbers in each part of a row of `data_of`.
        self.widths = self.spec.sizes[0], request.stop - request.start, 1, 1, 1
        self.gradient = GradientFunction(self.loss, config.compile, self.clip_norms)

    def loss(self, both: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the sum of both losses, so that one call has both gradients.

        Networks this small cost less than a call: two calls would take half as long again.

        :param both: actor and critic, one after the other.
        :param batch: rows of `data_of`.
        :returns: loss, and the details of `actor_loss` with the critic's loss behind them.
        """
        actor, critic = self.halves(both)
        obs, request, sent, advantage, targets = batch.split(self.widths, 1)
        policy_loss, details = self.actor_loss(actor, obs, request, sent.squeeze(1),
                                               advantage.squeeze(1))
        value_loss, alone = self.critic_loss(critic, obs, targets.squeeze(1))
        return policy_loss + value_loss, torch.cat((details, alone.reshape(1)))

    def clip_norms(self, both: Tensor) -> Tensor:
        """Scale the gradients of actor and critic down, each by itself."""
        for part in self.halves(both):
            clip_norm_(part, self.config.max_grad_norm)
        return both

    def actor_loss(self, actor: Tensor, obs: Tensor, request: Tensor, sent: Tensor,
                   advantage: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return the clipped surrogate; details: loss, entropy, divergence, share that was clipped.

        :param sent: log-probability of the request under the weights that acted, shape (N,).
        """
        logs, entropy = self.log_prob(actor, obs, request)
        moved, clip = logs - sent, self.config.clip
        ratio = torch.exp(moved)
        known = ratio.detach()
        held = known.clamp(1.0 - clip, 1.0 + clip)  # what is clipped has no gradient
        free, bound = ratio * advantage, held * advantage
        gain = torch.where(bound < free, bound, free)  # the lesser; `minimum` costs more calls
        loss = self.with_bonus(-gain.mean(), entropy)
        divergence = (known - 1.0 - moved.detach()).mean()
        clipped = (known != held).float().mean()
        return loss, torch.stack((loss.detach(), entropy.detach(), divergence, clipped))

    def learn(self, block: Block) -> dict[str, float]:
        """Make `epochs` passes over the rows that may be used."""
        advantage, returns = self.judge(block, self.config.gae_lambda)
        use = block.use
        data = self.data_of(block.rows[use], standardised(advantage, use)[use],
                            self.targets(returns[use]))
        before = self.both.clone()
        try:
            return {**self._passes(data), 'return': float(returns[use].mean())}
        except NonFiniteLoss:
            # Half of the passes may be done: what they led to is not to be trusted either.
            self.both.copy_(before)
            raise

    def data_of(self, rows: NDArray[np.float64], advantage: Vector, targets: Tensor) -> Tensor:
        """Return what a step needs of each row, side by side: one gather fetches a minibatch."""
        numbers = np.column_stack((rows[:, self.layout.column('request')],
                                   self.cells(rows, 'log_prob'), advantage))
        return torch.cat((self.observe(rows, 'obs'), self.on_device(numbers),
                          targets.unsqueeze(1)), 1)

    def _passes(self, data: Tensor) -> dict[str, float]:
        size, count = self.config.minibatch, len(data)
        steps = 0
        for epoch in range(self.config.epochs):
            # All minibatches are of one size: the last rows of a pass wait for the next one, and
            # where there are too few for one minibatch, some come twice.
            order = torch.randperm(max(count, size), generator=self.generator) % count
            order = order.to(self.device)
            for at in range(0, len(order) - size + 1, size):
                details = self._step(data.index_select(0, order[at:at + size]))
                steps += 1
                if 0.0 < 1.5 * self.config.target_kl < details['kl']:
                    return {**details, 'epochs': epoch + 1.0, 'steps_of_gradient': float(steps)}
        return {**details, 'epochs': epoch + 1.0, 'steps_of_gradient': float(steps)}

    def _step(self, batch: Tensor) -> dict[str, float]:
        gradient, details = self.gradient(self.both, batch)
        self.actor.flat.grad, self.critic.flat.grad = self.halves(gradient)
        loss, entropy, kl, share, value_loss = details.tolist()
        require_finite('value loss', value_loss)
        require_finite('policy loss', loss)
        # A step that starts from too far away is not made.
        if not 0.0 < 1.5 * self.config.target_kl < kl:
            self.actor_adam.advance()
            self.critic_adam.advance()
        return {'actor_loss': loss, 'value_loss': value_loss, 'entropy': entropy, 'kl': kl,
                'clipped': share}

    def prepare(self) -> None:
        """Compile the gradient on an empty minibatch; changes no parameter."""
        self.gradient(self.both, torch.zeros(self.config.minibatch, sum(self.widths),
                                             device=self.device))


ALGORITHM = Ppo
