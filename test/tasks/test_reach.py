from dataclasses import replace
import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.tasks.reach import Reach
from rl_robot_ros.tasks.reach import ReachConfig

HOME = np.array(ROBOT.home)
STILL = np.zeros(7)
TASK = Reach(ROBOT)
TIP = TASK.kinematics.tip(HOME, STILL).position
DWELL = round(0.2 / ROBOT.control_period)


def reach(**values):
    return Reach(ROBOT, ReachConfig(**values))


def judge(task, distance=0.0, velocity=STILL, action=STILL, previous=STILL):
    """Judge home as if the target were `distance` above the tip."""
    task.target = TIP + (0.0, 0.0, distance)
    return task.evaluate(HOME, velocity, action, previous)


def test_default_is_what_was_asked_for():
    """The figures of the issue: dimensions, radii, dwell and episode length."""
    assert ROBOT.control_period == 0.005 and len(ROBOT.actuated) == 7
    config = ReachConfig()
    assert (config.success_radius, config.success_speed, config.success_time) == (0.05, 0.1, 0.2)
    assert config.max_episode_steps == 1000 and config.target_spread >= 1.0
    assert (TASK.goal.size, TASK.goal.kind, TASK.goal.frame_id) == (3, 'position', 'base_link')


@given(st.integers(0, 10**6))
def test_targets_are_where_the_issue_wants_them(seed):
    target = TASK.sample_goal(np.random.default_rng(seed))
    assert math.hypot(target[0], target[1]) >= 0.25 and target[2] >= 0.15
    # Its own draws, replayed: the tip of a configuration within 1 rad of home and the limits.
    rng = np.random.default_rng(seed)
    for _ in range(100):
        position = TASK._near_home(rng, 1.0)
        assert (np.abs(position - HOME) <= 1.0 + 1e-12).all()
        assert (position >= ROBOT.position_lower).all()
        assert (position <= ROBOT.position_upper).all()
        if np.array_equal(TASK.kinematics.tip(position, STILL).position, target):
            return
    raise AssertionError('the target is no tip of a configuration near home')


def test_targets_use_the_whole_spread():
    rng = np.random.default_rng(0)
    positions = np.array([TASK._near_home(rng, 1.0) for _ in range(500)]) - HOME
    free = np.minimum(np.array(ROBOT.position_upper) - HOME, HOME - ROBOT.position_lower) > 1.2
    assert free.sum() >= 4
    assert (positions.min(0)[free] < -0.95).all() and (positions.max(0)[free] > 0.95).all()
    targets = np.array([TASK.sample_goal(rng) for _ in range(200)])
    assert (targets.std(0) > 0.1).all()


def test_a_target_that_cannot_be_found_is_an_error():
    low = replace(ROBOT, home=(0.0, 1.7, 0.0, -0.5, 0.0, 1.5, 0.0))
    with pytest.raises(ValueError, match='task.target_spread: no target of arm7 within 0.0 rad'):
        Reach(low, ReachConfig(target_spread=0.0)).sample_goal(np.random.default_rng(0))


@given(st.integers(0, 10**6), st.floats(0.0, 4.0))
def test_start_is_near_home_and_inside_the_limits(seed, spread):
    position, velocity = reach(start_spread=spread).initial_state(np.random.default_rng(seed))
    assert (np.abs(position - HOME) <= spread + 1e-9).all() and not velocity.any()
    width = np.array(ROBOT.position_upper) - ROBOT.position_lower
    assert (position >= ROBOT.position_lower + 0.049 * width).all()
    assert (position <= ROBOT.position_upper - 0.049 * width).all()


def test_success_is_dwelling_near_and_slow():
    task = reach()
    task.begin(TIP)
    outcomes = [judge(task, 0.049).success for _ in range(DWELL + 5)]
    assert outcomes == [False] * (DWELL - 1) + [True] * 6


@pytest.mark.parametrize('distance, speed, counts', [
    (0.0499, 0.099, True), (0.0501, 0.0, False), (0.0, 0.101, False), (1.0, 1.0, False)])
