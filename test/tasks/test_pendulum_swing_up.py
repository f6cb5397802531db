import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.robots.pendulum import ROBOT
from rl_robot_ros.tasks.pendulum_swing_up import PendulumSwingUp
from rl_robot_ros.tasks.pendulum_swing_up import PendulumSwingUpConfig

NOTHING = np.zeros(1)


def judge(task, angle=0.0, speed=0.0, action=0.0):
    return task.evaluate(np.array([angle]), np.array([speed]), np.array([action]), NOTHING)


@given(angle=st.floats(-20.0, 20.0), speed=st.floats(-8.0, 8.0), action=st.floats(-1.0, 1.0))
def test_reward_is_that_of_gymnasium(angle, speed, action):
    """Pendulum-v1: normalised angle^2 + 0.1 speed^2 + 0.001 torque^2, torque up to 2 N m."""
    outcome = judge(PendulumSwingUp(ROBOT), angle, speed, action)
    normalised = (angle + math.pi) % (2.0 * math.pi) - math.pi
    expected = (-normalised**2, -0.1 * speed**2, -0.001 * (2.0 * action)**2)
    assert outcome.terms.tolist() == pytest.approx(expected, abs=1e-6)
    assert outcome.reward == pytest.approx(sum(expected), abs=1e-6) and not outcome.terminated


def test_success_is_upright_long_enough():
    task = PendulumSwingUp(ROBOT)
    for start in (0.0, 2.0 * math.pi):
        task.begin(NOTHING)
        assert not any(judge(task, start + 0.2).success for _ in range(99))
        assert judge(task, start - 0.2).success
        assert not judge(task, start + 0.22).success and not judge(task, start).success


@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, math.pi))
def test_start(seed, spread):
    task = PendulumSwingUp(ROBOT, PendulumSwingUpConfig(start_angle=spread))
    (angle,), (speed,) = task.initial_state(np.random.default_rng(seed))
    assert abs(angle - math.pi) <= spread and abs(speed) <= 1.0


def test_observation():
    observed = PendulumSwingUp(ROBOT).observe(np.array([0.3]), np.array([-2.0]), NOTHING)
    assert observed.tolist() == [math.cos(0.3), math.sin(0.3), -2.0]


def test_other_robots():
    with pytest.raises(ValueError, match='cartpole has slider, hinge; use robot:=pendulum'):
        PendulumSwingUp(CARTPOLE)


def test_the_motor_cannot_lift_it_in_one_go_but_can_swing_it_up():
    """Full torque hangs it at asin(2 / 4.905); pumping with the velocity brings it up."""
    def run(policy):
        env = RobotEnv.make('pendulum', 'pendulum_swing_up', {'task.start_angle': 0.0,
                                                              'task.start_velocity': 0.0})
        observation, _ = env.reset(seed=0)
        heights = []
        for _ in range(200):
            observation, *_ = env.step(policy(observation))
            heights.append(observation[0])
        return max(heights)

    assert run(lambda observation: [1.0]) < 0.0
    assert run(lambda observation: [1.0 if observation[2] >= 0.0 else -1.0]) > 0.9
