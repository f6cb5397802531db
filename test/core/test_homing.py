"""The way home of a real robot: a reference within its limits, and a plant that arrives."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.homing import Homing
from rl_robot_ros.core.homing import HomingConfig
from rl_robot_ros.core.homing import WayHome
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.sim.world import World

ARM = resolve('robot', 'arm7')
SPEED, BRAKING = np.array([0.5, 1.0]), np.array([2.0, 1.0])
FIXED = np.zeros(2, dtype=bool)
numbers = st.floats(-3.0, 3.0)
pairs = st.tuples(numbers, numbers).map(np.array)


@given(pairs, pairs, pairs)
def test_the_reference_starts_as_the_robot_moves_and_ends_at_home(start, velocity, home):
    way = WayHome(start, velocity, home, FIXED, SPEED, BRAKING)
    position, speed, _ = way.at(0.0)
    assert position == pytest.approx(start) and speed == pytest.approx(velocity)
    for time in (way.end, way.end + 100.0):
        position, speed, acceleration = way.at(time)
        assert position == pytest.approx(home, abs=1e-9)
        assert speed == pytest.approx(np.zeros(2), abs=1e-9)
        assert acceleration == pytest.approx(np.zeros(2), abs=1e-9)


@given(pairs, pairs, pairs)
def test_the_reference_is_smooth_and_within_its_limits(start, velocity, home):
    way = WayHome(start, velocity, home, FIXED, SPEED, BRAKING)
    times = np.linspace(0.0, way.end, 201)
    position, speed, acceleration = (np.array(values) for values in zip(*map(way.at, times)))
    assert (np.abs(speed) <= np.maximum(SPEED, np.abs(velocity)) + 1e-9).all()
    assert (np.abs(acceleration) <= BRAKING + 1e-9).all()
    step = times[1]
    moved = np.diff(position, axis=0)
    assert moved == pytest.approx(0.5 * step * (speed[1:] + speed[:-1]), abs=BRAKING.max()
                                  * step**2)
    # Nobody waits: the joint that needs longest uses what it may.
    if way.moving > 1e-3:
        most = np.max(np.abs(acceleration[times >= way.braking]) / BRAKING)
        fastest = np.max(np.abs(speed[times >= way.braking]) / SPEED)
        assert max(most, fastest) > 0.9


def test_continuous_joints_take_the_shorter_way_round():
    way = WayHome(np.array([3.0, 3.0]), np.zeros(2), np.array([-3.0, -3.0]),
                  np.array([True, False]), SPEED, BRAKING)
    position, _, _ = way.at(way.end)
    assert position == pytest.approx([2.0 * np.pi - 3.0, -3.0])


class Driven:
    """A simulated robot that does what homing asks for."""

    def __init__(self, robot, dynamics=True, config=HomingConfig(), brake=False, **start):
        self.robot, self.world = robot, World(robot)
        self.lifts = None if robot.gravity_compensated else dynamics_of(robot)
        self.homing = Homing(robot, config, dynamics_of(robot) if dynamics else None)
        self.world.reset(start.get('position', np.array(robot.home)),
                         start.get('velocity', np.zeros(len(robot.joint_names))))
        self.brake, self.stamp, self.fastest = brake, 10**12, 0.0
        self.homing.begin()

    def step(self, source='policy'):
        """Advance by one control period; returns what was asked for."""
        homing, world = self.homing, self.world
        effort = homing.on_state(self.stamp, world.position, world.velocity)
        homing.on_command(source)
        applied = np.zeros(len(self.robot.actuated))
        if effort is not None and source == 'policy':
            applied += effort
        if self.lifts is not None:
            applied = applied + self.lifts.gravity(world.position)
        if not self.brake:
            world.step(applied)
        self.fastest = max(self.fastest, float(np.max(
            np.abs(world.velocity) / np.array(self.robot.velocity_limit))))
        self.stamp += round(1e9 * self.robot.control_period)
        return effort

    def arrive(self, most=6000):
        for _ in range(most):
            self.step()
            if not self.homing.active:
                return
        raise AssertionError(f'not home: {self.world.position - np.array(self.robot.home)}')


@pytest.mark.parametrize('name, dynamics', [('arm7', True), ('planar2', True), ('arm7', False)])
def test_robots_come_home(name, dynamics):
    robot = resolve('robot', name)
    rng = np.random.default_rng(1)
    low, high = np.array(robot.position_lower), np.array(robot.position_upper)
    home = np.array(robot.home)
    start = np.clip(home + rng.uniform(-0.5, 0.5, len(home)), 0.9 * low, 0.9 * high)
    robot_driven = Driven(robot, dynamics, HomingConfig(acceleration=0.5), position=start,
                          velocity=0.2 * rng.uniform(-1, 1, len(home))
                          * np.array(robot.velocity_limit))
    robot_driven.arrive()
    assert np.abs(robot_driven.world.position - home).max() <= 0.05
    assert robot_driven.fastest < 0.6
    assert robot_driven.homing.episode == 1 and robot_driven.homing.counts == {
        'homings': 1, 'homings_failed': 0}


def test_the_reference_waits_for_the_filter_and_for_people():
    away = np.array(ARM.home) + 0.5
    driven = Driven(ARM, position=away)
    for source in ['hold'] * 400 + ['teleop'] * 400:
        assert np.abs(driven.step(source)).max() < 2.0  # nothing winds up meanwhile
    assert np.abs(driven.world.position - away).max() < 0.01
    driven.arrive()


def test_a_stop_is_waited_out_in_silence():
    driven = Driven(ARM, position=np.array(ARM.home) + 0.3)
    for _ in range(20):
        assert driven.step() is not None
    driven.step('stop')
    assert driven.homing.waiting == 'safety_filter'
    for _ in range(300):
        assert driven.step('stop') is None
    assert driven.step('hold') is None  # this state came before the reset of the filter
    assert driven.step('hold') is not None
    driven.arrive()


def test_a_robot_that_does_not_arrive_is_left_to_a_person():
    config = HomingConfig(timeout=0.2)
    driven = Driven(ARM, config=config, brake=True, position=np.array(ARM.home) - 0.3)
    for _ in range(5000):
        if driven.step() is None:
            break
    assert 'is 0.3 away' in driven.homing.complaint
    assert 'a person' in driven.homing.waiting and driven.homing.active
    assert driven.homing.counts == {'homings': 1, 'homings_failed': 1}
    for source in ('policy', 'hold', 'stop'):
        assert driven.step(source) is None
    driven.brake = False
    driven.step('hold')  # somebody has reset the filter
    assert driven.homing.complaint == ''
    driven.arrive()


def test_a_robot_that_passes_its_home_is_not_there():
    homing, home, still = Homing(ARM), np.array(ARM.home), np.zeros(7)
    homing.begin()
    homing.on_state(1, home, still)
    homing.on_command('policy')
    assert homing.on_state(10_000_000, home, still + 0.1) is not None and homing.active
    assert homing.on_state(15_000_000, home + 0.06, still) is not None and homing.active
    assert homing.on_state(20_000_000, home + 0.04, still) is None and not homing.active


def test_older_stamps_begin_anew():
    driven = Driven(ARM, position=np.array(ARM.home) + 0.3)
    for _ in range(20):
        driven.step()
    driven.stamp = 1
    assert np.abs(driven.step()).max() < 20.0
    driven.arrive()


def test_nothing_is_asked_for_where_nobody_is_to_go_home():
    homing = Homing(replace(ARM))
    assert homing.on_state(1, np.array(ARM.home), np.zeros(7)) is None and not homing.active
    homing.begin()
    homing.begin()
    assert homing.counts['homings'] == 1
