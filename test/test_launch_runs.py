"""
Every launch file under the real launch_ros, with stand-ins that write down how they are called.

launch_ros has no wheel: these run on a ROS machine, where `colcon test` finds it.
"""

from pathlib import Path
import re
import xml.etree.ElementTree as ElementTree

import pytest
from ros2_stand_ins import Launched
from ros2_stand_ins import parameters
from ros2_stand_ins import ROOT
import yaml

pytest.importorskip('launch_ros', reason='launch_ros is not on PyPI: runs on a ROS machine')
pytest.importorskip('xacro', reason='xacro is not installed')

GRAPH = ('safety_filter', 'safety_watchdog', 'policy')
CHECKPOINT = 'checkpoint:=somewhere.safetensors'


def words(call):
    """Return the arguments of a program without those of ROS."""
    arguments = call['arguments']
    return arguments[:arguments.index('--ros-args')] if '--ros-args' in arguments else arguments


def described(call):
    return ElementTree.fromstring(parameters(call)['robot_description'])


def controllers_of(spawner):
    return yaml.safe_load(Path(spawner[spawner.index('--param-file') + 1]).read_text())


def test_gazebo(tmp_path):
    with Launched(tmp_path, 'gazebo.launch.py', 'robot:=ur5e', CHECKPOINT) as launch:
        calls = launch.wait(*GRAPH, 'start_robot', 'gz', 'parameter_bridge')
        names, spawners = launch.names(), [c for c in launch.called() if c['name'] == 'spawner']
        assert launch.end() == 0
    assert words(calls['gz']) == [f'-r -v 3 {tmp_path}/prefix/share/rl_robot_ros/worlds/robot.sdf']
    assert words(calls['parameter_bridge']) == ['/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock']
    assert words(calls['create']) == ['-topic', 'robot_description', '-name', 'ur5e']
    # One after the other: the robot is there, then its states, then its controller, then we.
    first = [names.index('create'), names.index('spawner'),
             len(names) - 1 - names[::-1].index('spawner'), min(map(names.index, GRAPH))]
    assert first == sorted(first) and names.count('spawner') == 2
    broadcaster, effort = map(words, spawners)
    assert broadcaster[0] == 'joint_state_broadcaster' and '--inactive' not in broadcaster
    assert effort[:2] == ['effort_controller', '--inactive']
    controllers = controllers_of(effort)
    assert controllers['/**/controller_manager']['ros__parameters']['update_rate'] == 500
    robot = described(calls['robot_state_publisher'])
    assert robot.findtext('ros2_control/hardware/plugin') == 'gz_ros2_control/GazeboSimSystem'
    assert robot.findtext('gazebo/plugin/parameters') == effort[effort.index('--param-file') + 1]
    for name in (*GRAPH, 'start_robot', 'robot_state_publisher', 'create'):
        assert parameters(calls[name])['use_sim_time'] is True, name
    for name in GRAPH:
        values = parameters(calls[name])
        assert values['robot'] == 'rl_robot_ros.robots.gazebo:ur5e'
        assert values['policy.checkpoint'] == 'somewhere.safetensors'
        assert values['safety.velocity_scale'] == 0.7
        assert values['filter.start_stopped'] is True and values['sync.enabled'] is False
    assert {call['transport'] for call in calls.values()} == {'UDPv4'}
    assert not {'learner', 'rviz2', 'mujoco_sim'} & set(names)


def test_gazebo_without_window_in_a_namespace_with_learner_and_rviz(tmp_path):
    arguments = ['gui:=false', 'namespace:=left', 'learn:=true', 'activate:=false', 'rviz:=true',
                 'world:=/my world.sdf',
                 'controller_type:=forward_command_controller/ForwardCommandController']
    with Launched(tmp_path, 'gazebo.launch.py', *arguments) as launch:
        calls = launch.wait(*GRAPH, 'learner', 'rviz2')
        names = launch.names()
        assert launch.end() == 0
    assert words(calls['gz']) == ['-r -v 3 -s /my world.sdf']
    robot = described(calls['robot_state_publisher'])
    assert robot.findtext('gazebo/plugin/ros/namespace') == '/left'
    for name in (*GRAPH, 'learner', 'spawner', 'create', 'robot_state_publisher', 'rviz2'):
        assert '__ns:=/left' in calls[name]['arguments'], name
    assert 'start_robot' not in names
    assert parameters(calls['policy'])['mode'] == 'train'
    assert parameters(calls['learner'])['gate.enabled'] is True
    effort = words(calls['spawner'])
    controllers = controllers_of(effort)
    assert controllers['/**/effort_controller']['ros__parameters']['interface_name'] == 'effort'
    assert words(calls['rviz2'])[0] == '-d' and words(calls['rviz2'])[1].endswith('.rviz')


