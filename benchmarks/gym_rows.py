"""
Any Gymnasium environment as a source of experience rows, and the shortest trainer there is.

Rows are those of `core.transition`, algorithms those of `algorithms.base`, actions those of
`core.policy`: only robot, task and filter are not ours.

- A continuous action is normalised: [-1, 1] stands for the box of the environment.  What a policy
  asks beyond it (a Gaussian has no bounds) is clipped: `request` keeps it, `action` is what was
  done, and `filtered` is set, as where the safety filter does that on a robot.
- A discrete action is the index of an effort set of one motor, its efforts spread over [-1, 1].
- An observation that is an index is one number.
- `next_obs` is from before any reset, `terminated` and `truncated` are never both set.

Several copies of the environment are several policies to the algorithm: each has its own epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout


class Spaces:
    """
    What an environment observes and does, in our terms.

    :raises ValueError: spaces that rows cannot hold.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        seen, done = env.observation_space, env.action_space
        known = (gymnasium.spaces.Box, gymnasium.spaces.Discrete)
        if not isinstance(seen, known) or not isinstance(done, known):
            raise ValueError(f'got the spaces {seen} and {done}, allowed are Box and Discrete')
        self.observation_size = 1 if not seen.shape else int(np.prod(seen.shape))
        self.choices = int(done.n) if isinstance(done, gymnasium.spaces.Discrete) else 0
        self.motors = 1 if self.choices else int(np.prod(done.shape))
        self.efforts = tuple((float(effort),) for effort in np.linspace(-1.0, 1.0, self.choices))
        if not self.choices:
            self._shape, self._dtype = done.shape, done.dtype
            self._middle, self._half = (done.high + done.low) / 2.0, (done.high - done.low) / 2.0

    def observe(self, observation: Any) -> Vector:
        """Return an observation as a vector."""
        return np.atleast_1d(np.asarray(observation, dtype=np.float64)).ravel()

    def act(self, action: Vector) -> Any:
        """Return what the environment takes for an action within [-1, 1], or for an index."""
        if self.choices:
            return int(action[0])
        return (self._middle + self._half * action.reshape(self._shape)).astype(self._dtype)

    def contract(self, algorithm: type[Algorithm], config: Any) -> PolicyContract:
        """Return the contract of an algorithm here; raises ValueError where it does not fit."""
        size = 1 if self.choices else self.motors
        extra = algorithm.extra_columns(size) + (Term('effort', 1),) * bool(self.choices)
        return PolicyContract(
            algorithm.network(config, self.observation_size, size, self.choices),
            tuple(f'motor{i}' for i in range(self.motors)),
            (Term('observation', self.observation_size),), extra, self.efforts)


class Weights(NamedTuple):
    """What a learner pushes."""

    policy: Policy
    exploration: str
    scale: float
    version: int


