"""The viability limit, step by step, on a small robot whose equation of motion can be written."""

from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.model_limit import COLLISION
from rl_robot_ros.safety.model_limit import COME_BACK
from rl_robot_ros.safety.model_limit import FASTEST_BACK
from rl_robot_ros.safety.model_limit import VIABILITY
from rl_robot_ros.safety.model_limit import ViabilityLimit
from rl_robot_ros.safety.torque_map import feasible_effort
from rl_robot_ros.safety.viability import braking_box
from rl_robot_ros.safety.viability import upper_bound
from safety.robots import Coupled
from safety.robots import make_robot
from safety.robots import PERIOD

ROBOT = make_robot(2, position_upper=(1.5, 1.0), velocity_limit=(2.0, 3.0))
LIMITS = JointLimits.from_robot(ROBOT)
CONFIG = SafetyConfig(position_margin=0.02, velocity_margin=0.1, latency_periods=0, kappa=2.0,
                      observer_gain=0.0, extra_braking=15.0, recover_velocity=0.05,
                      velocity_noise=0.02)
MASS, PULL, DAMPING = Coupled.mass, Coupled.pull, Coupled.damping
BRAKING, EFFORT = np.array([8.0, 6.0]), np.array(LIMITS.effort)
LOWER, UPPER = np.array(LIMITS.position_lower) + 0.02, np.array(LIMITS.position_upper) - 0.02
SPEED, HORIZON = 0.9 * np.array(LIMITS.velocity) - 0.02, 2.0 * PERIOD
REST = np.zeros(2)


class Wall:
    """A collision limit that says what it is told, and notes what it was asked."""

    def __init__(self, scale=1.0):
        self.share, self.asked, self.begun, self.path = scale, [], 0, self

    def begin(self):
        self.begun += 1

    def brake(self, velocity):
        return -3.0 * np.sign(velocity)

    def scale(self, position, velocity, brake, acceleration):
        self.asked.append((position, velocity, brake, acceleration))
        return self.share

    def nearest(self, position):
        return 'hand, table', 0.25


def make(collision=None, **changes):
    found = Certificate('test', ROBOT.actuated, tuple(BRAKING.tolist()), 0.8, 'joint1', (), (), (),
                        (), LIMITS.velocity, 1.0, 1.0, 0.0, 0.0, 100, 0)
    limit = ViabilityLimit(ROBOT, LIMITS, replace(CONFIG, **changes), Coupled(), found, collision)
    assert limit.recovering and not limit._settled
    limit.recovering, limit._settled = False, True
    limit._been_inside[:] = True
    return limit


def limited(limit, position, velocity, effort, **more):
    result = np.array(effort, dtype=float)
    limit.see(position, velocity, **more)
    limit.limit(result)
    return result


def acceleration_of(effort, velocity):
    return np.linalg.solve(MASS, effort - PULL - DAMPING * velocity)


def boxes(position, velocity, up=SPEED, down=SPEED, back=COME_BACK, horizon=HORIZON):
    """Return the bounds, computed joint by joint with the pure functions."""
    back_down, back_up = (np.clip(-back * distance, 0.0, FASTEST_BACK)
                          for distance in (UPPER - position, position - LOWER))
    upper = upper_bound(UPPER - position, velocity, up, BRAKING, horizon, back_down)
    lower = -upper_bound(position - LOWER, -velocity, down, BRAKING, horizon, back_up)
    both = []
    for most in (BRAKING + 15.0, BRAKING):
        low, high = np.minimum(lower, most), np.maximum(upper, -most)
        middle = np.clip((low + high) / 2.0, -most, most)
        both.append((np.where(low > high, middle, low), np.where(low > high, middle, high)))
    return both


def expected(position, velocity, effort, **speeds):
    """Return what the limit must make of `effort`, written with the pure functions."""
    effort = np.clip(effort, -EFFORT, EFFORT)
    hard, gentle = boxes(position, velocity, **speeds)
    wanted = acceleration_of(effort, velocity)
    clipped = np.clip(wanted, *hard)
    if (clipped == wanted).all():
        return effort
    bias = PULL + DAMPING * velocity
    return feasible_effort(clipped, MASS, bias, hard, gentle, EFFORT)


def states(count, wide=1.02):
    rng = np.random.default_rng(count)
    for _ in range(count):
        yield (rng.uniform(wide * LOWER, wide * UPPER),
               rng.uniform(-1.2, 1.2, 2) * SPEED * rng.choice([0.1, 1.0]),
               rng.uniform(-1.3, 1.3, 2) * EFFORT * rng.choice([0.05, 0.3, 1.0]))


