import pytest
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.state_machine import STANDS_NOT
from rl_robot_ros.safety.state_machine import StateMachine
from rl_robot_ros.safety.state_machine import STOPPING


def make(start_hold=0.0, fade_in=0.0, resume=False):
    return StateMachine(start_hold, fade_in, 0.005, resume)


def active(**options):
    machine = make(**options)
    assert machine.configured() and machine.request()
    return machine


def in_phase(phase, **options):
    """Make a machine that is in `phase`."""
    machine = make(**options)
    if phase is Phase.UNCONFIGURED:
        return machine
    machine.configured()
    if phase in (Phase.ACTIVE, Phase.BRAKING, Phase.HOLD):
        machine.request()
    if phase in (Phase.BRAKING, Phase.HOLD):
        machine.lose_request('lost')
    if phase is Phase.HOLD:
        machine.arrived()
    if phase is Phase.FAULT:
        machine.fault('broken')
    if phase is Phase.STOP:
        machine.stop('pressed')
        machine.release()
    assert machine.phase is phase
    return machine


def test_it_starts_with_a_state_and_a_request():
    machine = make()
    assert machine.phase is Phase.UNCONFIGURED and not machine.request()
    assert machine.configured() and not machine.configured()
    assert machine.phase is Phase.IDLE and machine.reason
    assert machine.request()
    assert machine.phase is Phase.ACTIVE and machine.reason == ''
    assert machine.request()


def test_it_must_have_stood_still():
    machine = make(start_hold=0.02)
    machine.configured()
    for _ in range(3):
        machine.stood_still(True, 1)
        assert not machine.request() and machine.reason == STANDS_NOT
    machine.stood_still(False, 1)
    machine.stood_still(True, 3)
    assert not machine.request()
    machine.stood_still(True, 1)
    assert machine.request()


def test_fade_in_counts_periods_from_zero_to_one():
    machine = active(fade_in=0.02)
    seen = []
    for _ in range(6):
        seen.append(machine.blend)
        machine.tick(1)
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    machine = active(fade_in=0.02)
    machine.tick(3)
    assert machine.blend == 0.75
    assert active().blend == 1.0


def test_a_lost_request_brakes_then_holds():
    machine = active()
    assert machine.lose_request('gone')
    assert machine.phase is Phase.BRAKING and machine.reason == 'gone' and machine.latched
    assert not machine.lose_request('again') and not machine.request()
    machine.arrived()
    assert machine.phase is Phase.HOLD and not machine.request() and machine.latched


@pytest.mark.parametrize('phase', [p for p in Phase if p is not Phase.ACTIVE])
def test_only_an_active_filter_loses_its_request(phase):
    machine = in_phase(phase)
    assert not machine.lose_request('gone') and machine.phase is phase


def test_in_simulation_it_may_resume_with_a_fade():
    machine = active(resume=True, fade_in=0.01)
    machine.tick(5)
    machine.lose_request('gone')
    assert not machine.latched and not machine.request(), 'not before it stands'
    machine.arrived()
    assert not machine.latched and machine.request()
    assert machine.phase is Phase.ACTIVE and machine.blend == 0.0
    assert in_phase(Phase.FAULT, resume=True).latched
    assert in_phase(Phase.STOP, resume=True).latched


@pytest.mark.parametrize('phase', list(Phase))
def test_a_fault_latches_where_there_is_something_to_lose(phase):
    machine = in_phase(phase)
    news = phase not in (Phase.FAULT, Phase.STOP, Phase.UNCONFIGURED)
    assert machine.fault('new') is news
    assert machine.phase is (Phase.FAULT if news else phase)
    assert (machine.reason == 'new') is news
    assert not machine.request()
    machine.arrived()
    assert machine.phase is not Phase.HOLD or phase is Phase.HOLD


