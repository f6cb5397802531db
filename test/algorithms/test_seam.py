"""What every algorithm promises to the trainer, whichever it is."""

import io

from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.exploration import ExplorationSpec
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
import torch

ALGORITHMS = names('algorithm')
LEARNING = [name for name in ALGORITHMS if name != 'random']
REWARDED = [name for name in LEARNING if name not in workbench.IMITATING]


def feed(algorithm, rounds, seed=0, start=0):
    """Act, add and update as a trainer does, with what the world does decided by `seed`."""
    layout = workbench.layout_of(algorithm)
    for i in range(start, start + rounds):
        rng = np.random.default_rng((seed, i))
        algorithm.policy_version = i + 1
        rows = workbench.act_rows(algorithm, layout, 20, rng, first=20 * i, length=7)
        algorithm.add(rows)
        for _ in range(1 if algorithm.on_policy else 7):
            if algorithm.ready:
                details = algorithm.update()
                assert all(np.isfinite(value) for value in details.values())


def restored(algorithm, name, rows):
    """Return a new object from what a checkpoint would hold."""
    buffer = io.BytesIO()
    torch.save(algorithm.state_dict(), buffer)
    buffer.seek(0)
    other = workbench.make(name, seed=99)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    if other.memory_rows:
        other.refill(rows)
    return other


@pytest.mark.parametrize('name, preset', [(name, preset) for name in LEARNING
                                          for preset in resolve('algorithm', name).PRESETS])
def test_presets_learn(name, preset):
    """With as much of them as fits into a second."""
    cls = resolve('algorithm', name)
    config = cls.PRESETS[preset]
    resolve_config(cls.Config, {}, 'algorithm.', cls.PRESETS, (preset,))
    small = {key: workbench.SMALL[key] for key in ('batch', 'learning_starts', 'capacity', 'bins',
                                                   'lower', 'upper')}
    algorithm = workbench.make(name, **{**config, **small})
    before = algorithm.actor_weights()
    feed(algorithm, rounds=2)
    after = algorithm.actor_weights()
    assert np.isfinite(after).all() and (after != before).any()


@pytest.mark.parametrize('name', LEARNING)
def test_weights_fit_the_network_and_exploration_is_known(name):
    algorithm = workbench.make(name)
    weights = algorithm.actor_weights()
    assert weights.dtype == np.float64
    assert weights.shape == (NetworkSpec.parse(algorithm.network_name).parameters,)
    kind, scale = algorithm.exploration()
    assert ExplorationSpec.parse(kind) and scale >= 0.0
    Policy(algorithm.network_name, weights)


@pytest.mark.parametrize('name', LEARNING)
def test_same_rows_and_seed_give_the_same_bits(name):
    first, second, other = (workbench.make(name, seed=seed) for seed in (3, 3, 4))
    for algorithm in (first, second, other):
        feed(algorithm, 6)
    assert np.array_equal(first.actor_weights(), second.actor_weights())
    # A table begins the same whatever the seed.
    assert np.array_equal(first.actor_weights(), other.actor_weights()) == (name == 'q_learning')


@pytest.mark.parametrize('name', LEARNING)
def test_updates_change_the_policy_and_not_what_was_handed_out(name):
    algorithm = workbench.make(name)
    before = algorithm.actor_weights()
    kept = before.copy()
    feed(algorithm, 4)
    assert np.array_equal(before, kept)
    assert not np.array_equal(algorithm.actor_weights()[6:], kept[6:])


@pytest.mark.parametrize('name', LEARNING)
def test_resumed_is_as_if_never_stopped(name):
    straight = workbench.make(name)
    added = []
    add = straight.add
    straight.add = lambda rows: (added.append(rows.copy()), add(rows))
    feed(straight, 9)
    resumed = restored(straight, name, np.concatenate(added)[-max(1, straight.memory_rows):])
    assert np.array_equal(resumed.actor_weights(), straight.actor_weights())
    for algorithm in (straight, resumed):
        feed(algorithm, 9, start=9)
    assert np.array_equal(resumed.actor_weights(), straight.actor_weights())
    assert resumed.state_dict()['updates'] == straight.state_dict()['updates'] > 9


@pytest.mark.parametrize('name', LEARNING)
def test_state_of_another_network_is_refused(name):
    state = workbench.make(name).state_dict()
    with pytest.raises(ValueError, match=r'set algorithm\.(hidden|bins) as it was'):
        workbench.make(name, hidden=(8, 9), bins=(5,)).load_state_dict(state)