class GymRows:
    """
    One copy of an environment, and the rows it makes.

    :param env: the environment; its time limit is what truncates.
    :param layout: of the rows.
    :param epoch: of the policy that acts here.
    :param seed: of environment and exploration.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], layout: RowLayout, epoch: int,
                 seed: int) -> None:
        self.env, self.layout, self.epoch = env, layout, epoch
        self.spaces = Spaces(env)
        self.seq = 0
        self._explorer = Explorer(np.random.default_rng(seed))
        self._observation = self.spaces.observe(env.reset(seed=seed)[0])

    def step(self, weights: Weights) -> Vector:
        """Decide, step, begin anew where the episode ended; returns the row."""
        decision = self._explorer.act(weights.policy, self._observation, weights.exploration,
                                      weights.scale)
        request = decision.action
        applied = request if self.spaces.choices else np.clip(request, -1.0, 1.0)
        after, reward, terminated, truncated, _ = self.env.step(self.spaces.act(applied))
        after = self.spaces.observe(after)
        row: dict[str, Any] = {
            'epoch': self.epoch, 'seq': self.seq, 'stamp_sec': self.seq,
            'policy_version': weights.version, 'terminated': bool(terminated),
            'truncated': bool(truncated and not terminated),
            'filtered': not np.array_equal(applied, request), 'reward': float(reward),
            'obs': self._observation, 'action': applied, 'request': request, 'next_obs': after}
        if 'log_prob' in self.layout:
            row['log_prob'] = decision.log_prob
        if self.spaces.choices:
            row['effort'] = self.spaces.efforts[int(request[0])]
        self.seq += 1
        self._observation = after
        if terminated or truncated:
            self._observation = self.spaces.observe(self.env.reset()[0])
            self._explorer.begin()
        return self.layout.pack(row)


class Learner:
    """
    An algorithm and the environments that it learns in, step by step.

    :param make: makes one copy of the environment.
    :param cls: the algorithm.
    :param config: an instance of `cls.Config`.
    :param copies: of the environment.
    :param block: rows of each copy between two pushes.
    """

    def __init__(self, make: Callable[[], gymnasium.Env[Any, Any]], cls: type[Algorithm],
                 config: Any, seed: int, copies: int = 1, block: int = 1) -> None:
        envs = [make() for _ in range(copies)]
        spaces = Spaces(envs[0])
        contract = spaces.contract(cls, config)
        self.layout = RowLayout(spaces.observation_size, contract.action_size, (), contract.extra)
        self.algorithm = cls(contract, self.layout, config, seed)
        self.sources = [GymRows(env, self.layout, epoch, 1000 * seed + epoch)
                        for epoch, env in enumerate(envs)]
        self.spaces, self.block, self.steps = spaces, block, 0
        self._network, self._owed = contract.network, 0.0
        self.weights = self._push()

    def _push(self) -> Weights:
        self.algorithm.policy_version += 1
        return Weights(Policy(self._network, self.algorithm.actor_weights()),
                       *self.algorithm.exploration(), self.algorithm.policy_version)

    def advance(self) -> None:
        """Act for one block, learn what it earned, push."""
        rows = [[source.step(self.weights) for _ in range(self.block)] for source in self.sources]
        for part in rows:
            self.learn(np.array(part))
        self.weights = self._push()

    def learn(self, rows: NDArray[np.float64]) -> None:
        """Add rows and make the updates that are due, see `algorithms.base`."""
        algorithm = self.algorithm
        algorithm.add(rows)
        self.steps += len(rows)
        if algorithm.on_policy:
            if algorithm.ready:
                algorithm.update()
            return
        if algorithm.ready:
            self._owed += len(rows) * algorithm.utd
        while self._owed >= 1.0 and algorithm.ready:
            algorithm.update()
            self._owed -= 1.0

    def best(self, observations: NDArray[np.float64]) -> list[Any]:
        """Return what the environment takes for the best action at each observation."""
        rng = np.random.default_rng(0)
        actions = (self.weights.policy.act(observation, rng).action
                   for observation in observations)
        return [self.spaces.act(action if self.spaces.choices else np.clip(action, -1.0, 1.0))
                for action in actions]


def mean_return(make: Callable[[], gymnasium.Env[Any, Any]],
                best: Callable[[NDArray[np.float64]], Any], episodes: int, seed: int) -> float:
    """
    Run episodes side by side, each with a seed of its own.

    :param best: actions for observations of shape (N, size).
    """
    envs = [make() for _ in range(episodes)]
    seen = [np.atleast_1d(np.asarray(env.reset(seed=seed + i)[0], dtype=np.float64)).ravel()
            for i, env in enumerate(envs)]
    total, running = np.zeros(episodes), list(range(episodes))
    while running:
        actions = best(np.array([seen[i] for i in running]))
        going_on = []
        for i, action in zip(running, actions):
            after, reward, terminated, truncated, _ = envs[i].step(action)
            seen[i] = np.atleast_1d(np.asarray(after, dtype=np.float64)).ravel()
            total[i] += float(reward)
            if not (terminated or truncated):
                going_on.append(i)
        running = going_on
    return float(total.mean())
