from dataclasses import FrozenInstanceError
from dataclasses import replace
import math

import pytest
from rl_robot_ros.safety.limits import JointLimits
from safety.robots import continuous
from safety.robots import make_robot

LIMITS = JointLimits.from_robot(make_robot())


def test_takes_the_limits_of_the_datasheet():
    robot = make_robot()
    limits = JointLimits.from_robot(robot)
    assert limits.joints == robot.actuated
    assert limits.position_lower == robot.position_lower
    assert limits.position_upper == robot.position_upper
    assert limits.velocity == robot.velocity_limit
    assert limits.effort == robot.effort_limit
    assert limits.effort_rate == robot.effort_rate_limit


@pytest.mark.parametrize('name', ['velocity', 'effort', 'effort_rate'])
@pytest.mark.parametrize('value', [math.nan, 0.0, -1.0, math.inf])
def test_a_limit_that_is_none_is_refused(name, value):
    with pytest.raises(ValueError, match=f'joint2: {name} limit is'):
        replace(LIMITS, **{name: (1.0, value, 1.0)})


@pytest.mark.parametrize('low,high', [(math.nan, 1.0), (-1.0, math.nan), (1.0, 1.0), (2.0, 1.0)])
def test_position_limits_without_room_are_refused(low, high):
    with pytest.raises(ValueError, match='joint1: position limits'):
        replace(LIMITS, position_lower=(low, -1.0, -1.0), position_upper=(high, 1.0, 1.0))


def test_a_continuous_joint_needs_no_position_limits():
    limits = JointLimits.from_robot(continuous(make_robot()))
    assert limits.position_upper == (math.inf,) * 3


def test_a_missing_limit_is_refused():
    with pytest.raises(ValueError, match='effort_rate has 2 values, needs one for each of joint1'):
        replace(LIMITS, effort_rate=(1.0, 1.0))
    with pytest.raises(ValueError, match='no actuated joint'):
        JointLimits((), (), (), (), (), ())


def test_joint_limits_yaml_tightens():
    limits = LIMITS.tightened(
        joint2={'has_position_limits': True, 'min_position': -1, 'max_position': 1.25,
                'has_velocity_limits': True, 'max_velocity': 0.5,
                'has_effort_limits': True, 'max_effort': 40.0, 'max_effort_rate': 200.0,
                'has_acceleration_limits': False, 'max_acceleration': 3.0},
        joint3={'has_velocity_limits': True, 'max_velocity': 2.0})
    assert limits.position_lower == (-2.0, -1.0, -2.0)
    assert limits.position_upper == (1.5, 1.25, 1.5)
    assert limits.velocity == (2.0, 0.5, 2.0)
    assert limits.effort == (87.0, 40.0, 87.0)
    assert limits.effort_rate == (1000.0, 200.0, 1000.0)
    assert LIMITS.velocity == (2.0, 2.0, 2.0)


def test_a_flag_that_is_false_switches_off():
    assert LIMITS.tightened(joint1={'has_velocity_limits': False, 'max_velocity': 9.0}) == LIMITS


@pytest.mark.parametrize('given,key,allowed', [
    ({'has_position_limits': True, 'min_position': -2.1, 'max_position': 1.0}, 'min_position',
     'at least -2.0'),
    ({'has_position_limits': True, 'min_position': -1.0, 'max_position': 1.6}, 'max_position',
     'at most 1.5'),
    ({'has_velocity_limits': True, 'max_velocity': 2.01}, 'max_velocity', 'at most 2.0'),
    ({'has_effort_limits': True, 'max_effort': 88}, 'max_effort', 'at most 87.0'),
    ({'max_effort_rate': 1001.0}, 'max_effort_rate', 'at most 1000.0'),
    ({'has_velocity_limits': True, 'max_velocity': math.nan}, 'max_velocity', 'at most 2.0'),
    ({'has_position_limits': True, 'min_position': math.nan, 'max_position': 1.0}, 'min_position',
     'at least -2.0'),
])
def test_loosening_is_refused(given, key, allowed):
    with pytest.raises(ValueError, match=f'joint1: {key} is .*may only tighten.*{allowed}'):
        LIMITS.tightened(joint1=given)


