"""
What all methods that learn from their own newest rows share: actor, value, rows, checkpoint.

They ask for the extra column ``log_prob``, leave out rows of older weights and of people, and use
`request`, the action that the policy itself chose: what the safety filter makes of it is part of
the world.  An episode that ran out of time, or that goes on in the next block, bootstraps from
`next_obs` (Pardo et al. 2018, arXiv 1712.00378).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.base import require_network
from rl_robot_ros.algorithms.base import require_widths
from rl_robot_ros.algorithms.device import device_option
from rl_robot_ros.algorithms.device import find_device
from rl_robot_ros.algorithms.device import to_tensor
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.algorithms.value_scale import ValueScale
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import ACTIVATIONS
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import HALF_LOG_2PI
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.normaliser import Normaliser
from rl_robot_ros.memory.rollout import Block
from rl_robot_ros.memory.rollout import generalised_advantages
from rl_robot_ros.memory.rollout import Rollout
import torch
from torch import Tensor
from torch.nn.functional import mse_loss


@dataclass(frozen=True)
class OnPolicyConfig:
    """What there is to choose wherever learning is on-policy."""

    gamma: float = option(0.98, 'discount per decision', low=0.0, high=1.0)
    batch: int = option(1000, 'rows for one update', unit='rows', low=2, high=1_000_000)
    hidden: tuple[int, ...] = option((64, 64), 'width of each hidden layer of both networks')
    lr: float = option(3e-4, 'learning rate of the policy', low=0.0, high=1.0)
    lr_value: float = option(1e-3, 'learning rate of the value', low=0.0, high=1.0)
    entropy: float = option(0.0, 'weight of the entropy bonus', low=0.0, high=10.0)
    activation: str = option('tanh', 'of the hidden layers of both networks',
                             choices=ACTIVATIONS)
    normalise_values: bool = option(True, 'let the value learn returns of mean 0 and variance 1, '
                                    'for rewards of any scale')
    initial_log_std: float = option(-0.5, 'log standard deviation at the start', low=-5.0,
                                    high=2.0)
    max_policy_lag: int = option(1, 'rows of weights that are older by more are left out',
                                 unit='versions', low=0, high=1000)
    device: str = device_option()

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        require_widths(self.hidden)


class OnPolicy(Algorithm):
    """An algorithm without replay; parameters as in `algorithms.base.Algorithm`."""

    on_policy = True
    partial: ClassVar[bool] = True  # whether pieces of episodes are of use

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: Any,
                 seed: int) -> None:
        self.config, self.network_name, self.layout = config, contract.network, layout
        self.spec = NetworkSpec.parse(contract.network)
        self.device = find_device(config.device)
        self.generator = torch.Generator().manual_seed(seed)
        self.rollout = Rollout(layout, config.max_policy_lag, self.partial)
        self.normaliser = Normaliser(layout.observation_size)
        self.value_scale = ValueScale()
        self.updates = 0

        # A Gaussian's free log_std is one more "layer" at the end of the flat vector.
        free = [(1, self.spec.action_size)] * (self.spec.kind == 'gaussian')
        self.actor = Parameters([*mlp_shapes(self.spec.sizes), *free], self.generator,
                                self.device)
        self.layers = 2 * (len(self.spec.sizes) - 1)
        if free:
            self.actor.views(self.actor.flat)[-1].fill_(config.initial_log_std)
        self.critic = Parameters(mlp_shapes((*self.spec.sizes[:-1], 1)), self.generator,
                                 self.device)
        # One after the other in one vector, so that one call can have both.
        self.both = torch.cat((self.actor.flat, self.critic.flat))
        self.actor.flat, self.critic.flat = self.halves(self.both)
        self.actor_adam = Adam([self.actor.flat], config.lr)
        self.critic_adam = Adam([self.critic.flat], config.lr_value)
        # Not compiled: how many rows of a block may be used differs from block to block.
        self.actor_gradient = GradientFunction(self.actor_loss, 'off')
        self.critic_gradient = GradientFunction(self.critic_loss, 'off')

    @classmethod
    def extra_columns(cls, action_size: int) -> tuple[Term, ...]:
        """Ask for the log-probability of the request under the weights that chose it."""
        return (Term('log_prob', 1),)

    @classmethod
    def network(cls, config: Any, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network: a Gaussian, or a categorical one for an effort set."""
        sizes = (observation_size, *config.hidden, choices or action_size)
        kind = 'categorical' if choices else 'gaussian'
        return f'{kind} {"-".join(map(str, sizes))} {config.activation}'

    @property
    def ready(self) -> bool:
        """Whether there are enough rows."""
        return len(self.rollout) >= self.config.batch

    def add(self, rows: NDArray[np.float64]) -> None:
        """Collect rows."""
        self.rollout.add(rows)

    def update(self) -> dict[str, float]:
        """Learn from what was collected, then forget it."""
        block = self.rollout.take(self.policy_version)
        use = block.use
        details = {'block_rows': float(len(use)), 'masked_rows': float(len(use) - use.sum())}
        if use.any():
            details |= self.learn(block)
        # Only now: these rows were made, and had to be judged, with the old statistics.
        self.normaliser.add(block.rows[:, self.layout.column('obs')])
        self.updates += 1
        return details

    @abstractmethod
    def learn(self, block: Block) -> dict[str, float]:
        """Learn from the rows of a block that may be used; there are some."""

    def halves(self, both: Tensor) -> tuple[Tensor, ...]:
        """Split what stands for actor and critic, one after the other."""
        return both.split((len(self.actor.flat), len(self.critic.flat)))

    # -- parts of losses -----------------------------------------------------------------------

    def actor_loss(self, actor: Tensor, obs: Tensor, request: Tensor,
                   advantage: Tensor) -> tuple[Tensor, Tensor]:
        """Return -log_prob * advantage - bonus; details: loss and entropy."""
        logs, entropy = self.log_prob(actor, obs, request)
        loss = self.with_bonus(-(logs * advantage).mean(), entropy)
        return loss, torch.stack((loss, entropy)).detach()

    def with_bonus(self, loss: Tensor, entropy: Tensor) -> Tensor:
        """Reward entropy where that is wanted."""
        return loss - self.config.entropy * entropy if self.config.entropy else loss

    def critic_loss(self, critic: Tensor, obs: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error of the value."""
        loss = mse_loss(self.value(critic, obs), returns)
        return loss, loss.detach()

    def value(self, critic: Tensor, obs: Tensor) -> Tensor:
        """Return the value in units of `value_scale`, shape (N,)."""
        return mlp(obs, self.critic.views(critic), self.spec.activation).squeeze(1)

    def log_prob(self, actor: Tensor, obs: Tensor, request: Tensor) -> tuple[Tensor, Tensor]:
        """Return log-probability of each request, shape (N,), and the mean entropy."""
        views = self.actor.views(actor)
        output = mlp(obs, views[:self.layers], self.spec.activation)
        if self.spec.kind == 'categorical':
            logs = torch.log_softmax(output, 1)
            chosen = logs.gather(1, request.long()).squeeze(1)
            return chosen, -(logs.exp() * logs).sum(1).mean()
        log_std = views[-1]
        distance = (request - output) * torch.exp(-log_std)
        size = (log_std + HALF_LOG_2PI).sum()
        return -0.5 * distance.square().sum(1) - size, size + 0.5 * self.spec.action_size

    # -- what rows say -------------------------------------------------------------------------

    def observe(self, rows: NDArray[np.float64], name: str) -> Tensor:
        """Normalise the observations in column `name` as the policy does."""
        return normalise(*(torch.from_numpy(part) for part in (
            rows[:, self.layout.column(name)], self.normaliser.mean,
            self.normaliser.inverse_std))).float().to(self.device)

    def requested(self, rows: NDArray[np.float64]) -> Tensor:
        """Return what the policy chose, shape (N, action_size)."""
        return self.on_device(rows[:, self.layout.column('request')])

    def on_device(self, numbers: NDArray[np.float64]) -> Tensor:
        """Bring numbers to where the networks are."""
        return to_tensor(numbers, self.device)

    def cells(self, rows: NDArray[np.float64], name: str) -> Vector:
        """Return the column `name` of one number, shape (N,)."""
        return rows[:, self.layout.column(name).start]

    def values_of(self, rows: NDArray[np.float64]) -> tuple[Vector, Vector]:
        """Return the value of `obs` and of `next_obs`."""
        with torch.no_grad():
            value, after = (self.value_scale.value(
                self.value(self.critic.flat, self.observe(rows, name)).cpu().double()).numpy()
                for name in ('obs', 'next_obs'))
        return value, after

    def targets(self, returns: Vector) -> Tensor:
        """
        Return what the critic's network is to say for these returns.

        :raises NonFiniteLoss: the networks' numbers cannot hold their squares.
        """
        wanted = torch.from_numpy(returns)
        require_finite('square of returns', float(wanted.float().square().sum()))
        if self.config.normalise_values:
            weight, bias = self.critic.views(self.critic.flat)[-2:]
            self.value_scale.take(wanted, weight, bias)
            wanted = self.value_scale.output(wanted)
        return wanted.float().to(self.device)

    def judge(self, block: Block, gae_lambda: float) -> tuple[Vector, Vector]:
        """Return the advantage of every row, and what its value should have been."""
        value, after = self.values_of(block.rows)
        after = np.where(self.cells(block.rows, 'terminated') != 0.0, 0.0, after)
        advantage = generalised_advantages(self.cells(block.rows, 'reward'), value, after,
                                           block.last, self.config.gamma, gae_lambda)
        return advantage, advantage + value

    # -- what goes out, and what goes into a checkpoint ----------------------------------------

    def actor_weights(self) -> Vector:
        """Return the actor in the format of `core.network`."""
        return self.normaliser.before(self.actor.flat.cpu().double().numpy())

    def exploration(self) -> tuple[str, float]:
        """Explore as the policy itself does."""
        return 'policy', 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return everything, collected rows included."""
        rows, lengths, whole = self.rollout.parts()
        return {
            'network': self.network_name, 'updates': self.updates,
            'rollout': torch.from_numpy(rows), 'pieces': lengths, 'whole_pieces': whole,
            'actor': self.actor.flat, 'critic': self.critic.flat,
            'actor_adam': self.actor_adam.state_dict(),
            'critic_adam': self.critic_adam.state_dict(),
            'normaliser': self.normaliser.state_dict(),
            'value_scale': self.value_scale.state_dict(),
            'generator': self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        require_network(state, self.network_name)
        self.updates = state['updates']
        self.rollout = Rollout(self.layout, self.config.max_policy_lag, self.partial)
        self.rollout.restore(state['rollout'].numpy(), state['pieces'], state['whole_pieces'])
        self.actor.flat.copy_(state['actor'])
        self.critic.flat.copy_(state['critic'])
        self.actor_adam.load_state_dict(state['actor_adam'])
        self.critic_adam.load_state_dict(state['critic_adam'])
        self.normaliser.load_state_dict(state['normaliser'])
        self.value_scale.load_state_dict(state['value_scale'])
        self.generator.set_state(state['generator'])


def standardised(advantage: Vector, use: NDArray[np.bool_]) -> Vector:
    """Bring the advantages of the rows in `use` to mean 0 and variance 1."""
    used = advantage[use]
    return (advantage - used.mean()) / (used.std() + 1e-8)
