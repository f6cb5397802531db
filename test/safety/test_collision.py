"""A ball on three sliders beside a fixed ball: every distance is known by heart."""

from dataclasses import replace

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety.collision import CollisionLimit
from rl_robot_ros.safety.collision_config import CollisionConfig
from safety.robots import make_robot

ROBOT = make_robot(3)
PERIOD = ROBOT.control_period
BRAKING = np.array([8.0, 4.0, 12.0])
RADIUS = 0.125
POST = np.array([0.5, 0.0, 0.0])
CONFIG = CollisionConfig(table=True, table_height=-0.5, pair_samples=100)
INSIDE = CONFIG.margin - 1e-9


class Gantry:
    """`core.spec.Geometry` of a ball carried by three sliders, and of a post that stands."""

    links = ('ball', 'post')
    radius = np.full(2, RADIUS)
    length = np.zeros(2)
    moves = np.array([[True] * 3, [False] * 3])
    reach = np.ones((2, 3))

    def capsules(self, position):
        ends = np.stack((position, np.broadcast_to(POST, position.shape)), axis=-2)
        return np.repeat(ends[..., None, :], 2, axis=-2)


def make_limit(**changes):
    return CollisionLimit(ROBOT, Gantry(), BRAKING, replace(CONFIG, **changes))


LIMIT = make_limit()


def gaps(positions):
    """Distance of the ball from post and table, whichever is less."""
    post = np.linalg.norm(positions - POST, axis=-1) - 2.0 * RADIUS
    return np.minimum(post, positions[..., 2] + 0.5 - RADIUS)


class Loop:
    """Sliders that do what they are told, with or without the limit."""

    def __init__(self, limit, position=(0.0, 0.0, 0.0), velocity=(0.0, 0.0, 0.0)):
        self.limit = limit
        self.position, self.velocity = np.array(position), np.array(velocity)
        self.least = gaps(self.position)

    def step(self, acceleration, disturbance=0.0):
        """Move on by one period; returns the scale."""
        brake = self.limit.path.brake(self.velocity)
        scale = self.limit.scale(self.position, self.velocity, brake, acceleration)
        told = acceleration if scale == 1.0 else brake + scale * (acceleration - brake)
        told = told + disturbance
        time = np.linspace(0.0, PERIOD, 6)[1:, None]
        passed = self.position + self.velocity * time + 0.5 * told * time**2
        self.least = min(self.least, gaps(passed).min())
        self.position, self.velocity = passed[-1], self.velocity + PERIOD * told
        self.velocity[np.abs(self.velocity) < 1e-12] = 0.0
        return scale


accelerations = st.lists(st.tuples(*[st.floats(-60.0, 60.0)] * 3).map(np.array), min_size=1,
                         max_size=8)


@given(accelerations, st.integers(1, 40))
@settings(max_examples=15)
def test_whatever_is_asked_for_the_margin_is_kept(asked, periods):
    loop = Loop(make_limit())
    for acceleration in asked:
        for _ in range(periods):
            loop.step(acceleration)
    assert loop.least >= INSIDE


def test_without_the_limit_the_same_would_touch():
    """The test above can fail."""
    time = np.linspace(0.0, 0.5, 100)[:, None]
    assert gaps(0.5 * np.array([5.0, 0.0, 0.0]) * time**2).min() < 0.0
    assert gaps(0.5 * np.array([0.0, 0.0, -5.0]) * time**2).min() < 0.0


states = st.tuples(*[st.floats(-1.0, 1.0)] * 3).map(np.array)


@given(states, states)
@settings(max_examples=150)
def test_free_is_never_said_of_a_path_that_is_not(position, velocity):
    limit = LIMIT
    path = limit.path.positions(position[None], 2.0 * velocity[None], 1000)[:, 0]
    least = min(gaps(position), gaps(path).min())
    if limit.free(position, 2.0 * velocity):
        assert least >= INSIDE
    else:
        # And it is said of every path that is clear of everything.
        assert least < 0.25


@pytest.mark.parametrize('samples', [2, 3, 50])
def test_what_lies_between_two_samples_is_not_overlooked(samples):
    limit = make_limit(samples=samples)
    start, velocity = np.array([0.5, -0.5, 0.0]), np.array([0.0, 4.0, 0.0])
    path = limit.path.positions(start[None], velocity[None], 2)[:, 0]
    assert gaps(path).min() > 0.2  # through the post in between
    assert not limit.free(start, velocity)
    assert limit.scale(start, velocity, limit.path.brake(velocity), np.zeros(3)) == 0.0


def test_what_happens_within_the_period_is_not_overlooked():
    """Back where it was after one period, and moving away: it has been at the post."""
    limit = CollisionLimit(ROBOT, Gantry(), np.full(3, 1e6), CONFIG)
    start, velocity = POST - [2.0 * RADIUS + 0.05, 0.0, 0.0], np.array([100.0, 0.0, 0.0])
    assert limit.free(start, -velocity)
    turn = -2.0 * velocity / PERIOD
    assert limit.scale(start, velocity, limit.path.brake(velocity), turn) < 1.0


def test_far_away_nothing_is_changed_and_little_computed():
    limit = make_limit()
    loop = Loop(limit, (-1.5, 0.0, 0.5))
    for step in range(100):
        assert loop.step(np.array([0.5, -0.5, 0.5]) * np.cos(step / 10.0)) == 1.0
    assert limit.counters['sampled'] == 0 and limit.counters['measured'] < 5
    assert limit.counters['steps'] == 100 and limit.counters['outside'] == 0


