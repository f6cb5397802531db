import math

from core.networks import networks
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.network import KINDS
from rl_robot_ros.core.network import NETWORKS
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import EXPLORATIONS
from rl_robot_ros.core.policy import OBSERVATION_CLIP
from rl_robot_ros.core.policy import Policy

# Inference is in single precision; a slow formula in double precision is this close.
CLOSE = {'rel': 2e-4, 'abs': 2e-4}


@st.composite
def cases(draw, kinds=KINDS):
    """Draw a network, weights with a real normaliser, an observation and a seed."""
    network = draw(networks(kinds))
    spec = NetworkSpec.parse(network)
    seed = draw(st.integers(0, 2**32))
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=spec.parameters)
    n = spec.observation_size
    weights[n:2 * n] = rng.uniform(0.01, 3.0, n)
    return network, weights, rng.normal(scale=draw(st.sampled_from((1.0, 50.0))), size=n), seed


def slow_output(network, weights, observation):
    """Forward pass with plain Python numbers, as the module docstring describes it."""
    spec = NetworkSpec.parse(network)
    numbers = iter(weights.tolist())
    n = spec.sizes[0]
    mean = [next(numbers) for _ in range(n)]
    inverse_std = [next(numbers) for _ in range(n)]
    x = [min(10.0, max(-10.0, (o - m) * s)) for o, m, s in zip(observation, mean, inverse_std)]
    layers = list(zip(spec.sizes, spec.sizes[1:]))
    for number, (fan_in, fan_out) in enumerate(layers):
        matrix = [[next(numbers) for _ in range(fan_out)] for _ in range(fan_in)]
        bias = [next(numbers) for _ in range(fan_out)]
        x = [sum(x[i] * matrix[i][j] for i in range(fan_in)) + bias[j] for j in range(fan_out)]
        if number < len(layers) - 1:
            x = [max(0.0, v) if spec.activation == 'relu' else math.tanh(v) for v in x]
    return x, list(numbers)


def gaussian_log_density(x, mean, log_std):
    std = math.exp(log_std)
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std) - 0.5 * math.log(2.0 * math.pi)


@given(cases(NETWORKS))
def test_output_is_the_slow_formula(case):
    network, weights, observation, _ = case
    output = Policy(network, weights).output(observation)
    assert output.tolist() == pytest.approx(slow_output(network, weights, observation)[0], **CLOSE)


@given(cases(('squashed_gaussian',)))
def test_squashed_gaussian(case):
    network, weights, observation, seed = case
    policy = Policy(network, weights)
    size = policy.spec.action_size
    output, _ = slow_output(network, weights, observation)
    mean, log_std = output[:size], [min(2.0, max(-20.0, v)) for v in output[size:]]
    noise = np.random.default_rng(seed).standard_normal(size)
    sample = policy.act(observation, np.random.default_rng(seed), 'policy')
    raw = [m + math.exp(s) * e for m, s, e in zip(mean, log_std, noise)]
    assert sample.action.tolist() == pytest.approx([math.tanh(u) for u in raw], **CLOSE)
    assert (np.abs(sample.action) <= 1.0).all()
    # The logarithm is steep where an action saturates: take the action that was returned.
    expected = sum(gaussian_log_density(u, m, s) - math.log(1.0 - a * a + 1e-6)
                   for u, m, s, a in zip(raw, mean, log_std, sample.action.tolist()))
    assert sample.log_prob == pytest.approx(expected, rel=1e-3, abs=1e-3)
    best = policy.act(observation, np.random.default_rng(seed))
    assert best.action.tolist() == pytest.approx([math.tanh(m) for m in mean], **CLOSE)


@given(cases(('gaussian',)))
def test_gaussian(case):
    network, weights, observation, seed = case
    policy = Policy(network, weights)
    mean, log_std = slow_output(network, weights, observation)
    sample = policy.act(observation, np.random.default_rng(seed), 'policy')
    noise = np.random.default_rng(seed).standard_normal(len(mean))
    log_std = [min(2.0, max(-20.0, s)) for s in log_std]
    expected = [m + math.exp(s) * e for m, s, e in zip(mean, log_std, noise)]
    assert sample.action.tolist() == pytest.approx(expected, **CLOSE)
    density = sum(gaussian_log_density(m + math.exp(s) * e, m, s)
                  for m, s, e in zip(mean, log_std, noise))
    assert sample.log_prob == pytest.approx(density, rel=1e-3, abs=1e-3)
    best = policy.act(observation, np.random.default_rng(seed))
    assert best.action.tolist() == pytest.approx(mean, **CLOSE)
    peak = sum(gaussian_log_density(m, m, s) for m, s in zip(mean, log_std))
    assert best.log_prob == pytest.approx(peak, rel=1e-3, abs=1e-3)


