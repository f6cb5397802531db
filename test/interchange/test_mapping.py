"""Mapping files: what is refused, by joint name, and what can never change an effort."""

from copy import deepcopy
from dataclasses import replace

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
from onnx_models import linear
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.env import make_task
from rl_robot_ros.importing import describe_import
from rl_robot_ros.interchange.imported import make_imported
from rl_robot_ros.interchange.mapping import ActionMapping
from rl_robot_ros.interchange.mapping import parse_mapping
import yaml

ROBOT = resolve('robot', 'arm7')
TASK = make_task(ROBOT, 'reach')
JOINTS = list(ROBOT.actuated)
POSE = {name: round(value, 3) for name, value in zip(ROBOT.joint_names, ROBOT.home)}
MAPPING = {
    'robot': 'arm7', 'task': 'reach', 'dt': 0.02, 'gravity_compensated': True,
    'observation': [
        {'quantity': 'position', 'name': 'joint_pos', 'joints': JOINTS, 'offset': POSE},
        {'quantity': 'velocity', 'name': 'joint_vel', 'joints': JOINTS, 'scale': 0.05},
        {'quantity': 'task.target', 'name': 'command'},
        {'quantity': 'last_action', 'name': 'actions'}],
    'action': {'kind': 'position', 'joints': JOINTS, 'scale': 0.25, 'offset': POSE,
               'stiffness': dict.fromkeys(JOINTS, 40.0), 'damping': 4.0,
               'effort_limit': list(ROBOT.effort_limit)}}
METADATA = {
    'joint_names': ','.join(JOINTS), 'observation_names': 'joint_pos,joint_vel,command,actions',
    'default_joint_pos': ','.join(f'{value:.3f}' for value in ROBOT.home),
    'action_scale': '0.250', 'joint_stiffness': ','.join(['40.000'] * 7),
    'joint_damping': ','.join(['4.000'] * 7), 'run_path': 'someone/project/abc'}
RNG = np.random.default_rng(5)
MATRIX = RNG.normal(0.0, 0.3, (24, 7))


def changed(*path, to=None):
    """Return the mapping with one value changed; without `to`, left out."""
    mapping = deepcopy(MAPPING)
    at = mapping
    for key in path[:-1]:
        at = at[key]
    if to is None:
        del at[path[-1]]
    else:
        at[path[-1]] = to
    return mapping


def describe(mapping, metadata=None, matrix=MATRIX):
    return describe_import(linear(matrix, metadata=metadata),
                           parse_mapping(yaml.safe_dump(mapping)), TASK)


def efforts(mapping, matrix, states):
    """Return the normalised efforts of several decisions, in the order of the robot's motors."""
    data = linear(matrix)
    described = describe_import(data, parse_mapping(yaml.safe_dump(mapping)), TASK)
    policy = make_imported(described, data, ROBOT, TASK.observation_terms, described.network, None)
    rng = np.random.default_rng(0)
    found = []
    for position, velocity in states:
        policy.see(position, velocity)
        found.append(policy.act(np.linspace(-1.0, 1.0, 40), rng).action)
    return np.array(found)


SWAPPED = [JOINTS[1], JOINTS[0], *JOINTS[2:]]


