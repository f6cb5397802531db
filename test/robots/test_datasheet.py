"""Datasheets as YAML files: what they say, what is refused, and that every part takes them."""

from dataclasses import replace
import math
from pathlib import Path

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import mujoco
import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.nodes.limit_sources import LimitSources
from rl_robot_ros.robots.datasheet import load_datasheet
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.mjcf import joints_in
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.model import find_mesh
from rl_robot_ros.robots.model import load_spec
from rl_robot_ros.robots.model import MujocoKinematics
from rl_robot_ros.robots.new_datasheet import new_datasheet
from rl_robot_ros.sim.world import World
import yaml

OWN = Path(__file__).parents[1] / 'own_robot' / 'bench_arm.urdf'
CHOSEN = {'tip_link': 'left_tool', 'joints.armature': '0.1',
          'joints.home': '0,-0.6,1.4,0,0.8,0'}
JOINTS = tuple(f'left_{name}_joint' for name in ('turret', 'lift', 'crook', 'roll', 'nod', 'spin'))


@pytest.fixture(scope='module')
def content():
    text = new_datasheet(OWN, CHOSEN, ['left_finger_joint'])
    return yaml.safe_load(text)


@pytest.fixture
def write(content, tmp_path):
    (tmp_path / OWN.name).write_bytes(OWN.read_bytes())

    def written(**changes):
        path = tmp_path / 'my_arm.yaml'
        path.write_text(yaml.safe_dump({**content, **changes}, sort_keys=False))
        return path
    return written


def one_joint(content, **changes):
    """Return the table of joints with one of them changed; None leaves a key out."""
    joint = {**content['joints']['left_crook_joint'], **changes}
    return {**content['joints'],
            'left_crook_joint': {k: v for k, v in joint.items() if v is not None}}


def test_what_it_says_is_what_there_is(write):
    robot = resolve('robot', str(write(control_rate=300, decision_rate=50)))
    assert isinstance(robot, RobotSpec) and robot == resolve('robot', str(write(
        control_rate=300, decision_rate=50)))
    assert robot.name == 'my_arm' and robot.joint_names == robot.actuated == JOINTS
    assert robot.control_period == 0.003333333 and robot.decision_periods == 6
    assert robot.position_lower[:2] == (-math.inf, -2.2) and robot.effort_limit[0] == 120.0
    assert robot.home == (0.0, -0.6, 1.4, 0.0, 0.8, 0.0)
    assert robot.tip_link == 'left_tool' and not robot.gravity_compensated


def test_gazebo_takes_it_too(write):
    """As `gazebo.launch.py` names it: an attribute that ends like a file."""
    path = write()
    robot = resolve('robot', f'rl_robot_ros.robots.gazebo:{path}')
    assert robot == replace(load_datasheet(path), discs=True)


def test_limits_are_the_models_where_it_has_none(write, content):
    joints = one_joint(content, lower=None, upper=None, velocity=None, effort=30.0)
    robot = load_datasheet(write(joints=joints))
    assert (robot.position_lower[2], robot.position_upper[2]) == (-2.6, 2.6)
    assert (robot.velocity_limit[2], robot.effort_limit[2]) == (2.5, 30.0)


@pytest.mark.parametrize('changes, says', [
    ({'control_rate': 0.5}, 'control_rate: got 0.5, allowed is [1.0, 10000.0] Hz'),
    ({'control_rate': 'fast'}, 'control_rate=fast: expected a float'),
    ({'decision_rate': 30.0}, 'decision_rate: got 30 Hz, allowed is control_rate = 200 Hz'),
    ({'decision_rate': 400.0}, 'decision_rate: got 400 Hz'),
    ({'contrl_rate': 100.0}, 'unknown parameter contrl_rate; allowed are name, urdf, mjcf'),
    ({'urdf': 'nowhere.urdf'}, 'urdf: no file at'),
    ({'urdf': ''}, 'urdf or mjcf is missing'),
    ({'joints': {}}, 'joints: expected named values'),
    ({'joints': {'left_crook_joint': 3}}, 'joints.left_crook_joint: expected named values'),
    ({'joints': {1: {}}}, 'joints: expected named values'),
])
def test_a_bad_key_is_named(write, changes, says):
    path = write(**changes)
    with pytest.raises((ValueError, FileNotFoundError)) as found:
        load_datasheet(path)
    assert says in str(found.value) and str(found.value).startswith(f'{path}: ')


