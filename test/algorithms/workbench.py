"""A tiny robot contract, and rows to learn from, for any algorithm."""

from pathlib import Path
import tempfile

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import save_demonstrations

OBSERVATION = 3
JOINTS = ('a', 'b')
SMALL = {'hidden': (8, 8), 'batch': 16, 'learning_starts': 20, 'capacity': 100, 'compile': 'off',
         'minibatch': 8, 'bins': (4,), 'lower': (-2.0,), 'upper': (2.0,)}
IMITATING = ('behavior_cloning', 'dagger')  # they look at no reward


def choices_of(cls):
    """Return how many choices a test gives an algorithm; none where it can do without."""
    try:
        cls.network(cls.Config(), 1, 1, 0)
    except ValueError:
        return 3
    return 0


def make(name, seed=0, choices=None, joints=JOINTS, shown=None, **values):
    """
    Build an algorithm small enough for a test; values that it does not know are left out.

    :param shown: rows of demonstrations; None gives some to algorithms that only imitate.
    """
    cls = resolve('algorithm', name)
    choices = choices_of(cls) if choices is None else choices
    known = {key: value for key, value in {**SMALL, **values}.items()
             if key in cls.Config.__dataclass_fields__}
    actions = 1 if choices else len(joints)
    extra = cls.extra_columns(actions)
    efforts = ()
    if choices:
        extra += (Term('effort', len(joints)),)
        efforts = tuple((i / choices,) * len(joints) for i in range(choices))
    layout = RowLayout(OBSERVATION, actions, ('term',), extra)
    if shown is None and name in IMITATING:
        shown = shown_rows(layout, choices)
    with tempfile.TemporaryDirectory() as folder:
        if shown is not None:
            path = Path(folder) / 'demonstrations.safetensors'
            save_demonstrations(path, layout, shown)
            known['demonstrations'] = str(path)
        config = cls.Config(**known)
        contract = PolicyContract(cls.network(config, OBSERVATION, actions, choices), joints,
                                  (Term('state', OBSERVATION),), extra, efforts)
        return cls(contract, layout, config, seed)


def shown_rows(layout, choices=0, count=40, seed=77):
    """Return rows of a demonstrator that knows what it does: the observation decides."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, layout.width))
    obs = rng.normal(size=(count, OBSERVATION)) * [0.1, 1.0, 10.0]
    action = (obs[:, 1:2] > 0.0) * (choices - 1.0) if choices \
        else np.tanh(obs[:, 1:2] * np.linspace(0.5, -0.5, layout.action_size))
    values = {'epoch': 5.0, 'obs': obs, 'next_obs': np.roll(obs, -1, axis=0), 'request': action,
              'action': action, 'reward': rng.normal(size=(count, 1)),
              'seq': np.arange(count)[:, None], 'truncated': np.arange(count)[:, None] % 10 == 9}
    for name, value in values.items():
        rows[:, layout.column(name)] = value
    return rows


def layout_of(algorithm):
    return algorithm.replay.layout if hasattr(algorithm, 'replay') else algorithm.layout


def act_rows(algorithm, layout, count, rng, judge=None, first=0, length=5):
    """
    Let the algorithm's own NumPy policy act in a world without memory.

    :param judge: observation and action to reward.
    :param length: decisions in an episode; it terminates at its end.
    """
    network, weights = algorithm.network_name, algorithm.actor_weights()
    policy, explorer = Policy(network, weights), Explorer(rng)
    rows = []
    for i in range(first, first + count):
        observation = rng.normal(size=OBSERVATION) * [0.1, 1.0, 10.0]
        decision = explorer.act(policy, observation, *algorithm.exploration())
        reward = judge(observation, decision.action) if judge else rng.normal()
        values = {'epoch': 1, 'seq': i, 'policy_version': algorithm.policy_version,
                  'obs': observation, 'next_obs': rng.normal(size=OBSERVATION),
                  'request': decision.action, 'action': decision.action, 'reward': reward,
                  'terminated': float(i % length == length - 1)}
        if 'log_prob' in layout:
            values['log_prob'] = decision.log_prob
        rows.append(layout.pack(values))
    return np.array(rows)
