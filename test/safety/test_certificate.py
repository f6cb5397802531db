from dataclasses import replace
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
from rl_robot_ros.safety.certificate import quasi_random
from rl_robot_ros.safety.certificate import require_certificate

ARM = resolve('robot', 'arm7')
HEAVY = replace(ARM, gravity_compensated=False)
LIMITS = JointLimits.from_robot(ARM)
FEW = SafetyConfig(certificate_samples=2000)


def certificate(robot=ARM, limits=LIMITS, **changes):
    config = replace(FEW, **changes)
    return certify(robot, limits, config, MujocoDynamics(robot, config.payload))


@pytest.mark.parametrize('robot, scale, error', [(ARM, 1.0, 0.2), (HEAVY, 0.5, 0.2),
                                                 (HEAVY, 0.75, 0.0)])
def test_every_joint_can_brake_at_once_at_states_nobody_looked_at(robot, scale, error):
    found = certificate(robot, velocity_scale=scale, model_mass_error=error,
                        certificate_samples=8_000)
    assert found.holds
    rng = np.random.default_rng(7)
    dynamics, braking = MujocoDynamics(robot), np.array(found.braking)
    speed = np.array(found.velocity)
    for _ in range(2000):
        position = rng.uniform(LIMITS.position_lower, LIMITS.position_upper)
        velocity = rng.uniform(-speed, speed)
        # Masses that are wrong by the declared error, all of them to the bad side.
        mass, bias = dynamics.evaluate(position, velocity)
        brake = rng.choice([-1.0, 1.0], 7) * braking
        effort = (1.0 + error) * np.abs(mass @ brake + bias)
        if dynamics.compensated:
            effort += error * np.abs(dynamics.gravity(position))
        assert (effort <= np.array(LIMITS.effort)).all()


def test_what_needs_more_than_the_motors_have_is_refused_with_the_way_out():
    found = certificate(HEAVY, model_mass_error=0.2)
    assert not found.holds and found.braking == (0.0,) * 7
    assert 0.6 < found.largest_velocity_scale < 0.75
    with pytest.raises(CertificateError) as error:
        SafetyFilter(HEAVY, config=replace(FEW, model_mass_error=0.2, mode='model'),
                     dynamics=MujocoDynamics(HEAVY))
    text = str(error.value)
    assert 'the motor of joint2 has nothing left to brake with' in text
    assert f'that certifies is {found.largest_velocity_scale:.2f}' in text
    assert 'safety.velocity_scale, now 1' in text
    slower = certificate(HEAVY, model_mass_error=0.2,
                         velocity_scale=0.97 * found.largest_velocity_scale)
    assert slower.holds and slower.share >= 0.1
    assert np.array(slower.velocity) == pytest.approx(
        0.97 * found.largest_velocity_scale * np.array(LIMITS.velocity))


def test_worse_declarations_certify_less():
    base = certificate(HEAVY, velocity_scale=0.7, model_mass_error=0.0)
    for changes in ({'model_mass_error': 0.2}, {'payload': 3.0}, {'external_effort': 0.15},
                    {'effort_reserve': 0.15}, {'velocity_scale': 1.0}):
        worse = certificate(HEAVY, **{'velocity_scale': 0.7, 'model_mass_error': 0.0, **changes})
        assert worse.share < base.share, changes
    weaker = replace(LIMITS, effort=tuple(0.8 * value for value in LIMITS.effort))
    assert certificate(HEAVY, weaker, velocity_scale=0.7, model_mass_error=0.0).share < base.share


def test_gravity_that_is_compensated_wrongly_counts():
    right = certificate(replace(ARM, braking_acceleration=(20.0,) * 7), model_mass_error=0.0)
    wrong = certificate(replace(ARM, braking_acceleration=(20.0,) * 7), model_mass_error=0.2)
    without = right.share / 1.2
    assert wrong.share < without - 0.01


def test_a_robot_that_cannot_even_stand_still_has_no_scale():
    limits = replace(LIMITS, effort=(87.0, 20.0, 87.0, 87.0, 12.0, 12.0, 12.0))
    found = certificate(HEAVY, limits)
    assert not found.holds and found.largest_velocity_scale == 0.0
    assert found.worst_joint == 'joint2'


def test_more_than_the_datasheet_claims_is_never_certified():
    strong = replace(LIMITS, effort=(870.0,) * 7)
    robot = replace(ARM, effort_limit=(870.0,) * 7)
    found = certificate(robot, strong)
    assert found.share == 1.0 and found.braking == ARM.braking_acceleration


def test_it_says_what_it_found():
    found = certificate()
    stored = json.loads(found.to_json())
    assert stored['robot'] == 'arm7' and stored['samples'] == 2000 and stored['seed'] == 0
    assert 'certified: 100% of' in found.summary()
    assert '| joint2 | 2.17 | 2.6 |' in found.table()
    assert certificate() == found, 'the same every time'
    assert require_certificate(ARM, LIMITS, FEW, MujocoDynamics(ARM)) == found


def test_endless_joints_are_sampled_over_one_turn():
    endless = replace(LIMITS, position_lower=(-np.inf, *LIMITS.position_lower[1:]),
                      position_upper=(np.inf, *LIMITS.position_upper[1:]))
    robot = replace(ARM, position_lower=endless.position_lower,
                    position_upper=endless.position_upper)
    assert certificate(robot, endless).holds


def test_the_points_fill_the_cube_evenly():
    points = quasi_random(4096, 3, 0)
    assert points.shape == (4096, 3) and points.min() >= 0.0 and points.max() < 1.0
    counts = np.histogramdd(points, bins=4, range=[(0.0, 1.0)] * 3)[0]
    assert counts.min() > 52 and counts.max() < 76, '64 in each of 64 boxes'
    assert not np.array_equal(points, quasi_random(4096, 3, 1))
