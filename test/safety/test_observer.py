import numpy as np
import pytest
from rl_robot_ros.safety.observer import DisturbanceObserver

PERIOD = 0.005


def run(observer, push, periods, noise=0.0):
    """Let a joint feel a push that nobody expects, on top of what the observer expects."""
    rng, velocity = np.random.default_rng(0), np.zeros(1)
    for _ in range(periods):
        observer.observe(velocity + noise * rng.standard_normal(1), PERIOD)
        observer.expect(velocity + PERIOD * observer.acceleration)
        velocity = velocity + PERIOD * push
    return float(observer.acceleration[0])


def test_it_learns_a_steady_push():
    assert run(DisturbanceObserver(1, 0.05, 20.0), 3.0, 200) == pytest.approx(3.0, rel=1e-3)
    half = run(DisturbanceObserver(1, 0.05, 20.0), 3.0, 15)
    assert 1.0 < half < 2.0, 'in about 1 / gain periods'


def test_it_is_clamped_and_counts_how_long():
    observer = DisturbanceObserver(1, 0.5, 2.0)
    assert run(observer, 30.0, 50) == 2.0
    assert observer.saturated > 40
    run(observer, -1.0, 20)
    assert observer.saturated == 0
    run(observer, -30.0, 50)
    assert observer.acceleration[0] == -2.0 and observer.saturated > 40
    observer.begin()
    assert observer.acceleration[0] == 0.0 and observer.saturated == 0


def test_one_that_may_learn_nothing_finds_nothing():
    observer = DisturbanceObserver(1, 0.5, 0.0)
    assert run(observer, 30.0, 50) == 0.0 and observer.saturated == 0


def test_one_joint_at_the_clamp_is_counted_period_by_period():
    observer = DisturbanceObserver(2, 1.0, 2.0)
    assert observer.saturated == 0
    for count in range(1, 4):
        observer.expect(np.zeros(2))
        observer.observe(np.array([0.0, -2.1 * PERIOD]), PERIOD)
        assert observer.saturated == count


def test_one_glitch_is_not_believed():
    observer = DisturbanceObserver(1, 0.05, 20.0)
    observer.expect(np.zeros(1))
    observer.observe(np.full(1, 1e6), PERIOD)
    assert observer.acceleration[0] == pytest.approx(0.05 * 50.0)


def test_what_was_not_expected_is_not_learnt_from():
    observer, moved = DisturbanceObserver(1, 0.5, 20.0), np.full(1, 2.0 * PERIOD)
    observer.observe(moved, PERIOD)
    assert observer.acceleration[0] == 0.0
    for forget in (observer.skip, observer.begin):
        observer.expect(np.zeros(1))
        forget()
        observer.observe(moved, PERIOD)
        assert observer.acceleration[0] == 0.0
    observer.expect(np.zeros(1))
    observer.observe(moved, PERIOD)
    observer.observe(moved, PERIOD)
    assert observer.acceleration[0] == pytest.approx(1.0), 'each expectation counts once'


def test_another_one_goes_on_where_it_has_been():
    old, new = DisturbanceObserver(1, 0.5, 20.0), DisturbanceObserver(1, 0.5, 4.0)
    for push, known in ((3.0, 3.0), (-9.0, -4.0)):
        old.begin()
        run(old, push, 100)
        new.take_over(old)
        assert new.acceleration == pytest.approx(known, abs=1e-6) and new.saturated == 0
        assert old.acceleration == pytest.approx(push, abs=1e-6)
    old.begin()
    old.expect(np.array([0.1]))
    new.take_over(old)
    new.observe(np.array([0.1 + PERIOD]), PERIOD)
    assert new.acceleration == pytest.approx(0.5), 'what was expected too'
