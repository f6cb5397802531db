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
- an episode that ran out of time still bootstraps from `next_obs`: Pardo et al. 2018, arXiv
  1712.00378

Two presets: ``robot`` where rows are dear, ``sim`` where updates are dear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.networks import COMPILE
from rl_robot_ros.algorithms.networks import GradientFunction
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.algorithms.networks import stacked_mlp
from rl_robot_ros.algorithms.networks import stacked_shapes
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.policy import HALF_LOG_2PI
from rl_robot_ros.core.policy import LOG_STD_MAX
from rl_robot_ros.core.policy import LOG_STD_MIN
from rl_robot_ros.core.policy import NetworkSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.normaliser import Normaliser
from rl_robot_ros.memory.replay import LEARN_FROM
from rl_robot_ros.memory.replay import Replay
import torch
from torch import Tensor
from torch.nn.functional import softplus


@dataclass(frozen=True)
class SacConfig:
    """Everything there is to choose in SAC."""

    gamma: float = option(0.98, 'discount per decision', low=0.0, high=1.0)
    tau: float = option(0.005, 'how far targets move per update', low=0.0, high=1.0)
    utd: float = option(1.0, 'critic updates per row', low=0.0, high=100.0)
    actor_every: int = option(2, 'critic updates per actor update', low=1, high=100)
    batch: int = option(256, 'rows in one update', unit='rows', low=1, high=65_536)
    hidden: tuple[int, ...] = option((128, 128), 'width of each hidden layer, actor and critics')
    critic_layer_norm: bool = option(True, 'layer norm in the critics')
    lr_actor: float = option(3e-4, 'learning rate of the actor', low=0.0, high=1.0)
    lr_critic: float = option(3e-4, 'learning rate of the critics', low=0.0, high=1.0)
    lr_alpha: float = option(3e-4, 'learning rate of the temperature', low=0.0, high=1.0)
    initial_alpha: float = option(1.0, 'temperature at the start', low=1e-6, high=1e3)
    target_entropy: float = option(1.0, 'target entropy is minus this per action number',
                                   unit='nat', low=-10.0, high=10.0)
    initial_log_std: float = option(0.0, 'log standard deviation at the start, before squashing',
                                    low=-5.0, high=2.0)
    reward_scale: float = option(1.0, 'rewards are multiplied by this', low=1e-6, high=1e6)
    learning_starts: int = option(1000, 'rows of uniform exploration before the first update',
                                  unit='rows', low=1, high=10_000_000)
    capacity: int = option(500_000, 'rows in replay', unit='rows', low=1, high=50_000_000)
    learn_from: str = option('request', 'action of rows that the safety filter changed',
                             choices=LEARN_FROM)
    normaliser_rows: int = option(0, 'observation statistics stop after this many, 0 never',
                                  unit='rows', low=0)
    compile: str = option(  # noqa: A003
        'auto', 'torch.compile: auto is on where a C++ compiler is found', choices=COMPILE)

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        if not self.hidden or not all(width >= 1 for width in self.hidden):
            raise ValueError(f'algorithm.hidden: got {self.hidden}, every width must be >= 1')
        for name in ('batch', 'learning_starts'):
            if getattr(self, name) > self.capacity:
                raise ValueError(f'algorithm.{name}: got {getattr(self, name)}, it must not '
                                 f'exceed algorithm.capacity = {self.capacity}')