@given(cases(('deterministic',)))
def test_deterministic(case):
    network, weights, observation, seed = case
    policy = Policy(network, weights)
    expected = [math.tanh(mean) for mean in slow_output(network, weights, observation)[0]]
    for exploration in ('none', 'policy'):
        decision = policy.act(observation, np.random.default_rng(seed), exploration)
        assert decision.action.tolist() == pytest.approx(expected, **CLOSE)
        assert decision.log_prob == 0.0
    noise = np.random.default_rng(seed).standard_normal(len(expected))
    noisy = policy.act(observation, np.random.default_rng(seed), 'gaussian', 0.3).action
    assert noisy.tolist() == pytest.approx(
        np.clip(np.array(expected) + 0.3 * noise, -1.0, 1.0).tolist(), **CLOSE)


@given(cases(('categorical',)))
def test_categorical(case):
    network, weights, observation, seed = case
    policy = Policy(network, weights)
    logits, _ = slow_output(network, weights, observation)
    total = math.log(sum(math.exp(v - max(logits)) for v in logits)) + max(logits)
    for exploration in ('policy', 'none'):
        action, log_prob = policy.act(observation, np.random.default_rng(seed), exploration)
        index = int(action[0])
        assert action.shape == (1,) and 0 <= index < len(logits) and action[0] == index
        assert log_prob == pytest.approx(logits[index] - total, rel=1e-3, abs=1e-3)
    assert logits[index] >= max(logits) - 1e-3


@given(cases(('values',)))
def test_values(case):
    network, weights, observation, seed = case
    best = int(np.argmax(Policy(network, weights).output(observation)))
    values, _ = slow_output(network, weights, observation)
    assert values[best] >= max(values) - 1e-3 * (1.0 + abs(max(values)))
    for exploration in ('policy', 'none'):
        decision = Policy(network, weights).act(observation, np.random.default_rng(seed),
                                                exploration)
        assert (decision.action.tolist(), decision.log_prob) == ([float(best)], 0.0)


@given(cases(('table',)))
def test_table(case):
    network, weights, observation, seed = case
    spec = NetworkSpec.parse(network)
    n, bins = spec.observation_size, spec.sizes[:-1]
    lower, inverse_width = weights[:n], weights[n:2 * n]
    table = weights[2 * n:].reshape(spec.sizes)
    policy = Policy(network, weights)
    for seen in (observation, lower, lower - 1e9, lower + 1e9, lower + 1.5 / inverse_width):
        cell = []
        for o, low, scale, count in zip(seen, lower, inverse_width, bins):
            edges = [low + (i + 1) / scale for i in range(count - 1)]
            cell.append(sum(o >= edge for edge in edges))
        assert policy.output(seen).tolist() == pytest.approx(table[tuple(cell)].tolist(), **CLOSE)
        action = policy.act(seen, np.random.default_rng(seed)).action
        assert action[0] == np.argmax(policy.output(seen))


def test_categorical_samples_its_own_distribution():
    weights = np.zeros(NetworkSpec.parse('categorical 1-3 tanh').parameters)
    weights[-3:] = np.log([0.5, 0.3, 0.2])
    policy = Policy('categorical 1-3 tanh', weights)
    rng = np.random.default_rng(0)
    drawn = [int(policy.act(np.zeros(1), rng, 'policy').action[0]) for _ in range(4000)]
    assert np.bincount(drawn) / 4000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@given(cases(), st.sampled_from(EXPLORATIONS), st.floats(0.0, 2.0))
def test_same_seed_same_decision(case, exploration, scale):
    network, weights, observation, seed = case
    policy = Policy(network, weights)
    one = policy.act(observation, np.random.default_rng(seed), exploration, scale)
    kept = one.action.copy()
    policy.act(observation + 1.0, np.random.default_rng(seed + 1), exploration, scale)
    other = Policy(network, weights.copy()).act(observation, np.random.default_rng(seed),
                                                exploration, scale)
    # The first action is still there: no buffer was handed out.
    assert one.action.tolist() == kept.tolist() == other.action.tolist()
    assert one.log_prob == other.log_prob and math.isfinite(one.log_prob)
    assert one.action.shape == (policy.spec.action_size,) and one.action.dtype == np.float64


@given(cases(('squashed_gaussian', 'gaussian', 'deterministic')))
def test_most_likely_action_draws_nothing(case):
    network, weights, observation, seed = case
    rng = np.random.default_rng(seed)
    Policy(network, weights).act(observation, rng, 'none')
    assert rng.random() == np.random.default_rng(seed).random()


def test_uniform_ignores_the_policy():
    for network, low, high, log_prob in (
            ('squashed_gaussian 2-4 relu', -1.0, 1.0, -2.0 * math.log(2.0)),
            ('categorical 2-4 relu', 0.0, 3.0, -math.log(4.0))):
        policy = Policy(network, np.full(NetworkSpec.parse(network).parameters, 9.0))
        rng = np.random.default_rng(0)
        decisions = [policy.act(np.zeros(2), rng, 'uniform') for _ in range(2000)]
        actions = np.array([decision.action for decision in decisions])
        assert (actions >= low).all() and (actions <= high).all()
        assert actions.mean() == pytest.approx((low + high) / 2.0, abs=0.08)
        assert actions.min() < low + 0.01 and actions.max() > high - 0.01
        assert {decision.log_prob for decision in decisions} == {log_prob}