def test_it_is_the_composition_of_the_pure_functions():
    limit, changed = make(), 0
    for position, velocity, effort in states(500):
        result = limited(limit, position, velocity, effort)
        np.testing.assert_allclose(result, expected(position, velocity, effort), atol=1e-9)
        changed += not np.array_equal(result, effort)
        assert limit.reason == VIABILITY
    assert 50 < changed < 450


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_the_way_back_in_is_slow_and_only_for_who_is_outside(side):
    edge = np.array(LIMITS.position_upper if side > 0.0 else LIMITS.position_lower)
    position, push = np.array([edge[0] + side * 1e-3, 0.0]), -side * 60.0 * np.ones(2)
    slow = np.array([0.05, SPEED[1]])
    speeds = {'back': 0.0, 'down' if side > 0.0 else 'up': slow}
    limit = make()
    for begin in (True, True, False):
        if begin:
            limit.begin()
        result = limited(limit, position, REST, push)
        np.testing.assert_allclose(result, expected(position, REST, push, **speeds), atol=1e-9)
        assert limit.recovering, 'as long as one joint is outside'
    on_edge = np.array([edge[0], 0.0])
    np.testing.assert_allclose(limited(limit, on_edge, REST, push),
                               expected(on_edge, REST, push, back=0.0), atol=1e-9)
    assert not limit.recovering
    # Pushed out again it is no start outside, and still nothing drives it back.
    np.testing.assert_allclose(limited(limit, position, REST, push),
                               expected(position, REST, push, back=0.0), atol=1e-9)
    limited(limit, REST, REST, push)  # it has been inside: from now on it must be
    np.testing.assert_allclose(limited(limit, position, REST, push),
                               expected(position, REST, push), atol=1e-9)


@pytest.mark.parametrize('side', [1.0, -1.0])
def test_nobody_who_stands_in_a_margin_is_driven_out_of_it_unless_requests_got_him_there(side):
    edge = np.array(LIMITS.position_upper if side > 0.0 else LIMITS.position_lower)
    position, still = np.array([edge[0] - side * 0.01, 0.0]), PULL.copy()
    limit = make()
    limit.begin()
    assert limited(limit, position, REST, still).tolist() == still.tolist(), 'started there'
    limited(limit, REST, REST, still)
    limit.see(position, REST)
    held = still.copy()
    limit.limit(held, following=False)
    assert held.tolist() == still.tolist(), 'held'
    held[0] += side * 10.0
    limit.limit(held, following=False)
    assert acceleration_of(held, REST)[0] == pytest.approx(0.0, abs=1e-9), 'held, not let out'
    driven = acceleration_of(limited(limit, position, REST, still), REST)
    assert driven[0] * side == pytest.approx(-0.05 / HORIZON), '5 /s times 10 mm'
    limit.begin()
    assert limited(limit, position, REST, still).tolist() == still.tolist(), 'begun anew'


def test_who_stands_just_where_his_margin_begins_has_not_been_inside_it():
    limit = make()
    limit.begin()
    for edge, where in ((0, limit._margin_limit[0]), (1, -limit._margin_limit[1])):
        limited(limit, where, REST, PULL.copy())
        assert not limit._been_inside[edge].any() and limit._been_inside[1 - edge].all()
        limit.begin()


def test_the_way_out_of_a_deep_margin_is_slow():
    limit = make(position_margin=0.5)
    position = np.array([1.1, 0.0])
    driven = acceleration_of(limited(limit, position, REST, PULL.copy()), REST)
    assert driven[0] == pytest.approx(-FASTEST_BACK / HORIZON)
    slow = make(position_margin=0.5, velocity_margin=0.9)
    driven = acceleration_of(limited(slow, position, REST, PULL.copy()), REST)
    assert driven[0] == pytest.approx(-0.5 * (0.1 * 2.0 - 0.02) / HORIZON)


@pytest.mark.parametrize('latency', [1, 2, 4])
def test_a_late_command_is_limited_for_the_state_in_which_it_acts(latency):
    prompt = make()
    for position, velocity, effort in states(100, wide=0.9):
        late, rng = make(latency_periods=latency), np.random.default_rng(latency)
        sent = [rng.uniform(-1.0, 1.0, 2) * EFFORT for _ in range(latency + 1)]
        for earlier in sent:
            late.sent(earlier)
        result = limited(late, position, velocity, effort)
        for on_its_way in sent[1:]:
            acceleration = acceleration_of(on_its_way, velocity)
            position = position + PERIOD * velocity + 0.5 * PERIOD**2 * acceleration
            velocity = velocity + PERIOD * acceleration
        np.testing.assert_allclose(result, limited(prompt, position, velocity, effort), atol=1e-7)


