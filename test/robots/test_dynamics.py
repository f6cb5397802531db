from dataclasses import replace

import mujoco
import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.from_urdf import robot_from_urdf
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.sim.world import World

ARM = resolve('robot', 'arm7')
HEAVY = replace(ARM, gravity_compensated=False)
rng = np.random.default_rng(0)


def states(robot, count=20):
    lower, upper = np.array(robot.position_lower), np.array(robot.position_upper)
    for _ in range(count):
        yield (rng.uniform(lower, upper), rng.uniform(-2.0, 2.0, len(lower)),
               rng.uniform(-20.0, 20.0, len(lower)))


@pytest.mark.parametrize('robot', [ARM, HEAVY, resolve('robot', 'planar2')],
                         ids=['compensated', 'not compensated', 'planar2'])
def test_the_equation_of_motion_is_that_of_the_simulation(robot):
    dynamics, world = MujocoDynamics(robot), World(robot)
    world.model.geom_contype[:] = 0
    for position, velocity, effort in states(robot):
        world.reset(position, velocity)
        world.data.qfrc_applied[:] = effort
        mujoco.mj_forward(world.model, world.data)
        mass, bias = dynamics.evaluate(position, velocity)
        assert mass @ world.data.qacc + bias == pytest.approx(effort, abs=1e-8)
        assert dynamics.solve(effort - bias) == pytest.approx(world.data.qacc, abs=1e-8)
        assert np.linalg.eigvalsh(mass).min() > 0.0


def test_gravity_is_what_holds_the_arm_whether_or_not_it_is_compensated():
    free, heavy = MujocoDynamics(ARM), MujocoDynamics(HEAVY)
    for position, velocity, _ in states(ARM):
        still = np.zeros(7)
        gravity = heavy.gravity(position).copy()
        assert heavy.evaluate(position, still)[1] == pytest.approx(gravity)
        assert free.gravity(position) == pytest.approx(gravity)
        assert free.evaluate(position, still)[1] == pytest.approx(still, abs=1e-9)
        both = heavy.evaluate(position, velocity)[1] - free.evaluate(position, velocity)[1]
        assert both == pytest.approx(gravity)
    assert free.compensated and not heavy.compensated


def test_joints_come_in_the_order_of_the_datasheet():
    back = slice(None, None, -1)
    names = ('actuated', 'joint_names', 'armature', 'home', 'position_lower', 'position_upper',
             'velocity_limit', 'effort_limit', 'effort_rate_limit', 'braking_acceleration',
             'inertia')
    turned = replace(HEAVY, **{name: getattr(HEAVY, name)[back] for name in names})
    one, other = MujocoDynamics(HEAVY), MujocoDynamics(turned)
    for position, velocity, effort in states(ARM, 3):
        mass, bias = one.evaluate(position, velocity)
        mirrored, mirrored_bias = other.evaluate(position[back], velocity[back])
        assert mirrored == pytest.approx(mass[back, back])
        assert mirrored_bias == pytest.approx(bias[back])
        assert other.solve(effort[back]) == pytest.approx(one.solve(effort)[back])
        assert other.gravity(position[back]) == pytest.approx(one.gravity(position)[back])


def test_a_payload_is_known_and_felt():
    bare, loaded = MujocoDynamics(HEAVY), MujocoDynamics(HEAVY, payload=2.0)
    stretched = np.array([0.0, np.pi / 2, 0.0, 0.0, 0.0, 0.0, 0.0])
    more = loaded.gravity(stretched) - bare.gravity(stretched)
    assert abs(more[1]) > 2.0 * 9.81 * 0.5, 'half a metre away at least'
    compensated = MujocoDynamics(ARM, payload=2.0)
    assert compensated.evaluate(stretched, np.zeros(7))[1] == pytest.approx(more), \
        "the robot's own controller does not know it"
    with pytest.raises(ValueError, match='no tip_link to hold a payload'):
        MujocoDynamics(replace(ARM, tip_link=''), payload=1.0)


def test_heavier_links_weigh_more():
    heavier = MujocoDynamics(HEAVY, mass_scale=(1.2,) * 7)
    bare = MujocoDynamics(HEAVY)
    home = np.array(ARM.home)
    assert heavier.gravity(home) == pytest.approx(1.2 * bare.gravity(home))


def test_a_joint_without_a_motor_has_no_model():
    cartpole = resolve('robot', 'cartpole')
    assert dynamics_of(cartpole) is None
    pendulum = resolve('robot', 'pendulum')
    assert dynamics_of(pendulum) is None and dynamics_of(replace(pendulum, lifted=True))
    with pytest.raises(ValueError, match=r"no model for the safety filter: joints \['hinge'\]"):
        MujocoDynamics(cartpole)


def test_any_urdf_with_limits_becomes_a_robot():
    robot = robot_from_urdf(urdf_path(ARM), gravity_compensated=True)
    assert robot.actuated == ARM.actuated and robot.position_lower == ARM.position_lower
    assert robot.velocity_limit == ARM.velocity_limit and robot.effort_limit == ARM.effort_limit
    assert robot.braking_acceleration[0] == pytest.approx(2.175 / 0.4)
    assert MujocoDynamics(robot).evaluate(np.array(robot.home), np.zeros(7))[0].shape == (7, 7)


@pytest.mark.parametrize('text, message', [
    ('<robot name="x"><link name="a"/></robot>', 'no movable joint'),
    ('<robot name="x"><joint name="j" type="revolute"/></robot>', 'joint j has lower limit nan'),
    ('<robot name="x"><joint name="j" type="continuous"><limit effort="0" velocity="1"/></joint>'
     '</robot>', 'joint j has effort limit 0.0; the safety filter needs one'),
    ('nonsense', 'is not XML')])
def test_a_urdf_without_limits_is_refused(tmp_path, text, message):
    path = tmp_path / 'robot.urdf'
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        robot_from_urdf(path)
    with pytest.raises(FileNotFoundError, match='no URDF at'):
        robot_from_urdf(tmp_path / 'none.urdf')
