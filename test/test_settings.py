from dataclasses import fields
import math
from typing import get_type_hints

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.settings import EXTRA
from rl_robot_ros.settings import GraphConfig
from rl_robot_ros.settings import read_parameters
from rl_robot_ros.settings import SECTIONS
from rl_robot_ros.settings import Settings
import yaml

IN_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SLOW = settings(IN_FOLDER, max_examples=settings.default.max_examples // 2)
DEFAULT = Settings.resolve({})


def text_values():
    """Draw strings that YAML and ROS could take for something else, or break."""
    return st.text(max_size=120) | st.sampled_from(
        ['', 'yes', 'on', 'y', '1e5', '1_0', '0x1', 'inf', 'nan', '.5', 'null', '~', '- a', 'a: b',
         '# a', '/a b/' + 'c d ' * 60, 'a\nb', '"', "'", '\\', 'ä', '%', '{x}', '!!int 3'])


def value_of(field, kind):
    metadata = field.metadata
    low = -1e6 if metadata['low'] is None else metadata['low']
    high = max(low, 1e6) if metadata['high'] is None else metadata['high']
    if metadata['choices']:
        return st.sampled_from(metadata['choices'])
    kinds = {bool: st.booleans(), str: text_values(), int: st.integers(int(low), int(high)),
             float: st.floats(low, high)}
    return kinds.get(kind, st.just([]) | st.lists(kinds[float], min_size=3, max_size=3))


@st.composite
def given_values(draw):
    """Draw a few values of any section but the one that names classes."""
    values = {}
    for prefix, section in [*SECTIONS.items(), ('task.', type(DEFAULT.task))]:
        kinds = get_type_hints(section)
        for field in fields(section):
            if section is not GraphConfig and draw(st.integers(0, 5)) == 0:
                values[prefix + field.name] = draw(value_of(field, kinds[field.name]))
    if values.get('sim.mode') == 'paced' or values.get('gate.enabled'):
        values['sync.enabled'] = False  # everything else is refused
    return values


def test_everything_is_explicit():
    for prefix, section in SECTIONS.items():
        for field in fields(section):
            default = getattr(section(), field.name)
            listed = list(default) if isinstance(default, tuple) else default
            assert DEFAULT.values[prefix + field.name] == listed
    assert DEFAULT.values['robot'] == 'arm7' and DEFAULT.values['task'] == 'reach'
    assert 'task.bonus' in DEFAULT.values and 'algorithm.gamma' in DEFAULT.values
    assert not set(EXTRA) & set(DEFAULT.values)
    again = Settings.resolve(DEFAULT.values)
    assert again.values == DEFAULT.values and again == DEFAULT


@SLOW
@given(values=given_values())
def test_what_is_written_into_a_run_is_what_is_read_from_it(tmp_path, values):
    resolved = Settings.resolve(values)
    assert {name: resolved.values[name] for name in values} == values
    path = tmp_path / 'config.yaml'
    path.write_text(resolved.yaml())
    read = read_parameters(path)
    assert read == resolved.values
    assert Settings.resolve(read).values == resolved.values
    for line in resolved.yaml().splitlines()[2:]:
        name, comment = line.strip().partition(':')[0], line.rpartition('  # [')[2]
        assert comment != line and ']' in comment, f'{name} has no unit and meaning'


@pytest.mark.parametrize('algorithm', names('algorithm'))
@pytest.mark.parametrize('task', names('task'))
def test_all_combinations_resolve(task, algorithm):
    resolved = Settings.resolve({'task': task, 'algorithm': algorithm})
    assert isinstance(resolved.task, resolve('task', task).Config)
    assert isinstance(resolved.algorithm, resolve('algorithm', algorithm).Config)
    again = yaml.safe_load(resolved.yaml())['/**']['ros__parameters']
    assert Settings.resolve(again).values == resolved.values


def test_presets_of_task_and_algorithm():
    resolved = Settings.resolve({'preset': ' s1_reach, robot ', 'task.bonus': 3})
    assert resolved.graph.presets == ('s1_reach', 'robot')
    assert (resolved.task.bonus, resolved.task.observe_task) == (3.0, False)
    assert resolved.values['task.fixed_target'] == [0.5, 0.2, 0.4]
    changed = [name for name in DEFAULT.values if name.startswith('algorithm.')
               and DEFAULT.values[name] != resolved.values[name]]
    assert changed
    # A run is read back the same way although the presets are named again.
    assert Settings.resolve(resolved.values).values == resolved.values


def test_command_line_text_is_understood():
    resolved = Settings.resolve({'task.bonus': '2', 'sync.enabled': 'false', 'seed': '7',
                                 'task.fixed_target': '0.5,0,0.5', 'use_sim_time': True,
                                 'mode': 'evaluate'})
    assert resolved.values['task.bonus'] == 2.0 and resolved.values['sync.enabled'] is False
    assert resolved.values['task.fixed_target'] == [0.5, 0.0, 0.5]
    assert resolved.values['use_sim_time'] is True and resolved.values['mode'] == 'evaluate'


@pytest.mark.parametrize('values, says', [
    ({'robot': 'arm8'}, "no robot 'arm8': there are arm7"),
    ({'task': 'fly'}, "no task 'fly': there are balance"),
    ({'algorithm': 'magic'}, "no algorithm 'magic'"),
    ({'preset': 'huge'}, "preset 'huge': task reach and algorithm sac have .*s1_reach"),
    ({'task.bonuss': 1}, r'unknown parameter task\.bonuss; allowed are task\.distance'),
    ({'sync.row': 1}, r'unknown parameter sync\.row; allowed are sync\.enabled'),
    ({'tasks.bonus': 1}, r"unknown parameter 'tasks.bonus'; the first part .*task, algorithm"),
    ({'sede': 1}, "unknown parameter 'sede'"), ({'mode': 'learn'}, "mode: got 'learn', allowed"),
    ({'task.bonus': -1}, r'task\.bonus: got -1\.0, allowed is \[0\.0, inf\]'),
    ({'seed': 'x'}, 'seed=x: expected a int'),
    ({'task.fixed_target': 3}, 'task.fixed_target: expected a list of float'),
    ({'sim.mode': 'fast'}, "sim.mode: got 'fast', allowed are lockstep, paced")])
def test_refusals(values, says):
    with pytest.raises(ValueError, match=says):
        Settings.resolve(values)


def test_flat_and_nested_files_are_the_same(tmp_path):
    path = tmp_path / 'params.yaml'
    path.write_text('/**: {ros__parameters: {robot: arm7, task: {bonus: 2.0, deep: {er: 1}}, '
                    'sync.rows: 3}}')
    assert read_parameters(path) == {'robot': 'arm7', 'task.bonus': 2.0, 'task.deep.er': 1,
                                     'sync.rows': 3}


TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(('/**', 'ros__parameters', 'task', 'a.b')) | st.integers(0, 3), inner,
        max_size=3), max_leaves=8)


