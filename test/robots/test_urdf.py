from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.urdf import differences
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.robots.urdf import urdf_path

TEXT = urdf_path(ROBOT).read_text()
JOINTS = parse_joints(TEXT)
LIMIT = '<limit lower="-1" upper="1.5" velocity="2" effort="3"/>'


def robot(joints):
    return f'<robot name="r">{joints}</robot>'


def test_joints():
    found = parse_joints(robot(
        f'<joint name="a" type="revolute">{LIMIT}</joint>'
        '<joint name="b" type="continuous"><limit velocity="2" effort="3"/></joint>'
        f'<joint name="c" type="fixed">{LIMIT}</joint>'
        '<joint name="d" type="prismatic"/>'
        f'<joint name="e" type="revolute">{LIMIT}<mimic joint="a"/></joint>'
        '<link name="l"/><gazebo><joint name="f" type="revolute"/></gazebo>'))
    assert list(found) == ['a', 'b', 'd']
    assert found['a'] == ('a', 'revolute', -1.0, 1.5, 2.0, 3.0)
    assert found['b'] == ('b', 'continuous', -math.inf, math.inf, 2.0, 3.0)
    assert all(math.isnan(number) for number in found['d'][2:])


@pytest.mark.parametrize('text, says', [
    ('', 'is not XML'), ('<robot', 'is not XML'), ('<urdf/>', 'root <urdf>, needs <robot>'),
    (robot('<joint name="a" type="revolute"><limit effort="much"/></joint>'),
     'joint a: a limit is no number')])
def test_refusals(text, says):
    with pytest.raises(ValueError, match=says):
        parse_joints(text)


@given(st.text(max_size=50), st.integers(0, len(TEXT) - 1), st.integers(0, 20))
def test_any_text_is_read_or_refused(text, at, cut):
    for candidate in (text, robot(text), TEXT[:at] + text + TEXT[at + cut:]):
        try:
            parse_joints(candidate)
        except ValueError as error:
            assert 'robot description' in str(error) or 'limit' in str(error)


@pytest.mark.parametrize('change, says', [
    ({'position_lower': (-2.9, *ROBOT.position_lower[1:])}, 'joint1: lower is -2.8973'),
    ({'position_upper': (*ROBOT.position_upper[:6], 2.9)}, 'joint7: upper is 2.8973'),
    ({'velocity_limit': (3.0, *ROBOT.velocity_limit[1:])}, 'joint1: velocity is 2.175'),
    ({'effort_limit': (88.0, *ROBOT.effort_limit[1:])}, 'joint1: effort is 87.0'),
    ({'joint_names': ('other', *ROBOT.joint_names[1:]),
      'actuated': ('other', *ROBOT.actuated[1:])}, 'joint other of the datasheet')])
def test_a_datasheet_that_promises_more(change, says):
    found = differences(replace(ROBOT, **change), JOINTS)
    assert len(found) == 1 and says in found[0]


@pytest.mark.parametrize('change', [
    {'position_lower': (-2.0, *ROBOT.position_lower[1:])},
    {'velocity_limit': (1.0,) * 7}, {'effort_limit': (5.0,) * 7}])
def test_a_tighter_datasheet_is_covered(change):
    assert differences(replace(ROBOT, **change), JOINTS) == []


def test_a_missing_limit_covers_nothing():
    for field in ('lower', 'upper', 'velocity', 'effort'):
        joints = {**JOINTS, 'joint3': JOINTS['joint3']._replace(**{field: math.nan})}
        assert [text.split(' is ')[0] for text in differences(ROBOT, joints)] \
            == [f'joint joint3: {field}']


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'robot arm7: no URDF at .*nowhere\.urdf'):
        urdf_path(replace(ROBOT, urdf='nowhere.urdf'))
    own = tmp_path / 'own.urdf'
    own.write_text(TEXT)
    assert urdf_path(replace(ROBOT, urdf=str(own))) == own


def test_a_model_without_the_joints_of_the_datasheet():
    with pytest.raises(ValueError, match=r"joints \['joint1'.* not in cartpole.urdf.*slider"):
        build_spec(replace(ROBOT, urdf=CARTPOLE.urdf))


def test_a_robot_without_one_is_told_who_needs_it():
    with pytest.raises(FileNotFoundError, match='model is arm.xml alone; ros2_control and Gazebo'):
        urdf_path(replace(ROBOT, urdf='', mjcf='arm.xml'))
