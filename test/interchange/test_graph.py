"""Exported graphs equal NumPy on ten thousand rows, of every kind of network."""

import numpy as np
import onnx
import pytest
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.effort_sets import effort_set
from rl_robot_ros.core.network import CHOOSING
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.network import KINDS
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Term
from rl_robot_ros.env import make_task
from rl_robot_ros.export import made_up
from rl_robot_ros.export import write_onnx
from rl_robot_ros.interchange.graph import build
from rl_robot_ros.interchange.graph import CONTRACT
from rl_robot_ros.interchange.graph import largest_difference
from rl_robot_ros.interchange.graph import TOLERANCE
from rl_robot_ros.interchange.model import check_model
from rl_robot_ros.interchange.model import open_session
from rl_robot_ros.interchange.opening import joint_units

ROBOT = resolve('robot', 'cartpole')
TASK = make_task(ROBOT, 'balance')
EFFORTS = effort_set('push_or_rest', 1)


def case(kind, activation='relu', hidden='32-32', seed=0):
    """Return description and weights of a network with a normaliser that has learned."""
    outputs = {'squashed_gaussian': 2, 'gaussian': 1, 'deterministic': 1}.get(kind, 3)
    network = (f'table 4-3-5-2-6-{outputs} bins' if kind == 'table'
               else f'{kind} 5-{hidden}-{outputs} {activation}')
    rng = np.random.default_rng(seed)
    weights = initial_weights(network, rng)
    if kind == 'table':
        weights[:5], weights[5:10] = -1.0, np.array([4, 3, 5, 2, 6]) / 2.0
    else:
        weights[:5], weights[5:10] = rng.normal(0.0, 2.0, 5), 1.0 / rng.uniform(0.01, 3.0, 5)
    discrete = kind in CHOOSING
    contract = PolicyContract(network, ROBOT.actuated, TASK.observation_terms,
                              (Term('effort', 1),) if discrete else (),
                              EFFORTS if discrete else ())
    described = PolicyDescription.of(contract, ROBOT, TASK, joint_units(ROBOT))
    return described.with_normaliser(weights), weights


@pytest.mark.parametrize('kind', KINDS)
def test_it_equals_numpy(tmp_path, kind):
    described, weights = case(kind, activation='tanh' if kind == 'gaussian' else 'relu')
    path = tmp_path / 'policy.onnx'
    rows = made_up(described.network, weights)
    assert rows.shape == (10_000, 5)
    difference, _ = write_onnx(path, described, weights, rows)
    assert difference <= TOLERANCE
    data = path.read_bytes()
    check_model(data)
    props = {entry.key: entry.value for entry in onnx.load_model_from_string(data).metadata_props}
    assert PolicyDescription.from_json(props[CONTRACT]) == described
    assert props['joint_names'] == 'slider' and float(props['dt']) == ROBOT.decision_period
    assert len(described.normaliser.mean) == (0 if kind == 'table' else 5)


@pytest.mark.parametrize('kind', ['squashed_gaussian', 'categorical', 'table'])
def test_a_graph_of_other_weights_is_noticed(kind):
    described, weights = case(kind)
    other = weights.copy()
    other[-4:] += 0.5
    rows = made_up(described.network, weights)[:2000]
    assert largest_difference(build(described, other), described.network, weights,
                              rows) > TOLERANCE


def test_nothing_is_written_where_it_differs(tmp_path, monkeypatch):
    described, weights = case('deterministic')
    monkeypatch.setattr('rl_robot_ros.export.largest_difference', lambda *_: 2e-5)
    with pytest.raises(ValueError, match='is not written: it would differ from NumPy by 2.0e-05'):
        write_onnx(tmp_path / 'policy.onnx', described, weights, np.zeros((1, 5)))
    assert not list(tmp_path.iterdir())


def test_a_narrow_normaliser_takes_double_observations(tmp_path):
    """Around 1000 with a deviation of 0.01, float32 is off by a hundredth of a deviation."""
    described, weights = case('deterministic')
    weights[:5], weights[5:10] = 1000.0, 100.0
    rows = made_up(described.network, weights)[:1000]
    _, wide = write_onnx(tmp_path / 'policy.onnx', described, weights, rows)
    assert wide
    source, = open_session((tmp_path / 'policy.onnx').read_bytes()).get_inputs()
    assert source.type == 'tensor(double)'


def test_every_kind_is_covered():
    assert {NetworkSpec.parse(case(kind)[0].network).kind for kind in KINDS} == set(KINDS)
