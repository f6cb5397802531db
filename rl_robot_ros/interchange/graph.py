"""
NumPy policies as ONNX graphs: normaliser, layers and the most likely action, node by node.

Input ``observation`` of shape (N, numbers) in raw SI units; output ``action``: of shape
(N, motors), normalised, or for choices of shape (N,), the index, with ``values`` of shape
(N, choices) beside it.  The contract goes into the metadata (`core.description`), with the keys of
`interchange.metadata`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.network import CHOOSING
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import OBSERVATION_CLIP
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.interchange.model import open_session
from rl_robot_ros.interchange.model import require

OPSET, IR_VERSION = 17, 8  # of 2022: what runtimes on robots can read
TOLERANCE = 1e-5
CONTRACT = 'contract'  # key of the metadata
Observations = NDArray[np.float64]


class _Graph:
    """Collects nodes and constants."""

    def __init__(self) -> None:
        self.onnx = require('onnx')
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, dtype: Any) -> str:
        """Store an array; returns its name."""
        name = f'constant_{len(self.constants)}'
        array = np.ascontiguousarray(values, dtype=dtype)
        self.constants.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def node(self, kind: str, *inputs: str, name: str = '', **attributes: Any) -> str:
        """Append a node; returns the name of its output."""
        name = name or f'{kind.lower()}_{len(self.nodes)}'
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def cast(self, source: str, kind: str) -> str:
        """Append a conversion to FLOAT or INT64, which cuts off decimals."""
        return self.node('Cast', source, to=getattr(self.onnx.TensorProto, kind))


def build(description: PolicyDescription, weights: Vector, wide: bool = False) -> bytes:
    """
    Return an ONNX model.

    :param weights: flat weights, see `core.network`.
    :param wide: take observations in double precision; a table always does, because a number at
        the edge of a bin must not fall into another one.
    :raises ValueError: ``onnx`` is not installed.
    """
    spec = NetworkSpec.parse(description.network)
    graph = _Graph()
    helper, kinds = graph.onnx.helper, graph.onnx.TensorProto
    wide = wide or spec.kind == 'table'
    if spec.kind == 'table':
        values = _table(graph, spec, weights)
    else:
        values = _network(graph, spec, weights, wide)
    rows, outputs = 'N', []
    if spec.kind in CHOOSING:
        graph.node('Identity', values, name='values')
        graph.node('ArgMax', values, name='action', axis=1, keepdims=0)
        outputs = [helper.make_tensor_value_info('action', kinds.INT64, [rows]),
                   helper.make_tensor_value_info('values', kinds.FLOAT, [rows, spec.sizes[-1]])]
    else:
        if spec.kind == 'squashed_gaussian':  # mean and log_std
            ends = (graph.constant([number], np.int64) for number in (0, spec.action_size, 1))
            values = graph.node('Slice', values, *ends)
        graph.node('Identity' if spec.kind == 'gaussian' else 'Tanh', values, name='action')
        outputs = [helper.make_tensor_value_info('action', kinds.FLOAT, [rows, spec.action_size])]
    source = helper.make_tensor_value_info('observation', kinds.DOUBLE if wide else kinds.FLOAT,
                                           [rows, spec.observation_size])
    model = helper.make_model(
        helper.make_graph(graph.nodes, 'policy', [source], outputs, graph.constants),
        producer_name='rl_robot_ros', ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid('', OPSET)])
    helper.set_model_props(model, {
        CONTRACT: description.to_json(), 'joint_names': ','.join(description.action.joints),
        'observation_names': ','.join(term.name for term in description.observation),
        'dt': repr(description.decision_period)})
    graph.onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _network(graph: _Graph, spec: NetworkSpec, weights: Vector, wide: bool) -> str:
    n = spec.sizes[0]
    flat = weights.astype(np.float32)
    x = graph.node('Sub', 'observation', graph.constant(flat[:n], np.float64 if wide
                                                        else np.float32))
    if wide:
        x = graph.cast(x, 'FLOAT')
    x = graph.node('Mul', x, graph.constant(flat[n:2 * n], np.float32))
    x = graph.node('Clip', x, graph.constant(-OBSERVATION_CLIP, np.float32),
                   graph.constant(OBSERVATION_CLIP, np.float32))
    at, last = 2 * n, len(spec.sizes) - 2
    for i, (fan_in, fan_out) in enumerate(zip(spec.sizes, spec.sizes[1:])):
        matrix = flat[at:at + fan_in * fan_out].reshape(fan_in, fan_out)
        at += fan_in * fan_out
        x = graph.node('Gemm', x, graph.constant(matrix, np.float32),
                       graph.constant(flat[at:at + fan_out], np.float32))
        at += fan_out
        if i < last:
            x = graph.node('Relu' if spec.activation == 'relu' else 'Tanh', x)
    return x


def _table(graph: _Graph, spec: NetworkSpec, weights: Vector) -> str:
    """See `core.policy.cell_of`."""
    n, bins = spec.observation_size, spec.sizes[:-1]
    x = graph.node('Sub', 'observation', graph.constant(weights[:n], np.float64))
    x = graph.node('Mul', x, graph.constant(weights[n:2 * n], np.float64))
    x = graph.node('Max', x, graph.constant(np.zeros(n), np.float64))
    x = graph.node('Min', x, graph.constant(np.array(bins) - 1, np.float64))
    strides = np.cumprod([1, *bins[:0:-1]])[::-1]
    x = graph.node('Mul', graph.cast(x, 'INT64'), graph.constant(strides, np.int64))
    x = graph.node('ReduceSum', x, graph.constant([1], np.int64), keepdims=0)
    values = weights[2 * n:].astype(np.float32).reshape(-1, spec.sizes[-1])
    return graph.node('Gather', graph.constant(values, np.float32), x, axis=0)


def largest_difference(model: bytes, network: str, weights: Vector,
                       observations: Observations) -> float:
    """
    Compare a model with inference in NumPy, row by row.

    Actions of the kinds that squash are compared as they are.  What has no bounds (means, values)
    is compared relative to its size where that is above 1.  An index that differs counts as 1,
    unless the two values are as close to each other as values may differ.

    :param observations: shape (N, numbers), raw SI units.
    :raises ValueError: ``onnxruntime`` is not installed.
    """
    spec, policy = NetworkSpec.parse(network), Policy(network, weights)
    rng = np.random.default_rng(0)  # `act` asks for one, without exploration it draws nothing
    session = open_session(model)
    source, = session.get_inputs()
    given = observations.astype(np.float64 if source.type == 'tensor(double)' else np.float32)
    outputs = dict(zip([node.name for node in session.get_outputs()],
                       session.run(None, {source.name: given})))
    if spec.kind not in CHOOSING:
        ours = np.array([policy.act(row, rng).action for row in observations])
        return float(_relative(ours, outputs['action']).max(initial=0.0))
    values = np.array([policy.output(row).copy() for row in observations], dtype=np.float64)
    difference = float(_relative(values, outputs['values']).max(initial=0.0))
    rows = np.arange(len(observations))
    lost = values.max(axis=1) - values[rows, outputs['action']]
    wrong = lost > 2.0 * TOLERANCE * np.maximum(1.0, np.abs(values).max(axis=1))
    return max(difference, float(wrong.any()))


def _relative(ours: NDArray[np.float64], theirs: NDArray[Any]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    return np.where(np.isfinite(difference), difference, np.inf)
