from dataclasses import replace
import math

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import Phase
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety import SafetyFilter
from safety.robots import at_once
from safety.robots import continuous
from safety.robots import EFFORT
from safety.robots import make_robot
from safety.robots import PERIOD
from safety.robots import Plant

ZERO = np.zeros(3)
SMALL = np.array([1.0, -2.0, 0.5])
NAN = np.array([0.0, math.nan, 0.0])
RATE_STEP = 1000.0 * PERIOD

number = st.floats(allow_nan=True, allow_infinity=True)
calm = st.floats(-1.0, 1.0)
vectors = st.one_of(
    st.lists(calm, min_size=3, max_size=3),
    st.lists(number, min_size=3, max_size=3).map(np.array),
    st.lists(number, max_size=5).map(np.array),
    st.lists(st.one_of(number, st.text(max_size=2), st.none()), max_size=4),
    st.none(), number, st.text(max_size=3), st.just([10**400, 0, 0]))
steps = st.tuples(st.just('step'), vectors, vectors, vectors, st.one_of(st.none(), vectors),
                  st.integers(0, 5))
calm_vectors = st.lists(calm, min_size=3, max_size=3)
calm_steps = st.tuples(st.just('step'), st.just([0.0, 0.1, 0.2]), calm_vectors.map(
    lambda v: [0.01 * x for x in v]), vectors, st.none(), st.just(1))
events = st.sampled_from(['stop', 'release', 'reset', 'begin_episode', 'request_lost',
                          'state_lost']).map(lambda name: (name,))


def run(filter_, scripts):
    """Do what the script says; return the verdicts."""
    verdicts = []
    for name, *arguments in scripts:
        if name == 'step':
            verdicts.append(filter_.step(*arguments))
        elif name == 'stop':
            filter_.stop('test')
        else:
            getattr(filter_, name)()
    return verdicts


