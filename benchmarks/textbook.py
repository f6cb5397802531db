"""
SAC, TD3, DQN and PPO updates as their papers' pseudo code says them: eager, one layer at a time.

This is what `learner_speed.py` means by *textbook*: the formulation of single-file libraries such
as CleanRL.  One module per network, one `backward` per loss, Adam as PyTorch makes it, targets
moved parameter by parameter.  Replay is one tensor per column.

=========== ====================================================================
class       pseudo code
=========== ====================================================================
`SacUpdate` Haarnoja et al. 2018, arXiv 1812.05905, algorithm 1
`Td3Update` Fujimoto et al. 2018, arXiv 1802.09477, algorithm 1
`DqnUpdate` Mnih et al. 2015, algorithm 1
`PpoUpdate` Schulman et al. 2017, arXiv 1707.06347, algorithm 1, equations 7, 9
=========== ====================================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
import math

import torch
from torch import nn
from torch import Tensor
from torch.nn.functional import huber_loss
from torch.nn.functional import mse_loss

GAMMA, TAU, LEARNING_RATE = 0.99, 0.005, 3e-4


def network(sizes: Iterable[int], activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Stack linear layers."""
    widths = list(sizes)
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(widths, widths[1:]):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    return nn.Sequential(*layers[:-1])


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """Make one step."""
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def follow(target: nn.Module, source: nn.Module) -> None:
    """Move a target network a little."""
    with torch.no_grad():
        for slow, fast in zip(target.parameters(), source.parameters()):
            slow.mul_(1.0 - TAU).add_(TAU * fast)


class Memory:
    """
    Random transitions, one tensor per column.

    :param choices: discrete actions there are, 0 for continuous ones.
    """

    def __init__(self, rows: int, obs: int, action: int, batch: int, choices: int = 0) -> None:
        self.batch = batch
        self.obs, self.after = torch.randn(rows, obs), torch.randn(rows, obs)
        self.action = (torch.randint(choices, (rows, 1)) if choices
                       else torch.rand(rows, action) * 2.0 - 1.0)
        self.reward, self.end = torch.randn(rows, 1), torch.zeros(rows, 1)

    def sample(self) -> tuple[Tensor, ...]:
        """Return a batch."""
        at = torch.randint(len(self.obs), (self.batch,))
        return self.obs[at], self.action[at], self.after[at], self.reward[at], self.end[at]


class SacUpdate:
    """Critics, actor and temperature once per update."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...], batch: int,
                 rows: int = 100_000) -> None:
        self.memory = Memory(rows, obs, action, batch)
        self.actor = network((obs, *hidden, 2 * action))
        self.critics = nn.ModuleList(network((obs + action, *hidden, 1)) for _ in range(2))
        self.targets = deepcopy(self.critics)
        self.log_alpha = torch.zeros(1, requires_grad=True)
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), LEARNING_RATE)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), LEARNING_RATE)
        self.alpha_adam = torch.optim.Adam([self.log_alpha], LEARNING_RATE)
        self.target_entropy = -float(action)

    def act(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Sample squashed actions and their log-probability."""
        mean, log_std = self.actor(obs).chunk(2, -1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-5.0, 2.0).exp())
        raw = normal.rsample()
        action = torch.tanh(raw)
        logs = normal.log_prob(raw) - torch.log(1.0 - action.pow(2) + 1e-6)
        return action, logs.sum(1, keepdim=True)

    @staticmethod
    def lowest(critics: nn.ModuleList, obs: Tensor, action: Tensor) -> Tensor:
        """Return the smaller value."""
        return torch.min(*(critic(torch.cat((obs, action), 1)) for critic in critics))

    def update(self) -> None:
        """Update everything once."""
        obs, action, after, reward, end = self.memory.sample()
        alpha = self.log_alpha.exp().item()
        with torch.no_grad():
            then, logs = self.act(after)
            value = self.lowest(self.targets, after, then) - alpha * logs
            wanted = reward + GAMMA * (1.0 - end) * value
        pairs = torch.cat((obs, action), 1)
        descend(self.critic_adam, sum(mse_loss(critic(pairs), wanted) for critic in self.critics))
        now, logs = self.act(obs)
        descend(self.actor_adam, (alpha * logs - self.lowest(self.critics, obs, now)).mean())
        surplus = (logs.detach() + self.target_entropy)
        descend(self.alpha_adam, -(self.log_alpha.exp() * surplus).mean())
        follow(self.targets, self.critics)


