"""
What all methods that learn from replay share: options, memory, statistics, checkpoint.

An algorithm file adds networks, losses and the order of an update.  It names its parameters in
`_tensors` and its optimisers in `_adams`; what stands there goes into checkpoints.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.algorithms.base import require_finite
from rl_robot_ros.algorithms.base import require_network
from rl_robot_ros.algorithms.base import require_widths
from rl_robot_ros.algorithms.device import device_option
from rl_robot_ros.algorithms.device import find_device
from rl_robot_ros.algorithms.device import to_tensor
from rl_robot_ros.algorithms.exploration import Counts
from rl_robot_ros.algorithms.gradient import compile_option
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import Parameters
from rl_robot_ros.core.config import option
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.goals import GoalTask
from rl_robot_ros.core.goals import lacks_goals
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.memory.demonstrations import require_same
from rl_robot_ros.memory.hindsight import Hindsight
from rl_robot_ros.memory.hindsight import MOST_ROWS
from rl_robot_ros.memory.normaliser import Normaliser
from rl_robot_ros.memory.replay import LEARN_FROM
from rl_robot_ros.memory.replay import Replay
import torch
from torch import Tensor

DIVERGED = 100.0  # times what rewards allow: far beyond honest overestimation


@dataclass(frozen=True)
class OffPolicyConfig:
    """What there is to choose wherever learning goes by replay."""

    gamma: float = option(0.98, 'discount per decision', low=0.0, high=1.0)
    tau: float = option(0.005, 'how far targets move each time', low=0.0, high=1.0)
    utd: float = option(1.0, 'updates per row', low=0.0, high=100.0)
    batch: int = option(256, 'rows in one update', unit='rows', low=1, high=65_536)
    hidden: tuple[int, ...] = option((128, 128), 'width of each hidden layer of all networks')
    reward_scale: float = option(1.0, 'rewards are multiplied by this', low=1e-6, high=1e6)
    learning_starts: int = option(1000, 'rows of uniform exploration before the first update',
                                  unit='rows', low=1, high=10_000_000)
    capacity: int = option(500_000, 'rows in replay', unit='rows', low=1, high=50_000_000)
    normalise: bool = option(True, 'bring observations to mean 0 and variance 1; off: networks '
                             'see them as they are, within +-10')
    normaliser_rows: int = option(0, 'observation statistics stop after this many, 0 never',
                                  unit='rows', low=0)
    hindsight: str = option('auto', 'learn from each row under other goals too, see '
                            'memory.hindsight: auto is on where the task has goals to exchange',
                            choices=('auto', 'on', 'off'))
    hindsight_goals: int = option(4, 'other goals per row; their copies fill replay too', low=1,
                                  high=64)
    demonstrations: str = option('', 'file of demonstrations that half of each batch is drawn '
                                 'from, see docs/demonstrations.md; empty: none')
    compile: str = compile_option()  # noqa: A003
    device: str = device_option()

    def __post_init__(self) -> None:
        """Check what no single range can say; raises ValueError."""
        require_widths(self.hidden)
        for name in ('batch', 'learning_starts'):
            if getattr(self, name) > self.capacity:
                raise ValueError(f'algorithm.{name}: got {getattr(self, name)}, it must not '
                                 f'exceed algorithm.capacity = {self.capacity}')


@dataclass(frozen=True)
class ActorCriticConfig(OffPolicyConfig):
    """What there is to choose where an actor learns from a critic of continuous actions."""

    actor_every: int = option(2, 'critic updates per actor update', low=1, high=100)
    critic_layer_norm: bool = option(True, 'layer norm in the critics')
    lr_actor: float = option(3e-4, 'learning rate of the actor', low=0.0, high=1.0)
    lr_critic: float = option(3e-4, 'learning rate of the critics', low=0.0, high=1.0)
    learn_from: str = option('request', 'action of rows that the safety filter changed',
                             choices=LEARN_FROM)


class OffPolicy(Algorithm):
    """
    An algorithm with replay; parameters as in `algorithms.base.Algorithm`.

    Subclasses set `actor` (the network that acts) in their constructor.
    """

    actor: Parameters

    def __init__(self, contract: PolicyContract, layout: RowLayout, config: Any,
                 seed: int) -> None:
        self.config, self.network_name = config, contract.network
        self.spec = NetworkSpec.parse(contract.network)
        self.observation_size, self.action_size = layout.observation_size, layout.action_size
        self.device = find_device(config.device)
        self.generator = torch.Generator().manual_seed(seed)
        self.replay = Replay(layout, config.capacity, getattr(config, 'learn_from', 'request'),
                             discrete=bool(contract.efforts))
        self.normaliser = Normaliser(self.observation_size, config.normaliser_rows)
        self.counts = Counts(layout)
        self._replay_total = 0
        self._largest_reward = 0.0
        self._seed, self._discrete = seed, bool(contract.efforts)
        self._hindsight: Hindsight | None = None
        self._memory = torch.from_numpy(self.replay.data)
        self._drawn = torch.zeros(config.batch, self._memory.shape[1])
        self._batch = self._drawn.to(self.device)  # on the CPU, the same tensor
        self._details: dict[str, float] = {}
        self._demonstrated: Tensor | None = None
        self._digest = ''
        if config.demonstrations:
            self._read_demonstrations(Path(config.demonstrations), layout)
        self._refresh_normaliser()

    def _read_demonstrations(self, path: Path, layout: RowLayout) -> None:
        """Take in demonstrations as RLPD does (Ball et al. 2023, arXiv 2302.02948)."""
        demonstrations = load_demonstrations(path, layout)
        rows = demonstrations.rows
        # A person's action or else the request, whatever `learn_from`: what was demonstrated.
        memory = Replay(layout, len(rows), discrete=self._discrete)
        demonstrations.fill(memory)
        self._demonstrated, self._digest = torch.from_numpy(memory.data[:memory.size]), \
            demonstrations.digest
        self._note_reward(rows)
        self._note_observations(rows)

    @property
    def utd(self) -> float:
        """Return updates per row."""
        return float(self.config.utd)

    @property
    def memory_rows(self) -> int:
        """Rows that fill replay; with hindsight, the episode that the oldest belongs to too."""
        return int(self.config.capacity) + (self._hindsight is not None) * MOST_ROWS

    @classmethod
    def relabels(cls, config: Any, task: Task) -> bool:
        """Tell whether hindsight is on; raises ValueError where it can't be and has to."""
        lacks = lacks_goals(task)
        if config.hindsight == 'on' and lacks:
            raise ValueError(f'algorithm.hindsight: got on, but task {type(task).__name__} '
                             f'{lacks}, or set algorithm.hindsight=off')
        return config.hindsight != 'off' and not lacks

    def take_task(self, task: GoalTask) -> None:
        """Judge rows again with this task."""
        self._hindsight = Hindsight(task, self.replay.layout, self.config.hindsight_goals,
                                    self._seed, self._discrete)

    @property
    def ready(self) -> bool:
        """Whether the uniform exploration at the start is over."""
        return self.counts.rows >= self.config.learning_starts and self.replay.size > 0

    def add(self, rows: NDArray[np.float64]) -> None:
        """Remember rows and take their observations into the statistics."""
        self.counts.add(rows)
        if self._hindsight is None:
            self._remember(rows)
        else:
            for part in self._hindsight.split(rows):
                self._remember(part.rows)
                if part.episode is not None:
                    self._remember(self._hindsight.relabel(part.episode))
            self._details['episodes_not_relabelled'] = float(self._hindsight.dropped)
        self._note_observations(rows)
        self._refresh_normaliser()

    def _remember(self, rows: NDArray[np.float64]) -> None:
        self.replay.add(rows)
        self._note_reward(rows)

    def _note_reward(self, rows: NDArray[np.float64]) -> None:
        reward = rows[:, self.replay.layout.column('reward')]
        self._largest_reward = max(self._largest_reward, float(np.abs(reward).max(initial=0.0)))

    def _note_observations(self, rows: NDArray[np.float64]) -> None:
        if self.config.normalise:
            self.normaliser.add(rows[:, self.replay.layout.column('obs')])

    def _refresh_normaliser(self) -> None:
        self._mean = to_tensor(self.normaliser.mean, self.device)
        self._inverse_std = to_tensor(self.normaliser.inverse_std, self.device)

    def sample(self) -> None:
        """Draw a batch of rows into `_batch`; demonstrations, if any, make its first half."""
        count, out = self.config.batch, self._drawn
        if self._demonstrated is not None:
            count, out = self._sample_demonstrated(self._demonstrated)
        indices = torch.randint(self.replay.size, (count,), generator=self.generator)
        torch.index_select(self._memory, 0, indices, out=out)
        if self._batch is not self._drawn:
            self._batch.copy_(self._drawn)

    def noise(self, *shape: int) -> Tensor:
        """Draw normal noise."""
        return torch.randn(*shape, generator=self.generator).to(self.device)

    def _sample_demonstrated(self, rows: Tensor) -> tuple[int, Tensor]:
        """Draw the first half of the batch; returns how long the rest is, and the rest."""
        half = self.config.batch // 2
        indices = torch.randint(len(rows), (half,), generator=self.generator)
        torch.index_select(rows, 0, indices, out=self._drawn[:half])
        return self.config.batch - half, self._drawn[half:]

    def require_sound(self, loss: float, value: float) -> None:
        """
        Stop where the critics are lost.

        No return exceeds the largest reward / (1 - gamma); a mean value far beyond it (entropy
        counts like a reward of 1) is a critic that feeds on its own mistakes.

        :raises NonFiniteLoss: the loss is no number, or the mean value cannot be right.
        """
        require_finite('critic loss', loss)
        reward = 1.0 + self.config.reward_scale * self._largest_reward
        if abs(value) * (1.0 - self.config.gamma) > DIVERGED * reward:
            raise NonFiniteLoss(
                f'the mean value is {value:.3g}, rewards so far allow at most '
                f'{reward / (1.0 - self.config.gamma):.3g}: the critics diverge, no weights are '
                'pushed any more; lower algorithm.lr* or algorithm.utd, or set '
                'algorithm.critic_layer_norm')

    def actor_weights(self) -> Vector:
        """Return the network that acts in the format of `core.network`."""
        return self.normaliser.before(self.actor.flat.cpu().double().numpy())

    def explore(self) -> tuple[str, float]:
        """Return kind and scale of the exploration after the first update."""
        return 'policy', 1.0

    def exploration(self) -> tuple[str, float]:
        """Explore uniformly until the first update."""
        return self.explore() if self.counts.rows >= self.config.learning_starts \
            else ('uniform', 1.0)

    @abstractmethod
    def _tensors(self) -> dict[str, Tensor]:
        """Return everything that is learned, by name."""

    @abstractmethod
    def _adams(self) -> dict[str, Adam]:
        """Return all optimisers, by name."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the rows in replay."""
        return {
            'network': self.network_name, **self.counts.state_dict(),
            'replay_total': self.replay.total, 'largest_reward': self._largest_reward,
            **self._tensors(),
            **{name: adam.state_dict() for name, adam in self._adams().items()},
            'normaliser': self.normaliser.state_dict(),
            'generator': self.generator.get_state(),
            **({} if self._hindsight is None else {'hindsight_seed': self._hindsight.seed}),
            **({'demonstrations': self._digest} if self._digest else {})}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; replay is filled by `refill`."""
        require_network(state, self.network_name)
        require_same(state.get('demonstrations', ''), self._digest)
        self.counts.load_state_dict(state)
        for name, tensor in self._tensors().items():
            tensor.copy_(state[name])
        for name, adam in self._adams().items():
            adam.load_state_dict(state[name])
        self.generator.set_state(state['generator'])
        self.normaliser.load_state_dict(state['normaliser'])
        self._refresh_normaliser()
        self.replay.total = 0
        self._replay_total = state['replay_total']
        self._largest_reward = state['largest_reward']
        if self._hindsight is not None:
            self._hindsight.seed = state['hindsight_seed']

    def refill(self, rows: NDArray[np.float64]) -> None:
        """Fill replay as it was at the checkpoint."""
        if self._hindsight is not None:
            rows = self._hindsight.restore(rows, self.config.capacity)
        self.replay.refill(rows, self._replay_total)
