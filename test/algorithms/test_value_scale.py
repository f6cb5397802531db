"""Values whose network learns returns of mean 0 and variance 1."""

from algorithms import workbench
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.algorithms.value_scale import LEAST
from rl_robot_ros.algorithms.value_scale import RATE
from rl_robot_ros.algorithms.value_scale import ValueScale
import torch

NUMBERS = st.floats(-1e6, 1e6)
BLOCKS = st.lists(st.lists(NUMBERS, min_size=1, max_size=5), min_size=1, max_size=40)
METHODS = pytest.mark.parametrize('name', ['ppo', 'a2c', 'reinforce'])


def make(name, **values):
    sizes = {'minibatch': 20, 'compile': 'off'} if name == 'ppo' else {}
    return workbench.make(name, **{'batch': 20, **sizes, **values})


def rows_of(algorithm, scale=1.0, shift=0.0, seed=0):
    rows = workbench.act_rows(algorithm, algorithm.layout, 40, np.random.default_rng(seed),
                              length=5)
    at = algorithm.layout.column('reward')
    rows[:, at] = scale * (rows[:, at] + shift)
    return rows


@given(BLOCKS)
def test_what_the_network_says_is_kept(blocks):
    scale, rng = ValueScale(), np.random.default_rng(0)
    hidden = torch.from_numpy(rng.normal(size=(6, 4)))
    weight, bias = torch.from_numpy(rng.normal(size=(4, 1))), torch.ones(1, 1).double()
    scale.take(torch.tensor([1.0, 3.0]), weight, bias)
    assert float(bias) == 1.0, 'nothing was learned yet'
    for block in blocks:
        before = scale.value(hidden @ weight + bias)
        scale.take(torch.tensor(block, dtype=torch.float64), weight, bias)
        after = scale.value(hidden @ weight + bias)
        size = float(before.abs().max()) + abs(scale.mean) + scale.spread
        assert torch.allclose(before, after, rtol=0.0, atol=1e-9 * size)
        assert scale.spread >= LEAST * abs(scale.mean)


@given(BLOCKS)
def test_mean_and_spread_are_those_of_the_newest_blocks(blocks):
    scale, mean, square = ValueScale(), 0.0, 0.0
    for i, block in enumerate(blocks):
        scale.take(torch.tensor(block, dtype=torch.float64), torch.ones(1, 1), torch.ones(1, 1))
        rate = max(1.0 / (i + 1), RATE)
        mean = (1.0 - rate) * mean + rate * np.mean(block)
        square = (1.0 - rate) * square + rate * np.mean(np.square(block))
    assert scale.mean == pytest.approx(mean, rel=1e-6, abs=1e-6)
    assert scale.square == pytest.approx(square, rel=1e-6)


@given(NUMBERS, st.lists(NUMBERS, min_size=1))
def test_a_value_and_its_output_belong_together(value, block):
    scale = ValueScale()
    scale.take(torch.tensor(block, dtype=torch.float64), torch.ones(1, 1), torch.ones(1, 1))
    number = torch.tensor(value, dtype=torch.float64)
    assert float(scale.value(scale.output(number))) == pytest.approx(value, rel=1e-9, abs=1e-6)


@METHODS
def test_the_scale_of_rewards_makes_no_difference(name):
    """The first returns are compared with a first guess, about 0 in units of the reward."""
    def learned(factor, **values):
        algorithm = make(name, **values)
        for view in algorithm.critic.views(algorithm.critic.flat)[-2:]:
            view.zero_()
        for seed in range(3):
            algorithm.add(rows_of(algorithm, factor, seed=seed))
            algorithm.update()
        return algorithm.actor.flat
    one = learned(1.0)
    assert torch.allclose(one, learned(1024.0), atol=1e-5)
    plain = learned(1.0, normalise_values=False)
    assert not torch.allclose(plain, learned(1024.0, normalise_values=False), atol=1e-4)
    assert not torch.allclose(one, plain, atol=1e-5)


@METHODS
def test_a_value_far_from_0_is_learned_at_once(name):
    algorithm = make(name, lr_value=1e-3, gamma=0.9)
    algorithm.add(rows_of(algorithm, shift=1000.0))
    block = algorithm.rollout.take(0)
    algorithm.learn(block)
    value, _ = algorithm.values_of(block.rows)
    last = block.rows[block.last]
    assert np.all(last[:, algorithm.layout.column('terminated')] != 0.0)
    wanted = [1000.0 * (1.0 - 0.9**(5 - i % 5)) / 0.1 for i in range(len(value))]
    # A single network cannot tell where in an episode a row is; their mean it can.
    assert np.mean(value) == pytest.approx(np.mean(wanted), rel=0.3)
    assert algorithm.value_scale.mean == pytest.approx(np.mean(wanted), rel=0.2)


@METHODS
def test_a_checkpoint_has_the_scale(name):
    algorithm, other = make(name), make(name, seed=1)
    algorithm.add(rows_of(algorithm, shift=3.0))
    algorithm.update()
    other.load_state_dict(algorithm.state_dict())
    rows = rows_of(algorithm, seed=1)
    for found, wanted in zip(other.values_of(rows), algorithm.values_of(rows)):
        assert np.array_equal(found, wanted)


@METHODS
def test_returns_that_are_no_numbers_change_nothing(name):
    algorithm = make(name)
    algorithm.add(rows_of(algorithm))
    algorithm.update()
    before = algorithm.state_dict()['value_scale'], algorithm.critic.flat.clone()
    algorithm.add(rows_of(algorithm, scale=float('nan')))
    with pytest.raises(NonFiniteLoss, match='square of returns'):
        algorithm.update()
    assert algorithm.state_dict()['value_scale'] == before[0]
    assert torch.equal(algorithm.critic.flat, before[1])
