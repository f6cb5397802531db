"""Who takes part in learner_speed.py: ours, Stable-Baselines3, the textbook's form, SBX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import os
from typing import Any

import gymnasium
import numpy as np
from results import have
from results import peer
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.rollout import Block
import textbook

ROWS = 100_000  # in replay
AT_ONCE = 25  # updates between two looks at the clock
BLOCK, EPOCHS = 2048, 10  # of PPO

# JAX reads these when it starts.
os.environ.setdefault('XLA_FLAGS', '--xla_cpu_multi_thread_eigen=false '
                                   'intra_op_parallelism_threads=1')
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

Entry = tuple[int, Callable[[], Any]]


@dataclass(frozen=True)
class Case:
    """What all contenders of a case have in common."""

    algorithm: str
    obs: int
    action: int  # numbers, or choices where actions are discrete
    hidden: tuple[int, ...]
    batch: int
    ours: dict[str, Any]  # options that make ours compute the same

    @property
    def discrete(self) -> bool:
        """Whether actions are choices."""
        return self.algorithm == 'dqn'


PLAIN = {'critic_layer_norm': False, 'capacity': ROWS, 'gamma': 0.99}
CASES = {
    'sac_256': Case('sac', 14, 7, (256, 256), 256, {**PLAIN, 'actor_every': 1}),
    'sac_64': Case('sac', 14, 7, (64, 64), 64, {**PLAIN, 'actor_every': 1}),
    'td3_256': Case('td3', 14, 7, (256, 256), 256, {**PLAIN, 'actor_every': 2}),
    'dqn': Case('dqn', 4, 2, (120, 84), 128, {'capacity': ROWS, 'gamma': 0.99, 'double': False,
                                              'tau': 1.0, 'target_every': 500, 'lr': 3e-4}),
    'ppo': Case('ppo', 14, 7, (64, 64), 64, {'gamma': 0.99, 'target_kl': 0.0, 'epochs': EPOCHS,
                                             'initial_log_std': 0.0, 'lr_value': 3e-4}),
}
WAYS = {'compiled': 'on', 'recorded': 'record', 'eager': 'off'}  # of `algorithm.compile`


def contenders(case: Case) -> dict[str, Entry]:
    """Return who takes part: updates in one call, and the call."""
    found = {'Stable-Baselines3': stable_baselines(case), 'textbook': by_the_book(case),
             **{f'ours, {name}': ours(case, way) for name, way in WAYS.items()}}
    if case.algorithm == 'sac' and have('sbx'):
        found['SBX, 25 in one call'] = sbx(case, AT_ONCE)
        found['SBX'] = sbx(case, 1)
    prepare_torch()  # others may have set threads
    return found


def times(count: int, update: Callable[[], Any]) -> Entry:
    """Make a contender of one update."""
    def work() -> None:
        for _ in range(count):
            update()
    return count, work


# -- ours --------------------------------------------------------------------------------------


def rows_of(layout: RowLayout, count: int, choices: int, rng: np.random.Generator) -> Any:
    """Return random rows; no episode ends."""
    rows = np.zeros((count, layout.width))
    rows[:, layout.column('epoch')] = 1.0
    rows[:, layout.column('seq').start] = np.arange(count)
    for name in ('obs', 'next_obs', 'reward'):
        column = layout.column(name)
        rows[:, column] = rng.standard_normal((count, column.stop - column.start))
    column = layout.column('request')
    shape = (count, column.stop - column.start)
    rows[:, column] = rng.integers(choices, size=shape) if choices else rng.uniform(-1, 1, shape)
    return rows


def make_ours(case: Case, compile_: str, **options: Any) -> tuple[Any, RowLayout]:
    """Build our algorithm for a case."""
    cls = resolve('algorithm', case.algorithm)
    choices = case.action if case.discrete else 0
    size = 1 if choices else case.action
    config = cls.Config(**{'hidden': case.hidden, 'compile': compile_, **case.ours, **options})
    extra = cls.extra_columns(size) + (Term('effort', 1),) * bool(choices)
    efforts = tuple((2.0 * i / (choices - 1) - 1.0,) for i in range(choices))
    joints = ('motor',) if choices else tuple(f'motor{i}' for i in range(size))
    contract = PolicyContract(cls.network(config, case.obs, size, choices), joints,
                              (Term('state', case.obs),), extra, efforts)
    layout = RowLayout(case.obs, size, (), extra)
    return cls(contract, layout, config, 0), layout


def ours(case: Case, compile_: str) -> Entry:
    """Return our learner, compiled, recorded or neither."""
    rng = np.random.default_rng(0)
    if case.algorithm == 'ppo':
        algorithm, layout = make_ours(case, compile_, batch=BLOCK, minibatch=case.batch)
        rows = rows_of(layout, BLOCK, 0, rng)
        rows[:, layout.column('log_prob').start] = -10.0
        last = np.arange(BLOCK) == BLOCK - 1
        block = Block(rows, last, np.ones(BLOCK, np.bool_))
        algorithm.prepare()
        return EPOCHS * BLOCK // case.batch, lambda: algorithm.learn(block)
    algorithm, layout = make_ours(case, compile_, batch=case.batch)
    algorithm.add(rows_of(layout, ROWS, case.action if case.discrete else 0, rng))
    algorithm.prepare()
    return times(AT_ONCE, algorithm.update)


# -- the others --------------------------------------------------------------------------------


class Nothing(gymnasium.Env[Any, Any]):
    """An environment of the right sizes; nobody steps it."""

    def __init__(self, case: Case) -> None:
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (case.obs,), np.float32)
        self.action_space: Any = (
            gymnasium.spaces.Discrete(case.action) if case.discrete
            else gymnasium.spaces.Box(-1.0, 1.0, (case.action,), np.float32))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Return an observation."""
        return np.zeros(self.observation_space.shape, np.float32), {}


