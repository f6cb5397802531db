"""Launch files start what `make train` starts: same nodes, same parameters, same defaults."""

import ast
from pathlib import Path
import re

import pytest
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.commands import base_parameters
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.settings import EXTRA
from rl_robot_ros.settings import GraphConfig
from rl_robot_ros.settings import read_parameters
from rl_robot_ros.settings import Settings

ROOT = Path(__file__).parents[1]
LAUNCH = sorted((ROOT / 'launch').glob('*.launch.py'))
CONFIG = sorted((ROOT / 'config').rglob('*.yaml'))
ALWAYS = {'robot', 'task', 'params_file', 'namespace', 'use_sim_time', 'checkpoint', 'log_level'}


def calls(path, name):
    """Return keyword arguments of all calls of `name` in a launch file, values unparsed."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == name:
            first = [ast.unparse(a) for a in node.args]
            yield first, {k.arg: ast.unparse(k.value) for k in node.keywords}


def arguments(path):
    """Return the declared launch arguments by name."""
    return {ast.literal_eval(first[0]): keywords
            for first, keywords in calls(path, 'DeclareLaunchArgument')}


def with_included(path):
    """List a launch file and those of this package that it includes, the outermost first."""
    found = [path]
    for name in re.findall(r'(\w+\.launch\.py)\'', path.read_text()):
        if (path.parent / name).is_file() and name != path.name:
            found += with_included(path.parent / name)
    return found


def parameters(path):
    """Return the keys of the parameter dictionary that every node gets."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'PARAMETERS':
            dictionary = node.value.elts[-1]
            return {ast.literal_eval(k): ast.unparse(v)
                    for k, v in zip(dictionary.keys, dictionary.values)}
    raise AssertionError(f'{path} has no PARAMETERS')


@pytest.mark.parametrize('name, mode, learner', [('train', LOCKSTEP, True),
                                                 ('sim', PACED, False),
                                                 ('robot', HARDWARE, False),
                                                 ('robot', HARDWARE, True)])
def test_same_nodes_as_bringup(name, mode, learner):
    nodes = graph_nodes(mode, learner)
    path = ROOT / 'launch' / f'{name}.launch.py'
    chosen = [f"IfCondition(LaunchConfiguration('{word}'))" for word, on in (
        ('learn', learner), ('activate', False), ('rviz', False)) if not on]
    started = [k for _, k in calls(path, 'Node') if k.get('condition') not in chosen]
    assert sorted(ast.literal_eval(k['executable']) for k in started) == sorted(nodes)
    for keywords in started:
        assert keywords['executable'] == keywords['name']
        assert keywords['parameters'] == 'PARAMETERS'
        assert keywords['ros_arguments'] == 'ARGUMENTS'


@pytest.mark.parametrize('path', LAUNCH, ids=lambda p: p.name)
def test_arguments_are_described_and_used(path):
    files = with_included(path)
    declared = {name for file in files for name in arguments(file)}
    assert ALWAYS <= declared
    text = ''.join(file.read_text() for file in files)
    for name, keywords in arguments(path).items():
        assert len(ast.literal_eval(keywords['description'])) > 10
        assert len(re.findall(rf"'{name}'[,)]", text)) >= 2, f'{name} is declared and not used'
    assert set(re.findall(r"LaunchConfiguration\('(\w+)'\)", text)) <= declared
    assert len(path.read_text().splitlines()) <= 90


@pytest.mark.parametrize('name, front, inner', [
    ('gazebo', "sim='gz'", 'ros2_control'), ('mujoco_control', "('sim', 'mujoco')",
                                             'ros2_control'),
    ('ros2_control', "'/launch/robot.launch.py'", 'robot')])
def test_simulators_are_fronts_of_the_graph_for_real_robots(name, front, inner):
    path = ROOT / 'launch' / f'{name}.launch.py'
    assert front in path.read_text()
    assert with_included(path)[1].name == f'{inner}.launch.py'
    ours = [k for _, k in calls(path, 'Node') if k['package'] == "'rl_robot_ros'"]
    assert not ours, 'nodes of ours are started in one place'
    if 'activate' in arguments(path):
        assert ast.literal_eval(arguments(path)['activate']['default_value']) == 'true'


@pytest.mark.parametrize('path', [path for path in LAUNCH if 'PARAMETERS = ' in path.read_text()],
                         ids=lambda p: p.name)
def test_parameters_exist(path):
    known = set(Settings.resolve({}).values) | set(EXTRA)
    assert set(parameters(path)) <= known


def test_defaults_are_those_of_the_command_line():
    declared = arguments(ROOT / 'launch/train.launch.py')
    default = GraphConfig()
    for name in ('robot', 'task', 'algorithm', 'preset'):
        assert ast.literal_eval(declared[name]['default_value']) == getattr(default, name)
    text = (ROOT / 'launch/train.launch.py').read_text()
    assert "'config', 'train.yaml'" in text and '/config/algorithms/' in text
    order = [text.index(f"    LaunchConfiguration('{name}'),\n")
             for name in ('train_file', 'algorithm_file', 'params_file')]
    assert order == sorted(order), 'the file of the user is read last, as by the command line'
    # What `rl-robot train` begins with is exactly what the two files say.
    expected = read_parameters(ROOT / 'config/train.yaml') | read_parameters(
        ROOT / 'config/algorithms/sac.yaml')
    assert base_parameters(None, None) == expected


def test_a_real_robot_is_never_simulated_and_starts_stopped():
    declared = arguments(ROOT / 'launch/robot.launch.py')
    assert ast.literal_eval(declared['use_sim_time']['default_value']) == 'false'
    assert 'default_value' not in declared['robot'], 'nobody drives a robot by the wrong datasheet'
    text = (ROOT / 'launch/robot.launch.py').read_text()
    assert text.index("    LaunchConfiguration('robot_file'),\n") \
        < text.index("    LaunchConfiguration('params_file'),\n")
    values = read_parameters(ROOT / 'config/robot.yaml')
    for name in ('filter.start_stopped', 'filter.require_description', 'watchdog.wrong_length',
                 'gate.enabled'):
        assert values[name] is True, name
    assert values['use_sim_time'] is values['sync.enabled'] is False


@pytest.mark.parametrize('path', CONFIG, ids=lambda p: p.name)
def test_parameter_files_are_valid_and_explained(path):
    values = read_parameters(path)
    if path.parent.name == 'algorithms':
        values['algorithm'] = path.stem
    Settings.resolve(values)
    for line in path.read_text().splitlines():
        if re.match(r'    [a-z_.]+:', line):
            assert re.search(r'  # \[[^]]+\] \S', line), f'no unit or meaning: {line}'


def test_every_algorithm_says_what_it_needs_of_the_graph():
    from rl_robot_ros.core.resolve import names
    files = {path.stem for path in (ROOT / 'config/algorithms').glob('*.yaml')}
    assert files == set(names('algorithm'))


@pytest.mark.parametrize('path', LAUNCH, ids=lambda p: p.name)
def test_launch_description_loads(path):
    pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI: runs on a ROS machine')
    from launch.launch_description_sources import get_launch_description_from_python_launch_file
    assert get_launch_description_from_python_launch_file(str(path)).entities
