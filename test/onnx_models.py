"""Small ONNX models of known weights, as other trainers would write them."""

import numpy as np
import onnx
from onnx import helper
from onnx import numpy_helper


def linear(matrix, bias=None, metadata=None, opset=17, nodes=(), outputs=('actions',), batch=1,
           inputs=('obs',), tail=None):
    """
    Return y = x @ matrix + bias as bytes.

    :param matrix: shape (numbers in, numbers out).
    :param nodes: further nodes.
    :param outputs: names; each is the same y.
    :param tail: kind of a node behind it, such as Tanh.
    """
    matrix = np.asarray(matrix, np.float32)
    bias = np.zeros(matrix.shape[1], np.float32) if bias is None else np.asarray(bias, np.float32)
    floats = onnx.TensorProto.FLOAT
    constants = [numpy_helper.from_array(matrix, 'matrix'), numpy_helper.from_array(bias, 'bias')]
    made = [helper.make_node('Gemm', [inputs[0], 'matrix', 'bias'], ['y'])]
    made += [helper.make_node(tail or 'Identity', ['y'], [name]) for name in outputs]
    graph = helper.make_graph(
        [*made, *nodes], 'other',
        [helper.make_tensor_value_info(name, floats, [batch, len(matrix)]) for name in inputs],
        [helper.make_tensor_value_info(name, floats, [batch, matrix.shape[1]])
         for name in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)],
                              ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    return model.SerializeToString()