def test_gaussian_exploration_is_around_the_most_likely_action_and_clipped():
    network = 'squashed_gaussian 2-4 relu'
    weights = np.zeros(NetworkSpec.parse(network).parameters)
    weights[-4:] = (math.atanh(0.5), 0.0, -20.0, -20.0)
    policy = Policy(network, weights)
    rng = np.random.default_rng(0)
    actions = np.array([policy.act(np.zeros(2), rng, 'gaussian', 0.2).action
                        for _ in range(4000)])
    assert actions.max() == 1.0 and actions.min() > -1.0
    assert actions[:, 1].mean() == pytest.approx(0.0, abs=0.02)
    assert actions[:, 1].std() == pytest.approx(0.2, abs=0.02)
    assert policy.act(np.zeros(2), rng, 'gaussian', 0.0).action == pytest.approx([0.5, 0.0])


@pytest.mark.parametrize('network', ['squashed_gaussian 2-4 relu', 'categorical 2-3 relu'])
def test_epsilon(network):
    weights = initial_weights(network, np.random.default_rng(0))
    policy = Policy(network, weights)
    best = policy.act(np.ones(2), np.random.default_rng(0)).action.tolist()

    def share(scale):
        rng = np.random.default_rng(1)
        draws = [policy.act(np.ones(2), rng, 'epsilon', scale).action.tolist() == best
                 for _ in range(2000)]
        return sum(draws) / 2000

    lucky = 1.0 / 3.0 if network.startswith('categorical') else 0.0
    assert share(0.0) == 1.0
    assert share(0.25) == pytest.approx(0.75 + 0.25 * lucky, abs=0.03)
    assert share(1.0) == pytest.approx(lucky, abs=0.03)


@given(cases(NETWORKS), st.sampled_from((1.0, -1.0)))
def test_normalised_input_is_clipped_at_ten(case, sign):
    network, weights, _, _ = case
    policy = Policy(network, weights)
    n = policy.spec.sizes[0]
    mean, std = weights[:n], 1.0 / weights[n:2 * n]
    at_clip = policy.output(mean + sign * 10.0 * std).tolist()
    far = policy.output(mean + sign * 1e6 * std).tolist()
    assert far == pytest.approx(at_clip, **CLOSE)
    outside, _ = slow_output(network, weights, mean + sign * 10.0 * std)
    assert far == pytest.approx(outside, rel=1e-3, abs=1e-3)


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(value):
    weights = np.zeros(NetworkSpec.parse('gaussian 3-2 relu').parameters)
    weights[4] = value
    with pytest.raises(ValueError, match='not finite'):
        Policy('gaussian 3-2 relu', weights)


def test_unknown_exploration():
    policy = Policy('gaussian 1-1 relu', np.zeros(5))
    with pytest.raises(ValueError, match=r"'brownian', allowed are .*uniform"):
        policy.act(np.zeros(1), np.random.default_rng(0), 'brownian')


@pytest.mark.parametrize('network', ['squashed_gaussian 5-16-16-4 relu', 'gaussian 5-16-3 tanh',
                                     'deterministic 5-3 relu'])
def test_the_fast_form_computes_what_the_plain_one_does(network):
    rng = np.random.default_rng(3)
    weights = initial_weights(network, rng)
    weights[:10] = np.concatenate((rng.normal(size=5), rng.uniform(0.1, 9.0, 5)))
    policy, spec = Policy(network, weights), NetworkSpec.parse(network)
    for _ in range(50):
        observation = rng.normal(size=5) * 3.0
        x = (observation - weights[:5]) * weights[5:10]
        x = np.clip(x, -OBSERVATION_CLIP, OBSERVATION_CLIP)
        at = 10
        for i, (fan_in, fan_out) in enumerate(zip(spec.sizes, spec.sizes[1:])):
            matrix = weights[at:at + fan_in * fan_out].reshape(fan_in, fan_out)
            at += fan_in * fan_out + fan_out
            x = x @ matrix + weights[at - fan_out:at]
            if i < len(spec.sizes) - 2:
                x = np.maximum(x, 0.0) if spec.activation == 'relu' else np.tanh(x)
        found = policy.output(observation)
        assert found.dtype == np.float32 and np.allclose(found, x, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize('far', [1e300, -1e300])
def test_inputs_without_a_scale_and_far_away(far):
    network = 'deterministic 3-8-2 tanh'
    weights = initial_weights(network, np.random.default_rng(3))
    weights[3:6] = 0.0, 1e-40, -2.0  # a scale of none, next to none, and one that turns round
    policy = Policy(network, weights)
    first = policy.output(np.array([0.0, 0.0, far])).copy()
    assert np.isfinite(first).all()
    assert np.allclose(policy.output(np.array([far, 0.0, far])), first)
    weights[3:6] = 0.0, 1e-40, 2.0
    assert np.allclose(Policy(network, weights).output(np.array([0.0, 0.0, -far])), first)
