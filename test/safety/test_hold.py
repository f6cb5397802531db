import math

import numpy as np
import pytest
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.hold import ControlledStop
from rl_robot_ros.safety.limits import JointLimits
from safety.robots import continuous
from safety.robots import make_mixed_robot
from safety.robots import make_robot
from safety.robots import PERIOD
from safety.robots import Plant


def make(robot, **changes):
    return ControlledStop(robot, JointLimits.from_robot(robot), SafetyConfig(**changes),
                          np.array(robot.braking_acceleration))


@pytest.mark.parametrize('inertia,later', [(0.7, 2.0), (1.0, 0.02), (1.4, 2.0)])
def test_every_joint_brakes_evenly_then_stays(inertia, later):
    robot = make_mixed_robot()
    stop = make(robot)
    speed = 0.9 * np.array(robot.velocity_limit) * [1, -1, 1, -1, 1, -1]
    plant = Plant(robot, 0.0, speed, inertia)
    braking_time = np.abs(speed) / robot.braking_acceleration
    distance = speed**2 / (2.0 * np.array(robot.braking_acceleration))
    most = np.array(robot.effort_limit)
    rested = None
    for k in range(1000):
        effort = stop.effort(plant.position, plant.velocity)
        plant.move(np.clip(effort, -most, most))
        if rested is None and stop.at_rest(plant.velocity):
            rested = k * PERIOD
    assert rested <= braking_time.max() + later
    assert np.abs(plant.velocity).max() < 1e-3
    np.testing.assert_allclose(np.abs(plant.position), distance, rtol=0.02, atol=1e-3)
    assert np.abs(effort).max() < 0.5


def test_it_stands_against_a_push():
    robot = make_robot(1)
    stop, plant = make(robot), Plant(robot, 0.3)
    for _ in range(600):
        plant.move(stop.effort(plant.position, plant.velocity) + 5.0)
    assert plant.position[0] == pytest.approx(0.3 + 5.0 / (1.2 * stop.stiffness[0]), abs=1e-3)
    stop.release()
    assert stop.effort(plant.position, np.zeros(1))[0] == 0.0, 'it holds where it stands now'


def test_gains_follow_from_inertia_and_are_lowered_for_weak_motors():
    robot = make_robot(2, inertia=(1.0, 1.0), effort_limit=(87.0, 10.0))
    stop = make(robot, hold_frequency=2.0, hold_damping=0.8)
    omega = 4.0 * math.pi
    assert stop.stiffness[0] == pytest.approx(omega**2)
    assert stop.damping[0] == pytest.approx(2.0 * 0.8 * omega)
    assert stop.damping[1] == pytest.approx(5.0), 'stops from 2 rad/s with 10 N m'
    assert stop.stiffness[1] == pytest.approx((5.0 / 1.6)**2), 'with the same damping ratio'


def test_gains_are_lowered_for_slow_control():
    stop = make(make_robot(1), hold_frequency=50.0, hold_damping=1.0, envelope_gain=0.3)
    assert stop.damping[0] == pytest.approx(87.0 / 2.0 / 1.2), 'stops from 2 rad/s with 87 N m'
    stop = make(make_robot(1, effort_limit=(1e6,)), hold_frequency=50.0, envelope_gain=0.3)
    assert stop.damping[0] == pytest.approx(0.3 / PERIOD)


def test_blind_braking_follows_the_last_motion_then_lets_go():
    robot = make_robot(2)
    stop = make(robot, blind_brake=0.1)
    position, velocity = np.zeros(2), np.array([1.6, 0.04])
    efforts = [stop.blind_effort(position, velocity).copy() for _ in range(30)]
    assert efforts[0][0] == pytest.approx(-1.2 * 8.0)
    assert efforts[0][1] == pytest.approx(-1.2 * 8.0) and efforts[1][1] == 0.0
    assert efforts[19][0] == pytest.approx(-1.2 * 8.0)
    assert efforts[20].tolist() == [0.0, 0.0]
    stop.effort(position, np.zeros(2))
    assert stop.blind_effort(position, velocity)[0] < 0.0, 'a state in between starts it anew'
    for _ in range(30):
        stop.blind_effort(position, velocity)
    stop.release()
    assert stop.blind_effort(position, velocity)[0] < 0.0


def test_blind_braking_adds_up_to_a_stop():
    robot = make_robot(1)
    plant, stop = Plant(robot, 0.0, 1.5), make(robot)
    for _ in range(100):
        plant.move(stop.blind_effort(np.zeros(1), np.full(1, 1.5)))
    assert plant.velocity[0] == pytest.approx(0.0, abs=1e-9)


def test_lost_periods_count():
    robot = make_robot(1)
    once, often = make(robot), make(robot)
    start, speed = np.zeros(1), np.full(1, 2.0)
    once.effort(start, speed, 4)
    for _ in range(4):
        often.effort(start, speed, 1)
    assert once.effort(start, speed)[0] == pytest.approx(often.effort(start, speed)[0])


def test_a_joint_that_turns_for_ever_is_held_the_short_way():
    stop = make(continuous(make_robot(1)))
    stop.effort(np.full(1, math.pi - 0.01), np.zeros(1))
    pull = stop.effort(np.full(1, -math.pi + 0.01), np.zeros(1))[0]
    assert pull == pytest.approx(-0.02 * 1.2 * stop.stiffness[0])
    limited = make(make_robot(1))
    limited.effort(np.full(1, 1.4), np.zeros(1))
    assert limited.effort(np.full(1, -1.9), np.zeros(1))[0] == pytest.approx(
        3.3 * 1.2 * limited.stiffness[0])


def test_at_rest():
    stop = make(make_robot(1), standstill=0.02)
    assert not stop.at_rest(np.zeros(1)), 'nothing holds it yet'
    stop.effort(np.zeros(1), np.full(1, 0.5))
    assert not stop.at_rest(np.zeros(1)), 'the reference still moves'
    for _ in range(20):
        stop.effort(np.zeros(1), np.zeros(1))
    assert stop.at_rest(np.full(1, 0.04)) and not stop.at_rest(np.full(1, -0.05))
    stop.release()
    assert not stop.at_rest(np.zeros(1))
