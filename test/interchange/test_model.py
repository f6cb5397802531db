"""ONNX files from anywhere: damaged, huge, foreign or unfit ones are refused with the reason."""

import sys

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import onnx
from onnx import helper
from onnx_models import linear
import pytest
from rl_robot_ros.interchange import model as module
from rl_robot_ros.interchange.model import check_model
from rl_robot_ros.interchange.model import open_model

GOOD = linear(np.eye(3)[:, :2])
FLOATS = onnx.TensorProto.FLOAT


def edited(change):
    """Return the good model with something done to it."""
    model = onnx.load_model_from_string(GOOD)
    change(model)
    return model.SerializeToString()


def of_another_domain(model):
    model.opset_import.append(helper.make_opsetid('com.someone', 1))
    model.graph.node.append(helper.make_node('Magic', ['y'], ['z'], domain='com.someone'))


def with_a_loop(model):
    kinds = onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node('Identity', ['go'], ['on']), helper.make_node('Neg', ['v'], ['w'])],
        'body', [helper.make_tensor_value_info('i', kinds.INT64, []),
                 helper.make_tensor_value_info('go', kinds.BOOL, []),
                 helper.make_tensor_value_info('v', FLOATS, [1, 2])],
        [helper.make_tensor_value_info('on', kinds.BOOL, []),
         helper.make_tensor_value_info('w', FLOATS, [1, 2])])
    model.graph.node.append(helper.make_node('Loop', ['', '', 'y'], ['z'], body=body))


def with_weights_elsewhere(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField('raw_data')
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key='location', value='../../etc/hostname')


def of_the_future(model):
    model.opset_import[0].version = 99


@pytest.mark.parametrize('data, says', [
    (b'', 'allowed are 1 to'), (b'PK\x03\x04 a zip of Stable-Baselines3', 'no valid ONNX model'),
    (b'\x00' * 100, 'no valid ONNX model'), (GOOD[:-40], 'no valid ONNX model'),
    (edited(of_another_domain), "operators of 'com.someone'"), (edited(with_a_loop), 'a Loop'),
    (edited(with_weights_elsewhere), 'no valid ONNX model|lie in another file'),
    (linear(np.eye(2), nodes=[helper.make_node('Sin', ['nowhere'], ['z'])]),
     'no valid ONNX model')])
def test_what_is_no_policy(data, says):
    with pytest.raises(ValueError, match=says):
        check_model(data)


def test_a_huge_file(monkeypatch):
    monkeypatch.setattr(module, 'MOST_BYTES', len(GOOD) - 1)
    with pytest.raises(ValueError, match='bytes, allowed are'):
        check_model(GOOD)


@pytest.mark.parametrize('data, output, says', [
    (linear(np.eye(2), inputs=('obs', 'h_in')), '', 'this model takes 2: obs, h_in'),
    (linear(np.eye(2), outputs=('actions', 'h_out')), '', 'name one of actions, h_out'),
    (linear(np.eye(2), batch=4), '', r"input 'obs' is tensor\(float\) of shape \[4, 2\]"),
    (edited(of_the_future), '', 'cannot run this model'), (b'nothing', '', 'cannot run')])
def test_what_cannot_be_run(data, output, says):
    with pytest.raises(ValueError, match=says):
        open_model(data, output)


def test_what_can():
    check_model(GOOD)
    opened = open_model(linear(np.eye(2), [1.0, 2.0], {'dt': '0.02'}, outputs=('a', 'b')), 'b')
    assert (opened.input_size, opened.output_size, opened.metadata) == (2, 2, {'dt': '0.02'})
    assert opened.run(np.array([[3.0, 4.0]])).tolist() == [[4.0, 6.0]]


@given(at=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
@settings(max_examples=40, deadline=None)
def test_a_changed_byte_is_refused_or_harmless(at, bit):
    data = bytearray(GOOD)
    data[at] ^= 1 << bit
    try:
        check_model(bytes(data))
        opened = open_model(bytes(data))
        assert opened.run(np.ones((1, opened.input_size))).shape[0] == 1
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize('name', ['onnx', 'onnxruntime'])
def test_without_the_library(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=rf'{name} is needed .* pip install .rl_robot_ros\[onnx'):
        check_model(GOOD) if name == 'onnx' else open_model(GOOD)