@pytest.mark.parametrize('name', REWARDED)
def test_a_number_without_bounds_stops_before_it_does_harm(name):
    """A reward beyond what a network can hold ends learning; the weights are those before it."""
    algorithm = workbench.make(name, alpha=1.0)
    feed(algorithm, 3)
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, 100, np.random.default_rng(9), first=60)
    largest = {'sac': 3e38, 'td3': 3e38, 'ddpg': 3e38, 'dqn': 3e38, 'q_learning': 1e308}
    rows[:, layout.column('reward')] = largest.get(name, 1e60)
    algorithm.add(rows)
    table_or_actor = slice(2 * workbench.OBSERVATION, None)
    with pytest.raises(NonFiniteLoss):
        for _ in range(200):
            before = algorithm.actor_weights()
            algorithm.update()
    assert np.array_equal(before[table_or_actor], algorithm.actor_weights()[table_or_actor])


@pytest.mark.parametrize('name', ['sac', 'td3', 'ddpg', 'dqn'])
def test_a_critic_that_diverges_is_stopped(name):
    """Values that no rewards could add up to, though every number is finite."""
    algorithm = workbench.make(name, gamma=0.9)
    feed(algorithm, 3)
    algorithm.update()
    critic = algorithm.actor if name == 'dqn' else algorithm.critic
    critic.views(critic.flat)[-1].fill_(1e5)
    before = algorithm.actor_weights()
    with pytest.raises(NonFiniteLoss, match=r'mean value is 1e\+05, rewards .* at most [1-9]\d?'):
        algorithm.update()
    assert np.array_equal(before, algorithm.actor_weights())


@pytest.mark.parametrize(('name', 'preset'), [
    (name, preset) for name in LEARNING for preset in resolve('algorithm', name).PRESETS])
def test_every_preset_trains(name, preset):
    """With what depends on the task, and the patience it needs, made small."""
    values = resolve('algorithm', name).PRESETS[preset]
    small = {key: value for key, value in workbench.SMALL.items() if key != 'hidden'}
    algorithm = workbench.make(name, **{**values, **small})
    before = algorithm.actor_weights()
    feed(algorithm, 3)
    assert algorithm.state_dict()['updates'] > 0
    assert not np.array_equal(before[6:], algorithm.actor_weights()[6:])


BAD = [('gamma', 1.01), ('gamma', -0.1), ('gamma', float('nan')), ('lr', -1e-3),
       ('lr_actor', -1.0), ('hidden', (8, 0)), ('hidden', ()), ('batch', 0),
       ('learn_from', 'executed'), ('compile', 'yes'), ('baseline', 'mean'), ('gama', 0.9),
       ('alpha', -0.1), ('bins', (0,)), ('bins', ()), ('epsilon_end', 1.5),
       ('epsilon_unit', 'row'), ('noise', 'brown'), ('noise_theta', 0.0), ('noise_start', -1.0),
       ('target_every', 0), ('lr_critic', -1e-9), ('tau', 2.0), ('lr_value', -1.0),
       ('gae_lambda', 1.1), ('clip', -0.1), ('minibatch', 1), ('epochs', 0), ('target_kl', -1.0)]


@pytest.mark.parametrize(('name', 'key', 'value'), [
    (name, key, value) for name in LEARNING for key, value in BAD
    if key in resolve('algorithm', name).Config.__dataclass_fields__ or key == 'gama'])
def test_bad_configuration_is_refused(name, key, value):
    cls = resolve('algorithm', name)
    with pytest.raises(ValueError, match=f'algorithm.{key}'):
        resolve_config(cls.Config, {f'algorithm.{key}': value}, 'algorithm.')


@pytest.mark.parametrize('name', [name for name in REWARDED if 'normalise' in
                                  resolve('algorithm', name).Config.__dataclass_fields__])
@pytest.mark.parametrize('shown', [False, True])
def test_observations_as_they_are(name, shown):
    """Without `normalise` neither rows nor demonstrations change what networks see."""
    layout = workbench.layout_of(workbench.make(name))
    rows = workbench.shown_rows(layout, workbench.choices_of(resolve('algorithm', name)))
    algorithm = workbench.make(name, normalise=False, shown=rows if shown else None)
    feed(algorithm, rounds=2)
    before, after = np.split(algorithm.actor_weights()[:2 * workbench.OBSERVATION], 2)
    assert (before == 0.0).all() and (after == 1.0).all()
    assert algorithm.counts.updates