@IN_FOLDER
@given(content=st.binary(max_size=40) | TREES.map(lambda tree: yaml.safe_dump(tree).encode()))
def test_any_file_is_read_or_refused_by_name(tmp_path, content):
    path = tmp_path / 'params.yaml'
    path.write_bytes(content)
    try:
        values = read_parameters(path)
    except ValueError as error:
        assert 'params.yaml' in str(error)
        return
    assert all(isinstance(name, str) for name in values)
    try:
        Settings.resolve(values)
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize('text', ['', '[]', '3', '/**: 3', '/**: {}', '/**: {ros__parameters: 3}',
                                  'policy: {ros__parameters: {a: 1}}', '{', '\0', '[' * 500])
def test_refused_files(tmp_path, text):
    path = tmp_path / 'params.yaml'
    path.write_text(text)
    with pytest.raises(ValueError, match='params.yaml'):
        read_parameters(path)


def test_floats_stay_floats_for_ros():
    """ROS takes a number without a point for an integer, and refuses it where it needs a float."""
    resolved = Settings.resolve({'task.bonus': 3, 'learner.push_timeout': 60.0,
                                 'policy.weights_timeout': 1e6, 'task.success_radius': 1e-4})
    for line in resolved.yaml().splitlines()[2:]:
        name, _, text = line.strip().partition(': ')
        if isinstance(resolved.values[name], float) and math.isfinite(resolved.values[name]):
            assert '.' in text.split('  #')[0], line