@pytest.mark.parametrize('changes, says', [
    ({'effort': -3.0}, 'joints.left_crook_joint.effort: got -3.0, allowed is [0.0, inf] N m or N'),
    ({'lowr': 0.0}, 'unknown parameter joints.left_crook_joint.lowr; allowed are'),
    ({'inertia': None}, 'joints.left_crook_joint.inertia is missing or 0'),
    ({'velocity': math.nan}, 'joints.left_crook_joint.velocity: got nan'),
    ({'lower': 3.0}, 'position_lower must be below position_upper'),
    ({'home': None}, ''),
])
def test_a_bad_figure_of_a_joint_is_named(write, content, changes, says):
    path = write(joints=one_joint(content, **changes))
    if not says:
        assert load_datasheet(path).home[2] == 0.0
        return
    with pytest.raises(ValueError) as found:
        load_datasheet(path)
    assert says in str(found.value)


def test_whether_it_carries_itself_has_to_be_said(write, content):
    path = write()
    path.write_text(yaml.safe_dump({key: value for key, value in content.items()
                                    if key != 'gravity_compensated'}))
    with pytest.raises(ValueError, match='gravity_compensated is missing'):
        load_datasheet(path)


def test_no_datasheet(tmp_path):
    with pytest.raises(FileNotFoundError, match='no datasheet at .*see parameter robot'):
        resolve('robot', str(tmp_path / 'none.yaml'))


PLAIN = st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=8),
                     lambda inner: st.lists(inner, max_size=3)
                     | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=6)


@given(top=st.dictionaries(st.sampled_from(['joints', 'urdf', 'control_rate', 'name', 'x',
                                            'gravity_compensated']), PLAIN))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_is_read_or_refused(tmp_path, top):
    path = tmp_path / 'any.yaml'
    path.write_text(yaml.safe_dump(top))
    with pytest.raises((ValueError, FileNotFoundError), match=r'any\.yaml'):
        load_datasheet(path)


def test_joints_that_are_left_out_do_not_move(write):
    """Fingers, also a mimic one, weigh what they weigh; the tool is a link of its own."""
    robot = load_datasheet(write())
    model = build_spec(robot).compile()
    assert [model.joint(i).name for i in range(model.njnt)] == list(JOINTS)
    assert model.body_mass.sum() == pytest.approx(4.0 + 3.5 + 2.5 + 1.2 + 0.8 + 0.4 + 0.1)
    tip = MujocoKinematics(robot).tip(np.zeros(6), np.zeros(6)).position
    assert tip == pytest.approx([0.36 + 0.24 + 0.12 + 0.08 + 0.12, 0.0, 0.3])
    MujocoDynamics(robot).evaluate(np.array(robot.home), np.zeros(6))
    world = World(robot)
    world.step(np.zeros(6))
    assert world.position[1] > -0.6  # it sags: nobody carries it


def test_a_wrong_tip_is_named(write):
    with pytest.raises(ValueError, match="tip_link 'tool' is no link of bench_arm.urdf, which has "
                                         'left_mount.*left_tool'):
        build_spec(load_datasheet(write(tip_link='tool')))


