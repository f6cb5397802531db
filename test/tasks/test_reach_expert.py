import numpy as np
import pytest
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.tasks.reach_expert import DAMPING
from rl_robot_ros.tasks.reach_expert import ReachExpert
from rl_robot_ros.tasks.reach_expert import STIFFNESS


def test_it_reaches():
    env = RobotEnv.make('arm7', 'reach', evaluation=True)
    expert = ReachExpert(env.task)
    observation, _ = env.reset(seed=3)
    for _ in range(4):
        reached = ended = False
        while not ended and not reached:
            action = expert(observation)
            assert action.shape == (len(env.robot.actuated),) and np.abs(action).max() <= 1.0
            observation, _, terminated, truncated, info = env.step(action)
            reached, ended = reached or info['success'], terminated or truncated
        assert reached
        observation, _ = env.reset()


def test_it_is_a_spring_and_dampers():
    """By the formula: at rest it pulls along the error, at the target it brakes."""
    env = RobotEnv.make('arm7', 'reach')
    expert = ReachExpert(env.task)
    position, scale = np.array(env.robot.home), env.robot.action_to_effort
    tip, _, jacobian = env.task.kinematics.tip(position, np.zeros(7))
    error = np.array([0.01, -0.02, 0.005])
    env.task.begin(tip + error)
    action = expert(env.task.observe(position, np.zeros(7), np.zeros(7)))
    assert action * scale == pytest.approx(STIFFNESS * jacobian.T @ error)
    env.task.begin(tip)
    velocity = 0.1 * np.arange(7.0)
    action = expert(env.task.observe(position, velocity, np.zeros(7)))
    assert action * scale == pytest.approx(-DAMPING * np.array(env.robot.inertia) * velocity)


def test_it_has_to_see_the_target():
    env = RobotEnv.make('planar2', 'reach', {'task.observe_task': False})
    with pytest.raises(ValueError, match=r'task\.observe_task=false, set it to true'):
        ReachExpert(env.task)