def test_a_latency_that_is_heard_of_later_counts_the_same():
    position, velocity, push = np.array([1.4, 0.0]), np.array([0.9, -0.5]), np.array([80.0, 0.0])
    results = []
    for limit in (make(latency_periods=3), make(), make(latency_periods=1)):
        limit.set_latency(3)
        for effort in (-40.0, 10.0, 60.0):
            limit.sent(np.full(2, effort))
        results.append(limited(limit, position, velocity, push).tolist())
        limit.set_latency(0)
        limit.sent(push)
        np.testing.assert_allclose(limited(limit, position, velocity, push),
                                   expected(position, velocity, push), atol=1e-9)
    assert results[0] == results[1] == results[2]


def test_where_nothing_was_sent_the_joints_keep_their_speed():
    position, velocity, push = np.array([1.4, 0.0]), np.array([0.9, -0.5]), np.array([80.0, 0.0])
    for latency in (1, 3):
        ahead = position + latency * PERIOD * velocity
        result = limited(make(latency_periods=latency), position, velocity, push)
        np.testing.assert_allclose(result, expected(ahead, velocity, push), atol=1e-4)


def test_lost_states_repeat_the_last_command_and_teach_nothing():
    limit = make(latency_periods=3, observer_gain=0.5)
    for effort in (1.0, 2.0, 3.0):
        limited(limit, REST, REST, REST)
        limit.sent(np.full(2, effort))
    before = limit.observer.acceleration.copy()
    limited(limit, REST, REST + 0.1, REST, periods=2)
    assert [sent[0] for sent in limit._in_flight] == [2.0, 3.0, 3.0]
    assert np.array_equal(limit.observer.acceleration, before)
    limited(limit, REST, REST, REST, periods=9)
    assert [sent[0] for sent in limit._in_flight] == [3.0] * 3
    limit.begin()
    assert not limit._in_flight
    limited(limit, REST, REST, REST, periods=2)
    assert len(limit._in_flight) == 3
    limit.set_latency(3)
    assert len(limit._in_flight) == 3, 'no news, nothing is forgotten'
    limit.set_latency(1)
    assert not limit._in_flight and limit._latency == 1
    sent = np.ones(2)
    limit.sent(sent)
    sent[:] = 9.0
    limit.sent(sent)
    assert [list(effort) for effort in limit._in_flight] == [[9.0, 9.0]]


@pytest.mark.parametrize('latency', [0, 1])
def test_what_the_model_does_not_know_is_learnt_and_counted_on(latency):
    """The observer learns a push of 4 rad/s^2; the limit then brakes as if it were gravity."""
    limit, push = make(latency_periods=latency, observer_gain=0.2), np.array([4.0, 0.0])
    position, velocity = REST, REST
    for _ in range(200):
        effort = limited(limit, position, velocity, PULL + DAMPING * velocity)
        limit.sent(effort)
        acceleration = acceleration_of(effort, velocity) + push
        velocity = velocity + PERIOD * acceleration
        position = REST  # far from everything
        velocity = np.clip(velocity, -0.5, 0.5) if abs(velocity[0]) < 0.5 else 0.0 * velocity
        if not velocity.any():
            limit.observer.skip()
    assert limit.observer.acceleration == pytest.approx(push, abs=0.05)
    assert limit.status(REST)['disturbance'] == pytest.approx(4.0, abs=0.05)
    mass, bias = limit._evaluate(REST, REST)
    assert mass.tolist() == MASS.tolist()
    assert bias == pytest.approx(PULL - MASS @ push, abs=0.2)
    limit.begin()
    assert limit.observer.acceleration.tolist() == [0.0, 0.0] and limit.recovering


def test_another_limit_goes_on_with_what_was_sent_and_learnt():
    old, new = make(latency_periods=2, observer_gain=0.5), make(latency_periods=2)
    old.observer.acceleration[:] = 2.0, -1.0
    for effort in (1.0, 2.0):
        old.sent(np.full(2, effort))
    new.take_over(old)
    assert [sent[0] for sent in new._in_flight] == [1.0, 2.0]
    assert new.observer.acceleration.tolist() == [2.0, -1.0]