@pytest.mark.parametrize('mapping, says', [
    (changed('action', 'joints', to=JOINTS[:6]), 'action: motor joint7 of arm7 gets none'),
    (changed('action', 'joints', to=[*JOINTS[:6], 'gripper']),
     'action: motor joint7 of arm7 gets none; action: arm7 has no motor gripper'),
    (changed('action', 'joints', to=[*JOINTS, 'joint1']), '8'),
    (changed('observation', 0, 'joints', to=JOINTS[:6]), 'offset: joint7 is not one of'),
    (changed('action', 'offset', to=dict(list(POSE.items())[:6])), 'offset: joint7 is missing'),
    (changed('observation', 1, 'joints', to=[*JOINTS[:6], 'elbow']),
     'observation joint_vel: arm7 has no joint elbow'),
    (changed('observation', 1, 'joints', to=[*JOINTS[:6], 'joint1']), 'as many different joints'),
    (changed('dt', to=0.01), 'dt: 0.01 s in the mapping, arm7 decides every 0.02 s'),
    (changed('gravity_compensated', to=False), 'gravity: compensated by the robot is False'),
    (changed('action', 'effort_limit', to=dict(zip(JOINTS, [87.0, 87.0, 100.0, *[12.0] * 4]))),
     'action of joint3: effort_limit 100, that of arm7 is 87'),
    (changed('action', 'offset', to={**POSE, 'joint4': 0.5}),
     'action of joint4: output 0 is position 0.5, the limits of arm7 are -3.0718 to -0.0698'),
    (changed('action', 'scale', to=[0.25] * 6), 'action.scale: 6 numbers for 7'),
    (changed('action', 'damping', to=-1.0), 'action.damping: joint1 has -1'),
    (changed('action', 'stiffness'), 'action.stiffness is missing'),
    (changed('action', 'effort_limit'), 'action.effort_limit is missing'),
    (changed('action', 'kind', to='velocity'), "action.kind: got 'velocity'"),
    (changed('action', 'kind', to='effort'), 'action.stiffness: kind effort has none'),
    (changed('action', 'clip', to=[1.0, -1.0]), 'clip must be low, high'),
    (changed('observation', 3),
     'makes 17 numbers (joint_pos 7, joint_vel 7, command 3), the model takes 24'),
    (changed('observation', 1, 'history', to=3), 'makes 38 numbers'),
    (changed('observation', 1, 'history', to=0), 'history 0'),
    (changed('observation', 2, 'quantity', to='task.gaol'), "quantity 'task.gaol', allowed are"),
    (changed('observation', 2, 'quantity', to='projected_gravity'), 'of a base that moves'),
    (changed('observation', 2, 'joints', to=JOINTS), 'has no joints to choose'),
    (changed('observation', 3, 'joints', to=SWAPPED), 'joints must be those of the action'),
    (changed('output', to='value'), "output: got 'value', name one of actions"),
    (changed('dt'), "'dt' is missing"), (changed('dt', to='fast'), 'dt: expected a finite number'),
    (changed('action', 'gain', to=1.0), "action: unknown 'gain'"),
    (changed('observation', 1, 'scale', to=[1.0, float('nan')] + [1.0] * 5),
     'joint2 needs a finite number'),
    (changed('observation', to={'quantity': 'position'}), 'observation: expected a list')])
def test_what_does_not_fit_is_refused(mapping, says):
    with pytest.raises(ValueError, match='.') as error:
        describe(mapping)
    assert says in str(error.value)


@pytest.mark.parametrize('metadata, says', [
    ({'joint_names': ','.join(SWAPPED)},
     'action: joint order: number 1 is joint1 in the mapping and joint2 in the joint_names'),
    ({'joint_names': ','.join(JOINTS[:6])}, 'action: joint joint7 is in the mapping, and not in'),
    ({'joint_names': 'joint1,joint1'}, 'a name is there twice'),
    ({'default_joint_pos': METADATA['default_joint_pos'].replace('-0.785', '-0.700')},
     'joint2 has -0.785 in the mapping and -0.7 in the metadata'),
    ({'joint_stiffness': ','.join(['40.0'] * 6 + ['60.0'])},
     'joint7 has 40 in the mapping and 60 in the metadata'),
    ({'action_scale': '0.5'}, 'action.scale: joint1 has 0.25 in the mapping and 0.5'),
    ({'observation_names': 'joint_pos,actions,command,joint_vel'},
     'calls the term at this place actions'),
    ({'observation_names': 'joint_pos'}, 'the metadata of the model has 1: joint_pos'),
    ({'dt': '0.005'}, 'dt: 0.005 s in the metadata'), ({'dt': 'soon'}, 'metadata dt: expected')])
def test_what_the_model_says_about_itself_counts(metadata, says):
    describe(MAPPING, METADATA)
    with pytest.raises(ValueError, match='.') as error:
        describe(MAPPING, {**METADATA, **metadata})
    assert says in str(error.value)


def test_metadata_fills_in_what_the_mapping_leaves_out():
    kept = ('quantity', 'scale')
    short = {**MAPPING, 'observation': [{key: term[key] for key in kept if key in term}
                                        for term in MAPPING['observation']],
             'action': {'kind': 'position', 'effort_limit': list(ROBOT.effort_limit)}}
    assert describe(short, METADATA) == describe(MAPPING, METADATA)


