import numpy as np
import pytest
from rl_robot_ros.safety.delivery import Delivery
from rl_robot_ros.safety.delivery import RATE
from rl_robot_ros.safety.limits import JointLimits
from safety.robots import EFFORT
from safety.robots import make_robot
from safety.robots import PERIOD

ZERO = np.zeros(3)
SMALL = np.array([1.0, -2.0, 0.5])
RATE_STEP = 1000.0 * PERIOD


class Limit:
    """A state-dependent limit that halves, or does what it is told."""

    reason = 'limited by halving'

    def __init__(self, change=lambda effort: 0.5 * effort):
        self.change, self.heard = change, []

    def begin(self):
        pass

    def limit(self, effort, following=True):
        effort[:] = self.change(effort)

    def sent(self, effort):
        self.heard.append(effort.tolist())


class Lift:
    """Dynamics of a robot that hangs with 10 N m on every joint."""

    compensated = False

    def gravity(self, position):
        return np.full(3, 10.0)


def make(limit=None, lifts=None):
    robot = make_robot()
    counters = {'rate_overrides': 0}
    limit = limit or Limit(lambda effort: effort)
    return Delivery(robot, JointLimits.from_robot(robot), limit, lifts, counters), counters


def test_a_limit_changes_the_effort_and_hears_what_was_sent():
    limit = Limit()
    delivery, counters = make(limit)
    delivered = delivery.deliver(SMALL, False, True, ZERO)
    assert delivered.effort.tolist() == delivered.motor.tolist() == (0.5 * SMALL).tolist()
    assert delivered.reason == 'limited by halving'
    assert limit.heard == [(0.5 * SMALL).tolist()]
    assert counters['rate_overrides'] == 0


def test_no_limit_outranks_the_effort_limit():
    delivery, counters = make(Limit(lambda effort: effort + 1000.0))
    assert delivery.deliver(SMALL, False, True, ZERO).effort.tolist() == [EFFORT] * 3
    assert counters['rate_overrides'] == 1


def test_the_rate_limits_what_is_asked_for_and_not_a_stop():
    delivery, counters = make()
    delivered = delivery.deliver(np.full(3, 50.0), False, True, ZERO)
    assert delivered.effort.tolist() == [RATE_STEP] * 3 and delivered.reason == RATE
    delivered = delivery.deliver(np.full(3, -50.0), True, True, ZERO)
    assert delivered.effort.tolist() == [-50.0] * 3
    assert counters['rate_overrides'] == 1


def test_an_override_of_the_rate_is_counted_when_one_joint_is_beyond_it():
    delivery, counters = make()
    for wanted, expected in (([RATE_STEP, -RATE_STEP, 0.0], 0), ([0.0, 0.0, 0.0], 0),
                             ([0.0, 0.0, RATE_STEP + 0.1], 1), ([0.0, 0.0, -1.0], 2)):
        delivery.deliver(np.array(wanted), True, True, ZERO)
        assert counters['rate_overrides'] == expected


def test_the_reason_is_the_limit_as_soon_as_it_changes_one_joint():
    delivery, _ = make(Limit(lambda effort: effort * [0.5, 1.0, 1.0]))
    assert delivery.deliver(SMALL, False, True, ZERO).reason == 'limited by halving'
    assert delivery.deliver(SMALL + 50.0, False, True, ZERO).reason == 'limited by halving'


def test_without_a_state_the_effort_limit_is_left():
    delivery, _ = make(Limit())
    assert delivery.deliver(np.full(3, 500.0), True, False, ZERO).effort.tolist() == [EFFORT] * 3


def test_gravity_is_added_where_the_robot_does_not_compensate_it():
    limit = Limit(lambda effort: effort)
    delivery, _ = make(limit, Lift())
    delivered = delivery.deliver(SMALL, False, True, ZERO)
    assert delivered.motor.tolist() == (SMALL + 10.0).tolist() == limit.heard[0]
    assert delivered.effort.tobytes() == SMALL.tobytes() and not delivered.reason
    assert delivery.rest_effort(ZERO).tolist() == [10.0] * 3
    assert make()[0].rest_effort(ZERO).tolist() == [0.0] * 3


def test_the_effort_limit_holds_for_the_sum_with_gravity():
    delivery, _ = make(lifts=Lift())
    delivered = delivery.deliver(np.array([EFFORT, -EFFORT, 0.0]), True, True, ZERO)
    assert delivered.motor.tolist() == [EFFORT, -EFFORT + 10.0, 10.0]
    assert delivered.effort == pytest.approx([EFFORT - 10.0, -EFFORT, 0.0])
    assert delivery.applied == pytest.approx(delivered.effort), 'the rate counts on top of gravity'


def test_what_is_not_limited_comes_out_bit_identical_also_on_top_of_gravity():
    rng = np.random.default_rng(0)
    for lifts in (None, Lift()):
        delivery, _ = make(lifts=lifts)
        for _ in range(500):
            wanted = delivery.applied + rng.uniform(-1.0, 1.0, 3) * RATE_STEP
            wanted = np.clip(wanted, -60.0, 60.0)
            delivered = delivery.deliver(wanted, False, True, ZERO)
            assert delivered.effort.tobytes() == wanted.tobytes() and not delivered.reason


def test_the_sign_of_a_zero_is_no_change():
    delivery, _ = make()
    delivered = delivery.deliver(np.array([-0.0, 0.0, -0.0]), False, True, ZERO)
    assert not delivered.reason and np.signbit(delivered.effort).tolist() == [True, False, True]
    delivery, _ = make(Limit(lambda effort: effort + 0.0))
    delivered = delivery.deliver(np.array([-0.0, 0.0, -0.0]), False, True, ZERO)
    assert not delivered.reason and np.signbit(delivered.effort).tolist() == [True, False, True]