@given(st.lists(st.one_of(steps, calm_steps, calm_steps, events), max_size=25), st.booleans(),
       st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_comes_in_the_output_is_finite_complete_and_within_the_limits(
        scripts, endless, quick):
    robot = continuous(make_robot()) if endless else make_robot()
    filter_ = SafetyFilter(robot, config=at_once() if quick else SafetyConfig())
    for verdict in run(filter_, scripts):
        assert verdict.effort.shape == (3,) and verdict.effort.dtype == np.float64
        assert np.isfinite(verdict.effort).all()
        assert (np.abs(verdict.effort) <= EFFORT).all()
        assert verdict.source in ('policy', 'teleop', 'hold', 'stop')
        assert verdict.filtered is bool(verdict.reason)


@given(st.lists(st.one_of(steps, calm_steps, events), max_size=12))
@settings(max_examples=30, deadline=None)
def test_the_same_inputs_give_the_same_outputs(scripts):
    one, two = SafetyFilter(make_robot()), SafetyFilter(make_robot())
    first, second = run(one, scripts), run(two, scripts)
    assert [v.effort.tobytes() for v in first] == [v.effort.tobytes() for v in second]
    assert [v.motor_effort.tobytes() for v in first] == [v.motor_effort.tobytes() for v in second]
    assert [v[1:4] for v in first] == [v[1:4] for v in second]
    assert one.status() == two.status()


@given(st.lists(calm_vectors.map(lambda v: 2.4 * np.array(v)), min_size=1, max_size=20),
       st.booleans())
@settings(max_examples=50, deadline=None)
def test_what_needs_no_limiting_passes_bit_by_bit(requests, person):
    filter_ = SafetyFilter(make_robot(), config=at_once())
    plant = Plant(make_robot(), 0.1)
    for request in requests:
        request[0] *= -0.0
        policy, teleop = (NAN, request) if person else (request, None)
        verdict = filter_.step(plant.position, plant.velocity, policy, teleop)
        assert verdict.effort.tobytes() == request.tobytes()
        assert verdict.effort is not request
        assert verdict[1:4] == ('teleop' if person else 'policy', False, '')
        plant.move(verdict.effort)
    assert filter_.counters['limited'] == filter_.counters['rejected_requests'] == 0


def test_a_zero_keeps_its_sign_where_the_limit_is_zero():
    filter_ = SafetyFilter(make_robot(), config=at_once(position_margin=0.0))
    verdict = filter_.step(ZERO + 1.5, ZERO, -ZERO)
    assert verdict.effort.tobytes() == (-ZERO).tobytes() and not verdict.filtered
    filter_ = SafetyFilter(make_robot(), config=at_once())
    filter_.step(ZERO, ZERO, ZERO + RATE_STEP)
    verdict = filter_.step(ZERO, ZERO, -ZERO)
    assert verdict.effort.tobytes() == (-ZERO).tobytes() and not verdict.filtered


def test_the_verdict_is_not_a_view():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    first = filter_.step(ZERO, ZERO, SMALL).effort
    filter_.step(ZERO, ZERO, -SMALL)
    assert first.tolist() == SMALL.tolist()


# -- limits ---------------------------------------------------------------------------------------

def test_the_effort_rate_limits_the_request():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    plant = Plant(make_robot())
    for count in range(1, 4):
        verdict = filter_.step(plant.position, plant.velocity, [1e308, -80.0, 0.0])
        assert verdict.effort.tolist() == [count * RATE_STEP, -count * RATE_STEP, 0.0]
        assert verdict[1:4] == ('policy', True, 'limited by effort or effort rate')
        plant.move(verdict.effort)
    assert filter_.counters['limited'] == 3 and filter_.counters['rate_overrides'] == 0


def test_the_effort_limit_limits_the_request():
    limits = JointLimits.from_robot(make_robot()).tightened(
        joint2={'has_effort_limits': True, 'max_effort': 2.0})
    filter_ = SafetyFilter(make_robot(), limits, at_once())
    verdict = filter_.step(ZERO, ZERO, [3.0, 3.0, -3.0])
    assert verdict.effort.tolist() == [3.0, 2.0, -3.0]
    assert verdict.reason == 'limited by effort or effort rate'


def test_the_envelope_outranks_the_rate():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    filter_.step(ZERO, ZERO + 1.9, ZERO)
    assert filter_.counters['rate_overrides'] == 0
    verdict = filter_.step(ZERO + 1.9 * PERIOD, [1.9, 3.0, 1.9], ZERO)
    assert verdict.effort[1] == -EFFORT and verdict.effort[0] == 0.0
    assert verdict[1:4] == ('policy', True, 'limited by the braking envelope')
    assert filter_.counters['rate_overrides'] == 1 and filter_.counters['limited'] == 1


def test_a_limit_within_the_rate_overrides_nothing():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    verdict = filter_.step(ZERO, [1.89, 0.0, 0.0], [4.0, 4.0, 4.0])
    assert 0.0 < verdict.effort[0] < 4.0 and verdict.effort[1] == 4.0
    assert verdict.reason == 'limited by the braking envelope'
    assert filter_.counters['rate_overrides'] == 0 and filter_.counters['limited'] == 1


def test_limits_wider_than_the_datasheet_are_refused():
    limits = replace(JointLimits.from_robot(make_robot()), effort=(87.0, 87.0, 88.0))
    with pytest.raises(ValueError, match='joint3: max_effort is 88.0, may only tighten'):
        SafetyFilter(make_robot(), limits)


# -- start ----------------------------------------------------------------------------------------

def test_start_hold_then_fade_in():
    robot = make_robot()
    filter_ = SafetyFilter(robot, config=SafetyConfig(start_hold=0.02, fade_in=0.02))
    assert filter_.phase is Phase.UNCONFIGURED and filter_.reason == 'waits for a joint state'
    assert not filter_.at_rest
    verdict = filter_.step(None, None, SMALL)
    assert verdict.effort.tolist() == [0.0] * 3 and verdict.source == 'hold'
    assert filter_.phase is Phase.UNCONFIGURED
    sources, efforts = [], []
    for _ in range(12):
        verdict = filter_.step(ZERO, ZERO, SMALL)
        sources.append(verdict.source)
        efforts.append(verdict.effort[0])
    assert sources[:4] == ['hold'] * 4 and set(sources[4:]) == {'policy'}
    assert efforts[:4] == [0.0] * 4
    assert efforts[4:] == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    assert not verdict.filtered and filter_.phase is Phase.ACTIVE
    assert not filter_.at_rest, 'nothing holds it'


def test_it_holds_where_it_is_first_seen_and_where_an_episode_starts():
    filter_ = SafetyFilter(make_robot())
    filter_.step(None, None, None)
    assert filter_.step(ZERO + 1.0, ZERO, None).effort.tolist() == [0.0] * 3
    assert (filter_.step(ZERO + 1.01, ZERO, None).effort < -1.0).all()
    filter_.begin_episode()
    assert filter_.step(ZERO - 1.0, ZERO, None).effort.tolist() == [0.0] * 3


def test_it_says_that_it_fades_in():
    filter_ = SafetyFilter(make_robot(), config=at_once(fade_in=1.0))
    filter_.step(ZERO, ZERO, SMALL)
    assert filter_.step(ZERO, ZERO, SMALL)[1:4] == ('policy', True, 'fades in')


def test_a_robot_that_moves_is_brought_to_rest_first():
    robot = make_robot()
    filter_, plant = SafetyFilter(robot), Plant(robot, 0.0, 1.5)
    for _ in range(200):
        verdict = filter_.step(plant.position, plant.velocity, SMALL)
        if verdict.source == 'policy':
            break
        assert verdict.source == 'hold' and 'has not stood still' in verdict.reason
        plant.move(verdict.effort)
    assert np.abs(plant.velocity).max() <= 0.04 and filter_.phase is Phase.ACTIVE
    assert np.abs(plant.position).max() < 0.16


def test_without_a_request_it_holds_for_ever():
    filter_ = SafetyFilter(make_robot())
    for _ in range(100):
        assert filter_.step(ZERO, ZERO, None).source == 'hold'
    assert filter_.phase is Phase.IDLE and not filter_.latched


def test_a_bad_request_does_not_start_anything():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    for _ in range(50):
        filter_.step(ZERO, ZERO, NAN)
    assert filter_.phase is Phase.IDLE


def test_a_bad_first_state_does_not_start_anything():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    for _ in range(50):
        assert filter_.step(NAN, ZERO, SMALL).effort.tolist() == [0.0] * 3
    assert filter_.phase is Phase.UNCONFIGURED
    assert filter_.counters['bad_states'] == 50 and filter_.counters['faults'] == 0
    assert filter_.step(ZERO, ZERO, SMALL).source == 'policy'


# -- requests that fail ---------------------------------------------------------------------------

def active(**changes):
    """Make an ACTIVE filter with a plant that moves."""
    robot = make_robot()
    filter_, plant = SafetyFilter(robot, config=at_once(**changes)), Plant(robot)
    for _ in range(20):
        plant.move(filter_.step(plant.position, plant.velocity, [20.0, -20.0, 5.0]).effort)
    assert filter_.phase is Phase.ACTIVE
    return filter_, plant


def settle(filter_, plant, request=SMALL, steps=300):
    """Go on until rest; return all sources."""
    sources = set()
    for _ in range(steps):
        verdict = filter_.step(plant.position, plant.velocity, request)
        sources.add(verdict.source)
        plant.move(verdict.effort)
    return sources


def test_a_bad_request_is_replaced_by_the_last_good_one():
    filter_, plant = active()
    good = filter_.step(plant.position, plant.velocity, [20.0, -20.0, 5.0])
    verdict = filter_.step(plant.position, plant.velocity, NAN)
    assert verdict.effort.tolist() == good.effort.tolist()
    assert verdict[1:4] == ('policy', True, 'request is not finite')
    verdict = filter_.step(plant.position, plant.velocity, None)
    assert verdict[1:4] == ('policy', False, '')
    assert filter_.counters['rejected_requests'] == 1
    assert filter_.counters['repeated_requests'] == 2


@pytest.mark.parametrize('request_,reason', [
    (None, 'no valid request for 0.05 s'), (NAN, '5 invalid requests in a row')])
def test_without_good_requests_it_brakes_and_holds(request_, reason):
    filter_, plant = active()
    settle(filter_, plant, request_, 11)
    assert filter_.phase is Phase.BRAKING and reason in filter_.reason
    assert settle(filter_, plant) == {'stop'}, 'a late request changes nothing'
    assert filter_.phase is Phase.HOLD and filter_.latched and filter_.at_rest
    assert filter_.counters['braked'] == 1
    assert filter_.reset()[0]
    assert filter_.phase is Phase.IDLE
    assert settle(filter_, plant) == {'policy'}


def test_the_node_may_say_that_the_request_is_lost():
    filter_, plant = active()
    filter_.request_lost()
    verdict = filter_.step(plant.position, plant.velocity, None)
    assert verdict.source == 'stop' and verdict.reason == 'no request in time'
    assert (verdict.effort * plant.velocity < 0.0).all()


def test_in_simulation_a_fresh_request_may_resume():
    filter_, plant = active(resume_after_loss=True)
    filter_.request_lost()
    assert settle(filter_, plant, None) == {'hold'}
    assert filter_.phase is Phase.HOLD and not filter_.latched
    assert settle(filter_, plant) == {'policy'}


@pytest.mark.parametrize('how', ['request_lost', 'state_lost', 'stop'])
def test_a_brake_starts_from_the_motion_it_finds(how):
    filter_, plant = active(fade_in=60.0)
    plant.position = plant.position + 0.02  # away from where the fade-in began to hold
    plant.velocity = ZERO + 1.0
    filter_.begin_episode()
    filter_.step(plant.position, plant.velocity, SMALL)
    for _ in range(20):
        plant.move(ZERO)
        filter_.step(plant.position, plant.velocity, SMALL)
    filter_.stop('button') if how == 'stop' else getattr(filter_, how)()
    overrides = filter_.counters['rate_overrides']
    verdict = filter_.step(plant.position, plant.velocity, None)
    np.testing.assert_allclose(verdict.effort, -1.2 * 8.0, rtol=1e-6)
    assert filter_.counters['rate_overrides'] == overrides + 1


# -- stop, fault, reset ---------------------------------------------------------------------------

def test_stop_acts_at_once_and_latches():
    filter_, plant = active()
    filter_.stop('button')
    verdict = filter_.step(plant.position, plant.velocity, SMALL)
    assert verdict[1:4] == ('stop', True, 'button')
    assert (verdict.effort * plant.velocity < 0.0).all()
    plant.move(verdict.effort)
    assert settle(filter_, plant) == {'stop'} and filter_.at_rest
    assert filter_.reset() == (False, 'stop is still asserted: button')
    filter_.release()
    assert settle(filter_, plant) == {'stop'}
    assert filter_.reset()[0] and settle(filter_, plant) == {'policy'}


def test_a_stop_that_is_repeated_goes_on_braking():
    filter_, plant = active()
    speed = np.abs(plant.velocity).max()
    for _ in range(math.ceil(speed / 8.0 / PERIOD) + 40):
        filter_.stop('button')
        plant.move(filter_.step(plant.position, plant.velocity, SMALL).effort)
    assert filter_.at_rest and filter_.counters['stops'] == 1


def test_a_stop_takes_over_from_a_hold_of_long_ago():
    filter_, plant = active()
    filter_.stop('button')
    settle(filter_, plant)
    filter_.release()
    plant.velocity = ZERO + 1.0
    filter_.step(plant.position, plant.velocity, None)
    filter_.stop('again')
    verdict = filter_.step(plant.position + PERIOD, plant.velocity, None)
    np.testing.assert_allclose(verdict.effort, np.clip(-1.2 * 8.0, -EFFORT, EFFORT), rtol=0.2)


@pytest.mark.parametrize('position,reason', [
    (NAN, 'not finite'), ([5.0, 0.0, 0.0], 'jumped'), ([0.0, 0.0], 'has 2 positions')])
def test_one_bad_state_is_bridged_three_are_a_fault(position, reason):
    filter_, plant = active()
    for _ in range(2):
        verdict = filter_.step(position, plant.velocity, SMALL)
        assert verdict.source == 'policy' and filter_.phase is Phase.ACTIVE
    verdict = filter_.step(position, plant.velocity, SMALL)
    assert filter_.phase is Phase.FAULT and verdict.source == 'stop' and reason in verdict.reason
    assert filter_.counters['bad_states'] == 3 and filter_.counters['faults'] == 1
    assert (verdict.effort * plant.velocity <= 0.0).all()
    done, message = filter_.reset()
    assert not done and reason in message
    settle(filter_, plant)
    assert filter_.phase is Phase.FAULT
    assert filter_.reset()[0] and settle(filter_, plant) == {'policy'}


def test_bad_states_are_bridged_with_limits_where_the_robot_must_be():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    filter_.step(ZERO, [1.9, 0.0, 0.0], SMALL)
    verdict = filter_.step(NAN, ZERO, [5.0, 5.0, 5.0])
    assert verdict.effort[0] < 0.1 and verdict.effort[1] == RATE_STEP - 2.0


def test_lost_states_brake_blindly_and_latch():
    filter_, plant = active(blind_brake=0.1)
    settle(filter_, plant, [20.0, -20.0, 5.0], 5)
    velocity = plant.velocity
    filter_.state_lost()
    efforts = [filter_.step(None, None, SMALL).effort for _ in range(30)]
    assert (efforts[1] * velocity < 0.0).all()
    assert efforts[-1].tolist() == [0.0] * 3
    assert filter_.phase is Phase.FAULT and not filter_.at_rest
    assert 'no joint state in time' in filter_.reason
    assert not filter_.reset()[0]
    assert settle(filter_, plant) == {'stop'}
    assert filter_.reset()[0] and filter_.phase is Phase.IDLE


def test_without_a_first_state_nothing_is_lost():
    filter_ = SafetyFilter(make_robot())
    filter_.state_lost()
    assert filter_.phase is Phase.UNCONFIGURED and filter_.counters['faults'] == 0


def test_too_fast_is_a_fault_that_still_brakes():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    filter_.step(ZERO, ZERO, SMALL)
    verdict = filter_.step([0.01, 0.01, -0.01], [4.1, 4.1, -4.1], SMALL)
    assert filter_.phase is Phase.FAULT and 'velocity' in filter_.reason
    assert verdict.effort.tolist() == [-EFFORT, -EFFORT, EFFORT]
    assert not filter_.reset()[0]


def test_after_a_reset_a_joint_outside_may_come_back_in():
    robot = make_robot()
    filter_ = SafetyFilter(robot, config=at_once(max_position_jump=100.0,
                                                 velocity_consistency=10.0))
    filter_.step([0.0, 1.45, 0.0], ZERO, SMALL)
    plant = Plant(robot, [0.0, 1.6, 0.0])
    filter_.step(plant.position, plant.velocity, SMALL)
    assert filter_.phase is Phase.FAULT and 'joint2' in filter_.reason
    assert filter_.reset()[0]
    fastest = 0.0
    for _ in range(1700):
        verdict = filter_.step(plant.position, plant.velocity, [0.0, -5.0, 0.0])
        assert verdict.source == 'policy'
        plant.move(verdict.effort)
        if plant.position[1] > 1.5:
            fastest = max(fastest, abs(plant.velocity[1]))
    assert plant.position[1] < 1.48 and fastest <= 0.0176


def test_frozen_states_are_a_fault():
    filter_ = SafetyFilter(make_robot(), config=at_once())
    for _ in range(22):
        filter_.step(ZERO, ZERO, [10.0, 0.0, 0.0])
    assert filter_.phase is Phase.FAULT and 'frozen' in filter_.reason
    assert not filter_.reset()[0]


# -- episodes -------------------------------------------------------------------------------------

def test_a_new_episode_changes_nothing_but_the_memory():
    filter_, plant = active()
    assert filter_.step(plant.position, plant.velocity, [50.0] * 3).effort[0] == 25.0
    filter_.begin_episode()
    start = np.array([1.0, -1.0, 0.5])
    verdict = filter_.step(start, ZERO + 1.0, [50.0] * 3)
    assert verdict.source == 'policy' and filter_.phase is Phase.ACTIVE
    assert verdict.effort.tolist() == [RATE_STEP] * 3, 'the rate starts at zero'
    assert filter_.counters['bad_states'] == 0
    filter_.begin_episode()
    assert filter_.step(start, ZERO, None).source == 'hold', 'old requests are forgotten'


def test_a_new_episode_forgives_what_was_wrong_with_the_old_states():
    filter_, plant = active()
    filter_.state_lost()
    assert not filter_.reset()[0]
    filter_.begin_episode()
    assert filter_.phase is Phase.FAULT, 'but it stays latched'
    assert filter_.step(ZERO, ZERO, SMALL).source == 'stop'
    assert filter_.reset()[0]
    assert filter_.step(ZERO, ZERO, SMALL).source == 'policy'


def test_a_new_episode_does_not_release_a_stop():
    filter_, _ = active()
    filter_.stop('button')
    filter_.begin_episode()
    assert filter_.step(ZERO, ZERO, SMALL).source == 'stop' and not filter_.reset()[0]


def test_a_bad_state_after_a_new_episode_moves_nothing():
    filter_, _ = active()
    filter_.begin_episode()
    verdict = filter_.step(NAN, ZERO, SMALL)
    assert verdict.effort.tolist() == [0.0] * 3 and verdict.source == 'hold'
    assert 'not finite' in verdict.reason and filter_.phase is Phase.ACTIVE


def test_lost_states_count_as_time():
    filter_ = SafetyFilter(make_robot(), config=at_once(fade_in=0.1))
    filter_.step(ZERO, ZERO, SMALL)
    filter_.step(ZERO, ZERO, SMALL, None, 9)
    assert filter_.status()['blend'] == 0.5


# -- reports --------------------------------------------------------------------------------------

def test_timeouts_are_at_least_three_periods():
    filter_ = SafetyFilter(make_robot())
    assert filter_.command_timeout == filter_.state_timeout == 0.05
    slow = SafetyFilter(make_robot(control_period=0.1))
    assert slow.command_timeout == slow.state_timeout == pytest.approx(0.3)


def test_status_says_what_it_is_and_what_it_is_not():
    filter_, _ = active()
    status = filter_.status()
    assert status['phase'] == 'active' and status['blend'] == 1.0 and status['reason'] == ''
    assert 'mitigation' in status['mode'] and status['steps'] == 20
    assert status['stop_asserted'] == 0
    filter_.stop('button')
    assert filter_.status()['stop_asserted'] == 1 and filter_.status()['stops'] == 1
    filter_.step(NAN, ZERO, None)
    assert 'not finite' in filter_.status()['complaint']
