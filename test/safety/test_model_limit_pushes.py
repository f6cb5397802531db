"""The viability limit where pushes are declared, written with the pure functions."""

from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.model_limit import ViabilityLimit
from rl_robot_ros.safety.push import push_acceleration
from rl_robot_ros.safety.push import upper_bound_if_pushed
from rl_robot_ros.safety.torque_map import feasible_effort
from rl_robot_ros.safety.viability import braking_box
from rl_robot_ros.safety.viability import upper_bound
from safety.robots import Coupled
from safety.robots import make_robot
from safety.robots import PERIOD

ROBOT = make_robot(2, position_upper=(1.5, 1.0), velocity_limit=(2.0, 3.0))
LIMITS = JointLimits.from_robot(ROBOT)
SHARE, MASS_ERROR, KAPPA, EXTRA = 0.05, 0.2, 2.0, 15.0
CONFIG = SafetyConfig(position_margin=0.02, velocity_margin=0.1, latency_periods=0, kappa=KAPPA,
                      observer_gain=0.0, extra_braking=EXTRA, model_mass_error=MASS_ERROR,
                      velocity_noise=0.0, external_effort=SHARE)
MASS = Coupled.mass
BRAKING, EFFORT = np.array([8.0, 6.0]), np.array(LIMITS.effort)
LOWER, UPPER = np.array(LIMITS.position_lower) + 0.02, np.array(LIMITS.position_upper) - 0.02
SPEED = LIMITS.usable_speed(0.1, 0.0)
PUSH = push_acceleration(MASS, SHARE * EFFORT, MASS_ERROR)


def make(pushed=tuple(PUSH), **changes):
    found = Certificate('test', ROBOT.actuated, tuple(BRAKING.tolist()), 0.8, 'joint1', (), (), (),
                        (), LIMITS.velocity, 1.0, 1.0, 0.0, 0.0, 100, 0, push=pushed)
    limit = ViabilityLimit(ROBOT, LIMITS, replace(CONFIG, **changes), Coupled(), found)
    limit.recovering, limit._settled = False, True
    limit._been_inside[:] = True
    return limit


def towards(distance, velocity, learnt, late, following):
    """Return the bound towards one limit; `learnt` counts towards it."""
    bound = upper_bound(distance, velocity, SPEED, BRAKING, KAPPA * PERIOD)
    pushed = upper_bound_if_pushed(distance, velocity, SPEED, BRAKING, PERIOD,
                                   np.maximum(PUSH - learnt, 0.0), late)
    return np.minimum(bound, pushed if following else np.maximum(pushed, -velocity / PERIOD))


def expected(position, velocity, effort, learnt, late=0.0, following=True):
    bias = Coupled.pull + Coupled.damping * velocity - MASS @ learnt
    upper = towards(UPPER - position, velocity, learnt, late, following)
    lower = -towards(position - LOWER, -velocity, -learnt, late, following)
    against = PUSH + np.abs(learnt)
    hard, gentle = (braking_box(lower, upper, most + against)
                    for most in (BRAKING + EXTRA, BRAKING))
    wanted = np.linalg.solve(MASS, np.clip(effort, -EFFORT, EFFORT) - bias)
    return feasible_effort(np.clip(wanted, *hard), MASS, bias, hard, gentle, EFFORT)


@pytest.mark.parametrize('following', [True, False])
@pytest.mark.parametrize('learnt', [np.zeros(2), np.array([3.0, -0.5]), np.array([-14.0, 12.0])])
def test_it_is_the_composition_of_the_pure_functions(learnt, following):
    limit, rng, changed = make(), np.random.default_rng(0), 0
    limit.observer.acceleration[:] = learnt
    for number in range(400):
        position = rng.uniform(LOWER, UPPER)
        velocity = rng.uniform(-1.0, 1.0, 2) * SPEED * rng.choice([0.1, 1.0])
        if number % 4 == 0:  # slow and close to a limit
            position = np.where(rng.random(2) < 0.5, LOWER, UPPER) * (1.0 - 1e-4 * rng.random(2))
            velocity = 1e-3 * rng.uniform(-1.0, 1.0, 2)
        effort = rng.uniform(-1.3, 1.3, 2) * EFFORT * rng.choice([0.05, 0.3, 1.0])
        result = effort.copy()
        limit.see(position, velocity)
        limit.limit(result, following)
        np.testing.assert_allclose(
            result, expected(position, velocity, effort, learnt, following=following), atol=1e-8)
        changed += not np.array_equal(result, effort)
    assert 40 < changed < 360


def test_late_commands_leave_room_for_what_pushes_until_then():
    position, velocity, effort = np.array([1.3, 0.0]), np.array([0.5, 0.2]), np.array([80.0, 0.0])
    limit, keeps = make(latency_periods=2), Coupled.pull + Coupled.damping * velocity
    for _ in range(2):
        limit.sent(keeps)
    result = effort.copy()
    limit.see(position, velocity)
    limit.limit(result)
    ahead = position + 2 * PERIOD * velocity
    np.testing.assert_allclose(
        result, expected(ahead, velocity, effort, np.zeros(2), 2 * PERIOD), atol=1e-6)


def test_a_joint_that_has_not_been_inside_its_margin_is_left_alone():
    still, where = Coupled.pull.copy(), np.array([UPPER[0] + 0.01, 0.0])
    limit = make()
    limit.begin()
    limit.see(where, np.zeros(2))
    result = still.copy()
    limit.limit(result)
    assert result.tolist() == still.tolist()


def test_the_observer_may_learn_a_push_on_top():
    limit = make()
    limit.see(np.zeros(2), np.zeros(2))
    assert limit.observer.most == pytest.approx(EXTRA + PUSH)


@pytest.mark.parametrize('latency', [0, 1, 3])
def test_there_must_be_speed_for_what_a_push_does_before_it_is_answered(latency):
    periods = latency + 1
    make((0.99 * SPEED[0] / (periods * PERIOD), 0.0), latency_periods=latency)
    with pytest.raises(ValueError, match='joint1: before a command acts'):
        make((1.01 * SPEED[0] / (periods * PERIOD), 0.0), latency_periods=latency)