class Td3Update:
    """Critics once per update, actor and targets every second."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...], batch: int,
                 rows: int = 100_000) -> None:
        self.memory = Memory(rows, obs, action, batch)
        self.actor = nn.Sequential(network((obs, *hidden, action)), nn.Tanh())
        self.critics = nn.ModuleList(network((obs + action, *hidden, 1)) for _ in range(2))
        self.target_actor, self.targets = deepcopy(self.actor), deepcopy(self.critics)
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), LEARNING_RATE)
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), LEARNING_RATE)
        self.updates = 0

    def update(self) -> None:
        """Update the critics once, the rest every second time."""
        obs, action, after, reward, end = self.memory.sample()
        with torch.no_grad():
            noise = (0.2 * torch.randn_like(action)).clamp(-0.5, 0.5)
            then = (self.target_actor(after) + noise).clamp(-1.0, 1.0)
            wanted = reward + GAMMA * (1.0 - end) * SacUpdate.lowest(self.targets, after, then)
        pairs = torch.cat((obs, action), 1)
        descend(self.critic_adam, sum(mse_loss(critic(pairs), wanted) for critic in self.critics))
        self.updates += 1
        if self.updates % 2 == 0:
            pairs = torch.cat((obs, self.actor(obs)), 1)
            descend(self.actor_adam, -self.critics[0](pairs).mean())
            follow(self.targets, self.critics)
            follow(self.target_actor, self.actor)


class DqnUpdate:
    """One step of the network; the target jumps every 500."""

    def __init__(self, obs: int, choices: int, hidden: tuple[int, ...], batch: int,
                 rows: int = 100_000) -> None:
        self.memory = Memory(rows, obs, 1, batch, choices)
        self.values = network((obs, *hidden, choices))
        self.target = deepcopy(self.values)
        self.adam = torch.optim.Adam(self.values.parameters(), LEARNING_RATE)
        self.updates = 0

    def update(self) -> None:
        """Update the network once."""
        obs, action, after, reward, end = self.memory.sample()
        with torch.no_grad():
            best = self.target(after).max(1, keepdim=True).values
            wanted = reward + GAMMA * (1.0 - end) * best
        descend(self.adam, huber_loss(self.values(obs).gather(1, action), wanted))
        self.updates += 1
        if self.updates % 500 == 0:
            self.target.load_state_dict(self.values.state_dict())


class PpoUpdate:
    """Ten passes over a block of 2048 rows in minibatches."""

    def __init__(self, obs: int, action: int, hidden: tuple[int, ...], minibatch: int,
                 rows: int = 2048, epochs: int = 10) -> None:
        self.minibatch, self.epochs = minibatch, epochs
        self.actor = network((obs, *hidden, action), nn.Tanh)
        self.critic = network((obs, *hidden, 1), nn.Tanh)
        self.log_std = nn.Parameter(torch.zeros(action))
        self.parameters = [*self.actor.parameters(), *self.critic.parameters(), self.log_std]
        self.adam = torch.optim.Adam(self.parameters, LEARNING_RATE)
        self.data = (torch.randn(rows, obs), torch.randn(rows, action),
                     torch.randn(rows) - action * (0.5 * math.log(2.0 * math.pi) + 0.5),
                     torch.randn(rows), torch.randn(rows))

    def update(self) -> None:
        """Learn from the block."""
        for _ in range(self.epochs):
            for at in torch.randperm(len(self.data[0])).split(self.minibatch):
                self.step(*(column[at] for column in self.data))

    def step(self, obs: Tensor, action: Tensor, sent: Tensor, advantage: Tensor,
             returns: Tensor) -> None:
        """Make one step on one minibatch."""
        normal = torch.distributions.Normal(self.actor(obs), self.log_std.exp())
        ratio = (normal.log_prob(action).sum(1) - sent).exp()
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        gain = torch.min(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage).mean()
        value_loss = mse_loss(self.critic(obs).squeeze(1), returns)
        entropy = normal.entropy().sum(1).mean()
        self.adam.zero_grad()
        (0.5 * value_loss - gain - 0.0 * entropy).backward()
        nn.utils.clip_grad_norm_(self.parameters, 0.5)
        self.adam.step()
