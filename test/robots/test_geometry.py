from dataclasses import replace

import mujoco
import numpy as np
import pytest
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.robots.model import build_spec

LOWER, UPPER = np.array(ROBOT.position_lower), np.array(ROBOT.position_upper)

SHAPES = """<robot name="shapes">
  <mujoco><compiler discardvisual="true" fusestatic="false"/></mujoco>
  <link name="base"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0"
    iyz="0"/></inertial><collision><geometry><sphere radius="0.1"/></geometry></collision></link>
  <joint name="slide" type="prismatic"><parent link="base"/><child link="cart"/>
    <origin xyz="0 0 0.3" rpy="0.3 0 0"/><axis xyz="1 0 0"/>
    <limit lower="-0.5" upper="0.7" velocity="1" effort="1"/></joint>
  <link name="cart"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0"
    iyz="0"/></inertial><collision><origin xyz="0 0.1 0" rpy="0.1 0.2 0.3"/>
    <geometry>{shape}</geometry></collision></link>
  <joint name="turn" type="continuous"><parent link="cart"/><child link="disc"/>
    <origin xyz="0.2 0 0.3"/><axis xyz="0 1 0"/><limit velocity="1" effort="1"/></joint>
  <link name="disc"><inertial><mass value="1"/><inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0"
    iyz="0"/></inertial><collision><origin xyz="0.2 0 0"/><geometry>
    <cylinder radius="0.2" length="0.1"/></geometry></collision></link>
</robot>"""


def make_shapes(path, shape='<box size="0.2 0.6 0.1"/>'):
    urdf = path / 'shapes.urdf'
    urdf.write_text(SHAPES.format(shape=shape))
    two = (1.0, 1.0)
    return replace(ROBOT, name='shapes', urdf=str(urdf), joint_names=('turn', 'slide'),
                   actuated=('turn', 'slide'), position_lower=(-np.inf, -0.5),
                   position_upper=(np.inf, 0.7), velocity_limit=two, effort_limit=two,
                   effort_rate_limit=two, braking_acceleration=two, inertia=two, armature=two,
                   home=(0.0, 0.0), tip_link='')


def test_capsules_lie_where_the_model_has_them():
    geometry = MujocoGeometry(ROBOT)
    model = build_spec(ROBOT).compile()
    data = mujoco.MjData(model)
    assert geometry.links == tuple(f'link{i}' for i in range(8))
    positions = np.random.default_rng(0).uniform(LOWER, UPPER, (20, 7))
    many = geometry.capsules(positions)
    for position, capsules in zip(positions, many):
        assert (geometry.capsules(position) == capsules).all()
        data.qpos[:] = position
        mujoco.mj_kinematics(model, data)
        half = model.geom_size[:, 1:2] * data.geom_xmat.reshape(-1, 3, 3)[:, :, 2]
        expected = np.stack((data.geom_xpos - half, data.geom_xpos + half), axis=1)
        # MuJoCo's frames are orthonormal, and taken for one another, to six digits.
        np.testing.assert_allclose(capsules, expected, atol=1e-6)
    assert geometry.radius.tolist() == model.geom_size[:, 0].tolist()
    np.testing.assert_allclose(np.linalg.norm(many[:, :, 1] - many[:, :, 0], axis=2),
                               np.tile(geometry.length, (20, 1)), atol=1e-6)


@pytest.mark.parametrize('kind', ['arm7', 'shapes'])
def test_nothing_is_further_from_a_joint_than_its_reach(kind, tmp_path):
    robot = ROBOT if kind == 'arm7' else make_shapes(tmp_path)
    geometry = MujocoGeometry(robot)
    model = build_spec(robot).compile()
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    low = np.maximum(robot.position_lower, -4.0)
    high = np.minimum(robot.position_upper, 4.0)
    joints = [model.joint(name) for name in robot.actuated]
    furthest = np.zeros_like(geometry.reach)
    for position in rng.uniform(low, high, (150, len(joints))):
        capsules = geometry.capsules(position)
        data.qpos[[joint.qposadr[0] for joint in joints]] = position
        mujoco.mj_kinematics(model, data)
        for j, joint in enumerate(joints):
            from_axis = np.linalg.norm(np.cross(capsules - data.xanchor[joint.id],
                                                data.xaxis[joint.id]), axis=-1).max(axis=1)
            furthest[:, j] = np.maximum(furthest[:, j], from_axis)
            other = position.copy()
            other[j] += 1e-3
            moved = np.linalg.norm(geometry.capsules(other) - capsules, axis=-1).max(axis=1)
            assert (moved <= 1e-3 * geometry.reach[:, j] * geometry.moves[:, j] + 1e-9).all()
    turning = [j for j, joint in enumerate(joints) if joint.type[0] == mujoco.mjtJoint.mjJNT_HINGE]
    assert (furthest <= geometry.reach + 1e-9)[:, turning].all()
    # A bound far too large would pass as well, and make the limit timid.
    assert (geometry.reach <= 1.35 * furthest + 0.25)[:, turning].all()


def test_a_capsule_encloses_its_shape(tmp_path):
    robot = make_shapes(tmp_path)
    geometry = MujocoGeometry(robot)
    assert geometry.links == ('base', 'cart', 'disc')
    assert geometry.length.tolist() == pytest.approx([0.0, 0.6, 0.1])
    assert geometry.radius.tolist() == pytest.approx([0.1, np.hypot(0.1, 0.05), 0.2])
    assert geometry.moves.tolist() == [[False, False], [False, True], [True, True]]
    model = build_spec(robot).compile()
    data = mujoco.MjData(model)
    position = np.array([0.4, -0.3])
    data.qpos[[model.joint(name).qposadr[0] for name in robot.actuated]] = position
    mujoco.mj_kinematics(model, data)
    start, end = geometry.capsules(position)[1]
    corners = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T
    box = corners * model.geom_size[1] @ data.geom_xmat[1].reshape(3, 3).T + data.geom_xpos[1]
    share = np.clip((box - start) @ (end - start) / 0.36, 0.0, 1.0)
    off = np.linalg.norm(box - start - share[:, None] * (end - start), axis=1)
    assert (off <= geometry.radius[1] + 1e-9).all()


def test_what_has_no_capsule_is_refused(tmp_path):
    (tmp_path / 'part.obj').write_text(
        'v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n')
    robot = make_shapes(tmp_path, f'<mesh filename="{tmp_path}/part.obj"/>')
    spec = (tmp_path / 'shapes.urdf').read_text()
    (tmp_path / 'shapes.urdf').write_text(spec.replace('discardvisual',
                                                       'strippath="false" discardvisual'))
    with pytest.raises(ValueError, match='link cart has a collision shape of type mjGEOM_MESH'):
        MujocoGeometry(robot)


def test_a_joint_without_a_motor_is_refused():
    with pytest.raises(ValueError, match="cartpole: joints \\['hinge'\\] have no motor"):
        MujocoGeometry(CARTPOLE)