@pytest.mark.parametrize('phase', list(Phase))
def test_a_stop_outranks_everything_and_latches(phase):
    machine = in_phase(phase)
    machine.stop('button')
    assert machine.phase is Phase.STOP and machine.latched and machine.stopping
    assert not machine.request() and not machine.fault('x')
    assert machine.reset() == (False, 'stop is still asserted: button')
    machine.release()
    assert machine.phase is Phase.STOP and not machine.request(), 'releasing restarts nothing'
    done, message = machine.reset()
    assert done and 'button' in message
    assert machine.phase is (Phase.UNCONFIGURED if phase is Phase.UNCONFIGURED else Phase.IDLE)


def test_a_stop_before_the_first_state():
    machine = make()
    machine.stop('button')
    assert machine.configured()
    assert machine.phase is Phase.STOP
    machine.release()
    assert machine.reset()[0] and machine.phase is Phase.IDLE


@pytest.mark.parametrize('phase', [p for p in Phase if p in STOPPING])
def test_a_reset_is_refused_while_something_is_wrong(phase):
    machine = in_phase(phase)
    done, message = machine.reset('the cable is loose')
    assert not done and 'the cable is loose' in message and machine.reason in message
    assert machine.phase is phase
    assert machine.reset()[0]
    assert machine.phase is Phase.IDLE


@pytest.mark.parametrize('phase', [p for p in Phase if p not in STOPPING])
def test_a_reset_of_nothing_changes_nothing(phase):
    machine = in_phase(phase)
    assert not machine.stopping and not machine.latched
    assert machine.reset('anything')[0] and machine.phase is phase


def test_after_a_reset_everything_starts_again():
    machine = make(start_hold=0.01, fade_in=0.01)
    machine.configured()
    machine.stood_still(True, 2)
    machine.request()
    machine.tick(5)
    machine.stop('button')
    machine.release()
    machine.reset()
    assert not machine.request() and machine.blend == 0.0
    machine.stood_still(True, 2)
    assert machine.request() and machine.blend == 0.0


def test_another_machine_goes_on_where_the_old_one_was():
    old = make(start_hold=0.02, fade_in=0.02)
    old.configured()
    old.stood_still(True, 4)
    old.request()
    old.tick(3)
    new = make(start_hold=0.02, fade_in=0.03)
    new.take_over(old)
    assert new.phase is Phase.ACTIVE and new.reason == ''
    assert not new.configured() and new.blend == 4 / 6, 'three quarters, and no further'
    old.stop('button')
    new.take_over(old)
    assert new.reset() == (False, 'stop is still asserted: button')
    new.release()
    assert new.reset() == (True, 'reset from: button')
    waiting = make(start_hold=0.02)
    waiting.configured()
    waiting.stood_still(True, 3)
    new.take_over(waiting)
    assert new.phase is Phase.IDLE and not new.request()
    new.stood_still(True, 1)
    assert new.request(), 'it has stood still in the old machine too'


def test_what_is_said_while_nothing_is_wrong():
    machine = make()
    assert machine.reason == 'waits for a joint state' and not machine.stop_asserted
    assert make(fade_in=0.02).blend == 0.0
    assert machine.reset() == (True, 'nothing to reset, the filter is unconfigured')
    machine.configured()
    assert machine.reason == 'waits for a request'
    machine.stop('button')
    assert machine.stop_asserted and machine.reason == 'button'
    machine.release()
    assert not machine.stop_asserted and machine.reset()[0]
    assert machine.reason == 'waits for a request'
    waiting = make()
    waiting.stop('button')
    waiting.release()
    waiting.reset()
    assert waiting.reason == 'waits for a joint state'


def test_times_are_whole_periods_rounded_up():
    for hold, periods in ((0.0, 0), (0.001, 1), (0.015, 3), (0.0151, 4), (3 * 0.005, 3)):
        machine = make(start_hold=hold)
        machine.configured()
        machine.stood_still(True, max(periods - 1, 0))
        assert machine.request() is (periods == 0)
        machine.stood_still(True, 1)
        assert machine.request()


def test_nothing_resumes_by_itself_unless_told():
    machine = StateMachine(0.0, 0.0, 0.005)
    machine.configured()
    machine.request()
    machine.lose_request('gone')
    machine.arrived()
    assert machine.latched and not machine.request()
