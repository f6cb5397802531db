"""TD3 and DDPG, which is TD3 without its three ideas."""

from algorithms import workbench
from algorithms.slow import close
from algorithms.slow import columns
from algorithms.slow import gradient
from algorithms.slow import layers_of
from algorithms.slow import run
import numpy as np
import pytest
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
import torch

GAMMA, SCALE = 0.9, 0.7
BOTH = pytest.mark.parametrize('name', ['td3', 'ddpg'])


def filled(name, count=40, **values):
    """Return an algorithm with rows, some terminated, some truncated, and moved targets."""
    algorithm = workbench.make(name, gamma=GAMMA, reward_scale=SCALE, **values)
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, count, np.random.default_rng(0), length=4)
    rows[1::4, layout.column('truncated')] = 1.0
    algorithm.add(rows)
    for target in (algorithm.target, algorithm.target_actor):
        target += 0.05 * torch.randn(target.shape, generator=torch.Generator().manual_seed(5))
    return algorithm, rows, layout


def values(algorithm, obs, action, critic, layer_norm):
    stacked = layers_of(algorithm.critic, critic)
    return [run([(weight[i], bias[i]) for weight, bias in stacked], torch.cat((obs, action), 1),
                layer_norm).squeeze(1) for i in range(len(stacked[0][0]))]


def arguments(algorithm):
    batch = torch.from_numpy(algorithm.replay.data[:algorithm.replay.size])
    return batch, algorithm._mean, algorithm._inverse_std


@BOTH
@pytest.mark.parametrize('layer_norm', [False, True])
def test_gradients_are_those_of_the_papers(name, layer_norm):
    algorithm, rows, layout = filled(name, critic_layer_norm=layer_norm, target_noise=0.3,
                                     target_noise_clip=0.4)
    part = columns(algorithm, rows, layout,
                   ('obs', 'next_obs', 'request', 'reward', 'terminated'))
    noise = torch.randn(len(rows), 2)

    def critic_loss(critic):
        with torch.no_grad():
            action = torch.tanh(run(layers_of(algorithm.actor, algorithm.target_actor),
                                    part['next_obs']))
            if name == 'td3':
                action = (action + (0.3 * noise.double()).clamp(-0.4, 0.4)).clamp(-1.0, 1.0)
            after = values(algorithm, part['next_obs'], action, algorithm.target, layer_norm)
            assert len(after) == {'td3': 2, 'ddpg': 1}[name]
            wanted = SCALE * part['reward'].squeeze(1) + GAMMA * torch.where(
                part['terminated'].squeeze(1) == 1.0, 0.0, torch.stack(after).amin(0))
        now = values(algorithm, part['obs'], part['request'], critic, layer_norm)
        return sum(((value - wanted)**2).mean() for value in now)

    def actor_loss(actor):
        action = torch.tanh(run(layers_of(algorithm.actor, actor), part['obs']))
        return -values(algorithm, part['obs'], action, algorithm.critic.flat,
                       layer_norm)[0].mean()

    fast, details = algorithm.critic_gradient(
        algorithm.critic.flat, *arguments(algorithm), algorithm.target, algorithm.target_actor,
        noise)
    close(fast, gradient(critic_loss, algorithm.critic.flat))
    assert float(details[0]) == pytest.approx(float(critic_loss(algorithm.critic.flat)), rel=1e-4)
    fast, details = algorithm.actor_gradient(algorithm.actor.flat, *arguments(algorithm),
                                             algorithm.critic.flat)
    close(fast, gradient(actor_loss, algorithm.actor.flat))
    assert float(details) == pytest.approx(float(actor_loss(algorithm.actor.flat)), rel=1e-4)


@pytest.mark.parametrize('name, every', [('td3', 2), ('td3', 3), ('ddpg', 1)])
def test_the_actor_and_all_targets_move_together(name, every):
    algorithm, _, _ = filled(name, tau=0.25, actor_every=every)
    for i in range(1, 7):
        target, target_actor = algorithm.target.clone(), algorithm.target_actor.clone()
        actor, critic = algorithm.actor.flat.clone(), algorithm.critic.flat.clone()
        algorithm.update()
        assert not torch.equal(critic, algorithm.critic.flat)
        moved = i % every == 0
        assert torch.equal(actor, algorithm.actor.flat) != moved
        for now, before, network in ((algorithm.target, target, algorithm.critic),
                                     (algorithm.target_actor, target_actor, algorithm.actor)):
            wanted = before + 0.25 * (network.flat - before) if moved else before
            assert torch.allclose(now, wanted, atol=1e-6)


@BOTH
def test_numpy_policy_does_what_the_actor_does(name):
    algorithm, rows, layout = filled(name)
    for _ in range(10):
        algorithm.update()
    assert algorithm.network_name == 'deterministic 3-8-8-2 relu'
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    batch, mean, inverse_std = arguments(algorithm)
    action = algorithm.act(((batch[:, :3] - mean) * inverse_std).clamp(-10.0, 10.0),
                           algorithm.actor.flat)
    for i, row in enumerate(rows):
        rng = np.random.default_rng(0)
        for exploration in ('none', 'policy'):
            decision = policy.act(row[layout.column('obs')], rng, exploration)
            assert decision.action == pytest.approx(action[i].numpy(), abs=1e-5)


@BOTH
def test_learns_what_pays(name):
    """One decision per episode, best action (0.5, -0.2) whatever is seen."""
    algorithm = workbench.make(name, lr_actor=3e-3, lr_critic=3e-3, capacity=2000, batch=64,
                               hidden=(32, 32), critic_layer_norm=False, learning_starts=600)
    layout = workbench.layout_of(algorithm)
    best = np.array([0.5, -0.2])
    rng = np.random.default_rng(0)
    rows = workbench.act_rows(algorithm, layout, 600, rng, length=1,
                              judge=lambda _, action: -4.0 * float(((action - best)**2).sum()))
    algorithm.add(rows)
    losses = [algorithm.update()['critic_loss'] for _ in range(900)]
    assert np.mean(losses[-50:]) < 0.1 * np.mean(losses[:50])
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    chosen = [policy.act(row[layout.column('obs')], rng).action for row in rows[:50]]
    assert np.mean(chosen, axis=0) == pytest.approx(best, abs=0.2)


@BOTH
def test_explores_uniformly_then_with_its_noise(name):
    algorithm = workbench.make(name, learning_starts=30, noise='ornstein_uhlenbeck',
                               noise_start=0.4, noise_end=0.1, noise_over=10,
                               noise_unit='episode')
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, 30, np.random.default_rng(0), length=6)
    algorithm.add(rows[:29])
    assert not algorithm.ready and algorithm.exploration() == ('uniform', 1.0)
    algorithm.add(rows[29:])
    kind, scale = algorithm.exploration()
    assert algorithm.ready and kind == 'ornstein_uhlenbeck 0.15 1.0'
    assert scale == pytest.approx(0.25), 'five episodes of ten'


@BOTH
def test_discrete_actions_are_refused(name):
    cls = resolve('algorithm', name)
    with pytest.raises(ValueError, match=f'{name} needs continuous actions.*4 discrete'):
        cls.network(cls.Config(), 3, 1, choices=4)


@BOTH
def test_noise_that_grows_is_refused(name):
    with pytest.raises(ValueError, match='algorithm.noise_end: got 0.5'):
        workbench.make(name, noise_end=0.5)
