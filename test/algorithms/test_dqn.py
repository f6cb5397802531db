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


def filled(count=40, **values):
    """Return an algorithm with rows, some terminated, some truncated, and a moved target."""
    algorithm = workbench.make('dqn', gamma=GAMMA, reward_scale=SCALE, **values)
    layout = workbench.layout_of(algorithm)
    rows = workbench.act_rows(algorithm, layout, count, np.random.default_rng(0), length=4,
                              judge=lambda obs, action: 3.0 * obs[1] + action[0])
    rows[1::4, layout.column('truncated')] = 1.0
    algorithm.add(rows)
    algorithm.target += 0.2 * torch.randn(algorithm.target.shape,
                                          generator=torch.Generator().manual_seed(5))
    return algorithm, rows, layout


def arguments(algorithm):
    batch = torch.from_numpy(algorithm.replay.data[:algorithm.replay.size])
    return batch, algorithm._mean, algorithm._inverse_std, algorithm.target


@pytest.mark.parametrize('double', [False, True])
def test_gradient_is_that_of_the_paper(double):
    algorithm, rows, layout = filled(double=double)
    part = columns(algorithm, rows, layout,
                   ('obs', 'next_obs', 'request', 'reward', 'terminated'))

    def values(obs, network):
        return run(layers_of(algorithm.actor, network), obs)

    def loss(network):
        total = 0.0
        for i in range(len(rows)):
            with torch.no_grad():
                after = values(part['next_obs'][i], algorithm.target)
                judge = values(part['next_obs'][i], network) if double else after
                wanted = SCALE * part['reward'][i, 0]
                if part['terminated'][i, 0] == 0.0:
                    wanted = wanted + GAMMA * after[judge.argmax()]
            error = values(part['obs'][i], network)[int(part['request'][i, 0])] - wanted
            total = total + (0.5 * error**2 if abs(error) < 1.0 else abs(error) - 0.5)
        return total / len(rows)

    fast, details = algorithm.gradient(algorithm.actor.flat, *arguments(algorithm))
    close(fast, gradient(loss, algorithm.actor.flat))
    assert float(details[0]) == pytest.approx(float(loss(algorithm.actor.flat)), rel=1e-4)


def test_double_makes_a_difference():
    one, other = (filled(double=double)[0] for double in (False, True))
    gradients = [a.gradient(a.actor.flat, *arguments(a))[0] for a in (one, other)]
    assert not torch.allclose(*gradients)


@pytest.mark.parametrize('tau, every', [(0.25, 1), (1.0, 3)])
def test_the_target_follows(tau, every):
    algorithm, _, _ = filled(tau=tau, target_every=every)
    for i in range(1, 7):
        target = algorithm.target.clone()
        algorithm.update()
        wanted = target + tau * (algorithm.actor.flat - target) if i % every == 0 else target
        assert torch.allclose(algorithm.target, wanted, atol=1e-6)


def test_what_a_person_did_is_no_choice():
    algorithm, rows, layout = filled()
    before = algorithm.replay.total
    rows[::2, layout.column('intervened')] = 1.0
    algorithm.add(rows)
    assert algorithm.replay.total == before + len(rows) // 2
    refilled = workbench.make('dqn')
    refilled._replay_total = before
    refilled.refill(rows)
    assert refilled.replay.size == len(rows) // 2


def test_explores_uniformly_then_epsilon_greedily():
    algorithm = workbench.make('dqn', learning_starts=30, epsilon_over=60, epsilon_end=0.1)
    rows = workbench.act_rows(algorithm, workbench.layout_of(algorithm), 30,
                              np.random.default_rng(0))
    algorithm.add(rows[:29])
    assert not algorithm.ready and algorithm.exploration() == ('uniform', 1.0)
    algorithm.add(rows[29:])
    assert algorithm.exploration() == ('epsilon', pytest.approx(0.55))
    assert algorithm.update()['epsilon'] == pytest.approx(0.55)


def test_learns_what_pays():
    """The best of three choices depends on the sign of the second number."""
    algorithm = workbench.make('dqn', lr=3e-3, capacity=2000, batch=32, hidden=(32,),
                               learning_starts=600)
    layout = workbench.layout_of(algorithm)

    def best(obs):
        return 2.0 if obs[1] > 0.0 else 0.0

    rng = np.random.default_rng(0)
    rows = workbench.act_rows(algorithm, layout, 600, rng, length=1,
                              judge=lambda obs, action: float(action[0] == best(obs)))
    algorithm.add(rows)
    for _ in range(400):
        algorithm.update()
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    seen = rng.normal(size=(100, 3)) * [0.1, 1.0, 10.0]
    right = [policy.act(obs, rng).action[0] == best(obs) for obs in seen]
    assert np.mean(right) > 0.85


@pytest.mark.parametrize('name', ['dqn', 'q_learning'])
def test_continuous_actions_are_refused(name):
    cls = resolve('algorithm', name)
    with pytest.raises(ValueError, match=f'{name} needs discrete actions, .*push, push_or_rest'):
        cls.network(cls.Config(), 3, 2)


def test_epsilon_that_grows_is_refused():
    with pytest.raises(ValueError, match='algorithm.epsilon_end: got 0.5'):
        workbench.make('dqn', epsilon_start=0.2, epsilon_end=0.5)
