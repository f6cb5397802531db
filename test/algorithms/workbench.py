"""A tiny robot contract, and rows to learn from, for any algorithm."""

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout

OBSERVATION = 3
JOINTS = ('a', 'b')
SMALL = {'hidden': (8, 8), 'batch': 16, 'learning_starts': 20, 'capacity': 100, 'compile': 'off',
         'minibatch': 8, 'bins': (4,), 'lower': (-2.0,), 'upper': (2.0,)}


def choices_of(cls):
    """Return how many choices a test gives an algorithm; none where it can do without."""
    try:
        cls.network(cls.Config(), 1, 1, 0)
    except ValueError:
        return 3
    return 0


def make(name, seed=0, choices=None, joints=JOINTS, **values):
    """Build an algorithm small enough for a test; values that it does not know are left out."""
    cls = resolve('algorithm', name)
    choices = choices_of(cls) if choices is None else choices
    known = {key: value for key, value in {**SMALL, **values}.items()
             if key in cls.Config.__dataclass_fields__}
    config = cls.Config(**known)
    actions = 1 if choices else len(joints)
    extra = cls.extra_columns(actions)
    efforts = ()
    if choices:
        extra += (Term('effort', len(joints)),)
        efforts = tuple((i / choices,) * len(joints) for i in range(choices))
    contract = PolicyContract(cls.network(config, OBSERVATION, actions, choices), joints,
                              (Term('state', OBSERVATION),), extra, efforts)
    return cls(contract, RowLayout(OBSERVATION, actions, ('term',), extra), config, seed)


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
