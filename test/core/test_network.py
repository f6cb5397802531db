import math

from core.networks import networks
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import ACTIVATIONS
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.network import KINDS
from rl_robot_ros.core.network import MAX_CELLS
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Term


def test_tables_are_bounded():
    assert NetworkSpec.parse('table 500-250-2 bins').parameters == 4 + MAX_CELLS
    with pytest.raises(ValueError, match='a table has at most'):
        NetworkSpec.parse('table 501-250-2 bins')


@given(networks(), st.integers(0, 99))
def test_initial_weights(network, seed):
    spec = NetworkSpec.parse(network)
    weights = initial_weights(network, np.random.default_rng(seed))
    n = spec.observation_size
    assert weights.shape == (spec.parameters,)
    assert (weights[:n] == 0.0).all() and (weights[n:2 * n] == 1.0).all()
    assert (np.abs(weights[2 * n:]) <= 1.0).all() and weights[2 * n:].any()
    Policy(network, weights)


@given(networks())
def test_sizes(network):
    spec = NetworkSpec.parse(network)
    assert f'{spec.kind} {"-".join(map(str, spec.sizes))} {spec.activation}' == network
    free = {'gaussian': spec.sizes[-1]}.get(spec.kind, 0)
    layers = sum(spec.sizes[i] * spec.sizes[i + 1] + spec.sizes[i + 1]
                 for i in range(len(spec.sizes) - 1))
    if spec.kind == 'table':
        layers = math.prod(spec.sizes)
        assert spec.observation_size == len(spec.sizes) - 1
    assert spec.parameters == 2 * spec.observation_size + free + layers
    assert spec.action_size == {'squashed_gaussian': spec.sizes[-1] // 2, 'categorical': 1,
                                'values': 1, 'table': 1}.get(spec.kind, spec.sizes[-1])
    for wrong in (spec.parameters - 1, spec.parameters + 1):
        with pytest.raises(ValueError, match=f'has {spec.parameters} weights'):
            Policy(network, np.zeros(wrong))


@given(st.text(max_size=40) | st.from_regex(r'(gaussian|categorical|x) [0-9-]{0,9} (relu|tanh|y)'))
def test_other_text_is_no_network(text):
    try:
        spec = NetworkSpec.parse(text)
    except ValueError as error:
        assert 'network' in str(error)
        return
    assert spec.kind in KINDS and spec.activation in ACTIVATIONS and min(spec.sizes) > 0


@pytest.mark.parametrize('network', [
    '', 'gaussian', 'gaussian 3-2', 'gaussian 3 relu', 'gaussian 3-0 relu', 'gaussian 3--2 relu',
    'gaussian 3-x relu', 'gaussian 3-65537 relu', 'squashed_gaussian 3-3 relu',
    'mixture 3-2 relu', 'table 3-2 relu', 'values 3-2 bins', 'table 1000-1000-2 bins',
    'table 3-0 bins', 'gaussian 3-2 gelu', 'gaussian 3-2 relu relu', 'gaussian ' + '9' * 6000])
def test_refused_networks(network):
    with pytest.raises(ValueError, match='network'):
        NetworkSpec.parse(network)


@pytest.mark.parametrize('network, efforts, fits', [
    ('gaussian 3-2 tanh', (), True), ('squashed_gaussian 3-8-4 relu', (), True),
    ('gaussian 4-2 tanh', (), False), ('gaussian 3-1 tanh', (), False),
    ('squashed_gaussian 3-2 relu', (), False), ('categorical 3-2 tanh', (), False),
    ('categorical 3-2 tanh', ((1.0, 0.0), (0.0, 1.0)), True),
    ('categorical 3-3 tanh', ((1.0, 0.0), (0.0, 1.0)), False),
    ('gaussian 3-1 tanh', ((1.0, 0.0),), False)])
def test_network_and_contract(network, efforts, fits):
    contract = PolicyContract(network, ('a', 'b'), (Term('x', 3),), (), efforts)
    assert (NetworkSpec.parse(network).misfit(contract) == '') == fits
