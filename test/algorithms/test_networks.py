import pytest
from rl_robot_ros.algorithms import networks
from rl_robot_ros.algorithms.networks import Adam
from rl_robot_ros.algorithms.networks import clip_norm_
from rl_robot_ros.algorithms.networks import Parameters
import torch


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_layers_are_views_of_one_vector():
    parameters = Parameters(networks.mlp_shapes((3, 4, 2)), generator())
    assert parameters.flat.shape == (3 * 4 + 4 + 4 * 2 + 2,)
    views = parameters.views(parameters.flat)
    assert [tuple(view.shape) for view in views] == [(3, 4), (1, 4), (4, 2), (1, 2)]
    assert torch.equal(torch.cat([view.flatten() for view in views]), parameters.flat)
    views[2][1, 0] = 7.0
    assert parameters.flat[3 * 4 + 4 + 2] == 7.0


def test_initial_values_lie_within_fan_in():
    parameters = Parameters(networks.stacked_shapes(2, (100, 25, 1)), generator())
    first, first_bias, second, second_bias = parameters.views(parameters.flat)
    for part, bound in ((first, 0.1), (first_bias, 0.1), (second, 0.2), (second_bias, 0.2)):
        assert 0.0 < float(part.abs().max()) <= bound
    assert float(first.abs().max()) > 0.09
    assert not torch.equal(first[0], first[1])
    again = Parameters(networks.stacked_shapes(2, (100, 25, 1)), generator())
    assert torch.equal(again.flat, parameters.flat)


@pytest.mark.parametrize('activation', ['relu', 'tanh'])
def test_mlp_is_a_chain_of_linear_layers(activation):
    parameters = Parameters(networks.mlp_shapes((3, 4, 5, 2)), generator())
    layers = parameters.views(parameters.flat)
    x = torch.randn(6, 3, generator=generator())
    y = x
    for i in (0, 2):
        y = getattr(torch, activation)(y @ layers[i] + layers[i + 1])
    assert torch.allclose(networks.mlp(x, layers, activation), y @ layers[4] + layers[5])


@pytest.mark.parametrize('layer_normed', [False, True])
def test_stacked_networks_are_single_ones_side_by_side(layer_normed):
    parameters = Parameters(networks.stacked_shapes(3, (2, 7, 7, 1)), generator())
    layers = parameters.views(parameters.flat)
    x = torch.randn(5, 2, generator=generator())
    stacked = networks.stacked_mlp(x, layers, layer_normed)
    assert stacked.shape == (3, 5, 1)
    for i in range(3):
        y = x
        for weight, bias in ((layers[0], layers[1]), (layers[2], layers[3])):
            y = y @ weight[i]
            if layer_normed:
                y = (y - y.mean(1, keepdim=True)) / (y.var(1, unbiased=False,
                                                           keepdim=True) + 1e-5).sqrt()
            y = (y + bias[i]).relu()
        assert torch.allclose(stacked[i], y @ layers[4][i] + layers[5][i], atol=1e-5)


def test_prepare_flushes_denormals_and_uses_one_thread():
    threads = torch.get_num_threads()
    try:
        networks.prepare_torch()
        assert torch.get_num_threads() == 1
        assert float(torch.tensor([1e-39]) * torch.tensor([0.5])) == 0.0
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


@pytest.mark.parametrize('scale', [0.0, 1e-6, 0.01, 1.0, 1e6])
def test_a_gradient_is_clipped_as_torch_does(scale):
    generator = torch.Generator().manual_seed(0)
    ours, theirs = torch.zeros(500), torch.zeros(500)
    ours.grad = scale * torch.randn(500, generator=generator)
    theirs.grad = ours.grad.clone()
    assert clip_norm_(ours.grad, 0.0) is ours.grad
    assert clip_norm_(ours.grad, 0.5) is ours.grad
    torch.nn.utils.clip_grad_norm_([theirs], 0.5)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=0.0)


def test_adam_is_that_of_torch_number_by_number_and_reads_its_states():
    def make(kind, **more):
        flat, other = torch.linspace(-1.0, 1.0, 300), torch.ones(())
        return (flat, other), kind([{'params': [flat], 'lr': 3e-3}, {'params': [other]}], **more)

    (mine, adam), (theirs, reference) = make(Adam), make(torch.optim.Adam, fused=True)
    generator = torch.Generator().manual_seed(0)
    for step in range(20):
        if step == 10:  # a checkpoint of one is one of the other
            states = adam.state_dict(), reference.state_dict()
            adam.load_state_dict(states[1])
            reference.load_state_dict(states[0])
        for pair in zip(mine, theirs):
            gradient = torch.randn(pair[0].shape, generator=generator)
            for tensor in pair:
                tensor.grad = gradient.clone()
        adam.advance()
        reference.step()
        assert all(torch.equal(*pair) for pair in zip(mine, theirs))
