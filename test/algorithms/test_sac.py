from algorithms import workbench
from algorithms.slow import close
from algorithms.slow import columns
from algorithms.slow import gradient
from algorithms.slow import layers_of
from algorithms.slow import run
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.algorithms.gradient import has_compiler
from rl_robot_ros.algorithms.sac import Sac
from rl_robot_ros.algorithms.sac import SacConfig
from rl_robot_ros.core.policy import Policy
import torch
from torch.distributions import Independent
from torch.distributions import Normal
from torch.distributions import TanhTransform
from torch.distributions import TransformedDistribution

GAMMA, SCALE = 0.9, 0.7


def filled(count=40, **values):
    """Return an algorithm with rows, some terminated, some truncated, and odd statistics."""
    algorithm = workbench.make('sac', gamma=GAMMA, reward_scale=SCALE, initial_alpha=0.3, **values)
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, count, np.random.default_rng(0), length=4)
    rows[1::4, layout.column('truncated')] = 1.0
    algorithm.add(rows)
    return algorithm, rows, layout


class Slow:
    """The formulas of the paper in float64, written without any of the fast code."""

    def __init__(self, algorithm, rows, layout, layer_norm):
        self.layer_norm = layer_norm
        self.algorithm = algorithm
        self.part = columns(algorithm, rows, layout,
                            ('obs', 'next_obs', 'request', 'reward', 'terminated'))
        self.alpha = algorithm.log_alpha.double().exp()

    def policy(self, obs, actor):
        mean, log_std = run(layers_of(self.algorithm.actor, actor), obs).chunk(2, -1)
        return TransformedDistribution(
            Independent(Normal(mean, log_std.clamp(-20.0, 2.0).exp()), 1), [TanhTransform()])

    def sample(self, obs, actor, noise):
        policy = self.policy(obs, actor)
        action = torch.tanh(policy.base_dist.mean + policy.base_dist.stddev * noise.double())
        return action, policy.log_prob(action.clamp(-1.0 + 1e-12, 1.0 - 1e-12))

    def values(self, obs, action, critic):
        stacked = layers_of(self.algorithm.critic, critic)
        x = torch.cat((obs, action), 1)
        return [run([(weight[i], bias[i]) for weight, bias in stacked], x,
                    self.layer_norm).squeeze(1) for i in (0, 1)]

    def critic_loss(self, critic, noise):
        part, algorithm = self.part, self.algorithm
        with torch.no_grad():
            action, log_prob = self.sample(part['next_obs'], algorithm.actor.flat, noise)
            after = torch.minimum(*self.values(part['next_obs'], action, algorithm.target))
            after = after - self.alpha * log_prob
            wanted = SCALE * part['reward'].squeeze(1) + GAMMA * torch.where(
                part['terminated'].squeeze(1) == 1.0, 0.0, after)
        return sum(((value - wanted)**2).mean()
                   for value in self.values(part['obs'], part['request'], critic))

    def actor_loss(self, actor, noise):
        action, log_prob = self.sample(self.part['obs'], actor, noise)
        value = torch.minimum(*self.values(self.part['obs'], action, self.algorithm.critic.flat))
        return (self.alpha * log_prob - value).mean(), log_prob.mean()


def arguments(algorithm):
    batch = torch.from_numpy(algorithm.replay.data[:algorithm.replay.size])
    return batch, algorithm._mean, algorithm._inverse_std


COMPILED = pytest.param(True, 'on', id='compiled', marks=[
    pytest.mark.timeout(300), pytest.mark.skipif(not has_compiler(), reason='no C++ compiler')])


@pytest.mark.parametrize(('layer_norm', 'compiled'), [
    (False, 'off'), (True, 'off'), (True, 'record'), COMPILED])
