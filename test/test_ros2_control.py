"""What ros2_control, Gazebo and MuJoCo are told of every robot, read by their own parsers."""

import copy
import ctypes
import os
from pathlib import Path
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import mujoco
import numpy as np
import pytest
from rl_robot_ros import cli
from rl_robot_ros import ros2_control
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.ros2_control import SIMULATORS
from rl_robot_ros.sim.world import World
import yaml

ROOT = Path(__file__).parents[1]
ROBOTS = names('robot')
ARMS = ('arm7', 'fr3', 'iiwa14', 'ur5e')
WRITTEN = {}


@pytest.fixture(scope='session')
def describe(tmp_path_factory):
    """Return (files, text of the description) of a robot in a simulator, each made once."""
    xacro = pytest.importorskip('xacro')

    def made(name, sim, **options):
        key = name, sim, *options.items()
        if key not in WRITTEN:
            robot = resolve('robot', name)
            files = ros2_control.write_files(robot, tmp_path_factory.mktemp(name), sim=sim)
            options = {'plugin': 'my/System' if sim == 'real' else '', **options}
            words = ros2_control.xacro_command(robot, files, sim, **options)
            mapping = dict(word.split(':=') for word in words[2:])
            text = xacro.process_file(words[1], mappings=mapping).toprettyxml()
            path = files.robot.with_name('robot.urdf')
            path.write_text(text)
            WRITTEN[key] = files, path, text
        return WRITTEN[key]

    return made


def plugin(text):
    return ElementTree.fromstring(text).findtext('ros2_control/hardware/plugin')


@pytest.mark.parametrize('name', ROBOTS)
def test_gazebo_gets_the_whole_robot(describe, name):
    robot = resolve('robot', name)
    files, _, text = describe(name, 'gz')
    root = ElementTree.fromstring(text)
    assert plugin(text) == 'gz_ros2_control/GazeboSimSystem'
    assert root.findtext('gazebo/plugin/parameters') == str(files.controllers)
    # Nothing is added that moves, and no limit is another one (repr: a NaN is not itself).
    assert repr(parse_joints(text)) == repr(parse_joints(urdf_path(robot).read_text()))
    assert root.find("joint[@name='world_fixed']/parent").get('link') == 'world'
    links = {link.get('name') for link in root.findall('link')}
    light = {part.get('reference') for part in root.findall('gazebo')
             if part.findtext('gravity') == 'false'}
    assert light <= links and (len(light) > 2 if robot.gravity_compensated else not light)
    starts = {joint.get('name'): float(joint.findtext("state_interface[@name='position']/param"))
              for joint in root.iterfind('ros2_control/joint')}
    assert starts == dict(zip(robot.joint_names, robot.home))


@pytest.mark.parametrize('sim', SIMULATORS)
@pytest.mark.parametrize('name', ROBOTS)
def test_controllers_fit_the_description(describe, name, sim):
    robot = resolve('robot', name)
    files, _, text = describe(name, sim)
    parameters = yaml.safe_load(files.controllers.read_text())
    assert ros2_control.complaints(parameters, text) == []
    effort = parameters['/**/effort_controller']['ros__parameters']
    assert effort == {'joints': list(robot.actuated)}
    manager = parameters['/**/controller_manager']['ros__parameters']
    assert manager['update_rate'] * robot.control_period == pytest.approx(1.0)
    assert manager['enforce_command_limits'] is True


@pytest.mark.parametrize('name', ARMS)
@pytest.mark.parametrize('sim', ('mujoco', 'real'))
def test_elsewhere_there_is_nothing_of_gazebo(describe, name, sim):
    files, _, text = describe(name, sim)
    root = ElementTree.fromstring(text)
    assert not root.findall('gazebo') and root.find("link[@name='world']") is None
    assert plugin(text) == {'mujoco': 'mujoco_ros2_control/MujocoSystemInterface',
                            'real': 'my/System'}[sim]
    given = {entry.get('name'): entry.text
             for entry in root.findall('ros2_control/hardware/param')}
    assert given == ({'mujoco_model': str(files.mjcf), 'headless': 'true'} if sim == 'mujoco'
                     else {})
    assert bool(root.findall('ros2_control/joint/state_interface/param')) == (sim == 'mujoco')


