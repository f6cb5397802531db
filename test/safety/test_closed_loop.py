"""
The filter against adversaries, with joints that do not know of each other.

This is what the model-free envelope promises: nothing crosses a limit, seen four times as often
as the filter looks.  On a coupled arm it promises less.
"""

import numpy as np
import pytest
from rl_robot_ros.safety import Phase
from rl_robot_ros.safety import SafetyFilter
from safety.robots import at_once
from safety.robots import make_mixed_robot
from safety.robots import Plant

ROBOT = make_mixed_robot()
LOWER, UPPER = np.array(ROBOT.position_lower), np.array(ROBOT.position_upper)
FASTEST, MOST = np.array(ROBOT.velocity_limit), np.array(ROBOT.effort_limit)
HOME = np.array([0.0, 0.0, 0.2, -1.0, 0.0, 0.0])
MIDDLE = np.where(np.isinf(UPPER), 0.0, (np.maximum(LOWER, -9.0) + np.minimum(UPPER, 9.0)) / 2.0)


def uniform(rng, state):
    return rng.uniform(-1.2, 1.2, 6) * MOST


def bang_bang(rng, state):
    if 'effort' not in state or rng.random() < 0.02:
        state['effort'] = rng.choice([-1.2, 1.2], 6) * MOST
    return state['effort']


def nearest_limit(rng, state):
    return 1.2 * MOST * np.sign(state['position'] - MIDDLE + 1e-9)


def swing(rng, state):
    state['step'] = state.get('step', 0) + 1
    return 1.2 * MOST * (1.0 if (state['step'] // 400) % 2 else -1.0)


def resonant(rng, state):
    return 1.2 * MOST * np.sign(state['velocity'] + 1e-9)


ADVERSARIES = [uniform, bang_bang, nearest_limit, swing, resonant]


def attack(adversary, steps, inertia=1.0, delay=0, **changes):
    """Return the share of range and of speed that was ever used, per joint, and the filter."""
    rng = np.random.default_rng(1)
    filter_ = SafetyFilter(ROBOT, config=at_once(**changes))
    plant, state = Plant(ROBOT, HOME, inertia=inertia), {}
    in_flight = [np.zeros(6)] * delay
    lowest, highest, fastest = HOME.copy(), HOME.copy(), np.zeros(6)
    for _ in range(steps):
        state['position'], state['velocity'] = plant.position, plant.velocity
        verdict = filter_.step(plant.position, plant.velocity, adversary(rng, state))
        in_flight.append(verdict.effort)
        position, velocity = plant.move(in_flight.pop(0), parts=4)
        lowest = np.minimum(lowest, position.min(axis=0))
        highest = np.maximum(highest, position.max(axis=0))
        fastest = np.maximum(fastest, np.abs(velocity).max(axis=0))
    assert filter_.phase is Phase.ACTIVE, filter_.reason
    return lowest, highest, fastest / FASTEST


@pytest.mark.parametrize('adversary', ADVERSARIES)
def test_no_limit_is_ever_crossed(adversary):
    lowest, highest, speed = attack(adversary, 1500)
    assert (lowest > LOWER).all() and (highest < UPPER).all()
    assert speed.max() <= 1.0


@pytest.mark.parametrize('inertia', [0.5, 2.0])
@pytest.mark.parametrize('adversary', [bang_bang, swing])
def test_a_wrong_inertia_is_forgiven(adversary, inertia):
    lowest, highest, speed = attack(adversary, 1500, inertia)
    assert (lowest > LOWER).all() and (highest < UPPER).all()
    assert speed.max() <= 1.05


@pytest.mark.parametrize('adversary', [bang_bang, swing])
def test_a_delay_that_is_known_is_forgiven(adversary):
    lowest, highest, speed = attack(adversary, 1500, delay=1,
                                    transport_delay=ROBOT.control_period)
    assert (lowest > LOWER).all() and (highest < UPPER).all()
    assert speed.max() <= 1.05


def test_the_limits_do_not_paralyse():
    """A constant push reaches 95 % of the range, and 90 % of the speed where there is room."""
    lowest, highest, speed = attack(swing, 1700)
    bounded = np.isfinite(UPPER)
    width = (UPPER - LOWER)[bounded]
    slack = np.maximum(0.05 * width, 0.011)  # half of a narrow range may go to the margin
    assert (highest[bounded] > UPPER[bounded] - slack).all()
    assert (lowest[bounded] < LOWER[bounded] + slack).all()
    assert speed[[0, 3, 5]].min() > 0.9


@pytest.mark.parametrize('how', ['stop', 'request_lost'])
def test_every_stop_stays_inside_the_limits(how):
    rng = np.random.default_rng(2)
    for _ in range(8):
        filter_ = SafetyFilter(ROBOT, config=at_once())
        plant, state = Plant(ROBOT, HOME), {}
        for step in range(220):
            state['position'], state['velocity'] = plant.position, plant.velocity
            if step == 70:
                filter_.stop('button') if how == 'stop' else filter_.request_lost()
            verdict = filter_.step(plant.position, plant.velocity, bang_bang(rng, state))
            position, velocity = plant.move(verdict.effort, parts=4)
            assert (position > LOWER).all() and (position < UPPER).all()
            assert (np.abs(velocity) <= FASTEST).all()
        assert np.abs(velocity / FASTEST).max() < 0.02
        assert filter_.at_rest


def test_a_start_outside_the_limits_only_leads_inside():
    start = np.array([1.7, -0.15, 0.55, -3.2, 1.2, 0.0])
    filter_, plant = SafetyFilter(ROBOT, config=at_once()), Plant(ROBOT, start)
    outwards = np.sign(start - MIDDLE)
    rng = np.random.default_rng(3)
    for step in range(600):
        asked = rng.choice([-1.0, 1.0]) * MOST if step < 300 else -outwards * MOST
        verdict = filter_.step(plant.position, plant.velocity, asked)
        assert verdict.source == 'policy', verdict.reason
        plant.move(verdict.effort)
        out = ((plant.position - UPPER) > 0) | ((LOWER - plant.position) > 0)
        assert (np.abs(plant.velocity[out]) <= 0.0175 + 1e-9).all()
    assert ((plant.position - start) * outwards <= 1e-3)[:5].all()