def test_one_state_that_is_far_or_fast_starts_the_dwell_again(distance, speed, counts):
    task = reach()
    task.begin(TIP)
    tip = task.kinematics.tip(HOME, np.eye(7)[0])
    velocity = np.eye(7)[0] * speed / np.linalg.norm(tip.velocity)
    for _ in range(DWELL - 1):
        assert not judge(task).success
    assert judge(task, distance, velocity).success == counts
    assert judge(task).success == counts
    for _ in range(DWELL - 2):
        judge(task)
    assert judge(task).success


def test_a_new_target_starts_the_dwell_again():
    task = reach()
    for _ in range(2):
        task.begin(TIP)
        assert [judge(task).success for _ in range(DWELL)] == [False] * (DWELL - 1) + [True]


@given(st.integers(0, 10**6))
def test_reward_is_the_documented_sum(seed):
    rng = np.random.default_rng(seed)
    scales = dict(zip(('distance', 'velocity', 'energy', 'smoothness', 'bonus'),
                      rng.uniform(0.1, 2.0, 5)))
    task = reach(**scales, bonus_radius=0.5)
    position, velocity = HOME + 0.3 * rng.normal(size=7), rng.normal(size=7)
    action, previous = rng.normal(size=(2, 7))
    tip = task.kinematics.tip(position, velocity)
    target = tip.position + 0.2 * rng.normal(size=3)
    task.begin(target)
    outcome = task.evaluate(position, velocity, action, previous)
    distance = math.dist(tip.position, target)
    expected = {'distance': -distance, 'velocity': -math.hypot(*tip.velocity),
                'energy': -sum(a * a for a in action), 'smoothness': -math.dist(action, previous),
                'bonus': max(0.0, 1.0 - distance / 0.5)}
    assert dict(zip(task.reward_terms, outcome.terms)) == pytest.approx(
        {name: scales[name] * value for name, value in expected.items()})
    assert outcome.reward == pytest.approx(sum(scales[n] * v for n, v in expected.items()))
    assert not outcome.terminated


def test_a_state_at_rest_at_the_target_gets_the_whole_bonus():
    task = reach(bonus=3.0)
    task.begin(TIP)
    assert judge(task).reward == pytest.approx(3.0)


@given(st.integers(0, 10**6))
def test_observation_terms_are_what_they_are_called(seed):
    rng = np.random.default_rng(seed)
    position, velocity = HOME + 0.5 * rng.normal(size=7), rng.normal(size=7)
    previous, target = rng.normal(size=7), rng.normal(size=3)
    TASK.begin(target)
    observation = TASK.observe(position, velocity, previous)
    ends = np.cumsum([term.size for term in TASK.observation_terms])[:-1]
    terms = dict(zip([term.name for term in TASK.observation_terms],
                     np.split(observation, ends)))
    tip = TASK.kinematics.tip(position, velocity)
    expected = {'position': position, 'velocity': velocity, 'previous_action': previous,
                'tip': tip.position, 'tip_velocity': tip.velocity, 'target': target,
                'error': target - tip.position,
                'pull': tip.jacobian.T @ (target - tip.position)}
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        assert terms[name] == pytest.approx(value), name


@given(st.integers(0, 10**6))
def test_kinematics_agree_with_finite_differences(seed):
    rng = np.random.default_rng(seed)
    position, velocity = HOME + 0.5 * rng.normal(size=7), rng.normal(size=7)
    kinematics = TASK.kinematics
    tip, step = kinematics.tip(position, velocity), 1e-6
    moved = kinematics.tip(position + step * velocity, velocity).position
    assert (moved - tip.position) / step == pytest.approx(tip.velocity, abs=1e-4)
    assert tip.jacobian @ velocity == pytest.approx(tip.velocity)
    for joint in range(7):
        moved = kinematics.tip(position + step * np.eye(7)[joint], STILL).position
        assert (moved - tip.position) / step == pytest.approx(tip.jacobian[:, joint], abs=1e-4)


