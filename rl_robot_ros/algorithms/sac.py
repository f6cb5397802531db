"""
Soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905): off-policy, continuous actions.

The critic learns how good an action is from replay; the actor learns to do what the critic likes
while it stays as random as the temperature asks; the temperature learns to keep the entropy at a
target.  What is added to the paper, and where it comes from:

- the smaller of two critics, against overestimation: TD3, Fujimoto et al. 2018, arXiv 1802.09477
- layer norm in the critics, against runaway extrapolation: RLPD, Ball et al. 2023, arXiv
  2302.02948
- several critic updates per row, one actor update per several: REDQ, Chen et al. 2021, arXiv
  2101.05982, and DroQ, Hiraoka et al. 2021, arXiv 2110.02034
- dropout in the critics: DroQ again
- an episode that ran out of time still bootstraps from `next_obs`: Pardo et al. 2018, arXiv
  1712.00378

Three presets: ``robot`` where rows are dear, ``droq`` where they are dearer still, ``sim`` where
updates are dear.  The last asks for more entropy than the papers' -1 per action number: with that
the temperature goes on falling when arm7 has learned to reach, its torques begin to chatter, and
it no longer stays at its targets (docs/algorithms.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.base import require_continuous
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import dropout_mask
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.algorithms.networks import stacked_mlp
from rl_robot_ros.algorithms.networks import stacked_shapes
from rl_robot_ros.algorithms.off_policy import ActorCriticConfig
from rl_robot_ros.algorithms.off_policy import OffPolicy
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.policy import HALF_LOG_2PI
from rl_robot_ros.core.policy import LOG_STD_MAX
from rl_robot_ros.core.policy import LOG_STD_MIN
from rl_robot_ros.core.transition import RowLayout
import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class SacConfig(ActorCriticConfig):
    """What there is to choose in SAC beside `off_policy.ActorCriticConfig`."""

    dropout: float = option(0.0, 'dropout rate in the critics, 0.01 is DroQ', low=0.0, high=0.9)
    lr_alpha: float = option(3e-4, 'learning rate of the temperature', low=0.0, high=1.0)
    initial_alpha: float = option(0.2, 'temperature at the start', low=1e-6, high=1e3)
    target_entropy: float = option(0.25, 'target entropy is minus this per action number',
                                   unit='nat', low=-10.0, high=10.0)
    initial_log_std: float = option(0.0, 'log standard deviation at the start, before squashing',
                                    low=-5.0, high=2.0)


class Sac(OffPolicy):
    """Soft actor-critic, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = SacConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        'sim': {'utd': 1.0, 'actor_every': 2, 'hidden': (128, 128), 'critic_layer_norm': True,
                'initial_alpha': 0.2, 'target_entropy': 0.25},
        'robot': {'utd': 4.0, 'actor_every': 4, 'hidden': (256, 256), 'critic_layer_norm': True,
                  'initial_alpha': 1.0, 'target_entropy': 1.0},
        'droq': {'utd': 20.0, 'actor_every': 20, 'hidden': (256, 256), 'critic_layer_norm': True,
                 'initial_alpha': 1.0, 'target_entropy': 1.0, 'dropout': 0.01},
    }

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: SacConfig,
                 seed: int) -> None:
        super().__init__(contract, layout, config, seed)
        critic_sizes = (self.observation_size + self.action_size, *config.hidden, 1)
        self.critic = Parameters(stacked_shapes(2, critic_sizes), self.generator, self.device)
        self.actor = Parameters(mlp_shapes(self.spec.sizes), self.generator, self.device)
        self.actor.views(self.actor.flat)[-1][:, self.action_size:] += config.initial_log_std
        self.target = self.critic.flat.clone()
        self.log_alpha = torch.full((), math.log(config.initial_alpha), device=self.device)
        self.critic_adam = Adam([self.critic.flat], config.lr_critic)
        self.actor_adam = Adam([
            {'params': [self.actor.flat], 'lr': config.lr_actor},
            {'params': [self.log_alpha], 'lr': config.lr_alpha}])
        self.critic_gradient, self.actor_gradient = (
            GradientFunction(loss, config.compile)
            for loss in (self.critic_loss, self.actor_loss))

    @classmethod
    def network(cls, config: SacConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network; raises ValueError for discrete actions."""
        require_continuous('sac', choices)
        sizes = (observation_size, *config.hidden, 2 * action_size)
        return f'squashed_gaussian {"-".join(map(str, sizes))} relu'

    # -- the losses: tensors in, (loss, details) out, nothing else touched ---------------------

    def act(self, obs: Tensor, actor: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Sample actions, shape (batch, action_size), and their log-probability, (batch, 1)."""
        mean, log_std = mlp(obs, self.actor.views(actor)).chunk(2, -1)
        log_std = log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        raw = mean + log_std.exp() * noise
        gaussian = -0.5 * noise * noise - log_std - HALF_LOG_2PI
        # log(1 - tanh(u)^2) in a form that stays finite for large |u|.
        squash = 2.0 * (math.log(2.0) - raw - softplus(-2.0 * raw))
        return torch.tanh(raw), (gaussian - squash).sum(-1, keepdim=True)

    def value(self, obs: Tensor, action: Tensor, critic: Tensor, mask: Tensor | None) -> Tensor:
        """Ask both critics, shape (2, batch, 1)."""
        return stacked_mlp(torch.cat((obs, action), 1), self.critic.views(critic),
                           self.config.critic_layer_norm, mask)

    def critic_loss(self, critic: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                    target: Tensor, actor: Tensor, alpha: Tensor, noise: Tensor,
                    mask: Tensor | None = None,
                    target_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return squared error against the soft Bellman target; details: loss, mean value."""
        column = self.replay.columns
        next_obs = normalise(batch[:, column['next_obs']], mean, inverse_std)
        next_action, log_prob = self.act(next_obs, actor, noise)
        next_value = (self.value(next_obs, next_action, target, target_mask).amin(0)
                      - alpha * log_prob)
        # Only a real end cuts the future off; running out of time (truncated) does not.
        going_on = 1.0 - batch[:, column['terminated']]
        wanted = (self.config.reward_scale * batch[:, column['reward']]
                  + self.config.gamma * going_on * next_value).detach()
        obs = normalise(batch[:, column['obs']], mean, inverse_std)
        value = self.value(obs, batch[:, column['action']], critic, mask)
        loss = (value - wanted).square().mean(1).sum()
        return loss, torch.stack((loss.detach(), value.detach().mean()))

    def actor_loss(self, actor: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                   critic: Tensor, alpha: Tensor, noise: Tensor,
                   mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return alpha * log_prob - value; details: loss, mean log-probability."""
        obs = normalise(batch[:, self.replay.columns['obs']], mean, inverse_std)
        action, log_prob = self.act(obs, actor, noise)
        loss = (alpha * log_prob - self.value(obs, action, critic, mask).amin(0)).mean()
        return loss, torch.stack((loss.detach(), log_prob.detach().mean()))

    # -- one update --------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Update the critics once, every `actor_every` times also actor and temperature."""
        self.sample()
        noise = self.noise(2, self.config.batch, self.action_size)
        self._update_critic(noise[0])
        self.counts.updates += 1
        if self.counts.updates % self.config.actor_every == 0:
            self._update_actor(noise[1])
        return self._details

    def _update_critic(self, noise: Tensor) -> None:
        self.critic.flat.grad, details = self.critic_gradient(
            self.critic.flat, self._batch, self._mean, self._inverse_std, self.target,
            self.actor.flat, self.log_alpha.exp(), noise, *self._masks(2))
        loss, value = details.tolist()
        self.require_sound(loss, value)
        self.critic_adam.advance()
        self.target.lerp_(self.critic.flat, self.config.tau)
        self._details.update(critic_loss=loss, value=value)

    def _update_actor(self, noise: Tensor) -> None:
        alpha = self.log_alpha.exp()
        self.actor.flat.grad, details = self.actor_gradient(
            self.actor.flat, self._batch, self._mean, self._inverse_std, self.critic.flat, alpha,
            noise, *self._masks(1))
        loss, log_prob = details.tolist()
        require_finite('actor loss', loss)
        # d/d(log_alpha) of -log_alpha * (log_prob + target_entropy), as in the authors' code.
        surplus = self.config.target_entropy * self.action_size - log_prob
        self.log_alpha.grad = torch.full_like(self.log_alpha, surplus)
        self.actor_adam.advance()
        self._details.update(actor_loss=loss, entropy=-log_prob, alpha=float(alpha))

    def prepare(self) -> None:
        """Compile both gradients on an empty batch; changes no parameter and no random state."""
        shared = (self._batch, self._mean, self._inverse_std)
        noise = torch.zeros(self.config.batch, self.action_size, device=self.device)
        tail = (self.log_alpha.exp(), noise)
        state = self.generator.get_state()
        self.critic_gradient(self.critic.flat, *shared, self.target, self.actor.flat, *tail,
                             *self._masks(2))
        self.actor_gradient(self.actor.flat, *shared, self.critic.flat, *tail, *self._masks(1))
        self.generator.set_state(state)

    def _masks(self, count: int) -> tuple[Tensor, ...]:
        """Draw dropout of the critics for `count` evaluations; nothing where there is none."""
        if not self.config.dropout:
            return ()
        shape = (count, 2, self.config.batch, sum(self.config.hidden))
        return tuple(dropout_mask(shape, self.config.dropout, self.generator).to(self.device))

    # -- what goes into a checkpoint -----------------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        return {'actor': self.actor.flat, 'critic': self.critic.flat, 'target': self.target,
                'log_alpha': self.log_alpha}

    def _adams(self) -> dict[str, Adam]:
        return {'critic_adam': self.critic_adam, 'actor_adam': self.actor_adam}


ALGORITHM = Sac
