"""ONNX models that somebody else made: checked before they are run, on one thread."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 64 * 2**20  # a policy that fits into 20 ms is far smaller
UNBOUNDED = ('Loop', 'Scan')  # how long they take is up to the numbers that come in
TYPES = {'tensor(float)': np.float32, 'tensor(double)': np.float64}

Array = NDArray[Any]


class Model(NamedTuple):
    """A model that is ready to run."""

    input_size: int
    output_size: int
    metadata: dict[str, str]
    run: Callable[[Array], Array]  # (N, input_size) to (N, output_size), N = 1 at least


def require(name: str) -> Any:
    """
    Import ``onnx`` or ``onnxruntime``.

    :raises ValueError: it is not installed; says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise ValueError(f'{name} is needed for ONNX models and is not there ({error}): '
                         "pip install 'rl_robot_ros[onnx]', or pip install onnx onnxruntime"
                         ) from None


def check_model(data: bytes) -> None:
    """
    Refuse what is no ONNX model or would reach beyond its own file.

    :raises ValueError: says why.
    """
    if not 0 < len(data) <= MOST_BYTES:
        raise ValueError(f'the model has {len(data)} bytes, allowed are 1 to {MOST_BYTES}')
    onnx = require('onnx')
    decode_error = require('google.protobuf.message').DecodeError
    try:
        model = onnx.load_model_from_string(data)
        if not model.graph.node:
            raise ValueError('it has no graph')
        onnx.checker.check_model(model)
    except (decode_error, onnx.checker.ValidationError, ValueError) as error:
        raise ValueError(f'this is no valid ONNX model: {str(error)[:500]}') from None
    nodes = list(_nodes(model.graph))
    for tensor in _tensors(model.graph, nodes):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ValueError(f'the weights {tensor.name[:100]!r} lie in another file: save the '
                             'model with its weights inside')
    foreign = sorted({node.domain for node in nodes} - {'', 'ai.onnx'})
    if foreign:
        raise ValueError(f'it uses operators of {foreign[0][:100]!r}; allowed are those of ONNX')
    unbounded = [node.op_type for node in nodes if node.op_type in UNBOUNDED]
    if unbounded:
        raise ValueError(f'it has a {unbounded[0]}, which may take any time: a policy must answer '
                         'in bounded time')


def _nodes(graph: Any) -> Any:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _tensors(graph: Any, nodes: list[Any]) -> Any:
    yield from graph.initializer
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from inner.initializer


def open_session(data: bytes) -> Any:
    """
    Return a session of onnxruntime, on one thread.

    :raises ValueError: onnxruntime is not installed, or cannot run this model.
    """
    runtime = require('onnxruntime')
    options = runtime.SessionOptions()
    # More threads would fight the control loop for the cores; one decision takes microseconds.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return runtime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    except Exception as error:  # those of onnxruntime share no class of their own
        raise ValueError(f'onnxruntime {runtime.__version__} cannot run this model: '
                         f'{str(error)[:500]}') from None


def open_model(data: bytes, output: str = '') -> Model:
    """
    Make a model ready to run; it needs nothing but onnxruntime.

    :param output: name of the output that is the action; may be empty where there is only one.
    :raises ValueError: it cannot be run, or not by one observation in and one action out.
    """
    session = open_session(data)
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise ValueError('a policy takes one observation, this model takes '
                         f'{len(inputs)}: {", ".join(node.name for node in inputs)[:300]} '
                         '(recurrent policies and those that follow a clock are not supported)')
    fitting = [node for node in outputs if node.name == output or not output]
    if len(fitting) != 1:
        raise ValueError(f'output: got {output!r}, name one of '
                         f'{", ".join(node.name for node in outputs)[:300]}')
    (source,), (result,) = inputs, fitting
    dtype = TYPES[_checked(source, 'input').type]

    def run(observations: Array) -> Array:
        return np.asarray(session.run([result.name], {source.name: observations.astype(dtype)})[0])

    return Model(source.shape[1], _checked(result, 'output').shape[1],
                 dict(session.get_modelmeta().custom_metadata_map), run)


def _checked(node: Any, kind: str) -> Any:
    """Return an input or output that is a batch of vectors."""
    shape = node.shape
    if node.type not in TYPES or len(shape) != 2 or not isinstance(shape[1], int) \
            or (isinstance(shape[0], int) and shape[0] != 1):
        raise ValueError(f'{kind} {node.name[:100]!r} is {node.type} of shape {shape}, needed are '
                         f'floats of shape (1 or any, numbers)')
    return node