@settings(max_examples=12, deadline=None)
@given(inputs=st.permutations(range(7)), speeds=st.permutations(range(7)),
       outputs=st.permutations(range(7)), kind=st.sampled_from(('position', 'effort')),
       history=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_the_order_of_joints_changes_no_effort(inputs, speeds, outputs, kind, history, seed):
    """A model whose joints stand elsewhere does the same, as long as the mapping names them."""
    rng = np.random.default_rng(seed)
    states = [(np.array(ROBOT.home) + rng.normal(0.0, 0.1, 7), rng.normal(0.0, 0.2, 7))
              for _ in range(3)]
    mapping = deepcopy(MAPPING)
    mapping['observation'][1]['history'] = history
    if kind == 'effort':
        mapping['action'] = {'kind': kind, 'joints': JOINTS, 'clip': [-1.0, 1.0],
                             'scale': dict(zip(JOINTS, (5.0, 6.0, 7.0, 8.0, 1.0, 2.0, 3.0)))}
    else:
        mapping['action']['effort_limit'] = dict(zip(JOINTS, ROBOT.effort_limit))
    matrix = rng.normal(0.0, 0.3, (17 + 7 * history, 7))
    names = np.array(JOINTS)
    reordered = deepcopy(mapping)
    reordered['observation'][0]['joints'] = names[inputs].tolist()
    reordered['observation'][1]['joints'] = names[speeds].tolist()
    reordered['action']['joints'] = names[outputs].tolist()
    end = 7 + 7 * history
    rows = [*inputs, *(7 + 7 * h + i for h in range(history) for i in speeds),
            *range(end, end + 3), *(end + 3 + i for i in outputs)]
    expected = efforts(mapping, matrix, states)
    assert efforts(reordered, matrix[rows][:, outputs], states) == pytest.approx(expected,
                                                                                 abs=1e-5)
    if list(outputs) != sorted(outputs):
        wrong = deepcopy(reordered)
        wrong['action']['joints'] = JOINTS
        wrong['observation'][3].pop('joints', None)
        assert efforts(wrong, matrix[rows][:, outputs], states) != pytest.approx(expected,
                                                                                 abs=1e-3)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
KEYS = st.sampled_from(['robot', 'task', 'dt', 'observation', 'action', 'kind', 'joints', 'clip',
                        'quantity', 'scale', 'gravity_compensated', 'x'])
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4)
                     | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12)


@given(tree=TREES)
def test_any_yaml_is_read_or_refused(tree):
    try:
        mapping = parse_mapping(yaml.safe_dump(tree))
    except ValueError as error:
        assert str(error).startswith('mapping')
    else:
        assert mapping.observation is not None


@given(where=st.sampled_from([('dt',), ('action',), ('action', 'scale'), ('action', 'joints'),
                              ('observation', 0), ('observation', 1, 'clip'),
                              ('observation', 0, 'offset'), ('observation', 1, 'history')]),
       value=TREES)
@settings(max_examples=40, deadline=None)
def test_any_value_is_taken_or_refused_by_name(where, value):
    try:
        describe(changed(*where, to=value if value is not None else ''))
    except ValueError as error:
        assert str(error)


@given(text=st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    with pytest.raises(ValueError, match='^mapping'):
        parse_mapping(text)


def test_bombs_are_refused():
    levels = '\n'.join(f'x{i}: &x{i} [{", ".join([f"*x{i - 1}"] * 9)}]' for i in range(1, 30))
    with pytest.raises(ValueError, match='^mapping: the whole: unknown'):
        parse_mapping(f'x0: &x0 [1, 1]\n{levels}')
    with pytest.raises(ValueError, match='action.scale: 9 numbers for 7|needs a finite number'):
        nested = [1.0]
        for _ in range(40):
            nested = [nested] * 7
        describe_import(linear(MATRIX), replace(
            parse_mapping(yaml.safe_dump(MAPPING)), action=ActionMapping(
                'position', tuple(JOINTS), scale=nested)), TASK)
    with pytest.raises(ValueError, match='letters'):
        parse_mapping('#' * 1_000_001)
    with pytest.raises(ValueError, match='^mapping'):
        parse_mapping('[' * 1500)
