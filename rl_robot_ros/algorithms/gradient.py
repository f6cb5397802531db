"""
The gradient of a loss as one function: compiled, recorded, or computed anew by autograd.

Networks for control are small: what an update costs is its calls as much as its arithmetic.  So
forward and backward are recorded as one list of operations, once for each form of the arguments.
Where there is a C++ compiler TorchInductor makes one piece of code of it.  (Compiling the loss
alone and calling autograd outside is slower than not compiling.)  Elsewhere the operations run one
after the other, without what autograd does around each.
"""

from __future__ import annotations

from collections.abc import Callable
import logging
import os
import shutil
from types import BuiltinFunctionType
from typing import Any

from rl_robot_ros.algorithms.device import CPU
from rl_robot_ros.core.config import option
import torch
from torch import Tensor
import torch._inductor
from torch._ops import OpOverload
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

Gradient = Callable[..., tuple[Tensor, Tensor]]
COMPILE = ('auto', 'on', 'record', 'off')

logger = logging.getLogger(__name__)


def compile_option() -> Any:
    """Return the option `compile` of a configuration."""
    return option('auto', 'gradients by TorchInductor (on), recorded once (record), by autograd '
                  'each time (off); auto: on where there is a C++ compiler, else record',
                  choices=COMPILE)


def has_compiler() -> bool:
    """Tell whether there is a C++ compiler for TorchInductor."""
    names = (os.environ.get('CXX', ''), 'g++', 'clang++')
    return any(shutil.which(name) for name in names if name)


def _compiled(graph: GraphModule, arguments: tuple[Tensor, ...]) -> Gradient:
    """
    Compile a recording.

    `torch.compile`, which would record too, looks at all that a call might depend on each time:
    longer than a small network takes.
    """
    # cpp_wrapper: one C++ file per graph instead of one per kernel compiles in less than half the
    # time, and a call costs less.
    return torch._inductor.compile(graph, list(arguments),
                                   options={'cpp_wrapper': arguments[0].device == CPU})


def _played(graph: GraphModule, arguments: tuple[Tensor, ...]) -> Gradient:
    """
    Let a recording run operation by operation, with nothing that autograd would need.

    PyTorch's own functions are called where the recording has operators of the same name, which
    take longer to look at their arguments.
    """
    for node in graph.graph.nodes:
        if isinstance(node.target, OpOverload):
            function = getattr(torch, node.target.overloadpacket.__name__, None)
            if isinstance(function, BuiltinFunctionType):
                node.target = function
    graph.recompile()
    play = torch.inference_mode()(graph.forward)

    def ordinary(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        gradient, details = play(*arguments)
        return gradient.clone(), details.clone()  # what was made in there cannot be changed here
    return ordinary


TRANSLATE = {'on': _compiled, 'record': _played}


def _for_each_form(function: Gradient, way: str) -> Gradient:
    """Record `function` for the form of the arguments of each call, as soon as it comes."""
    made: dict[Any, Gradient] = {}

    def call(*arguments: Tensor) -> tuple[Tensor, Tensor]:
        form = tuple((argument.shape, argument.stride()) for argument in arguments)
        if form not in made:
            graph = make_fx(function, tracing_mode='fake')(*arguments)
            made[form] = TRANSLATE[way](graph, arguments)
        return made[form](*arguments)
    return call


class GradientFunction:
    """
    The gradient of a loss by its first argument.

    :param loss: takes a flat parameter vector and more tensors, returns (loss, details).
    :param compile_: ``on``: compiled; ``record``: recorded; ``off``: the loss itself is called
        each time, so that it can print and stop in a debugger; ``auto``: the first of these that
        works, without ``on`` where there is no C++ compiler.
    :param finish: is given the gradient and returns what becomes of it, in the same recording.
    :raises ValueError: unknown `compile_`.
    """

    def __init__(self, loss: Callable[..., tuple[Tensor, Tensor]], compile_: str,
                 finish: Callable[[Tensor], Tensor] = lambda gradient: gradient) -> None:
        if compile_ not in COMPILE:
            raise ValueError(f'compile: got {compile_!r}, allowed are {", ".join(COMPILE)}')
        self._loss, self._finish = loss, finish
        self._ways = [compile_]  # the first is in use
        if compile_ == 'auto':
            self._ways = [way for way in COMPILE[1:] if way != 'on' or has_compiler()]
        self._function = self._begin()

    @property
    def way(self) -> str:
        """Tell what is done: ``on``, ``record`` or ``off``."""
        return self._ways[0]

    def __call__(self, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        """Return (gradient as one flat vector, details)."""
        if len(self._ways) == 1:
            return self._function(*arguments)
        try:
            result = self._function(*arguments)
        except Exception as error:  # a missing header, a broken compiler, a full disk, ...
            failed = self._ways.pop(0)
            logger.warning('algorithm.compile: %s failed, going on with %s: %s', failed, self.way,
                           error)
            self._function = self._begin()
            return self(*arguments)
        del self._ways[1:]  # it works: from now on an error is an error
        return result

    def _begin(self) -> Gradient:
        if self.way == 'off':
            return self._eager
        gradient = torch.func.grad(self._loss, has_aux=True)

        def finished(*arguments: Tensor) -> tuple[Tensor, Tensor]:
            raw, details = gradient(*arguments)
            return self._finish(raw), details
        return _for_each_form(finished, self.way)

    def _eager(self, parameters: Tensor, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        parameters = parameters.detach().requires_grad_()
        loss, details = self._loss(parameters, *arguments)
        return self._finish(torch.autograd.grad(loss, parameters)[0]), details