def test_hardware_has_parameters_of_its_own(describe, tmp_path):
    (tmp_path / 'mine.yaml').write_text('robot_ip: 192.0.2.7\nprefix: left\n')
    _, _, text = describe('arm7', 'real', hardware=str(tmp_path / 'mine.yaml'))
    given = {entry.get('name'): entry.text for entry in
             ElementTree.fromstring(text).findall('ros2_control/hardware/param')}
    assert given == {'robot_ip': '192.0.2.7', 'prefix': 'left'}


def test_what_is_missing_is_said(describe):
    with pytest.raises(Exception, match='sim:=real needs plugin:='):
        describe('arm7', 'real', plugin='')
    with pytest.raises(ValueError, match=r"no robot 'nobody'"):
        resolve('robot', 'rl_robot_ros.robots.gazebo:nobody')


def inertia(model, robot, position):
    """Return the mass matrix of the robot's joints."""
    data, full = mujoco.MjData(model), np.zeros((model.nv, model.nv))
    joints = [model.joint(joint) for joint in robot.joint_names]
    data.qpos[[joint.qposadr[0] for joint in joints]] = position
    mujoco.mj_forward(model, data)
    mujoco.mj_fullM(model, data, full)
    index = [joint.dofadr[0] for joint in joints]
    return full[np.ix_(index, index)]


@pytest.mark.parametrize('name', ROBOTS)
def test_filter_and_policy_know_the_robot_that_gazebo_simulates(describe, name):
    _, _, text = describe(name, 'gz')
    robot = resolve('robot', f'rl_robot_ros.robots.gazebo:{name}')
    there, known = mujoco.MjModel.from_xml_string(text), build_spec(robot).compile()
    plain = build_spec(resolve('robot', name)).compile()
    rng = np.random.default_rng(0)
    for _ in range(10):
        position = rng.uniform(-1.5, 1.5, len(robot.joint_names))
        mass = inertia(known, robot, position)
        assert inertia(there, robot, position) == pytest.approx(mass, rel=1e-5, abs=1e-5)
        # Never lighter than the one that is simulated elsewhere.
        ratio = np.diag(mass) / np.diag(inertia(plain, robot, position))
        assert (0.999 < ratio).all() and (ratio < 4.0).all()


@pytest.mark.parametrize('name', ROBOTS)
def test_the_model_of_mujoco_ros2_control_is_the_one_that_is_trained(tmp_path, name):
    robot = resolve('robot', name)
    files = ros2_control.write_files(robot, tmp_path, sim='mujoco')
    model, world = mujoco.MjModel.from_xml_path(str(files.mjcf)), World(robot)
    assert [model.actuator(i).name for i in range(model.nu)] == list(robot.actuated)
    data = mujoco.MjData(model)
    mujoco.mj_resetDataKeyframe(model, data, model.key('home').id)
    address = [model.joint(joint).qposadr[0] for joint in robot.joint_names]
    assert data.qpos[address] == pytest.approx(robot.home, abs=1e-5)  # an MJCF has six digits
    effort = 0.02 * np.array(robot.effort_limit)
    for _ in range(20):
        world.step(effort)
        data.ctrl[:] = effort
        mujoco.mj_step(model, data, robot.physics_steps)
    assert data.qpos[address] == pytest.approx(world.position, abs=1e-4)
    data.ctrl[:] = 10.0 * np.array(robot.effort_limit)
    mujoco.mj_forward(model, data)
    assert data.actuator_force == pytest.approx(np.array(robot.effort_limit))


def test_every_difference_is_named(describe):
    files, _, text = describe('arm7', 'gz')
    good = yaml.safe_load(files.controllers.read_text())
    bad = copy.deepcopy(good)
    bad['/**/effort_controller']['ros__parameters']['joints'][2] = 'joint9'
    del bad['/**/joint_state_broadcaster']
    assert ros2_control.complaints(bad, text) == [
        'effort_controller: joint joint9 has no command_interface effort',
        'joint_state_broadcaster has no joints']
    for old, new, complaint in (
            ('<command_interface name="effort"/>', '', 'joint1 has no command_interface effort'),
            ('<state_interface name="velocity"/>', '', 'joint1 has no state_interface velocity'),
            ('effort="87"', 'effort="0"', 'joint1 has effort limit 0'),
            ('<joint name="joint1" type="revolute">', '<joint name="joint1" type="fixed">',
             'joint1 of <ros2_control> is not movable')):
        assert old in text
        found = ros2_control.complaints(good, text.replace(old, new, 1))
        assert len(found) == 1 and complaint in found[0], found