def test_gradients_are_those_of_the_paper(layer_norm, compiled):
    algorithm, rows, layout = filled(critic_layer_norm=layer_norm, compile=compiled)
    algorithm.target += 0.05 * torch.randn(algorithm.target.shape)
    noise = torch.randn(len(rows), 2)
    slow = Slow(algorithm, rows, layout, layer_norm)
    alpha = algorithm.log_alpha.exp()
    fast, details = algorithm.critic_gradient(
        algorithm.critic.flat, *arguments(algorithm), algorithm.target, algorithm.actor.flat,
        alpha, noise)
    close(fast, gradient(lambda critic: slow.critic_loss(critic, noise), algorithm.critic.flat))
    assert float(details[0]) == pytest.approx(
        float(slow.critic_loss(algorithm.critic.flat, noise)), rel=1e-4)

    fast, details = algorithm.actor_gradient(
        algorithm.actor.flat, *arguments(algorithm), algorithm.critic.flat, alpha, noise)
    close(fast, gradient(lambda actor: slow.actor_loss(actor, noise)[0], algorithm.actor.flat))
    assert float(details[1]) == pytest.approx(
        float(slow.actor_loss(algorithm.actor.flat, noise)[1]), rel=1e-4)


def test_dropout_is_a_mask_in_front_of_the_layer_norm():
    """Unit by unit, as in DroQ: dropped ones count nothing, the others more."""
    algorithm, rows, _ = filled(dropout=0.25)
    mask, target_mask = algorithm._masks(2)
    mask, target_mask = (torch.cat((m, m, m), 1)[:, :len(rows)] for m in (mask, target_mask))
    assert mask.unique().tolist() == pytest.approx([0.0, 4.0 / 3.0])
    assert float((mask == 0.0).float().mean()) == pytest.approx(0.25, abs=0.08)
    assert not torch.equal(mask, target_mask)
    batch, mean, inverse_std = arguments(algorithm)
    obs = ((batch[:, :3] - mean) * inverse_std).clamp(-10.0, 10.0)
    fast = algorithm.value(obs, batch[:, 3:5], algorithm.critic.flat, mask)
    stacked = layers_of(algorithm.critic, algorithm.critic.flat)
    for i in (0, 1):
        x = torch.cat((obs, batch[:, 3:5]), 1).double()
        for layer in (0, 1):
            weight, bias = (part[i] for part in stacked[layer])
            x = (x @ weight.mT) * mask[i, :, 8 * layer:8 * layer + 8]
            x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True)
                                                 + 1e-5).sqrt()
            x = (x + bias).relu()
        weight, bias = (part[i] for part in stacked[2])
        assert torch.allclose(fast[i].double(), x @ weight.mT + bias, atol=1e-4)


@pytest.mark.parametrize('dropout', [0.0, 0.5])
def test_dropout_is_drawn_from_the_seed(dropout):
    one, other = (filled(dropout=dropout)[0] for _ in range(2))
    one.prepare()
    for algorithm in (one, other):
        for _ in range(4):
            algorithm.update()
    assert torch.equal(one.critic.flat, other.critic.flat)
    without = filled(dropout=0.0)[0]
    for _ in range(4):
        without.update()
    assert torch.equal(one.critic.flat, without.critic.flat) == (dropout == 0.0)


def test_temperature_follows_its_gradient():
    algorithm, _, _ = filled(lr_actor=0.0, target_entropy=0.4)
    for _ in range(2):
        before = float(algorithm.log_alpha)
        details = algorithm.update()
    log_alpha = torch.tensor(before, requires_grad=True)
    log_prob, target = -details['entropy'], -0.4 * 2
    loss = -log_alpha * (log_prob + target)
    assert float(algorithm.log_alpha.grad) == pytest.approx(
        float(torch.autograd.grad(loss, log_alpha)[0]), rel=1e-5)
    assert details['alpha'] == pytest.approx(np.exp(before), rel=1e-6)
    rises = log_prob + target > 0.0  # more entropy is wanted
    assert (float(algorithm.log_alpha) > before) == rises


@pytest.mark.parametrize(('flag', 'matters'), [('terminated', False), ('truncated', True)])
def test_only_a_real_end_cuts_the_future_off(flag, matters):
    gradients = []
    for offset in (0.0, 1.0):
        algorithm = workbench.make('sac')
        layout = workbench.layout_of(algorithm)
        rows = workbench.act_rows(algorithm, layout, 30, np.random.default_rng(0), length=999)
        rows[:, layout.column(flag)] = 1.0
        rows[:, layout.column('next_obs')] += offset
        algorithm.add(rows)
        gradients.append(algorithm.critic_gradient(
            algorithm.critic.flat, *arguments(algorithm), algorithm.target, algorithm.actor.flat,
            algorithm.log_alpha.exp(), torch.ones(30, 2))[0])
    assert torch.equal(*gradients) != matters


