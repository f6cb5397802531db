"""
REINFORCE (Williams 1992): do more of what turned out better than expected.  On-policy.

The oldest policy gradient, kept small on purpose: it shows all that an on-policy method needs of
the graph.  It asks for the extra column ``log_prob``, collects whole episodes, leaves out rows of
older weights and of people, and uses `request`, the action that the policy itself chose: what the
safety filter makes of it is part of the world.  What is added to the paper:

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
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.networks import GradientFunction
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.policy import HALF_LOG_2PI
from rl_robot_ros.core.policy import NetworkSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.normaliser import Normaliser
from rl_robot_ros.memory.rollout import Block
from rl_robot_ros.memory.rollout import returns_to_go
from rl_robot_ros.memory.rollout import Rollout
import torch
from torch import Tensor

BASELINES = ('value', 'none')


@dataclass(frozen=True)
class ReinforceConfig:
    """Everything there is to choose in REINFORCE."""

    gamma: float = option(0.98, 'discount per decision', low=0.0, high=1.0)
    batch: int = option(1000, 'rows of whole episodes for one update', unit='rows', low=2,
                        high=1_000_000)
    hidden: tuple[int, ...] = option((64, 64), 'width of each hidden layer')
    lr: float = option(5e-3, 'learning rate of the policy', low=0.0, high=1.0)
    lr_value: float = option(1e-2, 'learning rate of the baseline', low=0.0, high=1.0)
    value_steps: int = option(20, 'gradient steps of the baseline per update', low=1, high=1000)
    baseline: str = option('value', 'what returns are compared with', choices=BASELINES)
    normalise_returns: bool = option(True, 'scale advantages to mean 0 and variance 1')
    entropy: float = option(0.0, 'weight of the entropy bonus', low=0.0, high=10.0)
    initial_log_std: float = option(-0.5, 'log standard deviation at the start', low=-5.0,
                                    high=2.0)
    max_policy_lag: int = option(1, 'rows of weights that are older by more are left out',
                                 unit='versions', low=0, high=1000)

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        if not self.hidden or not all(width >= 1 for width in self.hidden):
            raise ValueError(f'algorithm.hidden: got {self.hidden}, every width must be >= 1')


class Reinforce(Algorithm):
    """REINFORCE, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = ReinforceConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    on_policy = True

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: ReinforceConfig,
                 seed: int) -> None:
        self.config, self.network_name, self.layout = config, contract.network, layout
        self.spec = NetworkSpec.parse(contract.network)
        generator = torch.Generator().manual_seed(seed)
        self.rollout = Rollout(layout, config.max_policy_lag)
        self.normaliser = Normaliser(layout.observation_size)
        self.updates = 0

        # A Gaussian's free log_std is one more "layer" at the end of the flat vector.
        free = [(1, self.spec.action_size)] * (self.spec.kind == 'gaussian')
        self.actor = Parameters([*mlp_shapes(self.spec.sizes), *free], generator)
        self.layers = 2 * (len(self.spec.sizes) - 1)
        if free:
            self.actor.views(self.actor.flat)[-1].fill_(config.initial_log_std)
        self.critic = Parameters(mlp_shapes((*self.spec.sizes[:-1], 1)), generator)
        self.actor_adam = torch.optim.Adam([self.actor.flat], lr=config.lr, fused=True)
        self.critic_adam = torch.optim.Adam([self.critic.flat], lr=config.lr_value, fused=True)
        # Episodes differ in length, so there is no fixed shape to compile for.
        self.actor_gradient = GradientFunction(self.actor_loss, 'off')
        self.critic_gradient = GradientFunction(self.critic_loss, 'off')

    @classmethod
    def extra_columns(cls, action_size: int) -> tuple[Term, ...]:
        """Ask for the log-probability of the request under the weights that chose it."""
        return (Term('log_prob', 1),)

    @classmethod
    def network(cls, config: ReinforceConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network: a Gaussian, or a categorical one for an effort set."""
        sizes = (observation_size, *config.hidden, choices or action_size)
        kind = 'categorical' if choices else 'gaussian'
        return f'{kind} {"-".join(map(str, sizes))} tanh'

    @property
    def ready(self) -> bool:
        """Whether there are enough rows of whole episodes."""
        return len(self.rollout) >= self.config.batch

    def add(self, rows: NDArray[np.float64]) -> None:
        """Collect rows."""
        self.rollout.add(rows)

    # -- the losses ----------------------------------------------------------------------------

    def observe(self, rows: NDArray[np.float64], name: str) -> Tensor:
        """Normalise the observations in column `name` as the policy does."""
        return normalise(*(torch.from_numpy(part) for part in (
            rows[:, self.layout.column(name)], self.normaliser.mean,
            self.normaliser.inverse_std))).float()

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
        logs = (-0.5 * distance.square() - log_std - HALF_LOG_2PI).sum(1)
        return logs, (log_std + HALF_LOG_2PI + 0.5).sum()

    def actor_loss(self, actor: Tensor, obs: Tensor, request: Tensor,
                   advantage: Tensor) -> tuple[Tensor, Tensor]:
        """Return -log_prob * advantage - bonus; details: loss and entropy."""
        logs, entropy = self.log_prob(actor, obs, request)
        loss = -(logs * advantage).mean() - self.config.entropy * entropy
        return loss, torch.stack((loss, entropy)).detach()

    def critic_loss(self, critic: Tensor, obs: Tensor, returns: Tensor) -> tuple[Tensor, Tensor]:
        """Return the squared error of the baseline."""
        loss = (self.value(critic, obs) - returns).square().mean()
        return loss, loss.detach()

    def value(self, critic: Tensor, obs: Tensor) -> Tensor:
        """Return the baseline, shape (N,)."""
        return mlp(obs, self.critic.views(critic), self.spec.activation).squeeze(1)

    # -- one update ----------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Make one step on what was collected, then forget it."""
        block = self.rollout.take(self.policy_version)
        use = block.use
        details = {'block_rows': float(len(use)), 'masked_rows': float(len(use) - use.sum())}
        if use.any():
            returns, advantage = self._judge(block)
            if self.config.baseline == 'value':
                details |= self._fit_value(block.rows[use], returns[use])
            details |= self._improve(block.rows[use], advantage[use])
        # Only now: these rows were made, and had to be judged, with the old statistics.
        self.normaliser.add(block.rows[:, self.layout.column('obs')])
        self.updates += 1
        return details

    def _judge(self, block: Block) -> tuple[Vector, Vector]:
        """Return returns-to-go and advantages of all rows."""
        column = {name: block.rows[:, self.layout.column(name).start]
                  for name in ('reward', 'terminated')}
        value = after = np.zeros(len(block.rows))
        if self.config.baseline == 'value':
            with torch.no_grad():
                value, after = (self.value(self.critic.flat, self.observe(block.rows, name))
                                .double().numpy() for name in ('obs', 'next_obs'))
        returns = returns_to_go(column['reward'], block.last,
                                np.where(column['terminated'] != 0.0, 0.0, after),
                                self.config.gamma)
        advantage = returns - value
        if self.config.normalise_returns:
            used = advantage[block.use]
            advantage = (advantage - used.mean()) / (used.std() + 1e-8)
        return returns, advantage

    def _improve(self, rows: NDArray[np.float64], advantage: Vector) -> dict[str, float]:
        obs = self.observe(rows, 'obs')
        request = torch.from_numpy(rows[:, self.layout.column('request')]).float()
        sent = torch.from_numpy(rows[:, self.layout.column('log_prob').start]).float()
        self.actor.flat.grad, details = self.actor_gradient(
            self.actor.flat, obs, request, torch.from_numpy(advantage).float())
        loss, entropy = details.tolist()
        require_finite('policy loss', loss)
        self.actor_adam.step()
        with torch.no_grad():
            kl = float((sent - self.log_prob(self.actor.flat, obs, request)[0]).mean())
        return {'actor_loss': loss, 'entropy': entropy, 'kl': kl}

    def _fit_value(self, rows: NDArray[np.float64], returns: Vector) -> dict[str, float]:
        obs, wanted = self.observe(rows, 'obs'), torch.from_numpy(returns).float()
        for _ in range(self.config.value_steps):
            gradient, loss = self.critic_gradient(self.critic.flat, obs, wanted)
            require_finite('value loss', float(loss))
            self.critic.flat.grad = gradient
            self.critic_adam.step()
        return {'value_loss': float(loss), 'return': float(returns.mean())}

    # -- what goes out, and what goes into a checkpoint ----------------------------------------

    def actor_weights(self) -> Vector:
        """Return the actor in the format of `core.policy`."""
        return np.concatenate((self.normaliser.mean, self.normaliser.inverse_std,
                               self.actor.flat.double().numpy()))

    def exploration(self) -> tuple[str, float]:
        """Explore as the policy itself does."""
        return 'policy', 1.0

    def state_dict(self) -> dict[str, Any]:
        """Return everything, collected rows included."""
        return {
            'network': self.network_name, 'updates': self.updates,
            'rollout': torch.from_numpy(self.rollout.rows()),
            'actor': self.actor.flat, 'critic': self.critic.flat,
            'actor_adam': self.actor_adam.state_dict(),
            'critic_adam': self.critic_adam.state_dict(),
            'normaliser': self.normaliser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        if state['network'] != self.network_name:
            raise ValueError(f'the checkpoint has network {state["network"]!r}, this run asks for '
                             f'{self.network_name!r}: set algorithm.hidden as it was, or start a '
                             'new run')
        self.updates = state['updates']
        self.rollout = Rollout(self.layout, self.config.max_policy_lag)
        self.rollout.add(state['rollout'].numpy())
        self.actor.flat.copy_(state['actor'])
        self.critic.flat.copy_(state['critic'])
        self.actor_adam.load_state_dict(state['actor_adam'])
        self.critic_adam.load_state_dict(state['critic_adam'])
        self.normaliser.load_state_dict(state['normaliser'])


ALGORITHM = Reinforce
