"""Every task that can be found by name, on every robot that it fits."""

from dataclasses import replace

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.goals import lacks_goals
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve


def fitting():
    """Build every task with every preset on every robot that it accepts."""
    for name in names('task'):
        cls = resolve('task', name)
        robots = 0
        for robot in names('robot'):
            for preset in ('', *cls.PRESETS):
                config = resolve_config(cls.Config, {}, 'task.', cls.PRESETS, (preset,))
                try:
                    task = cls(resolve('robot', robot), config)
                except ValueError:
                    continue
                robots += 1
                yield pytest.param(task, id='-'.join(filter(None, (robot, name, preset))))
        assert robots, f'no robot fits task {name}'


TASKS = pytest.mark.parametrize('task', list(fitting()))


def within_limits(robot, position):
    index = robot.actuated_index
    return ((position[index] >= robot.position_lower)
            & (position[index] <= robot.position_upper)).all()


def begun(task, seed):
    rng = np.random.default_rng(seed)
    position, velocity = task.initial_state(rng)
    goal = task.sample_goal(rng)
    task.begin(goal)
    return rng, position, velocity, goal


@TASKS
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6))
def test_start_and_goal(task, seed):
    _, position, velocity, goal = begun(task, seed)
    joints = len(task.robot.joint_names)
    assert position.shape == velocity.shape == (joints,)
    assert np.isfinite([position, velocity]).all() and within_limits(task.robot, position)
    assert (np.abs(velocity[task.robot.actuated_index]) <= task.robot.velocity_limit).all()
    assert goal.shape == (task.goal.size,) and np.isfinite(goal).all()
    assert (task.goal.kind == 'none') == (task.goal.size == 0)
    again = begun(task, seed)
    assert position.tolist() == again[1].tolist() and goal.tolist() == again[3].tolist()


@TASKS
@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), spread=st.sampled_from((0.0, 0.1, 1.0, 10.0)))
def test_observations_and_rewards(task, seed, spread):
    rng, position, velocity, _ = begun(task, seed)
    motors = len(task.robot.actuated)
    size = sum(term.size for term in task.observation_terms)
    for _ in range(5):
        position = position + spread * rng.normal(size=position.shape)
        velocity = velocity + spread * rng.normal(size=velocity.shape)
        action, previous = rng.normal(size=(2, motors))
        observation = task.observe(position, velocity, previous)
        assert observation.shape == (size,) and observation.dtype == np.float64
        outcome = task.evaluate(position, velocity, action, previous)
        assert outcome.terms.shape == (len(task.reward_terms),)
        assert np.isfinite([*observation, outcome.reward, *outcome.terms]).all()
        assert outcome.reward == pytest.approx(outcome.terms.sum(), abs=1e-12)
        assert isinstance(outcome.success, bool | np.bool_)
        assert isinstance(outcome.terminated, bool | np.bool_)
        # What is observed does not depend on what was judged, and the other way round.
        assert observation.tolist() == task.observe(position, velocity, previous).tolist()


@TASKS
def test_what_it_tells_about_itself(task):
    assert task.reward_terms and len(set(task.reward_terms)) == len(task.reward_terms)
    terms = [term.name for term in task.observation_terms]
    assert terms and len(set(terms)) == len(terms)
    assert all(term.size > 0 and term.unit for term in task.observation_terms)
    assert 1 <= task.train_episode_steps <= task.max_episode_steps
    assert isinstance(task.terminates, bool)
    assert task.config == resolve_config(type(task.config), to_parameters(task.config))
    for field in type(task.config).__dataclass_fields__.values():
        assert field.metadata['doc'] and field.metadata['unit']
    # Every term and option stands in the documentation of its file, or in that it refers to.
    module = __import__(type(task).__module__, fromlist=['x'])
    text = ''.join(m.__doc__ for m in (module, *(
        __import__(base.__module__, fromlist=['x']) for base in type(task).__mro__[1:-1])))
    assert all(name in text for name in task.reward_terms)


@TASKS
def test_what_came_before_an_episode_is_forgotten(task):
    """An episode after a successful one needs its own success."""
    rng, position, velocity, goal = begun(task, 0)
    motors = np.zeros(len(task.robot.actuated))
    states = [(position + 0.001 * i, velocity) for i in range(5)]
    first = [task.evaluate(*state, motors, motors) for state in states]
    for _ in range(2000):
        task.evaluate(position, velocity, motors, motors)
    task.begin(goal)
    second = [task.evaluate(*state, motors, motors) for state in states]
    assert [(o.reward, o.success, o.terminated) for o in first] \
        == [(o.reward, o.success, o.terminated) for o in second]


@TASKS
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6))
def test_goals_that_can_be_exchanged(task, seed):
    """`core.goals.GoalTask`: judged alike whatever came before, and best at its own goal."""
    if not hasattr(task, 'achieved_goal'):
        assert 'has no goals that could be exchanged' in lacks_goals(task)
        return
    rng, position, velocity, _ = begun(task, seed)
    goal = task.achieved_goal(position, velocity)
    assert goal.shape == (task.goal.size,) and np.isfinite(goal).all()
    action, previous = rng.normal(size=(2, len(task.robot.actuated)))
    states = [(position + 0.1 * rng.normal(size=position.shape), velocity) for _ in range(6)]
    for other in (goal, goal + 0.3):
        task.begin(other)
        through = [task.evaluate(*state, action, previous) for state in states]
        for state, outcome in zip(states, through):
            task.begin(other)
            alone = task.evaluate(*state, action, previous)
            assert (alone.reward, alone.terminated) == (outcome.reward, outcome.terminated)
    rewards = []
    for other in (goal, goal + 0.3):
        task.begin(other)
        rewards.append(task.evaluate(position, velocity, action, previous).reward)
    assert rewards[0] > rewards[1]


@TASKS
def test_configurations_of_others_are_refused(task):
    with pytest.raises(ValueError, match='unknown parameter task.no_such_thing'):
        resolve_config(type(task).Config, {'task.no_such_thing': 1}, 'task.')
    with pytest.raises(ValueError, match='max_episode_steps: got 0'):
        resolve_config(type(task).Config, {'task.max_episode_steps': 0}, 'task.')
    assert replace(task.config, max_episode_steps=7).max_episode_steps == 7