def stable_baselines(case: Case) -> Entry:
    """Return Stable-Baselines3's learner."""
    sb3 = peer('stable_baselines3')
    common: dict[str, Any] = {'learning_rate': 3e-4, 'gamma': 0.99, 'device': 'cpu', 'seed': 0,
                              'policy_kwargs': {'net_arch': list(case.hidden)}}
    if case.algorithm == 'ppo':
        model = sb3.PPO('MlpPolicy', Nothing(case), n_steps=BLOCK, batch_size=case.batch,
                        n_epochs=EPOCHS, **common)
        _fill(model.rollout_buffer)
        model.rollout_buffer.log_probs[:] = -10.0
        _silence(model)
        return EPOCHS * BLOCK // case.batch, model.train
    model = getattr(sb3, case.algorithm.upper())(
        'MlpPolicy', Nothing(case), buffer_size=ROWS, batch_size=case.batch, **common)
    _fill(model.replay_buffer, case.action if case.discrete else 0)
    _silence(model)
    return AT_ONCE, lambda: model.train(gradient_steps=AT_ONCE, batch_size=case.batch)


def _silence(model: Any) -> None:
    model.set_logger(peer('stable_baselines3.common.logger').Logger(None, []))


def _fill(buffer: Any, choices: int = 0) -> None:
    """Fill a buffer of Stable-Baselines3 with random rows; no episode ends."""
    rng = np.random.default_rng(0)
    for name in ('observations', 'next_observations', 'actions', 'rewards', 'advantages',
                 'returns', 'values'):
        array = getattr(buffer, name, None)
        if array is not None:
            array[:] = rng.standard_normal(array.shape)
    buffer.actions[:] = (rng.integers(choices, size=buffer.actions.shape) if choices
                         else rng.uniform(-1.0, 1.0, buffer.actions.shape))
    buffer.full = True


def by_the_book(case: Case) -> Entry:
    """Return the textbook's learner."""
    cls = getattr(textbook, f'{case.algorithm.capitalize()}Update')
    update = cls(case.obs, case.action, case.hidden, case.batch).update
    if case.algorithm == 'ppo':
        return EPOCHS * BLOCK // case.batch, update
    return times(AT_ONCE, update)


def sbx(case: Case, at_once: int) -> Entry:
    """
    Return SBX's learner, on one thread.

    :param at_once: updates in one compiled loop; 1 is what it does at one update per row.
    """
    model = peer('sbx').SAC('MlpPolicy', Nothing(case), buffer_size=ROWS, batch_size=case.batch,
                            learning_rate=3e-4, gamma=0.99, seed=0,
                            policy_kwargs={'net_arch': list(case.hidden)})
    _fill(model.replay_buffer)
    _silence(model)

    def work() -> None:
        for _ in range(AT_ONCE // at_once):
            model.train(at_once, case.batch)
        peer('jax').block_until_ready(model.policy.actor_state.params)
    return AT_ONCE, work
