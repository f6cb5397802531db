"""Work that waits for its turn, and for how long."""

from rl_robot_ros.nodes import spare_time
from rl_robot_ros.nodes.spare_time import PATIENCE
from rl_robot_ros.nodes.spare_time import SpareTime


def made(monkeypatch):
    """Return spare time, its timers by period, and a clock that a test sets."""
    clock, timers = [100.0], {}
    monkeypatch.setattr(spare_time.time, 'monotonic', lambda: clock[0])
    return SpareTime(timers.__setitem__), timers, clock


def test_where_nothing_is_controlled_the_timer_does_it(monkeypatch):
    spare, timers, _ = made(monkeypatch)
    done = []
    spare.add(1.0, lambda: done.append('job'))
    timers[1.0]()
    assert done == ['job']
    spare.use()
    assert done == ['job']


def test_between_two_states_one_job_is_done_at_a_time(monkeypatch):
    spare, timers, _ = made(monkeypatch)
    done = []
    spare.add(1.0, lambda: done.append('first'))
    spare.add(0.5, lambda: done.append('second'))
    spare.use()
    timers[1.0]()
    timers[0.5]()
    timers[0.5]()
    assert not done
    spare.use()
    assert done == ['first']
    spare.use()
    spare.use()
    assert done == ['first', 'second']


def test_work_is_not_put_off_for_ever(monkeypatch):
    spare, timers, clock = made(monkeypatch)
    done = []
    spare.add(1.0, lambda: done.append('job'))
    spare.use()
    timers[1.0]()
    assert not done  # states have come until now
    clock[0] += PATIENCE + 0.01
    timers[1.0]()
    assert done == ['job']
