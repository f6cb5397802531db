"""
Acting without ROS: policies in environments, in this process or in processes of their own.

Both ways look alike to whoever learns: `begin` says with which weights to act and for how many
rows, `take` returns the rows of every policy.  `Here` acts when it is asked for them.  `Beside`
begins at once, so that several policies act at the same time, and while somebody learns.  Who is
faster makes no difference to any row, so a seeded run can be repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from multiprocessing import get_context
from multiprocessing.connection import Connection
import signal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.gate import Gate
from rl_robot_ros.core.gate import GateConfig
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import RobotEnv

TRIAL_SEED = 7  # of the first episode in which the gate tries weights
PATIENCE = 5.0  # [s] for a process to end by itself


class ActorDied(RuntimeError):
    """A process that acted is no more."""


def make_env(values: Mapping[str, Any], schema: str, evaluation: bool = False) -> RobotEnv:
    """
    Build the environment of resolved parameters.

    :param schema: of the weights that will act, see `PolicyContract`.
    :param evaluation: episodes of full length.
    """
    contract = PolicyContract.parse(schema)
    return RobotEnv.make(values['robot'], values['task'], values, extra=contract.extra,
                         efforts=contract.efforts, evaluation=evaluation)


def make_gate(config: GateConfig, values: Mapping[str, Any], schema: str) -> Gate:
    """
    Build the gate of a learner, with the simulation in which it tries weights.

    :param values: resolved parameters, see `Settings`.
    :param schema: of the weights.
    """
    contract = PolicyContract.parse(schema)
    env = make_env(values, schema, evaluation=True)
    rng = np.random.default_rng(0)  # never drawn from

    def trial(weights: Vector) -> float:
        policy, total = Policy(contract.network, weights), 0.0
        for number in range(config.episodes):
            observation, _ = env.reset(seed=TRIAL_SEED + number)
            ended = False
            while not ended:
                action = policy.act(observation, rng).action
                observation, reward, terminated, truncated, _ = env.step(action)
                total += reward
                ended = terminated or truncated
        return total / config.episodes

    return Gate(config, contract.network, trial)


class Here:
    """
    One policy that explores in an environment, row by row.

    :param values: resolved parameters, see `Settings`.
    :param schema: of the weights that will act.
    :param seed: numbers that everything random is drawn from.
    :param rest: called after every row; true ends `take` early.
    """

    def __init__(self, values: Mapping[str, Any], schema: str, seed: tuple[int, ...],
                 rest: Callable[[], bool] = lambda: False) -> None:
        stream = np.random.default_rng(seed)
        self._env = make_env(values, schema)
        self._env.epoch = int(stream.integers(2**53))
        self._explorer = Explorer(np.random.default_rng(self._env.epoch))
        self._observation, _ = self._env.reset(seed=int(stream.integers(2**32)))
        self._rest = rest
        self._held: WeightSet | None = None
        self._count = 0

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        self._env.close()

    def begin(self, weights: WeightSet | None, count: int) -> None:
        """
        Say what comes next.

        :param weights: to act with; None for those at hand.
        :param count: rows wanted.
        """
        if weights is not None:
            contract = PolicyContract.parse(weights.schema)
            self._policy, self._held = Policy(contract.network, weights.weights), weights
        self._count = count

    def take(self) -> list[NDArray[np.float64]]:
        """Act; return the rows of each policy, here of one, shape (count, layout.width)."""
        rows = []
        while len(rows) < self._count:
            rows.append(self._act())
            if self._rest():
                break
        return [np.array(rows)]

    def _act(self) -> NDArray[np.float64]:
        env, held = self._env, self._held
        assert held is not None
        decision = self._explorer.act(self._policy, self._observation, held.exploration,
                                      held.exploration_scale)
        extra = {'log_prob': decision.log_prob} if 'log_prob' in env.layout else {}
        self._observation, _, terminated, truncated, _ = env.step_with(decision.action, extra,
                                                                       held.version)
        row = env.row
        if terminated or truncated:
            self._observation, _ = env.reset()
            self._explorer.begin()
        return row


def _act_beside(pipe: Connection, values: Mapping[str, Any], schema: str,
                seed: tuple[int, ...]) -> None:
    """Act in a process of its own until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever learns
    with Here(values, schema, seed) as actor:
        while True:
            try:
                actor.begin(*pipe.recv())
                for rows in actor.take():
                    pipe.send(rows)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                return


class Beside:
    """
    Several policies, each in a process with an environment of its own.

    :param count: processes.
    :param values: resolved parameters, see `Settings`.
    :param schema: of the weights that will act.
    :param seed: numbers that everything random is drawn from.
    :param rest: called while there is nothing to do but wait; true ends `take` early.
    """

    def __init__(self, count: int, values: Mapping[str, Any], schema: str, seed: tuple[int, ...],
                 rest: Callable[[], bool] = lambda: False) -> None:
        self._rest = rest
        context = get_context('spawn')  # a fork would copy the learner's threads and locks
        self._processes, self._pipes = [], []
        for number in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_act_beside, daemon=True,
                                      args=(theirs, dict(values), schema, (*seed, number)))
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()

    def begin(self, weights: WeightSet | None, count: int) -> None:
        """Let all of them act; as `Here.begin`, with `count` rows each."""
        for number, pipe in enumerate(self._pipes):
            try:
                pipe.send((weights, count))
            except OSError:
                self._died(number)

    def take(self) -> list[NDArray[np.float64]]:
        """
        Wait for the rows of all, in an order that does not depend on who was first.

        :raises ActorDied: one of them is no more.
        """
        found = []
        for number, pipe in enumerate(self._pipes):
            try:
                while not pipe.poll(0.1):
                    if self._rest():
                        return []
                found.append(pipe.recv())
            except (EOFError, OSError):
                self._died(number)
        return found

    def _died(self, number: int) -> None:
        process = self._processes[number]
        process.join(PATIENCE)
        raise ActorDied(f'the process of actor {number + 1} of {len(self._processes)} ended with '
                        f'exit status {process.exitcode}')
