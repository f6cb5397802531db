from dataclasses import replace
from functools import cache
import json

import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.certificate import CertificateError
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.certificate import require_certificate
from rl_robot_ros.safety.samples import one_turn
from rl_robot_ros.safety.samples import quasi_random

ARM = resolve('robot', 'arm7')
FEW = SafetyConfig(certificate_samples=300)
# Two joints that carry themselves: with motors said to brake harder than they can, and with limits
# of speed that are beyond them.
STRONG = replace(resolve('robot', 'planar2'), braking_acceleration=(20.0, 20.0))
FAST = replace(resolve('robot', 'planar2'), velocity_limit=(9.0, 12.0))
LIFTED = replace(STRONG, gravity_compensated=True)


@cache
def certificate(robot=ARM, limits=None, **changes):
    config = replace(FEW, **changes)
    return certify(robot, limits or JointLimits.from_robot(robot), config,
                   MujocoDynamics(robot, config.payload))


@pytest.mark.parametrize('robot, scale, error', [(ARM, 1.0, 0.1), (STRONG, 1.0, 0.2),
                                                 (STRONG, 0.5, 0.0), (FAST, 0.69, 0.2),
                                                 (LIFTED, 1.0, 0.9)])
def test_every_joint_can_brake_at_once_at_states_nobody_looked_at(robot, scale, error):
    found = certificate(robot, velocity_scale=scale, model_mass_error=error)
    assert found.holds
    rng = np.random.default_rng(7)
    dynamics, braking = MujocoDynamics(robot), np.array(found.braking)
    speed = np.array(found.velocity)
    for _ in range(500):
        position = rng.uniform(robot.position_lower, robot.position_upper)
        velocity = rng.uniform(-speed, speed)
        # Masses that are wrong by the declared error, all of them to the bad side.
        mass, bias = dynamics.evaluate(position, velocity)
        brake = rng.choice([-1.0, 1.0], len(speed)) * braking
        effort = (1.0 + error) * np.abs(mass @ brake + bias)
        if dynamics.compensated:
            effort += error * np.abs(dynamics.gravity(position))
        assert (effort <= np.array(robot.effort_limit)).all()


def test_what_needs_more_than_the_motors_have_is_refused_with_the_way_out():
    found = certificate(FAST, model_mass_error=0.2)
    assert not found.holds and found.braking == (0.0, 0.0)
    assert 0.65 < found.largest_velocity_scale < 0.75
    with pytest.raises(CertificateError) as error:
        SafetyFilter(FAST, config=replace(FEW, model_mass_error=0.2, mode='model'),
                     dynamics=MujocoDynamics(FAST))
    text = str(error.value)
    assert 'the motor of shoulder_joint has nothing left to brake with' in text
    assert f'that certifies is {found.largest_velocity_scale:.2f}' in text
    assert 'safety.velocity_scale, now 1' in text
    slower = certificate(FAST, model_mass_error=0.2,
                         velocity_scale=0.97 * found.largest_velocity_scale)
    assert slower.holds and slower.share >= 0.1
    assert np.array(slower.velocity) == pytest.approx(
        0.97 * found.largest_velocity_scale * np.array(FAST.velocity_limit))


@pytest.mark.parametrize('changes', [
    {'model_mass_error': 0.2}, {'payload': 0.3}, {'external_effort': 0.15},
    {'effort_reserve': 0.15}])
def test_worse_declarations_certify_less(changes):
    base = {'model_mass_error': 0.1}
    assert certificate(STRONG, **{**base, **changes}).share < certificate(STRONG, **base).share


def test_weaker_motors_and_faster_joints_certify_less():
    base = certificate(STRONG, model_mass_error=0.1)
    limits = JointLimits.from_robot(STRONG)
    weaker = replace(limits, effort=tuple(0.8 * value for value in limits.effort))
    assert certificate(STRONG, weaker, model_mass_error=0.1).share < base.share
    faster = replace(STRONG, velocity_limit=(5.0, 6.5))
    assert 0.0 < certificate(faster, model_mass_error=0.1).share < base.share


def test_gravity_that_is_compensated_wrongly_counts():
    wrong = certificate(LIFTED, model_mass_error=0.9)
    right = certificate(LIFTED, replace(JointLimits.from_robot(LIFTED), effort=tuple(
        value / 1.9 for value in LIFTED.effort_limit)), model_mass_error=0.0)
    assert 0.0 < wrong.share < right.share - 0.01, 'more than a weaker motor accounts for'


def test_a_robot_that_cannot_even_stand_still_has_no_scale():
    found = certificate(FAST, replace(JointLimits.from_robot(FAST), effort=(10.0, 12.0)))
    assert not found.holds and found.largest_velocity_scale == 0.0
    assert found.worst_joint == 'shoulder_joint'


def test_more_than_the_datasheet_claims_is_never_certified():
    found = certificate(replace(STRONG, effort_limit=(450.0, 120.0)))
    assert found.share == 1.0 and found.braking == STRONG.braking_acceleration


def test_it_says_what_it_found():
    found = certificate(ARM, velocity_scale=1.0, model_mass_error=0.1)
    stored = json.loads(found.to_json())
    assert stored['robot'] == 'arm7' and stored['samples'] == 300 and stored['seed'] == 0
    assert 'certified: 100% of' in found.summary()
    assert '| joint2 | 2.17 | 2.6 |' in found.table()
    again = require_certificate(STRONG, JointLimits.from_robot(STRONG), FEW,
                                MujocoDynamics(STRONG))
    assert again == certificate(STRONG, model_mass_error=0.1), 'the same every time'


def test_endless_joints_are_sampled_over_one_turn():
    endless = replace(STRONG, position_lower=(-np.inf, -2.4), position_upper=(np.inf, 2.4))
    whole = replace(STRONG, position_lower=(-np.pi, -2.4), position_upper=(np.pi, 2.4))
    assert certificate(endless).holds
    assert certificate(endless).share == certificate(whole).share


def test_the_points_fill_the_cube_evenly():
    points = quasi_random(4096, 3, 0)
    assert points.shape == (4096, 3) and points.min() >= 0.0 and points.max() < 1.0
    counts = np.histogramdd(points, bins=4, range=[(0.0, 1.0)] * 3)[0]
    assert counts.min() > 52 and counts.max() < 76, '64 in each of 64 boxes'
    assert not np.array_equal(points, quasi_random(4096, 3, 1))


@pytest.mark.parametrize('lower, upper, expected', [
    (-np.inf, np.inf, (-np.pi, np.pi)), (4.0, np.inf, (4.0, 4.0 + 2.0 * np.pi)),
    (-np.inf, -5.0, (-5.0 - 2.0 * np.pi, -5.0)), (-1.0, 2.0, (-1.0, 2.0))])
def test_a_joint_without_an_end_is_looked_at_over_one_turn_from_the_end_it_has(
        lower, upper, expected):
    low, high = one_turn(np.array([lower]), np.array([upper]))
    assert (low[0], high[0]) == expected
