"""
TD3, twin delayed deep deterministic policy gradient (Fujimoto et al. 2018, arXiv 1802.09477).

Off-policy, continuous actions.  A deterministic actor climbs the critic, noise in the policy
process explores.  Three ideas against a critic that believes its own mistakes, all of the paper:

- the smaller of two critics is the target;
- the target action gets clipped noise, so that a narrow peak of the critic is not worth much;
- the actor, and all targets, move only every `actor_every` critic updates.

What is added: layer norm in the critics (RLPD, Ball et al. 2023, arXiv 2302.02948), and that an
episode that ran out of time still bootstraps (Pardo et al. 2018, arXiv 1712.00378).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.base import require_continuous
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.exploration import NoiseConfig
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import Adam
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
from rl_robot_ros.core.transition import RowLayout
import torch
from torch import Tensor


@dataclass(frozen=True)
class DeterministicConfig(NoiseConfig, ActorCriticConfig):
    """What there is to choose in DDPG and TD3 alike."""

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        super().__post_init__()
        self.check_noise()


@dataclass(frozen=True)
class Td3Config(DeterministicConfig):
    """What there is to choose in TD3."""

    target_noise: float = option(0.2, 'standard deviation of the noise on target actions', low=0.0,
                                 high=2.0)
    target_noise_clip: float = option(0.5, 'that noise is clipped to this', low=0.0, high=2.0)


class Td3(OffPolicy):
    """TD3, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config: ClassVar[type] = Td3Config
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        'td3_paper': {'hidden': (256, 256), 'batch': 256, 'lr_actor': 3e-4, 'lr_critic': 3e-4,
                      'gamma': 0.99, 'critic_layer_norm': False, 'learning_starts': 25_000}}
    name: ClassVar[str] = 'td3'
    critics: ClassVar[int] = 2

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: Any,
                 seed: int) -> None:
        super().__init__(contract, layout, config, seed)
        critic_sizes = (self.observation_size + self.action_size, *config.hidden, 1)
        self.critic = Parameters(stacked_shapes(self.critics, critic_sizes), self.generator,
                                 self.device)
        self.actor = Parameters(mlp_shapes(self.spec.sizes), self.generator, self.device)
        self.target, self.target_actor = self.critic.flat.clone(), self.actor.flat.clone()
        self.critic_adam = Adam([self.critic.flat], config.lr_critic)
        self.actor_adam = Adam([self.actor.flat], config.lr_actor)
        self.critic_gradient, self.actor_gradient = (
            GradientFunction(loss, config.compile)
            for loss in (self.critic_loss, self.actor_loss))

    @classmethod
    def network(cls, config: Any, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network; raises ValueError for discrete actions."""
        require_continuous(cls.name, choices)
        sizes = (observation_size, *config.hidden, action_size)
        return f'deterministic {"-".join(map(str, sizes))} relu'

    def explore(self) -> tuple[str, float]:
        """Add noise, on its schedule."""
        return self.config.explore(self.counts)

    # -- the losses: tensors in, (loss, details) out, nothing else touched ---------------------

    def act(self, obs: Tensor, actor: Tensor) -> Tensor:
        """Return the actor's actions, shape (batch, action_size)."""
        return torch.tanh(mlp(obs, self.actor.views(actor)))

    def value(self, obs: Tensor, action: Tensor, critic: Tensor, count: int) -> Tensor:
        """Ask the first `count` critics, shape (count, batch, 1)."""
        layers = [layer[:count] for layer in self.critic.views(critic)]
        return stacked_mlp(torch.cat((obs, action), 1), layers, self.config.critic_layer_norm)

    def smooth(self, action: Tensor, noise: Tensor) -> Tensor:
        """Spread target actions by clipped noise."""
        clip = self.config.target_noise_clip
        noise = (self.config.target_noise * noise).clamp(-clip, clip)
        return (action + noise).clamp(-1.0, 1.0)

    def critic_loss(self, critic: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                    target: Tensor, target_actor: Tensor,
                    noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return squared error against the Bellman target; details: loss, mean value."""
        column = self.replay.columns
        next_obs = normalise(batch[:, column['next_obs']], mean, inverse_std)
        next_action = self.smooth(self.act(next_obs, target_actor), noise)
        next_value = self.value(next_obs, next_action, target, self.critics).amin(0)
        # Only a real end cuts the future off; running out of time (truncated) does not.
        going_on = 1.0 - batch[:, column['terminated']]
        wanted = (self.config.reward_scale * batch[:, column['reward']]
                  + self.config.gamma * going_on * next_value).detach()
        obs = normalise(batch[:, column['obs']], mean, inverse_std)
        value = self.value(obs, batch[:, column['action']], critic, self.critics)
        loss = (value - wanted).square().mean(1).sum()
        return loss, torch.stack((loss.detach(), value.detach().mean()))

    def actor_loss(self, actor: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                   critic: Tensor) -> tuple[Tensor, Tensor]:
        """Return minus the first critic's value; details: loss."""
        obs = normalise(batch[:, self.replay.columns['obs']], mean, inverse_std)
        loss = -self.value(obs, self.act(obs, actor), critic, 1).mean()
        return loss, loss.detach()

    # -- one update ----------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Update the critics once, every `actor_every` times also actor and targets."""
        self.sample()
        noise = self.noise(self.config.batch, self.action_size)
        shared = (self._batch, self._mean, self._inverse_std)
        self.critic.flat.grad, details = self.critic_gradient(
            self.critic.flat, *shared, self.target, self.target_actor, noise)
        loss, value = details.tolist()
        self.require_sound(loss, value)
        self.critic_adam.advance()
        self._details.update(critic_loss=loss, value=value)
        self.counts.updates += 1
        if self.counts.updates % self.config.actor_every == 0:
            self.actor.flat.grad, actor_loss = self.actor_gradient(
                self.actor.flat, *shared, self.critic.flat)
            require_finite('actor loss', float(actor_loss))
            self.actor_adam.advance()
            self.target.lerp_(self.critic.flat, self.config.tau)
            self.target_actor.lerp_(self.actor.flat, self.config.tau)
            self._details.update(actor_loss=float(actor_loss))
        return self._details

    def prepare(self) -> None:
        """Compile both gradients on an empty batch; changes no parameter and no random state."""
        shared = (self._batch, self._mean, self._inverse_std)
        noise = torch.zeros(self.config.batch, self.action_size, device=self.device)
        self.critic_gradient(self.critic.flat, *shared, self.target, self.target_actor, noise)
        self.actor_gradient(self.actor.flat, *shared, self.critic.flat)

    # -- what goes into a checkpoint -----------------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        return {'actor': self.actor.flat, 'critic': self.critic.flat, 'target': self.target,
                'target_actor': self.target_actor}

    def _adams(self) -> dict[str, Adam]:
        return {'critic_adam': self.critic_adam, 'actor_adam': self.actor_adam}


ALGORITHM = Td3