class Sac(Algorithm):
    """Soft actor-critic, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = SacConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        'sim': {'utd': 1.0, 'actor_every': 2, 'hidden': (128, 128), 'critic_layer_norm': True},
        'robot': {'utd': 4.0, 'actor_every': 4, 'hidden': (256, 256), 'critic_layer_norm': True},
    }

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: SacConfig,
                 seed: int) -> None:
        spec = NetworkSpec.parse(contract.network)
        self.config = config
        self.network_name = contract.network
        self.observation_size, self.action_size = layout.observation_size, layout.action_size
        self.generator = torch.Generator().manual_seed(seed)
        self.replay = Replay(layout, config.capacity, config.learn_from)
        self.normaliser = Normaliser(self.observation_size, config.normaliser_rows)
        self.rows = self.updates = 0

        critic_sizes = (self.observation_size + self.action_size, *config.hidden, 1)
        self.critic = Parameters(stacked_shapes(2, critic_sizes), self.generator)
        self.actor = Parameters(mlp_shapes(spec.sizes), self.generator)
        self.actor.views(self.actor.flat)[-1][:, self.action_size:] += config.initial_log_std
        self.target = self.critic.flat.clone()
        self.log_alpha = torch.full((), math.log(config.initial_alpha))
        self.critic_adam = torch.optim.Adam([self.critic.flat], config.lr_critic, fused=True)
        self.actor_adam = torch.optim.Adam([
            {'params': [self.actor.flat], 'lr': config.lr_actor},
            {'params': [self.log_alpha], 'lr': config.lr_alpha}], fused=True)
        self.critic_gradient = GradientFunction(self.critic_loss, config.compile)
        self.actor_gradient = GradientFunction(self.actor_loss, config.compile)

        self._memory = torch.from_numpy(self.replay.data)
        self._batch = torch.zeros(config.batch, self._memory.shape[1])
        self._details: dict[str, float] = {}
        self._refresh_normaliser()

    @classmethod
    def network(cls, config: SacConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network; raises ValueError for discrete actions."""
        if choices:
            raise ValueError('algorithm sac needs continuous actions, this robot and task have '
                             f'{choices} discrete ones: choose another algorithm')
        sizes = (observation_size, *config.hidden, 2 * action_size)
        return f'squashed_gaussian {"-".join(map(str, sizes))} relu'

    @property
    def utd(self) -> float:
        """Critic updates per row."""
        return self.config.utd

    @property
    def memory_rows(self) -> int:
        """Rows that fill replay."""
        return self.config.capacity

    @property
    def ready(self) -> bool:
        """Whether the uniform exploration at the start is over."""
        return self.rows >= self.config.learning_starts and self.replay.size > 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Remember rows and take their observations into the statistics."""
        self.rows += len(rows)
        self.replay.add(rows)
        self.normaliser.add(rows[:, self.replay.layout.column('obs')])
        self._refresh_normaliser()

    def _refresh_normaliser(self) -> None:
        self._mean = torch.from_numpy(self.normaliser.mean).float()
        self._inverse_std = torch.from_numpy(self.normaliser.inverse_std).float()

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

    def value(self, obs: Tensor, action: Tensor, critic: Tensor) -> Tensor:
        """Ask both critics, shape (2, batch, 1)."""
        return stacked_mlp(torch.cat((obs, action), 1), self.critic.views(critic),
                           self.config.critic_layer_norm)

    def critic_loss(self, critic: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                    target: Tensor, actor: Tensor, alpha: Tensor,
                    noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return squared error against the soft Bellman target; details: loss, mean value."""
        column = self.replay.columns
        next_obs = normalise(batch[:, column['next_obs']], mean, inverse_std)
        next_action, log_prob = self.act(next_obs, actor, noise)
        next_value = self.value(next_obs, next_action, target).amin(0) - alpha * log_prob
        # Only a real end cuts the future off; running out of time (truncated) does not.
        going_on = 1.0 - batch[:, column['terminated']]
        wanted = (self.config.reward_scale * batch[:, column['reward']]
                  + self.config.gamma * going_on * next_value).detach()
        obs = normalise(batch[:, column['obs']], mean, inverse_std)
        value = self.value(obs, batch[:, column['action']], critic)
        loss = (value - wanted).square().mean(1).sum()
        return loss, torch.stack((loss.detach(), value.detach().mean()))

    def actor_loss(self, actor: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
                   critic: Tensor, alpha: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha * log_prob - value; details: loss, mean log-probability."""
        obs = normalise(batch[:, self.replay.columns['obs']], mean, inverse_std)
        action, log_prob = self.act(obs, actor, noise)
        loss = (alpha * log_prob - self.value(obs, action, critic).amin(0)).mean()
        return loss, torch.stack((loss.detach(), log_prob.detach().mean()))

    # -- one update --------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Update the critics once, every `actor_every` times also actor and temperature."""
        indices = torch.randint(self.replay.size, (self.config.batch,), generator=self.generator)
        torch.index_select(self._memory, 0, indices, out=self._batch)
        noise = torch.randn(2, self.config.batch, self.action_size, generator=self.generator)
        self._update_critic(noise[0])
        self.updates += 1
        if self.updates % self.config.actor_every == 0:
            self._update_actor(noise[1])
        return self._details

    def _update_critic(self, noise: Tensor) -> None:
        self.critic.flat.grad, details = self.critic_gradient(
            self.critic.flat, self._batch, self._mean, self._inverse_std, self.target,
            self.actor.flat, self.log_alpha.exp(), noise)
        loss, value = details.tolist()
        require_finite('critic loss', loss)
        self.critic_adam.step()
        self.target.lerp_(self.critic.flat, self.config.tau)
        self._details.update(critic_loss=loss, value=value)

    def _update_actor(self, noise: Tensor) -> None:
        alpha = self.log_alpha.exp()
        self.actor.flat.grad, details = self.actor_gradient(
            self.actor.flat, self._batch, self._mean, self._inverse_std, self.critic.flat, alpha,
            noise)
        loss, log_prob = details.tolist()
        require_finite('actor loss', loss)
        # d/d(log_alpha) of -log_alpha * (log_prob + target_entropy), as in the authors' code.
        self.log_alpha.grad = torch.tensor(-log_prob + self.config.target_entropy
                                           * self.action_size)
        self.actor_adam.step()
        self._details.update(actor_loss=loss, entropy=-log_prob, alpha=float(alpha))

    def prepare(self) -> None:
        """Compile both gradients on an empty batch; changes no parameter and no random state."""
        shared = (self._batch, self._mean, self._inverse_std)
        tail = (self.log_alpha.exp(), torch.zeros(self.config.batch, self.action_size))
        self.critic_gradient(self.critic.flat, *shared, self.target, self.actor.flat, *tail)
        self.actor_gradient(self.actor.flat, *shared, self.critic.flat, *tail)

    # -- what goes out, and what goes into a checkpoint ----------------------------------------

    def actor_weights(self) -> Vector:
        """Return the actor in the format of `core.policy`."""
        return np.concatenate((self.normaliser.mean, self.normaliser.inverse_std,
                               self.actor.flat.double().numpy()))

    def exploration(self) -> tuple[str, float]:
        """Explore uniformly until the first update, then as the policy itself does."""
        return ('uniform' if self.rows < self.config.learning_starts else 'policy', 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the rows in replay."""
        return {
            'network': self.network_name, 'rows': self.rows, 'updates': self.updates,
            'replay_total': self.replay.total, **self._tensors(),
            'critic_adam': self.critic_adam.state_dict(),
            'actor_adam': self.actor_adam.state_dict(),
            'normaliser': self.normaliser.state_dict(),
            'generator': self.generator.get_state()}

    def _tensors(self) -> dict[str, Tensor]:
        return {'actor': self.actor.flat, 'critic': self.critic.flat, 'target': self.target,
                'log_alpha': self.log_alpha}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; replay is filled by `refill`."""
        if state['network'] != self.network_name:
            raise ValueError(f'the checkpoint has network {state["network"]!r}, this run asks for '
                             f'{self.network_name!r}: set algorithm.hidden as it was, or start a '
                             'new run')
        self.rows, self.updates = state['rows'], state['updates']
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])
        self.critic_adam.load_state_dict(state['critic_adam'])
        self.actor_adam.load_state_dict(state['actor_adam'])
        self.generator.set_state(state['generator'])
        self.normaliser.load_state_dict(state['normaliser'])
        self._refresh_normaliser()
        self.replay.total = 0
        self._replay_total = state['replay_total']

    def refill(self, rows: NDArray[np.float64]) -> None:
        """Fill replay as it was at the checkpoint."""
        self.replay.refill(rows, self._replay_total)


ALGORITHM = Sac