def test_it_is_no_more_than_a_share_of_the_way_to_a_collision():
    position, velocity = np.array([0.2, -0.3]), np.array([0.5, -0.4])
    effort = np.array([30.0, 5.0])
    free = make(wall := Wall(1.0))
    assert limited(free, position, velocity, effort).tolist() == effort.tolist()
    assert free.reason == VIABILITY
    asked = wall.asked[0]
    assert [list(given) for given in asked[:3]] == [list(position), list(velocity), [-3.0, 3.0]]
    np.testing.assert_allclose(asked[3], acceleration_of(effort, velocity))
    backup = MASS @ np.array([-3.0, 3.0]) + PULL + DAMPING * velocity
    for share in (0.0, 0.25):
        near = make(Wall(share))
        result = limited(near, position, velocity, effort)
        np.testing.assert_allclose(result, backup + share * (effort - backup), atol=1e-9)
        assert near.reason == COLLISION
    near.collision.share = 1.0
    limited(near, position, velocity, effort)
    assert near.reason == VIABILITY


def test_braking_before_a_collision_respects_the_bounds():
    """Where a joint just can stop, its brakes must do more than the collision asks."""
    position, velocity = np.array([LOWER[0] + 0.036, 0.0]), np.array([-0.75, 0.0])
    hard, gentle = boxes(position, velocity, back=0.0, horizon=PERIOD)
    wanted = np.clip([3.0, 0.0], *hard)
    assert wanted[0] > 4.0
    backup = feasible_effort(wanted, MASS, PULL + DAMPING * velocity, hard, gentle, EFFORT)
    result = limited(make(Wall(0.0)), position, velocity, REST)
    np.testing.assert_allclose(result, backup, atol=1e-9)


@pytest.mark.parametrize('speed', [0.0, 0.002, -0.002])
def test_a_collision_outranks_the_way_out_of_a_margin(speed):
    position, velocity = np.array([UPPER[0] + 0.01, 0.0]), np.array([speed, 0.0])
    free = acceleration_of(limited(make(), position, velocity, REST), velocity)
    assert free[0] < -2.0
    wall = Wall(0.0)
    wall.brake = lambda velocity: -velocity / PERIOD
    braked = acceleration_of(limited(make(wall), position, velocity, REST), velocity)
    assert braked == pytest.approx(-velocity / PERIOD, abs=1e-9)


def test_the_observer_expects_what_the_collision_left():
    limit = make(Wall(0.0), observer_gain=1.0)
    velocity = np.array([0.5, -0.4])
    effort = limited(limit, REST, velocity, np.array([30.0, 5.0]))
    after = velocity + PERIOD * acceleration_of(effort, velocity)
    limit.observer.observe(after, PERIOD)
    assert limit.observer.acceleration == pytest.approx([0.0, 0.0], abs=1e-6)


def test_status_and_begin_reach_the_collision_limit():
    assert set(make().status(REST)) == {'mode', 'certified_share', 'disturbance'}
    limit = make(wall := Wall())
    limit.begin()
    assert wall.begun == 1
    limit.observer.acceleration[:] = 1.0, -3.0
    values = limit.status(REST)
    assert values['certified_share'] == 0.8 and values['disturbance'] == 3.0
    assert (values['nearest'], values['nearest_distance_m']) == ('hand, table', 0.25)


def test_bounds_that_cross_meet_in_the_middle():
    most = np.array([10.0, 10.0, 10.0, 10.0])
    lower, upper = braking_box(np.array([4.0, -1.0, 30.0, 2.0]),
                               np.array([-2.0, 5.0, -30.0, 2.0]), most)
    assert lower.tolist() == [1.0, -1.0, 0.0, 2.0] and upper.tolist() == [1.0, 5.0, 0.0, 2.0]
    lower, upper = braking_box(np.array([50.0, 5.0]), np.array([40.0, -50.0]), most[:2])
    assert lower.tolist() == [10.0, -2.5] and upper.tolist() == [40.0, -2.5]


def test_who_stands_in_a_margin_and_is_asked_further_out_is_sent_back():
    """Errors of model and measurement must not carry him on; a little asked is not asked."""
    position = np.array([LIMITS.position_upper[0] - 0.01, 0.0])
    for asked, back in ((3.9, 0.0), (4.1, 0.05), (40.0, 0.05)):
        limit = make(velocity_noise=0.01)
        limit.begin()
        effort = MASS @ np.array([asked * 0.75, 0.0]) + PULL
        driven = acceleration_of(limited(limit, position, REST, effort), REST)
        assert driven[0] == pytest.approx(-back / HORIZON, abs=1e-9)
