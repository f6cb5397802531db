"""Every robot that can be found by name: datasheet, URDF and model say the same."""

from functools import cache
import math

import mujoco
import numpy as np
import pytest
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.urdf import differences
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.sim.world import World

ROBOTS = pytest.mark.parametrize('robot', [resolve('robot', name) for name in names('robot')],
                                 ids=lambda robot: robot.name)


@cache
def world(robot):
    return World(robot)


@ROBOTS
def test_the_datasheet_is_covered_by_the_urdf(robot):
    joints = parse_joints(urdf_path(robot).read_text())
    assert differences(robot, joints) == []
    assert set(robot.joint_names) == set(joints)
    assert resolve('robot', robot.name) is robot


@ROBOTS
def test_the_model_has_the_joints_of_the_datasheet(robot):
    model = build_spec(robot).compile()
    assert [model.joint(i).name for i in range(model.njnt)] == list(robot.joint_names)
    # One number per joint in positions and in velocities, in the same order.
    assert model.nq == model.nv == model.njnt
    joints = parse_joints(urdf_path(robot).read_text())
    for i, name in enumerate(robot.joint_names):
        if math.isfinite(joints[name].lower):
            assert model.jnt_limited[i]
            assert model.jnt_range[i].tolist() == [joints[name].lower, joints[name].upper]
        else:
            assert not model.jnt_limited[i]
    for i, name in enumerate(robot.actuated):
        assert model.joint(name).armature[0] == robot.armature[i]
        lower, upper = model.joint(name).range
        if model.jnt_limited[model.joint(name).id]:
            assert lower <= robot.position_lower[i] < robot.position_upper[i] <= upper


@ROBOTS
def test_physics_divides_the_control_period(robot):
    timestep = world(robot).model.opt.timestep
    assert timestep * robot.physics_steps == robot.control_period
    # Stamps are whole nanoseconds, so the clock does not drift from the physics.
    assert round(robot.control_period * 1e9) == robot.control_period * 1e9


@ROBOTS
def test_home(robot):
    home = np.array(robot.home)[robot.actuated_index]
    assert (home > robot.position_lower).all() and (home < robot.position_upper).all()
    assert world(robot).data.ncon == 0


@ROBOTS
def test_a_link_never_touches_its_parent(robot):
    """Only moving neighbours may overlap: MuJoCo does not look away between base and link 1."""
    plant = World(robot)
    rng = np.random.default_rng(0)
    for _ in range(100):
        plant.reset(rng.uniform(-math.pi, math.pi, len(robot.joint_names)),
                    np.zeros(len(robot.joint_names)))
        for pair in plant.model.geom_bodyid[plant.data.contact.geom]:
            assert plant.model.body_parentid[pair.max()] != pair.min() or pair.min() == 0


@ROBOTS
def test_it_stays_at_home_when_its_weight_is_carried(robot):
    """Effort 0 does where the robot compensates gravity itself, otherwise it takes g(q)."""
    plant = World(robot)
    weight = (plant.data.qfrc_bias - plant.data.qfrc_passive)[
        [plant.model.joint(name).dofadr[0] for name in robot.actuated]]
    assert (np.abs(weight) < 0.7 * np.array(robot.effort_limit)).all()
    if robot.gravity_compensated:
        assert np.abs(weight).max() < 1e-9
        weight = np.zeros(len(robot.actuated))
    for _ in range(round(2.0 / robot.control_period)):
        plant.step(weight)
    assert np.abs(plant.position - robot.home).max() < 1e-6
    assert np.abs(plant.velocity).max() < 1e-6


@ROBOTS
def test_gravity_compensation_is_the_robots_own(robot):
    model = world(robot).model
    moving = [i for i in range(1, model.nbody) if model.body_mass[i] > 0.0]
    assert moving and (model.body_gravcomp[moving] == float(robot.gravity_compensated)).all()
    assert model.opt.gravity.tolist() == [0.0, 0.0, -9.81]


@ROBOTS
def test_inertia_of_the_datasheet_is_that_of_home(robot):
    """Never more than the real one, for it scales gains, and not much less."""
    plant = world(robot)
    matrix = np.zeros((plant.model.nv, plant.model.nv))
    for i, unit in enumerate(np.eye(plant.model.nv)):
        mujoco.mj_mulM(plant.model, plant.data, matrix[i], unit)
    index = [plant.model.joint(name).dofadr[0] for name in robot.actuated]
    effective = 1.0 / np.diag(np.linalg.inv(matrix))[index]
    assert (np.array(robot.inertia) <= 1.1 * effective).all()
    assert (np.array(robot.inertia) >= 0.25 * effective).all()
    # And the motors can brake it as promised.
    assert (np.array(robot.braking_acceleration) * effective <= robot.effort_limit).all()


@ROBOTS
def test_actions_stay_within_the_limits(robot):
    assert (robot.action_to_effort <= robot.effort_limit).all()
    assert (robot.action_to_effort > 0.0).all()
