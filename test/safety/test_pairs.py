import numpy as np
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.safety.distance import PairDistance
from rl_robot_ros.safety.pairs import allowed_collisions
from rl_robot_ros.safety.pairs import as_text
from rl_robot_ros.safety.pairs import low_discrepancy
from rl_robot_ros.safety.pairs import pair_reach

LOWER, UPPER = np.array(ROBOT.position_lower), np.array(ROBOT.position_upper)
GEOMETRY = MujocoGeometry(ROBOT)
TABLE, WATCHED = allowed_collisions(GEOMETRY, np.array(ROBOT.home), LOWER, UPPER, 0.024, 1000)


def test_the_matrix_of_the_arm():
    allowed = {(int(row.first[-1]), int(row.second[-1])): row.allowed for row in TABLE}
    assert len(allowed) == 28
    assert all((b == a + 1) == (why == 'adjacent') for (a, b), why in allowed.items())
    assert {pair for pair, why in allowed.items() if not why} == {tuple(p) for p in WATCHED}
    # These can touch; of link0 and link4, samples alone do not find it.
    assert {(0, 4), (0, 5), (0, 6), (0, 7), (1, 5), (1, 6), (1, 7), (2, 6), (2, 7),
            (5, 7)} <= {tuple(p) for p in WATCHED}
    assert {(1, 3), (3, 6), (4, 6)} <= {pair for pair, why in allowed.items() if why == 'never'}


def test_pairs_that_never_come_near_do_not_in_other_samples():
    pairs = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)])
    rng = np.random.default_rng(1)
    found = PairDistance(pairs, GEOMETRY.radius, GEOMETRY.length)(
        GEOMETRY.capsules(rng.uniform(LOWER, UPPER, (5000, 7)))).min(axis=1)
    for row, nearest in zip(TABLE, found):
        assert row.nearest <= nearest + 1e-3, row
        if row.allowed == 'never':
            assert row.nearest >= 0.024


def test_links_that_touch_at_home_or_never_move_are_left_out():
    class Still(MujocoGeometry):
        """The arm with larger links, of which two are fixed."""

        def __init__(self):
            super().__init__(ROBOT)
            self.radius = self.radius + np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.01, 0.0, 0.0])
            self.moves[1] = False

    table, _ = allowed_collisions(Still(), np.array(ROBOT.home), LOWER, UPPER, 0.024, 100)
    why = {(row.first, row.second): row.allowed for row in table}
    assert why['link0', 'link1'] == 'rigid'
    assert why['link5', 'link7'] == 'default'


def test_distances_change_no_faster_than_the_bound():
    pairs = np.array([(a, b) for a in range(8) for b in range(a + 1, 8)])
    reach = pair_reach(GEOMETRY, pairs)
    distance = PairDistance(pairs, GEOMETRY.radius, GEOMETRY.length)
    rng = np.random.default_rng(2)
    start = rng.uniform(LOWER, UPPER, (3000, 7))
    moved = rng.normal(size=start.shape) * rng.choice([0.0, 0.001, 0.1], start.shape)
    moved = np.clip(start + moved, LOWER, UPPER) - start
    change = np.abs(distance(GEOMETRY.capsules(start + moved))
                    - distance(GEOMETRY.capsules(start)))
    # Axes that touch are where the root of a square of 1e-16 is 1e-8.
    assert (change <= reach @ np.abs(moved).T + 1e-7).all()
    # It knows which joints change nothing: link5 turns about the line link7 is seen along.
    assert reach[-2].round(3).tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.218, 0.0]


def test_low_discrepancy_points_fill_the_box():
    points = low_discrepancy(500, LOWER, UPPER)
    assert points.shape == (500, 7)
    assert (points >= LOWER).all() and (points <= UPPER).all()
    share = (points - LOWER) / (UPPER - LOWER)
    for column in share.T:
        assert np.histogram(column, bins=20, range=(0.0, 1.0))[0].min() >= 20
    assert (points == low_discrepancy(1000, LOWER, UPPER)[:500]).all()


def test_the_table_for_people():
    text = as_text(TABLE).splitlines()
    assert text[0].split() == ['link', 'link', 'at', 'home', 'nearest', 'allowed']
    assert len(text) == 29 and sum('watched' in line for line in text) == len(WATCHED)