def test_where_no_scale_is_free_it_brakes():
    limit = make_limit()
    loop = Loop(limit, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    while loop.step(np.array([20.0, 0.0, 0.0])) == 1.0:
        pass
    scales = {loop.step(np.array([200.0, 0.0, 0.0])) for _ in range(200)}
    assert 0.0 in scales and limit.counters['braked'] > 0
    assert loop.least >= INSIDE
    # Standing next to the post, one slack in front of the margin.
    assert gaps(loop.position) == pytest.approx(CONFIG.margin + CONFIG.slack, abs=0.005)


@pytest.mark.parametrize('back', [-1.0, -30.0, -200.0])
def test_who_stands_at_the_margin_may_leave(back):
    loop = Loop(make_limit())
    for _ in range(150):
        loop.step(np.array([20.0, 0.0, 0.0]))
    for _ in range(120):
        loop.step(np.array([back, 0.0, 0.0]))
    assert gaps(loop.position) > 0.1


def test_a_smaller_scale_is_found_between():
    loop = Loop(make_limit())
    scales = {loop.step(np.array([60.0, 20.0, 0.0])) for _ in range(200)}
    assert scales & {0.5, 0.25, 0.125} and scales <= {1.0, 0.5, 0.25, 0.125, 0.0}


def test_who_starts_too_near_may_leave_and_not_come_nearer():
    near = POST - [2.0 * RADIUS + 0.004, 0.0, 0.0]
    loop = Loop(make_limit(), near)
    for _ in range(200):
        assert loop.step(np.array([5.0, 0.0, 0.0])) < 1.0
    assert loop.least >= 0.004 - CONFIG.slack
    assert loop.limit.counters['outside'] > 0
    for _ in range(200):
        loop.step(np.array([-5.0, 0.0, 0.0]))
    assert gaps(loop.position) > 0.1
    # Once out, the whole margin is kept again.
    loop.least = gaps(loop.position)
    for _ in range(200):
        loop.step(np.array([5.0, 0.0, 0.0]))
    assert loop.least >= INSIDE


def test_who_is_pushed_too_near_may_leave_after_a_stop():
    loop = Loop(make_limit())
    for _ in range(150):
        loop.step(np.array([20.0, 0.0, 0.0]))
    assert loop.step(np.zeros(3)) == 1.0
    loop.position[0] += 0.007
    pushed = gaps(loop.position)
    assert pushed < CONFIG.margin
    assert loop.step(np.array([-5.0, 0.0, 0.0])) == 0.0
    longest_stop = 2.0 / BRAKING.min()
    for _ in range(round((longest_stop + 0.3) / PERIOD)):
        loop.step(np.array([-5.0, 0.0, 0.0]))
    assert gaps(loop.position) > 0.05
    assert loop.least == pytest.approx(pushed, abs=1e-9)


def test_a_disturbance_costs_no_more_than_the_formula_says():
    error = 1.0
    loop = Loop(make_limit(margin=0.1, table_margin=0.1))
    fastest = 0.0
    for _ in range(150):
        loop.step(np.array([20.0, 0.0, 0.0]), disturbance=error)
        fastest = max(fastest, np.abs(loop.velocity).max())
    lost = (0.5 * fastest**2 * (1.0 / (BRAKING - error) - 1.0 / BRAKING)
            + 0.5 * error * PERIOD**2).sum()
    assert 0.0 < lost < 0.1
    assert loop.least >= 0.1 - lost


def test_begin_forgets():
    limit = make_limit()
    loop = Loop(limit, POST - [2.0 * RADIUS + 0.004, 0.0, 0.0])
    loop.step(np.zeros(3))
    limit.begin()
    loop = Loop(limit, (-1.5, 0.0, 0.0))
    assert loop.step(np.array([1.0, 0.0, 0.0])) == 1.0
    assert limit.counters['outside'] == 1


def test_the_workspace():
    loop = Loop(make_limit(workspace_lower=(-1.0, -1.0, -0.4), workspace_upper=(2.0, 1.0, 0.5)),
                (-0.5, 0.0, 0.0))
    for acceleration in ([-30.0, 30.0, 0.0], [0.0, -30.0, 30.0], [0.0, 0.0, -30.0]):
        for _ in range(120):
            loop.step(np.array(acceleration))
            assert (loop.position - RADIUS >= [-0.99, -0.99, -0.39]).all()
            assert (loop.position + RADIUS <= [1.99, 0.99, 0.49]).all()
    name, gap = loop.limit.nearest(np.array([-0.5, 0.8, 0.0]))
    assert name == 'ball - workspace_upper y' and gap == pytest.approx(0.075)


def test_names_of_what_is_near():
    limit = make_limit()
    assert limit.nearest(np.array([0.1, 0.0, 0.0])) == ('ball - post', pytest.approx(0.15))
    assert limit.nearest(np.array([-1.0, 0.0, -0.2]))[0] == 'ball - table'
    nothing = CollisionLimit(make_robot(3), Alone(), BRAKING, CollisionConfig(pair_samples=100))
    assert nothing.nearest(np.zeros(3)) == ('', np.inf)
    assert nothing.scale(np.zeros(3), np.zeros(3), np.zeros(3), np.full(3, 1e3)) == 1.0


class Alone(Gantry):
    """No two links: nothing to watch."""

    links = ('ball', 'ball')


@pytest.mark.parametrize('changes, words', [
    ({'table_height': -0.13}, 'ball - table: 0.0050 m at home, needs 0.0120 m'),
    ({'workspace_upper': (0.1, 1.0, 1.0)}, 'ball - workspace_upper x: -0.0250 m at home'),
    ({'workspace_lower': (1.0,)}, 'workspace_lower: got .* needs x, y and z'),
    ({'margin': float('nan')}, 'margin: got nan'),
    ({'samples': 1}, 'samples: got 1'),
])
def test_what_makes_no_sense_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        make_limit(**changes)
