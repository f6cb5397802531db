"""Half of each batch from demonstrations (RLPD), for every algorithm with replay."""

from copy import deepcopy

from algorithms import workbench
import numpy as np
import pytest
import torch

REPLAYING = ('sac', 'td3', 'ddpg', 'dqn')


def make(name, seed=0, **values):
    layout = workbench.layout_of(workbench.make(name))
    choices = 3 if name == 'dqn' else 0
    return workbench.make(name, seed=seed, shown=workbench.shown_rows(layout, choices, 30),
                          **values)


def feed(algorithm, start=0, rounds=4):
    layout = workbench.layout_of(algorithm)
    added = []
    for i in range(start, start + rounds):
        rows = workbench.act_rows(algorithm, layout, 20, np.random.default_rng(i), first=20 * i)
        algorithm.add(rows)
        added.append(rows)
        for _ in range(3 * algorithm.ready):
            algorithm.update()
    return np.concatenate(added)


@pytest.mark.parametrize('name', REPLAYING)
@pytest.mark.parametrize('batch', [16, 7, 1])
def test_half_of_each_batch_is_demonstrated(name, batch):
    algorithm = make(name, batch=batch)
    feed(algorithm, rounds=2)
    shown = {row.tobytes() for row in algorithm._demonstrated.numpy()}
    own = {row.tobytes() for row in algorithm.replay.data[:algorithm.replay.size]}
    assert len(shown) == 30 and not shown & own
    drawn = set()
    for _ in range(40):
        algorithm.sample()
        rows = [row.tobytes() for row in algorithm._batch.numpy()]
        assert set(rows[:batch // 2]) <= shown and set(rows[batch // 2:]) <= own
        drawn |= set(rows)
    assert batch < 16 or drawn == shown | own


@pytest.mark.parametrize('name', REPLAYING)
def test_seeds_reproduce_and_a_resumed_run_goes_on(name):
    straight, again, other = make(name), make(name), make(name, seed=1)
    added = feed(straight)
    for algorithm in (again, other):
        feed(algorithm)
    assert np.array_equal(straight.actor_weights(), again.actor_weights())
    assert not np.array_equal(straight.actor_weights(), other.actor_weights())
    resumed = make(name, seed=2)
    resumed.load_state_dict(deepcopy(straight.state_dict()))
    resumed.refill(added[-resumed.memory_rows:])
    for algorithm in (straight, resumed):
        feed(algorithm, 4)
    assert np.array_equal(straight.actor_weights(), resumed.actor_weights())


def test_statistics_and_rewards_begin_with_the_demonstrations():
    algorithm = make('sac')
    layout = algorithm.replay.layout
    rows = workbench.shown_rows(layout, 0, 30)
    assert algorithm.normaliser.mean == pytest.approx(rows[:, layout.column('obs')].mean(0))
    assert algorithm._inverse_std.numpy() == pytest.approx(algorithm.normaliser.inverse_std)
    assert algorithm._largest_reward == np.abs(rows[:, layout.column('reward')]).max()
    assert not algorithm.ready, 'the robot explores first'


def test_without_demonstrations_nothing_is_different():
    """One draw of one generator, as ever; and nothing more in the checkpoint."""
    algorithm = workbench.make('sac', batch=16)
    feed(algorithm, rounds=2)
    generator = torch.Generator()
    generator.set_state(algorithm.generator.get_state())
    algorithm.sample()
    indices = torch.randint(algorithm.replay.size, (16,), generator=generator)
    assert torch.equal(algorithm._batch, torch.from_numpy(algorithm.replay.data)[indices])
    assert torch.equal(generator.get_state(), algorithm.generator.get_state())
    assert 'demonstrations' not in algorithm.state_dict()


def test_a_checkpoint_knows_its_demonstrations():
    with_, without = make('td3'), workbench.make('td3')
    changed = workbench.make('td3', shown=workbench.shown_rows(with_.replay.layout, seed=3))
    for holder, other in ((with_, without), (without, with_), (with_, changed)):
        with pytest.raises(ValueError, match=r'set algorithm\.demonstrations as it was'):
            other.load_state_dict(holder.state_dict())
