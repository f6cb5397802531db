from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.robots.arm7 import ROBOT as ARM7
from rl_robot_ros.robots.cartpole import ROBOT
from rl_robot_ros.tasks.balance import Balance
from rl_robot_ros.tasks.balance import BalanceConfig
from rl_robot_ros.tasks.swing_up import SwingUp

NOTHING = np.zeros(1)
BOTH = pytest.mark.parametrize('cls', [Balance, SwingUp])


def judge(task, x=0.0, angle=0.0, speed=0.0, action=0.0):
    return task.evaluate(np.array([x, angle]), np.array([0.0, speed]), np.array([action]),
                         NOTHING)


@BOTH
@given(x=st.floats(-3.0, 3.0), angle=st.floats(-20.0, 20.0), speed=st.floats(-9.0, 9.0),
       action=st.floats(-1.0, 1.0))
def test_reward_is_the_documented_sum(cls, x, angle, speed, action):
    config = cls.Config(upright=2.0, centre=0.3, spin=0.01, energy=0.5)
    outcome = judge(cls(ROBOT, config), x, angle, speed, action)
    expected = (2.0 * (1.0 + math.cos(angle)) / 2.0, -0.3 * x * x, -0.01 * speed * speed,
                -0.5 * action * action)
    assert outcome.terms.tolist() == pytest.approx(expected, abs=1e-9)
    assert outcome.reward == pytest.approx(sum(expected), abs=1e-9)


@pytest.mark.parametrize('angle, x, fallen', [
    (0.0, 0.0, False), (0.2, 0.0, False), (0.22, 0.0, True), (-0.22, 0.0, True),
    (math.pi, 0.0, True), (2.0 * math.pi + 0.2, 0.0, False), (0.0, 2.19, False),
    (0.0, -2.19, False), (0.0, 2.21, True), (0.0, -2.21, True), (math.nan, 0.0, True),
    (0.0, math.nan, True)])
def test_end(angle, x, fallen):
    assert judge(Balance(ROBOT), x, angle).terminated == fallen
    assert not judge(SwingUp(ROBOT), x, angle).terminated


@BOTH
def test_success_is_upright_long_enough(cls):
    task = cls(ROBOT)
    states = round(task.config.success_time / ROBOT.control_period)
    turn = 2.0 * math.pi
    for start in (0.0, turn, -turn):
        task.begin(NOTHING)
        for _ in range(states - 1):
            assert not judge(task, angle=start + 0.2).success
        assert judge(task, angle=start - 0.2).success and judge(task, angle=start).success
        assert not judge(task, angle=start + 0.22).success
        assert not judge(task, angle=start).success


@BOTH
def test_observation(cls):
    task = cls(ROBOT)
    observed = task.observe(np.array([0.5, 0.3]), np.array([-1.0, 2.0]), NOTHING)
    assert observed.tolist() == [0.5, -1.0, math.cos(0.3), math.sin(0.3), 2.0]


@pytest.mark.parametrize('cls, angle', [(Balance, 0.0), (SwingUp, math.pi)])
@given(seed=st.integers(0, 10**6), spread=st.floats(0.0, 2.0))
def test_start(cls, angle, seed, spread):
    task = cls(ROBOT, cls.Config(start_position=spread))
    (x, tilt), velocity = task.initial_state(np.random.default_rng(seed))
    assert abs(x) <= spread and abs(tilt - angle) <= 0.05 and np.abs(velocity).max() <= 0.05
    assert not task.evaluate(np.array([x, tilt]), velocity, NOTHING, NOTHING).terminated


@BOTH
def test_other_robots(cls):
    with pytest.raises(ValueError, match='arm7 has joint1, .*use robot:=cartpole'):
        cls(ARM7)
    swapped = replace(ROBOT, joint_names=('hinge', 'slider'))
    with pytest.raises(ValueError, match='joints slider and hinge'):
        cls(swapped)


def test_configurations():
    assert Balance(ROBOT, BalanceConfig(max_episode_steps=7)).max_episode_steps == 7
    assert isinstance(SwingUp(ROBOT).config, SwingUp.Config)
