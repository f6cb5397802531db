"""
The fast pieces that every algorithm shares: flat parameters, stacked critics, Adam.

They make an update about twice as fast as the textbook form without changing what it computes;
`docs/benchmarks.md` has the figures.

1. All parameters of a network stand in one flat vector.  Layers are views of it, its gradient is
   one vector too, so that Adam runs one fused kernel and a target network is one ``lerp_``.
2. Twin critics are one stacked network: a batched product instead of two products.
3. Gradients are those of `algorithms.gradient`: forward and backward are one function.
4. Small networks cost less than the calls around them: clipping belongs to the gradient, and Adam
   is asked for its kernel, not for `step`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import math
from typing import Any

from rl_robot_ros.algorithms.device import CPU
from rl_robot_ros.core.policy import OBSERVATION_CLIP
import torch
from torch import Tensor
from torch.nn.functional import layer_norm

Shapes = Sequence[tuple[int, ...]]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {'relu': torch.relu, 'tanh': torch.tanh}


def prepare_torch() -> None:
    """
    Set up the calling thread for many small updates; call it in the thread that learns.

    One thread, because a second one gains little and loses a factor of four next to a busy
    neighbour.  Denormals are flushed, because dead units drive Adam's moments there and its step
    becomes fifteen times slower; this is a flag of the calling thread.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


class Parameters:
    """
    The parameters of one network in one flat vector.

    :param shapes: shape of each weight and bias, in order.
    :param generator: source of the initial values: uniform in +-1/sqrt(fan_in) (LeCun 1998), which
        is also PyTorch's default for linear layers.
    :param device: where they are.
    """

    def __init__(self, shapes: Shapes, generator: torch.Generator,
                 device: torch.device = CPU) -> None:
        self.shapes = tuple(shapes)
        self.sizes = [math.prod(shape) for shape in self.shapes]
        flat = torch.zeros(sum(self.sizes))
        bound = 0.0
        for i, view in enumerate(self.views(flat)):
            if i % 2 == 0:  # a matrix; the bias after it shares its bound
                bound = 1.0 / math.sqrt(view.shape[-2])
            view.uniform_(-bound, bound, generator=generator)
        self.flat = flat.to(device)

    def views(self, flat: Tensor) -> list[Tensor]:
        """Return the layers as views of `flat`, which has the layout of these parameters."""
        return [part.view(shape)
                for part, shape in zip(torch.split(flat, self.sizes), self.shapes)]


def normalise(raw: Tensor, mean: Tensor, inverse_std: Tensor) -> Tensor:
    """Normalise observations exactly as `core.policy` does."""
    return ((raw - mean) * inverse_std).clamp(-OBSERVATION_CLIP, OBSERVATION_CLIP)


def mlp_shapes(sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return shapes of matrix (in, out) and bias (1, out) of each layer of one network."""
    return [shape for a, b in zip(sizes, sizes[1:]) for shape in ((a, b), (1, b))]


def mlp(x: Tensor, layers: Sequence[Tensor], activation: str = 'relu') -> Tensor:
    """
    Run one network.

    :param x: shape (batch, in).
    :param layers: views of parameters of :func:`mlp_shapes`.
    """
    act = ACTIVATIONS[activation]
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2]):
        x = act(torch.addmm(bias, x, weight))
    return torch.addmm(layers[-1], x, layers[-2])


def stacked_shapes(count: int, sizes: Sequence[int]) -> list[tuple[int, ...]]:
    """Return shapes of `count` networks of equal form, stacked along the first axis."""
    return [(count, *shape) for shape in mlp_shapes(sizes)]


def stacked_mlp(x: Tensor, layers: Sequence[Tensor], layer_normed: bool = False,
                mask: Tensor | None = None) -> Tensor:
    """
    Run stacked networks with ReLU on one batch.

    :param x: shape (batch, in).
    :param layers: views of parameters of :func:`stacked_shapes`.
    :param layer_normed: layer norm before each ReLU (Ba et al. 2016), which bounds what critics
        extrapolate to (RLPD, Ball et al. 2023).  The bias comes after it and is its shift; a gain
        would be redundant, since the next layer scales each unit anyway.
    :param mask: dropout in front of the layer norm (DroQ, Hiraoka et al. 2021): what each hidden
        unit is multiplied by, shape (count, batch, sum of widths), see :func:`dropout_mask`.
    :returns: shape (count, batch, out).
    """
    x = x.unsqueeze(0).expand(layers[0].shape[0], -1, -1)
    at = 0
    for weight, bias in zip(layers[:-2:2], layers[1:-2:2]):
        width = weight.shape[-1]
        x = torch.bmm(x, weight) if layer_normed else torch.baddbmm(bias, x, weight)
        if mask is not None:
            x = x * mask[..., at:at + width]
            at += width
        x = torch.relu(layer_norm(x, (width,)) + bias if layer_normed else x)
    weight, bias = layers[-2:]
    if weight.shape[-1] == 1:  # what a product by a single column costs is its call
        return (x * weight.mT).sum(-1, keepdim=True) + bias
    return torch.baddbmm(bias, x, weight)


def dropout_mask(shape: tuple[int, ...], rate: float, generator: torch.Generator) -> Tensor:
    """Draw what hidden units are multiplied by: 0 with probability `rate`, else 1 / (1 - rate)."""
    kept = torch.rand(shape, generator=generator) >= rate
    return kept.float() / (1.0 - rate)


def clip_norm_(gradient: Tensor, most: float) -> Tensor:
    """
    Scale a gradient down to a largest norm in place (Pascanu et al. 2013, arXiv 1211.5063).

    What `torch.nn.utils.clip_grad_norm_` does to one tensor, in a fraction of the time.

    :param most: the largest norm; 0 leaves the gradient as it is.
    :returns: `gradient`.
    """
    if not most:
        return gradient
    return gradient.div_((torch.linalg.vector_norm(gradient) / most).clamp_(min=1.0))


class Adam(torch.optim.Adam):
    """
    Adam (Kingma and Ba 2014, arXiv 1412.6980) for flat vectors, fused.

    Numbers and state are those of `torch.optim.Adam`.  What its `step` does around the kernel,
    hooks, profiling and grouping, takes four times as long as the kernel where a network is small.
    """

    def __init__(self, parameters: Sequence[Tensor] | Sequence[dict[str, Any]],
                 lr: float = 1e-3) -> None:
        super().__init__(parameters, lr, fused=True)

    def advance(self) -> None:
        """Make one step along the gradients, as `step` does."""
        for group in self.param_groups:
            beta1, beta2 = group['betas']
            for flat in group['params']:
                state = self.state[flat]
                if not state:
                    state |= {'step': torch.zeros((), device=flat.device),
                              'exp_avg': torch.zeros_like(flat),
                              'exp_avg_sq': torch.zeros_like(flat)}
                state['step'] += 1.0
                torch._fused_adam_(
                    [flat], [flat.grad], [state['exp_avg']], [state['exp_avg_sq']], [],
                    [state['step']], amsgrad=False, lr=group['lr'], beta1=beta1, beta2=beta2,
                    weight_decay=0.0, eps=group['eps'], maximize=False)
