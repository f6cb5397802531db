"""The checker: one robot written down twice is one robot, and any other figure is named."""

from dataclasses import replace
from pathlib import Path
import tempfile

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.checking import check_robot

# What is changed in the MJCF: by what, and the words that the checker has for it.
CHANGES = {
    'lower': (0.1, 'lower limit'), 'upper': (-0.1, 'upper limit'), 'effort': (3.0, 'effort limit'),
    'kind': (None, 'type'), 'axis': (None, 'axis at 0'), 'mass': (0.05, 'mass [kg]'),
    'centre': (0.01, 'centre of mass'), 'inertia': (0.05, 'inertia [kg m^2]'),
    'origin': (0.01, 'place of the axis'), 'name': (None, 'is not movable in arm.xml')}


def draw(seed):
    """Return the figures of an arm, one dictionary per joint."""
    rng = np.random.default_rng(seed)
    joints = []
    for i in range(rng.integers(2, 5)):
        axis = rng.normal(size=3)
        joints.append({
            'name': f'j{i}', 'kind': 'hinge', 'axis': axis / np.linalg.norm(axis),
            'origin': rng.uniform(0.05, 0.3, 3), 'lower': -rng.uniform(0.5, 3.0),
            'upper': rng.uniform(0.5, 3.0), 'effort': rng.uniform(5.0, 90.0),
            'mass': rng.uniform(0.5, 4.0), 'centre': rng.uniform(-0.1, 0.1, 3),
            'inertia': rng.uniform(0.02, 0.03, 3)})
    return joints


def words(values):
    return ' '.join(repr(float(value)) for value in values)


def urdf(joints):
    text, parent = '<robot name="arm"><link name="base"/>', 'base'
    for joint in joints:
        kind = {'hinge': 'revolute', 'slide': 'prismatic'}[joint['kind']]
        x, y, z = joint['inertia']
        text += f"""
<joint name="{joint['name']}" type="{kind}"><parent link="{parent}"/>
<child link="l_{joint['name']}"/><origin xyz="{words(joint['origin'])}"/>
<axis xyz="{words(joint['axis'])}"/><limit lower="{joint['lower']}" upper="{joint['upper']}"
 velocity="2" effort="{joint['effort']}"/></joint>
<link name="l_{joint['name']}"><inertial><origin xyz="{words(joint['centre'])}"/>
<mass value="{joint['mass']}"/>
<inertia ixx="{x}" ixy="0" ixz="0" iyy="{y}" iyz="0" izz="{z}"/></inertial></link>"""
        parent = f"l_{joint['name']}"
    return text + f"""<joint name="to_tool" type="fixed"><parent link="{parent}"/>
<child link="tool"/><origin xyz="0.1 0 0"/></joint><link name="tool"/></robot>"""


def mjcf(joints, tool=0.1):
    """Write the same; each link is split into two bodies, each joint driven by a motor."""
    text, motors = '<mujoco><compiler angle="radian"/><worldbody><body name="base">', ''
    for joint in joints:
        text += f"""
<body name="b_{joint['name']}" pos="{words(joint['origin'])}">
<joint name="{joint['name']}" type="{joint['kind']}" axis="{words(joint['axis'])}" limited="true"
 range="{joint['lower']} {joint['upper']}"/>
<inertial pos="{words(joint['centre'])}" mass="{joint['mass'] / 2}"
 diaginertia="{words(np.array(joint['inertia']) / 2)}"/>
<body name="half_{joint['name']}"><inertial pos="{words(joint['centre'])}"
 mass="{joint['mass'] / 2}" diaginertia="{words(np.array(joint['inertia']) / 2)}"/></body>"""
        motors += (f'<motor joint="{joint["name"]}" gear="{joint["effort"] / 2}" '
                   'ctrlrange="-2 2"/>')
    return (text + f'<body name="tool" pos="{tool} 0 0"/>' + '</body>' * len(joints)
            + f'</body></worldbody><actuator>{motors}</actuator></mujoco>')


def robot_of(joints, path):
    n = len(joints)
    each = tuple(joint['name'] for joint in joints)
    return RobotSpec(
        name='arm', urdf=str(path), joint_names=each, actuated=each,
        position_lower=tuple(joint['lower'] for joint in joints),
        position_upper=tuple(joint['upper'] for joint in joints), velocity_limit=(2.0,) * n,
        effort_limit=tuple(joint['effort'] for joint in joints), effort_rate_limit=(100.0,) * n,
        braking_acceleration=(0.01,) * n, inertia=(1.0,) * n, armature=(1.0,) * n,
        home=(0.0,) * n, control_period=0.005, decision_periods=4, physics_steps=2,
        action_scale=0.5, gravity_compensated=True, tip_link='tool')


