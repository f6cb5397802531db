from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Term
import torch
from torch.distributions import Categorical
from torch.distributions import Independent
from torch.distributions import Normal

BEST = np.array([0.6, -0.3])


def make(choices=0, **values):
    return workbench.make('reinforce', **{'choices': choices, 'batch': 20, **values})


def rows_of(algorithm, count=40, seed=0, **more):
    """Return rows in which each policy network is the algorithm's own."""
    return workbench.act_rows(algorithm, algorithm.layout, count, np.random.default_rng(seed),
                              **more)


def slow_log_prob(algorithm, rows, actor):
    """Ask PyTorch's distributions, in float64, without the algorithm's code."""
    normaliser = algorithm.normaliser
    column = algorithm.layout.column
    x = torch.from_numpy(np.clip((rows[:, column('obs')] - normaliser.mean)
                                 * normaliser.inverse_std, -10, 10))
    views = [view.double() for view in algorithm.actor.views(actor)]
    for i in (0, 2):
        x = torch.tanh(x @ views[i] + views[i + 1])
    x = x @ views[4] + views[5]
    request = torch.from_numpy(rows[:, column('request')])
    if algorithm.spec.kind == 'categorical':
        return Categorical(logits=x).log_prob(request.squeeze(1))
    return Independent(Normal(x, views[6].exp()), 1).log_prob(request)


def test_asks_for_the_log_probability():
    assert type(make()).extra_columns(7) == (Term('log_prob', 1),)
    assert make().network_name == 'gaussian 3-8-8-2 tanh'
    assert make(choices=4).network_name == 'categorical 3-8-8-4 tanh'


@pytest.mark.parametrize('choices', [0, 3])
def test_log_probability_is_that_of_the_distribution(choices):
    algorithm = make(choices)
    algorithm.normaliser.add(np.random.default_rng(1).normal(2.0, 3.0, (9, 3)))
    rows = rows_of(algorithm)
    obs = algorithm.observe(rows, 'obs')
    request = torch.from_numpy(rows[:, algorithm.layout.column('request')]).float()
    fast, _ = algorithm.log_prob(algorithm.actor.flat, obs, request)
    slow = slow_log_prob(algorithm, rows, algorithm.actor.flat)
    assert torch.allclose(fast.double(), slow, atol=1e-4)
    # And the policy that acted said the same on the way.
    sent = rows[:, algorithm.layout.column('log_prob').start]
    assert sent == pytest.approx(slow.numpy(), abs=1e-4)


@pytest.mark.parametrize('choices', [0, 3])
@pytest.mark.parametrize('baseline', ['value', 'none'])
def test_gradient_is_that_of_the_score_function(choices, baseline):
    algorithm = make(choices, baseline=baseline, gamma=0.9, normalise_returns=False, lr_value=0.0)
    rows = rows_of(algorithm, length=5)
    column = algorithm.layout.column
    returns = np.zeros(len(rows))
    for i in range(len(rows)):
        end = i + 4 - i % 5
        returns[i] = sum(0.9**(k - i) * rows[k, column('reward').start]
                         for k in range(i, end + 1))
    advantage = torch.from_numpy(returns)
    if baseline == 'value':
        with torch.no_grad():
            advantage -= algorithm.value(algorithm.critic.flat,
                                         algorithm.observe(rows, 'obs')).double()
    actor = algorithm.actor.flat.clone().requires_grad_()
    loss = -(slow_log_prob(algorithm, rows, actor) * advantage).mean()
    wanted = torch.autograd.grad(loss, actor)[0]

    algorithm.add(rows)
    details = algorithm.update()
    assert torch.allclose(algorithm.actor.flat.grad, wanted, rtol=1e-3, atol=1e-5)
    assert details['actor_loss'] == pytest.approx(loss.item(), rel=1e-4)


def test_running_out_of_time_is_not_the_end():
    algorithm = make(gamma=0.5)
    algorithm.critic.flat.zero_()
    algorithm.critic.views(algorithm.critic.flat)[-1].fill_(8.0)  # everything is worth 8
    rows = rows_of(algorithm, 3, length=99)
    rows[:, algorithm.layout.column('reward')] = 1.0
    for flag, wanted in (('truncated', 5.0), ('terminated', 1.0)):
        rows[:, [algorithm.layout.column(name).start for name in ('truncated', 'terminated')]] = 0
        rows[-1, algorithm.layout.column(flag)] = 1.0
        algorithm.add(rows)
        returns, _ = algorithm._judge(algorithm.rollout.take(1))
        assert returns[-1] == pytest.approx(wanted)
        assert returns[0] == pytest.approx(1.0 + 0.5 * (1.0 + 0.5 * wanted))


@pytest.mark.parametrize('change', ['policy_version', 'intervened'])
def test_masked_rows_teach_nothing(change):
    """Old rows and those of a person: what was asked there makes no difference."""
    results = []
    for offset in (0.0, 3.0):
        algorithm = make(max_policy_lag=1)
        algorithm.policy_version = 9
        rows = rows_of(algorithm)
        column = algorithm.layout.column
        rows[::3, column(change)] = {'policy_version': 7.0, 'intervened': 1.0}[change]
        rows[::3, column('request')] += offset
        algorithm.add(rows)
        details = algorithm.update()
        assert details['masked_rows'] == 14.0
        results.append(algorithm.actor_weights())
    assert np.array_equal(*results)


def test_a_block_of_nothing_but_old_rows_changes_no_layer():
    algorithm = make(max_policy_lag=0)
    algorithm.policy_version = 5
    before = algorithm.actor.flat.clone()
    rows = rows_of(algorithm)
    rows[:, algorithm.layout.column('policy_version')] = 4.0
    algorithm.add(rows)
    assert algorithm.update()['masked_rows'] == 40.0
    assert torch.equal(before, algorithm.actor.flat)
    assert not algorithm.ready


def test_rows_fit_the_weights_that_made_them():
    """Without a step the difference between sent and computed log-probability is rounding."""
    algorithm = make(lr=0.0)
    for seed in range(3):  # the statistics move in between
        algorithm.add(rows_of(algorithm, seed=seed))
        assert abs(algorithm.update()['kl']) < 1e-4


@pytest.mark.parametrize('choices', [0, 3])
def test_learns_what_pays(choices):
    algorithm = make(choices, lr=3e-2, batch=200, hidden=(16, 16))

    def judge(_, action):
        return float(action[0] == 2.0) if choices else -float(((action - BEST)**2).sum())

    for i in range(40):
        algorithm.policy_version = i
        algorithm.add(rows_of(algorithm, 200, seed=i, first=200 * i, judge=judge, length=1))
        assert algorithm.ready
        algorithm.update()
    policy = Policy(algorithm.network_name, algorithm.actor_weights())
    rng = np.random.default_rng(0)
    for _ in range(20):
        action = policy.act(rng.normal(size=3) * [0.1, 1.0, 10.0], rng).action
        assert action[0] == 2.0 if choices else np.abs(action - BEST).max() < 0.25


def test_a_loss_without_bounds_stops_before_it_does_harm():
    algorithm = make()
    rows = rows_of(algorithm)
    rows[3, algorithm.layout.column('reward')] = 1e60
    algorithm.add(rows)
    before = algorithm.actor_weights()
    with pytest.raises(NonFiniteLoss, match='square of returns is'):
        algorithm.update()
    assert np.array_equal(before, algorithm.actor_weights())
