"""The parts of slow formulas: networks and batches in float64, without any of the fast code."""

import numpy as np
import torch
from torch.nn.functional import layer_norm as torch_layer_norm
from torch.nn.functional import linear


def layers_of(parameters, flat):
    """Return (weight (out, in), bias (out,)) per layer and critic, as torch's own layers have."""
    views = [view.double() for view in parameters.views(flat)]
    return [(weight.mT, bias.squeeze(-2)) for weight, bias in zip(views[::2], views[1::2])]


def run(layers, x, layer_norm=False, activation=torch.relu):
    """Run one network."""
    for i, (weight, bias) in enumerate(layers):
        if layer_norm and i < len(layers) - 1:
            x = torch_layer_norm(linear(x, weight), weight.shape[:1]) + bias
        else:
            x = linear(x, weight, bias)
        if i < len(layers) - 1:
            x = activation(x)
    return x


def columns(algorithm, rows, layout, names):
    """Return columns of rows in float64, observations normalised."""
    normaliser = algorithm.normaliser
    part = {name: rows[:, layout.column(name)] for name in names}
    for name in {'obs', 'next_obs'} & set(names):
        part[name] = np.clip((part[name] - normaliser.mean) * normaliser.inverse_std, -10, 10)
    return {name: torch.from_numpy(value) for name, value in part.items()}


def gradient(loss, at):
    """Return the gradient of `loss` by autograd."""
    at = at.clone().requires_grad_()
    return torch.autograd.grad(loss(at), at)[0]


def close(fast, slow):
    """Compare a gradient in single precision with one in double precision."""
    assert fast.shape == slow.shape
    assert float(slow.abs().max()) > 0.0
    assert torch.allclose(fast.double(), slow.double(), rtol=2e-3, atol=2e-5)