@pytest.mark.parametrize('given,message', [
    ({'max_velocity': 1.0}, 'max_velocity is given without has_velocity_limits'),
    ({'min_position': 0.0, 'max_position': 1.0}, 'min_position is given without has_position'),
    ({'has_velocity_limits': True}, 'max_velocity must be given'),
    ({'has_position_limits': True, 'max_position': 1.0}, 'min_position and max_position must'),
    ({'has_jerk_limits': True, 'max_jerk': 1.0}, 'does not enforce it'),
    ({'max_speed': 1.0}, 'unknown limit max_speed'),
    ({'has_effort_limits': True, 'max_effort': 'big'}, "max_effort is 'big', must be a number"),
    ({'has_effort_limits': True, 'max_effort': True}, 'must be a number'),
    ({'has_velocity_limits': True, 'max_velocity': -1.0}, 'must be positive'),
])
def test_what_would_not_be_enforced_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        LIMITS.tightened(joint1=given)


def test_an_unknown_joint_is_refused():
    with pytest.raises(ValueError, match='gripper: not an actuated joint, allowed are joint1'):
        LIMITS.tightened(gripper={})


def test_require_within():
    LIMITS.tightened(joint1={'max_effort_rate': 10.0}).require_within(LIMITS)
    for name, key, value in (('position_lower', 'min_position', -3.0),
                             ('position_upper', 'max_position', 3.0),
                             ('velocity', 'max_velocity', 5.0), ('effort', 'max_effort', 100.0),
                             ('effort_rate', 'max_effort_rate', 1e4)):
        wider = (*getattr(LIMITS, name)[:2], value)
        with pytest.raises(ValueError, match=f'joint3: {key} is {value}'):
            replace(LIMITS, **{name: wider}).require_within(LIMITS)
    with pytest.raises(ValueError, match='limits are for joint1, joint2, the robot has joint1,'):
        JointLimits.from_robot(make_robot(2)).require_within(LIMITS)
    wide = JointLimits.from_robot(continuous(make_robot()))
    LIMITS.require_within(wide)
    wide.require_within(wide)


def test_slowed_scales_velocity_limits_only():
    assert LIMITS.slowed(0.25) == replace(LIMITS, velocity=(0.5, 0.5, 0.5))


def test_intersected_takes_the_tighter_one_joint_by_joint():
    both = LIMITS.intersected([-3.0, -1.0, -math.inf], [1.0, 2.0, math.inf], [3.0, 1.0, 2.0],
                              [100.0, 87.0, 20.0])
    assert both.position_lower == (-2.0, -1.0, -2.0) and both.position_upper == (1.0, 1.5, 1.5)
    assert both.velocity == (2.0, 1.0, 2.0) and both.effort == (87.0, 87.0, 20.0)
    assert both.effort_rate == LIMITS.effort_rate and both.joints == LIMITS.joints


@pytest.mark.parametrize('name', ['lower', 'upper', 'velocity', 'effort'])
def test_no_limit_is_made_of_nan(name):
    given = {'lower': LIMITS.position_lower, 'upper': LIMITS.position_upper,
             'velocity': LIMITS.velocity, 'effort': LIMITS.effort}
    with pytest.raises(ValueError, match=f'joint3: {name} limit is not a number'):
        LIMITS.intersected(**{**given, name: (*given[name][:2], math.nan)})


def test_limits_with_nothing_between_them_are_refused():
    with pytest.raises(ValueError, match='joint1: position limits are'):
        LIMITS.intersected([1.6, 0.0, 0.0], [2.0] * 3, LIMITS.velocity, LIMITS.effort)


def test_limits_do_not_change():
    with pytest.raises(FrozenInstanceError):
        LIMITS.velocity = (9.0,) * 3


def test_margin_and_noise_are_kept_free_of_the_velocity_limit():
    limits = JointLimits.from_robot(make_robot(2, velocity_limit=(2.0, 0.1)))
    assert limits.usable_speed(0.1, 0.02) == pytest.approx([1.78, 0.07])
    with pytest.raises(ValueError, match=r'joint2: nothing is left of its velocity limit of 0.1 '
                                         r'after safety.velocity_margin \(0.1 of it\) and '
                                         r'safety.velocity_noise \(0.095\); raise'):
        limits.usable_speed(0.1, 0.095)
    with pytest.raises(ValueError, match='joint1: nothing is left'):
        limits.usable_speed(1.0, 0.0)