def test_the_tip_of_one_state_is_not_that_of_another():
    task = reach()
    task.begin(TIP)
    one = task.observe(HOME, STILL, STILL)
    other = task.observe(HOME, np.ones(7), STILL)
    assert task.observe(HOME, STILL, STILL).tolist() == one.tolist() != other.tolist()


def test_preset_s1_reach():
    config = resolve_config(ReachConfig, {}, 'task.', Reach.PRESETS, ('s1_reach',))
    task = Reach(ROBOT, config)
    assert sum(term.size for term in task.observation_terms) == 14
    assert task.max_episode_steps == task.train_episode_steps == 1000
    rng = np.random.default_rng(0)
    target = task.sample_goal(rng)
    assert target.tolist() == task.sample_goal(rng).tolist() == [0.5, 0.2, 0.4]
    task.begin(target)
    assert task.observe(HOME, np.ones(7), STILL).tolist() == [*HOME, *np.ones(7)]
    # +10 within 0.1 m, in every step, and no step ends the episode.
    for distance, bonus in ((0.0, 10.0), (0.0999, 10.0), (0.1001, 0.0)):
        for _ in range(1000):
            outcome = judge(task, distance)
            assert outcome.reward == pytest.approx(bonus - distance, abs=1e-9)
            assert not outcome.terminated
    assert outcome.terms.tolist() == [pytest.approx(-0.1001), 0.0, 0.0, 0.0, 0.0]


def test_preset_sparse():
    """0 within the radius, -1 elsewhere, whatever the speed, and no other term."""
    task = Reach(ROBOT, resolve_config(ReachConfig, {}, 'task.', Reach.PRESETS, ('sparse',)))
    task.begin(TIP)
    fast = 2.0 * np.ones(7)
    for distance, reward in ((0.0, 0.0), (0.0499, 0.0), (0.0501, -1.0), (0.3, -1.0)):
        outcome = judge(task, distance, fast, np.ones(7))
        assert outcome.reward == reward and not outcome.success  # not for one state alone
        assert outcome.terms.tolist() == [0.0, 0.0, 0.0, 0.0, reward] and not outcome.terminated


def test_in_preset_sparse_success_means_to_stay():
    task = Reach(ROBOT, resolve_config(ReachConfig, {}, 'task.', Reach.PRESETS, ('sparse',)))
    task.begin(TIP)
    assert [judge(task, 0.04, 2.0 * np.ones(7)).success for _ in range(DWELL + 1)] \
        == [False] * (DWELL - 1) + [True, True]
    assert not judge(task, 0.06).success and not judge(task, 0.04).success


def test_a_miss_is_what_does_not_count_as_success():
    task = reach(distance=0.0, velocity=0.0, bonus=2.0, bonus_shape='miss', success_time=0.0)
    velocity = np.eye(7)[0] * 0.11 / np.linalg.norm(task.kinematics.tip(
        HOME, np.eye(7)[0]).velocity)
    assert [judge(task, *state).reward for state in ((0.04,), (0.06,), (0.04, velocity))] \
        == [0.0, -2.0, -2.0]


@given(st.integers(0, 10**6))
def test_the_goal_that_a_state_achieves_is_its_tip(seed):
    rng = np.random.default_rng(seed)
    position, velocity = HOME + 0.5 * rng.normal(size=7), rng.normal(size=7)
    goal = TASK.achieved_goal(position, velocity)
    assert goal == pytest.approx(TASK.kinematics.tip(position, velocity).position)


@pytest.mark.parametrize('target', [(1.0,), (1.0, 2.0), (1.0, 2.0, 3.0, 4.0)])
def test_a_fixed_target_has_three_numbers(target):
    with pytest.raises(ValueError, match=f'task.fixed_target: got {len(target)} numbers'):
        reach(fixed_target=target)


def test_a_robot_without_a_tip_cannot_reach():
    with pytest.raises(ValueError, match='cartpole has no tip_link'):
        Reach(CARTPOLE)
