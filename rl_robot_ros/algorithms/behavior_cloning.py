"""
Behaviour cloning (Pomerleau 1991): imitate demonstrations, supervised.

The policy learns to do what was done in the observations of a demonstration file.  What is made
small, over batches drawn uniformly from the file, is

- continuous actions: the squared error of the deterministic action, mean over batch and motors;
  the likelihood of a Gaussian of fixed width is then largest,
- an effort set: minus the log-probability of the choice, mean over the batch.

The reward plays no part, and rows from the graph teach nothing: the robot moves, without
exploration, only to show how far it is.  What a clone gets wrong takes it where nobody has
demonstrated anything, so that errors grow with the square of the episode's length (Ross and
Bagnell 2010, "Efficient reductions for imitation learning"); `dagger` is the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.base import require_network
from rl_robot_ros.algorithms.base import require_widths
from rl_robot_ros.algorithms.device import device_option
from rl_robot_ros.algorithms.device import find_device
from rl_robot_ros.algorithms.device import to_tensor
from rl_robot_ros.algorithms.exploration import Counts
from rl_robot_ros.algorithms.gradient import compile_option
from rl_robot_ros.algorithms.gradient import GradientFunction
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import mlp
from rl_robot_ros.algorithms.networks import mlp_shapes
from rl_robot_ros.algorithms.networks import normalise
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.memory.demonstrations import require_same
from rl_robot_ros.memory.normaliser import Normaliser
from rl_robot_ros.memory.replay import Replay
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy


@dataclass(frozen=True)
class BehaviorCloningConfig:
    """What there is to choose in behaviour cloning."""

    demonstrations: str = option('', 'file of demonstrations, see docs/demonstrations.md')
    utd: float = option(4.0, 'updates per row that the robot makes meanwhile', low=0.0, high=100.0)
    batch: int = option(256, 'rows in one update', unit='rows', low=1, high=65_536)
    hidden: tuple[int, ...] = option((128, 128), 'width of each hidden layer')
    lr: float = option(1e-3, 'learning rate', low=0.0, high=1.0)
    capacity: int = option(100_000, 'rows in memory, demonstrations included', unit='rows', low=1,
                           high=50_000_000)
    compile: str = compile_option()  # noqa: A003
    device: str = device_option()

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        require_widths(self.hidden)


class BehaviorCloning(Algorithm):
    """Behaviour cloning, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = BehaviorCloningConfig
    needs_demonstrations = True

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: BehaviorCloningConfig,
                 seed: int) -> None:
        self.config, self.network_name = config, contract.network
        self.spec = NetworkSpec.parse(contract.network)
        self.discrete = bool(contract.efforts)
        self.replay = Replay(layout, config.capacity, discrete=self.discrete)
        self.normaliser = Normaliser(layout.observation_size)
        self.counts = Counts(layout)
        self.digest = self._read(config.demonstrations)
        self.device = find_device(config.device)
        self.generator = torch.Generator().manual_seed(seed)
        self.actor = Parameters(mlp_shapes(self.spec.sizes), self.generator, self.device)
        self.adam = Adam([self.actor.flat], config.lr)
        self.gradient = GradientFunction(self.loss, config.compile)
        self._memory = torch.from_numpy(self.replay.data)
        self._refresh_normaliser()

    def _read(self, path: str) -> str:
        """Fill memory and statistics with the demonstrations; returns their digest."""
        if not path:
            raise ValueError('algorithm.demonstrations: behavior_cloning has nothing else to '
                             'learn from; give a file, `rl-robot demonstrate` makes one')
        demonstrations = load_demonstrations(Path(path), self.replay.layout)
        demonstrations.fill(self.replay)
        self.normaliser.add(demonstrations.rows[:, self.replay.layout.column('obs')])
        return demonstrations.digest

    @classmethod
    def network(cls, config: BehaviorCloningConfig, observation_size: int, action_size: int,
                choices: int = 0) -> str:
        """Name the policy network: deterministic, or a categorical one for an effort set."""
        sizes = (observation_size, *config.hidden, choices or action_size)
        kind = 'categorical' if choices else 'deterministic'
        return f'{kind} {"-".join(map(str, sizes))} relu'

    @property
    def utd(self) -> float:
        """Return updates per row."""
        return float(self.config.utd)

    @property
    def ready(self) -> bool:
        """Whether there is something to imitate."""
        return self.replay.size > 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Count rows; nobody demonstrates anything in them."""
        self.counts.add(rows)

    def _refresh_normaliser(self) -> None:
        self._mean = to_tensor(self.normaliser.mean, self.device)
        self._inverse_std = to_tensor(self.normaliser.inverse_std, self.device)

    # -- the loss: tensors in, (loss, details) out, nothing else touched -----------------------

    def loss(self, actor: Tensor, batch: Tensor, mean: Tensor,
             inverse_std: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far the policy is from what was demonstrated; details: the same."""
        column = self.replay.columns
        obs = normalise(batch[:, column['obs']], mean, inverse_std)
        output, shown = mlp(obs, self.actor.views(actor)), batch[:, column['action']]
        if self.discrete:
            loss = cross_entropy(output, shown.squeeze(1).long())
        else:
            # What lies beyond the limits of an action can't be asked for.
            loss = (torch.tanh(output) - shown.clamp(-1.0, 1.0)).square().mean()
        return loss, loss.detach()

    # -- one update ----------------------------------------------------------------------------

    def update(self) -> dict[str, float]:
        """Learn from one batch."""
        indices = torch.randint(self.replay.size, (self.config.batch,), generator=self.generator)
        batch = self._memory.index_select(0, indices).to(self.device)
        gradient, loss = self.gradient(self.actor.flat, batch, self._mean, self._inverse_std)
        require_finite('imitation loss', float(loss))
        self.actor.flat.grad = gradient
        self.adam.advance()
        self.counts.updates += 1
        return {'imitation_loss': float(loss), 'imitated_rows': float(self.replay.size)}

    def prepare(self) -> None:
        """Compile the gradient on an empty batch; changes no parameter and no random state."""
        batch = torch.zeros(self.config.batch, self._memory.shape[1], device=self.device)
        self.gradient(self.actor.flat, batch, self._mean, self._inverse_std)

    def actor_weights(self) -> Vector:
        """Return the network that acts in the format of `core.network`."""
        return self.normaliser.before(self.actor.flat.cpu().double().numpy())

    def exploration(self) -> tuple[str, float]:
        """Do what the policy thinks best."""
        return 'none', 1.0

    # -- what goes into a checkpoint -----------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the demonstrations, of which it names the digest."""
        return {'network': self.network_name, **self.counts.state_dict(),
                'actor': self.actor.flat, 'adam': self.adam.state_dict(),
                'normaliser': self.normaliser.state_dict(),
                'generator': self.generator.get_state(), 'demonstrations': self.digest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; raises ValueError where the demonstrations are others."""
        require_network(state, self.network_name)
        require_same(state['demonstrations'], self.digest)
        self.counts.load_state_dict(state)
        self.actor.flat.copy_(state['actor'])
        self.adam.load_state_dict(state['adam'])
        self.normaliser.load_state_dict(state['normaliser'])
        self.generator.set_state(state['generator'])
        self._refresh_normaliser()


ALGORITHM = BehaviorCloning