def test_mujoco_control(tmp_path):
    with Launched(tmp_path, 'mujoco_control.launch.py', 'gui:=false', CHECKPOINT) as launch:
        calls = launch.wait(*GRAPH, 'start_robot', 'ros2_control_node', 'robot_state_publisher')
        assert launch.end() == 0
    assert calls['ros2_control_node']['package'] == 'mujoco_ros2_control'
    values = parameters(calls['ros2_control_node'])
    assert values['use_sim_time'] is True and values['update_rate'] == 200
    hardware = described(calls['robot_state_publisher']).find('ros2_control/hardware')
    given = {entry.get('name'): entry.text for entry in hardware.findall('param')}
    assert given['headless'] == 'true' and '<actuator>' in Path(given['mujoco_model']).read_text()
    values = parameters(calls['policy'])
    assert values['use_sim_time'] is True and values['robot'] == 'arm7'
    assert not {'create', 'gz', 'parameter_bridge'} & set(calls)


def test_real_hardware_is_not_let_go(tmp_path):
    (tmp_path / 'mine.yaml').write_text('robot_ip: 192.0.2.7\n')
    with Launched(tmp_path, 'ros2_control.launch.py', 'sim:=real', 'robot:=fr3', CHECKPOINT,
                  'plugin:=my_hardware/MySystem', f'hardware_file:={tmp_path}/mine.yaml'
                  ) as launch:
        calls = launch.wait(*GRAPH, 'ros2_control_node', 'robot_state_publisher')
        assert launch.end() == 0
    assert calls['ros2_control_node']['package'] == 'controller_manager'
    hardware = described(calls['robot_state_publisher']).find('ros2_control/hardware')
    assert hardware.findtext('plugin') == 'my_hardware/MySystem'
    assert [(p.get('name'), p.text) for p in hardware.findall('param')] == [
        ('robot_ip', '192.0.2.7')]
    assert parameters(calls['policy'])['use_sim_time'] is False
    assert 'start_robot' not in calls


@pytest.mark.parametrize('failing', ['create', 'spawner'])
def test_nothing_moves_where_a_step_has_failed(tmp_path, failing):
    with Launched(tmp_path, 'gazebo.launch.py', CHECKPOINT, **{f'STATUS_{failing}': '1'}
                  ) as launch:
        output = launch.wait_for_end()
        assert re.search(rf'{failing}-\d+\]: process has died .* exit code 1', output)
        assert not set(GRAPH) & set(launch.names())


def test_a_bad_robot_is_refused(tmp_path):
    with Launched(tmp_path, 'gazebo.launch.py', 'robot:=nobody', CHECKPOINT) as launch:
        assert "no robot 'nobody': there are arm7" in launch.wait_for_end()


@pytest.mark.parametrize('file, arguments, more', [
    ('robot.launch.py', ['robot:=arm7', CHECKPOINT, 'activate:=true'], {'start_robot'}),
    ('sim.launch.py', [CHECKPOINT], {'mujoco_sim'}),
    ('train.launch.py', [], {'mujoco_sim', 'learner'})])
def test_without_ros2_control(tmp_path, file, arguments, more):
    expected = {'safety_filter', 'policy'} | more
    with Launched(tmp_path, file, 'namespace:=left', *arguments) as launch:
        calls = launch.wait(*expected)
        assert launch.end() == 0
        output = launch.output()
    for name in expected:
        assert '__ns:=/left' in calls[name]['arguments']
        assert f'__node:={name}' in calls[name]['arguments']
        assert parameters(calls[name])['robot'] == 'arm7'
    # Who has shared memory has somebody who watches over it, and ends when told to.
    watched = re.search(r'\[shared_memory-\d+\]: process has finished cleanly', output)
    assert bool(watched) == (calls['policy']['transport'] != 'UDPv4')


def test_every_launch_file_is_run_here():
    text = Path(__file__).read_text()
    for path in (ROOT / 'launch').glob('*.launch.py'):
        assert f"'{path.name}'" in text
