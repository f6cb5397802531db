"""
DQN, deep Q-network (Mnih et al. 2015, Nature 518): off-policy, for effort sets.

A network says how good each choice is; the policy takes the best, or a random one with
probability epsilon.  What the paper has: replay, a target network, an error that counts linearly
where it is large.  What is added, and where it comes from:

- the choice is the online network's, its value the target's: double DQN, van Hasselt et al. 2016,
  arXiv 1509.06461
- the target network follows slowly (`tau`) instead of by jumps: Lillicrap et al. 2015, arXiv
  1509.02971; `tau` 1 with a larger `target_every` is the paper's form
- an episode that ran out of time still bootstraps: Pardo et al. 2018, arXiv 1712.00378
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.base import require_discrete
from rl_robot_ros.algorithms.exploration import EpsilonConfig
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.algorithms.off_policy import OffPolicy
from rl_robot_ros.algorithms.off_policy import OffPolicyConfig
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.transition import RowLayout
import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

S1: Mapping[str, Any] = {
    'hidden': (64, 64), 'lr': 1e-3, 'gamma': 0.99, 'capacity': 10_000, 'batch': 32,
    'learning_starts': 32, 'epsilon_start': 1.0, 'epsilon_end': 0.01, 'epsilon_decay': 0.995,
    'epsilon_over': 0, 'epsilon_unit': 'update'}


@dataclass(frozen=True)
class DqnConfig(EpsilonConfig, OffPolicyConfig):
    """What there is to choose in DQN beside `off_policy.OffPolicyConfig` and `EpsilonConfig`."""

    lr: float = option(1e-3, 'learning rate', low=0.0, high=1.0)
    double: bool = option(True, 'the online network chooses what the target network values')
    target_every: int = option(1, 'updates from one move of the target to the next', low=1,
                               high=1_000_000)
    batch: int = option(64, 'rows in one update', unit='rows', low=1, high=65_536)

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        super().__post_init__()
        self.check_epsilon()


class Dqn(OffPolicy):
    """DQN, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = DqnConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        's1_dqn': S1, 's4_dqn': {**S1, 'hidden': (24, 24)}}

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: DqnConfig,
                 seed: int) -> None:
        super().__init__(contract, layout, config, seed)
        self.actor = Parameters(mlp_shapes(self.spec.sizes), self.generator, self.device)
        self.target = self.actor.flat.clone()
        self.adam = Adam([self.actor.flat], config.lr)
        self.gradient = GradientFunction(self.loss, config.compile)

    @classmethod
    def network(cls, config: DqnConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network; raises ValueError for continuous actions."""
        require_discrete('dqn', choices)
        sizes = (observation_size, *config.hidden, choices)
        return f'values {"-".join(map(str, sizes))} relu'

    def explore(self) -> tuple[str, float]:
        """Choose at random with probability epsilon, on its schedule."""
        return self.config.explore(self.counts)

    # -- the loss: tensors in, (loss, details) out, nothing else touched -----------------------

    def value(self, obs: Tensor, network: Tensor) -> Tensor:
        """Return the value of every choice, shape (batch, choices)."""
        return mlp(obs, self.actor.views(network))

    def loss(self, network: Tensor, batch: Tensor, mean: Tensor, inverse_std: Tensor,
             target: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Huber error against the Bellman target; details: loss, mean value."""
        column = self.replay.columns
        next_obs = normalise(batch[:, column['next_obs']], mean, inverse_std)
        next_value = self.value(next_obs, target)
        judge = self.value(next_obs, network) if self.config.double else next_value
        next_value = next_value.gather(1, judge.argmax(1, keepdim=True))
        # Only a real end cuts the future off; running out of time (truncated) does not.
        going_on = 1.0 - batch[:, column['terminated']]
        wanted = (self.config.reward_scale * batch[:, column['reward']]
                  + self.config.gamma * going_on * next_value).detach()
        obs = normalise(batch[:, column['obs']], mean, inverse_std)
        chosen = batch[:, column['action']].long()
        value = self.value(obs, network).gather(1, chosen)
        loss = smooth_l1_loss(value, wanted)
        return loss, torch.stack((loss.detach(), value.detach().mean()))

    # -- one update ----------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Update the network once, every `target_every` times also the target."""
        self.sample()
        self.actor.flat.grad, details = self.gradient(
            self.actor.flat, self._batch, self._mean, self._inverse_std, self.target)
        loss, value = details.tolist()
        self.require_sound(loss, value)
        self.adam.advance()
        self.counts.updates += 1
        if self.counts.updates % self.config.target_every == 0:
            self.target.lerp_(self.actor.flat, self.config.tau)
        self._details.update(critic_loss=loss, value=value, epsilon=self.explore()[1])
        return self._details

    def prepare(self) -> None:
        """Compile the gradient on an empty batch; changes no parameter and no random state."""
        self.gradient(self.actor.flat, self._batch, self._mean, self._inverse_std, self.target)

    # -- what goes into a checkpoint -----------------------------------------------------------

    def _tensors(self) -> dict[str, Tensor]:
        return {'actor': self.actor.flat, 'target': self.target}

    def _adams(self) -> dict[str, Adam]:
        return {'adam': self.adam}


ALGORITHM = Dqn
