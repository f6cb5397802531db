"""When the watchdog gives a filter up, and when it must not."""

from hypothesis import given
from hypothesis import strategies as st
from rl_robot_ros.safety.heartbeat import Heartbeat

PATIENCE, TIMEOUT, LOOK = 0.04, 0.05, 0.005


class Clock:
    """A heartbeat on a clock that tests move."""

    def __init__(self):
        self.beat = Heartbeat(PATIENCE, TIMEOUT, LOOK)
        self.now = 100.0

    def go(self, seconds, states=True, outputs=True, timed=True, answerable=True):
        """Let time pass in steps of 5 ms; returns reason and time of the first trip."""
        for _ in range(round(seconds / LOOK)):
            self.now += LOOK
            if states:
                self.beat.state(self.now, timed, answerable)
            if outputs:
                self.beat.output(self.now + 0.001)
            reason = self.beat.look(self.now + 0.002)
            if reason:
                return reason, self.now
        return '', self.now


def test_a_filter_that_answers_is_never_given_up():
    clock = Clock()
    assert clock.go(5.0) == ('', clock.now)
    assert clock.beat.armed
    assert 0.0009 < clock.beat.longest < 0.0011


def test_an_unanswered_state_trips_after_patience():
    clock = Clock()
    clock.go(1.0)
    start = clock.now
    reason, now = clock.go(1.0, outputs=False)
    assert 'waited' in reason
    assert PATIENCE <= now - start <= PATIENCE + 3 * LOOK


def test_silence_without_states_trips_after_the_filter_should_have_taken_over():
    clock = Clock()
    clock.go(1.0)
    start = clock.now
    reason, now = clock.go(1.0, states=False, outputs=False)
    assert 'no joint states' in reason
    assert -1e-9 <= now - start - TIMEOUT - PATIENCE <= 3 * LOOK


def test_states_the_filter_cannot_use_do_not_hurry_it():
    clock = Clock()
    clock.go(1.0)
    start = clock.now
    _, now = clock.go(1.0, outputs=False, answerable=False)
    assert now - start - TIMEOUT - PATIENCE >= -1e-9


def test_a_filter_that_brakes_blindly_is_alive():
    clock = Clock()
    clock.go(1.0)
    assert clock.go(1.0, states=False)[0] == ''


def test_nothing_before_the_first_output():
    clock = Clock()
    assert clock.go(5.0, outputs=False)[0] == ''
    assert not clock.beat.armed
    assert clock.beat.silence(clock.now) == float('inf')
    clock.go(0.1)
    assert clock.beat.armed
    assert clock.beat.longest < 0.01, 'the start of the filter is no wait for an answer'


def test_lockstep_is_not_timed():
    clock = Clock()
    clock.go(1.0, timed=False)
    assert clock.go(100.0, timed=False, outputs=False)[0] == ''
    assert not clock.beat.armed
    clock.go(0.5)
    assert clock.go(1.0, outputs=False)[0]


def test_it_comes_back():
    clock = Clock()
    clock.go(1.0)
    assert clock.go(1.0, outputs=False)[0]
    assert clock.beat.silence(clock.now) > PATIENCE
    assert clock.go(1.0)[0] == ''
    assert clock.beat.silence(clock.now) < PATIENCE


@given(st.floats(0.02, 1e4), st.booleans(), st.booleans())
def test_a_stall_of_our_own_is_no_silence(stall, states_first, wait):
    """After a stall the queues are read in any order, with one look between them at worst."""
    clock = Clock()
    clock.go(0.5)
    if wait:
        clock.now += 0.001
        clock.beat.state(clock.now, True, True)
    clock.now += stall
    assert clock.beat.look(clock.now) == ''
    if states_first:
        clock.beat.state(clock.now, True, True)
        assert clock.beat.look(clock.now + LOOK) == ''
    clock.beat.output(clock.now + LOOK)
    clock.now += LOOK
    assert clock.go(0.5)[0] == ''
    assert clock.beat.longest <= 4 * LOOK
    assert clock.go(1.0, outputs=False)[0], 'still watches'