def test_a_forward_command_controller_is_told_which_interface():
    robot = resolve('robot', 'arm7')
    parameters = ros2_control.controllers(robot, ros2_control.FORWARD)
    assert parameters['/**/effort_controller']['ros__parameters']['interface_name'] == 'effort'
    with pytest.raises(ValueError, match=r'controller_type is .my/Own., must be one of effort'):
        ros2_control.controllers(robot, 'my/Own')


def test_the_world_steps_through_every_control_period():
    world = ElementTree.parse(ROOT / 'worlds/robot.sdf').getroot()
    step = float(world.findtext('world/physics/max_step_size'))
    for name in ROBOTS:
        steps = resolve('robot', name).control_period / step
        assert steps == pytest.approx(round(steps)) and steps >= 1.0, name
    systems = {part.get('name') for part in world.findall('world/plugin')}
    assert {'gz::sim::systems::Physics', 'gz::sim::systems::UserCommands'} <= systems


def test_describe_writes_and_says_the_command(tmp_path, capsys):
    assert cli.main(['describe', '--robot', 'fr3', '--sim', 'real', '--plugin', 'my/System',
                     '--output', str(tmp_path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f'# {tmp_path}/robot.yaml' in said and (tmp_path / 'controllers.yaml').is_file()
    assert said[-1].startswith('xacro ') and said[-1].endswith('plugin:=my/System')
    assert cli.main(['describe', '--sim', 'no', '--output', str(tmp_path)]) == 2
    assert "sim is 'no', must be one of gz, mujoco, real" in capsys.readouterr().err


@pytest.mark.parametrize('name', ROBOTS)
def test_check_urdf(describe, name):
    program = shutil.which('check_urdf')
    if program is None:
        pytest.skip('check_urdf is not installed: apt-get install liburdfdom-tools')
    for sim in SIMULATORS:
        _, path, _ = describe(name, sim)
        done = subprocess.run([program, str(path)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and 'Successfully Parsed XML' in done.stdout, done.stderr


def sdformat():
    """Return the name of Gazebo's own parser, as the dynamic linker knows it."""
    found = (f'libsdformat{version}.so.{version}' for version in (16, 15, 14, 13, 12))
    return next(filter(loads, found), None)


def loads(name):
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def converted(path):
    """Return the SDF that Gazebo makes of a URDF; printed by the library, so by a process."""
    done = subprocess.run(
        [sys.executable, '-c', f'import ctypes; library = ctypes.CDLL({sdformat()!r}); '
         f'path = {os.fsencode(path)!r}; bad = library.cmdCheck(path); '
         'library.cmdPrint(path); raise SystemExit(bool(bad))'],
        capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return ElementTree.fromstring(done.stdout[done.stdout.index('<sdf'):])


@pytest.mark.parametrize('name', ROBOTS)
def test_libsdformat(describe, name):
    if sdformat() is None:
        pytest.skip('libsdformat is not installed: apt-get install libsdformat12-12')
    robot = resolve('robot', name)
    files, path, _ = describe(name, 'gz')
    model = converted(path).find('model')
    joints = {joint.get('name'): joint for joint in model.findall('joint')}
    assert set(robot.joint_names) <= set(joints)
    for joint, effort, velocity in zip(robot.actuated, robot.effort_limit, robot.velocity_limit):
        limit = joints[joint].find('axis/limit')
        assert float(limit.findtext('effort')) >= effort * (1.0 - 1e-6)
        assert float(limit.findtext('velocity')) >= velocity * (1.0 - 1e-6)
    part = model.find("plugin[@name='gz_ros2_control::GazeboSimROS2ControlPlugin']")
    assert part.get('filename') == 'gz_ros2_control-system'
    assert part.findtext('parameters') == str(files.controllers)
    weights = {link.findtext('gravity', 'true') for link in model.findall('link')}
    assert weights == {'false' if robot.gravity_compensated else 'true'}
    # What stands for the rotors has become part of the links.
    assert not [link for link in model.findall('link') if link.get('name').endswith('_rotor')]


def test_libsdformat_reads_the_world():
    if sdformat() is None:
        pytest.skip('libsdformat is not installed: apt-get install libsdformat12-12')
    assert converted(ROOT / 'worlds/robot.sdf').find('world').get('name') == 'robot'