def test_targets_follow_slowly_and_the_actor_more_seldom():
    algorithm, _, _ = filled(tau=0.25, actor_every=3)
    for i in range(1, 7):
        target, actor = algorithm.target.clone(), algorithm.actor.flat.clone()
        algorithm.update()
        wanted = target + 0.25 * (algorithm.critic.flat - target)
        assert torch.allclose(algorithm.target, wanted, atol=1e-6)
        assert torch.equal(actor, algorithm.actor.flat) == (i % 3 != 0)


def test_numpy_policy_does_what_the_actor_does():
    algorithm, rows, layout = filled()
    for _ in range(10):
        algorithm.update()
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    batch, mean, inverse_std = arguments(algorithm)
    obs = ((batch[:, :3] - mean) * inverse_std).clamp(-10.0, 10.0)
    action, log_prob = algorithm.act(obs, algorithm.actor.flat, torch.zeros(len(rows), 2))
    for i, row in enumerate(rows):
        decision = policy.act(row[layout.column('obs')], np.random.default_rng(0))
        assert decision.action == pytest.approx(action[i].numpy(), abs=1e-5)
        assert decision.log_prob == pytest.approx(float(log_prob[i]), rel=1e-3, abs=1e-3)


def test_learns_what_pays():
    """One decision per episode, best action (0.5, -0.2) whatever is seen."""
    algorithm = workbench.make('sac', lr_actor=3e-3, lr_critic=3e-3, lr_alpha=1e-2, capacity=2000,
                               initial_alpha=0.1, batch=64, hidden=(32, 32))
    layout = workbench.layout_of(algorithm)
    best = np.array([0.5, -0.2])
    rng = np.random.default_rng(0)
    rows = workbench.act_rows(algorithm, layout, 600, rng, length=1,
                              judge=lambda _, action: -4.0 * float(((action - best)**2).sum()))
    algorithm.add(rows)
    losses = [algorithm.update()['critic_loss'] for _ in range(500)]
    assert np.mean(losses[-50:]) < 0.2 * np.mean(losses[:50])
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    for row in rows[:20]:
        action = policy.act(row[layout.column('obs')], rng).action
        assert np.abs(action - best).max() < 0.25


def test_explores_uniformly_until_it_learns():
    algorithm = workbench.make('sac', learning_starts=30)
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, 29, np.random.default_rng(0))
    algorithm.add(rows)
    assert not algorithm.ready and algorithm.exploration() == ('uniform', 1.0)
    algorithm.add(rows[:1])
    assert algorithm.ready and algorithm.exploration() == ('policy', 1.0)


@pytest.mark.parametrize('reward', [1e30, -1e30])
def test_a_loss_without_bounds_stops_before_it_does_harm(reward):
    algorithm, rows, layout = filled()
    rows[:, layout.column('reward')] = reward
    algorithm.add(np.repeat(rows, 3, axis=0))
    before = algorithm.actor_weights(), algorithm.critic.flat.clone()
    with pytest.raises(NonFiniteLoss, match='critic loss is inf'):
        algorithm.update()
    assert np.array_equal(algorithm.actor_weights(), before[0])
    assert torch.equal(algorithm.critic.flat, before[1])


def test_compiling_ahead_changes_nothing():
    first, second = (filled()[0] for _ in range(2))
    first.prepare()
    for algorithm in (first, second):
        for _ in range(4):
            algorithm.update()
    assert np.array_equal(first.actor_weights(), second.actor_weights())


@pytest.mark.parametrize('key', ['batch', 'learning_starts'])
def test_more_than_replay_holds_is_refused(key):
    with pytest.raises(ValueError, match=rf'algorithm.{key}: got 300, .*capacity = 256'):
        SacConfig(**{'capacity': 256, 'batch': 8, 'learning_starts': 8, key: 300})


def test_discrete_actions_are_refused():
    with pytest.raises(ValueError, match='sac needs continuous actions.*4 discrete'):
        Sac.network(SacConfig(), 3, 1, choices=4)