def test_meshes_are_found_by_package(tmp_path):
    model = tmp_path / 'bench_arm' / 'urdf' / OWN.name
    mesh = tmp_path / 'bench_arm' / 'meshes' / 'wrist.stl'
    for path in (model, mesh):
        path.parent.mkdir(parents=True)
    model.write_bytes(OWN.read_bytes())
    assert len(load_spec(model).meshes) == 0
    corners = np.array([(0, 0, 0), (0.05, 0, 0), (0, 0.05, 0), (0, 0, 0.05)], dtype='<f4')
    faces = np.zeros(4, dtype=[('normal', '<f4', 3), ('corners', '<f4', (3, 3)), ('no', '<u2')])
    faces['corners'] = corners[[[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]]
    mesh.write_bytes(b'\0' * 80 + np.uint32(4).tobytes() + faces.tobytes())
    assert find_mesh('package://bench_arm/meshes/wrist.stl', model) == mesh
    assert find_mesh('package://bench_arm/meshes/hand.stl', model) is None
    assert load_spec(model).compile().nmesh == 1


MJCF = """
<mujoco model="bench">
  <compiler angle="degree"/>
  <default><joint armature="0.5"/></default>
  <worldbody>
    <geom name="floor" type="plane" size="1 1 .1"/>
    <body name="one" pos="0 0 .2">
      <joint name="a" axis="0 1 0" range="-90 45" actuatorfrcrange="-40 30"/>
      <geom type="capsule" fromto="0 0 0 .3 0 0" size=".04"/>
      <body name="two" pos=".4 0 0">
        <joint name="b" axis="0 1 0"/>
        <geom type="capsule" fromto="0 0 0 .2 0 0" size=".03"/>
        <body name="tool" pos=".25 0 0">
          <joint name="finger" type="slide" axis="0 1 0" range="0 .02"/>
          <geom size=".02"/>
        </body>
      </body>
    </body>
  </worldbody>
  <actuator>
    <motor joint="a" gear="50" ctrlrange="-1 1"/>
    <position joint="b" kp="100" forcerange="-12 12"/>
    <position joint="finger" kp="100"/>
  </actuator>
  <keyframe><key qpos=".1 .2 .01"/></keyframe>
</mujoco>
"""


def test_a_robot_of_an_mjcf(tmp_path):
    """Limits are joints' and actuators', what drives it there is gone, velocities are given."""
    model = tmp_path / 'bench.xml'
    model.write_text(MJCF)
    joints = joints_in(model)
    assert [joint.kind for joint in joints.values()] == ['revolute', 'continuous', 'prismatic']
    assert joints['a'].lower == pytest.approx(-math.pi / 2)
    assert [joint.effort for joint in joints.values()] == [30.0, 12.0, math.inf]
    with pytest.raises(ValueError, match='velocity limit inf in bench.xml: give joints.a.vel'):
        new_datasheet(model, {'gravity_compensated': 'true'}, ['finger'])
    path = tmp_path / 'bench.yaml'
    path.write_text(new_datasheet(model, {'gravity_compensated': 'true', 'joints.velocity': '2,3',
                                          'joints.a.armature': '0.2'}, ['finger']))
    robot = load_datasheet(path)
    assert (robot.joint_names, robot.urdf, robot.mjcf) == (('a', 'b'), '', str(model))
    assert robot.velocity_limit == (2.0, 3.0) and robot.effort_limit == (30.0, 12.0)
    world = World(robot)
    assert world.model.nu == world.model.nkey == 0 and world.model.njnt == 2
    assert world.model.joint('a').armature == 0.2 and world.model.joint('b').armature == 0.0
    for _ in range(100):
        world.step(np.zeros(2))
    assert np.abs(world.position - robot.home).max() < 1e-6
    limits = LimitSources(robot, '', False)
    assert not limits.refusal and limits.limits.effort == (30.0, 12.0)


def test_a_model_that_is_none(tmp_path):
    path = tmp_path / 'model.xml'
    for text in ('<mujoco><worldbody><body></mujoco>', '', '<robot', '<mujoco><x/></mujoco>'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r'model|robot description'):
            new_datasheet(path, {})
    path.write_text('<mujoco><worldbody><body name="ball"><freejoint name="f"/><geom size="1"/>'
                    '</body></worldbody></mujoco>')
    with pytest.raises(ValueError, match='has no movable joint'):
        new_datasheet(path, {})


@pytest.mark.parametrize('given, without, says', [
    ({}, ['finger'], '--without finger: bench_arm.urdf has left_turret_joint'),
    ({'joints.speed': '1'}, [], 'unknown key joints.speed: allowed are'),
    ({'joints.elbow.home': '1'}, [], 'unknown key joints.elbow.home'),
    ({'joints.home': '1,2'}, [], 'joints.home: got 2 values, allowed are 1 and 7'),
    ({'joints.left_lift_joint.home': 'up'}, [], 'left_lift_joint.home=up: expected a float'),
    ({'physics_steps': '0'}, [], 'physics_steps: got 0, allowed is'),
])
def test_a_wrong_wish_is_refused(given, without, says):
    with pytest.raises(ValueError) as found:
        new_datasheet(OWN, given, without)
    assert says in str(found.value)


def test_it_may_move_what_has_no_motor(write, content):
    robot = load_datasheet(write(joints=one_joint(content, motor=False)))
    assert 'left_crook_joint' in robot.joint_names and len(robot.actuated) == 5
    assert mujoco.mjtJoint.mjJNT_HINGE == build_spec(robot).joint('left_crook_joint').type