def compare(ours, theirs, tool=0.1, **changes):
    """Return the differences between figures as URDF and datasheet, and figures as MJCF."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / 'arm.urdf').write_text(urdf(ours))
        (folder / 'arm.xml').write_text(mjcf(theirs, tool))
        robot = replace(robot_of(ours, folder / 'arm.urdf'), **changes)
        return check_robot(robot, (folder / 'arm.xml',)).differences


def changed(joint, field):
    amount, _ = CHANGES[field]
    if field == 'name':
        return {**joint, 'name': 'other'}
    if field == 'kind':
        return {**joint, 'kind': 'slide'}
    if field == 'axis':
        return {**joint, 'axis': -joint['axis']}
    if field == 'origin':  # to the side: along its axis it would be the same joint
        side = np.cross(joint['axis'], np.eye(3)[np.argmin(np.abs(joint['axis']))])
        return {**joint, 'origin': joint['origin'] + amount * side / np.linalg.norm(side)}
    if field == 'inertia':
        return {**joint, 'inertia': joint['inertia'] * (1.0 + amount)}
    return {**joint, field: joint[field] + amount}


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_one_robot_written_down_twice(seed):
    """`inertia` of the datasheet is made up, so it may be all that is found."""
    found = compare(draw(seed), draw(seed))
    assert not [line for line in found if 'inertia is 1 in the datasheet' not in line], found


@given(seed=st.integers(0, 10_000), field=st.sampled_from(sorted(CHANGES)), data=st.data())
def test_any_other_figure_is_named(seed, field, data):
    ours, theirs = draw(seed), draw(seed)
    i = data.draw(st.integers(0, len(ours) - 1))
    theirs[i] = changed(theirs[i], field)
    found = compare(ours, theirs)
    first = [line for line in found if 'is in the datasheet' not in line][0]
    assert first.startswith(f'joint j{i}'), found
    assert any(line.startswith(f'joint j{i}') and CHANGES[field][1] in line for line in found)
    if field not in ('origin', 'name'):  # these two move what comes behind them as well
        assert all(line.startswith(f'joint j{i}') for line in found), found


@given(seed=st.integers(0, 10_000), relative=st.floats(-5e-4, 5e-4))
@settings(max_examples=10)
def test_last_digits_are_no_difference(seed, relative):
    ours, theirs = draw(seed), draw(seed)
    for joint in theirs:
        joint['mass'] *= 1.0 + relative
        joint['inertia'] = joint['inertia'] * (1.0 + relative)
    assert all('in the datasheet' in line for line in compare(ours, theirs))


def test_order_tip_and_loose_limits():
    joints = draw(3)
    order = tuple(reversed([joint['name'] for joint in joints]))
    found = compare(joints, joints, joint_names=order, actuated=order)
    assert f'joint order: number 1 is {order[0]} in the datasheet, j0 in arm.urdf' in found
    found = compare(joints, joints, tool=0.12)
    assert any(line.startswith('tip_link tool: at (') for line in found)
    found = compare(joints, joints, tip_link='hand')
    assert any('tip_link: hand is no link of arm.urdf' in line for line in found)
    looser = (99.0,) + tuple(joint['effort'] for joint in joints[1:])
    found = compare(joints, joints, effort_limit=looser)
    assert any(line.startswith('joint j0: effort is ') and 'the datasheet says 99.0' in line
               for line in found)


@pytest.mark.parametrize('field, value, says', [
    ('inertia', 9.0, 'inertia is 9 in the datasheet'),
    ('braking_acceleration', 5000.0, 'braking_acceleration 5000 takes'),
    ('home', 6.0, 'home 6 is not between its limits')])
def test_figures_that_no_model_has_are_judged_at_home(field, value, says):
    robot = resolve('robot', 'ur5e')
    values = (*getattr(robot, field)[:2], value, *getattr(robot, field)[3:])
    found = check_robot(replace(robot, **{field: values})).differences
    assert any(line.startswith('joint elbow_joint: ') and says in line for line in found), found


def test_a_robot_too_weak_to_hold_itself():
    robot = resolve('robot', 'ur5e')
    found = check_robot(replace(robot, effort_limit=(10.0,) * 6,
                                braking_acceleration=(0.1,) * 6)).differences
    assert any('to hold the robot at home' in line for line in found)


@pytest.mark.parametrize('name', names('robot'))
def test_our_own_robots_have_no_differences(name):
    assert check_robot(resolve('robot', name)).differences == ()
