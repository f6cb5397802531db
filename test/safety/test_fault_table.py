"""The fault table (docs/safety_faults.md) on the core: the number in a test's name is the row."""

from dataclasses import fields
from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.realised import RealisedEffort
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.tightening import AT_START
from rl_robot_ros.safety.tightening import not_certified
from rl_robot_ros.safety.tightening import not_tighter
from rl_robot_ros.safety.tightening import TIGHTER
from safety.robots import at_once
from safety.robots import EFFORT
from safety.robots import make_robot
from safety.robots import PERIOD
from safety.robots import Plant

ROBOT = make_robot()
NAN, INF = float('nan'), float('inf')
ASKED = np.array([0.2, -0.1, 0.1])
STOPPED = (Phase.BRAKING, Phase.HOLD)


class Bench:
    """A filter in front of joints that move."""

    def __init__(self, config=None, **start):
        self.filter = SafetyFilter(ROBOT, config=config or at_once())
        self.plant = Plant(ROBOT, **start)
        self.verdict = None

    def run(self, periods, request=None, change=lambda q, v: (q, v), load=0.0):
        """Go on for some periods; `change` is what is wrong with the sensors."""
        for _ in range(periods):
            self.verdict = self.filter.step(
                *change(self.plant.position.copy(), self.plant.velocity.copy()), request)
            assert np.isfinite(self.verdict.effort).all()
            assert (np.abs(self.verdict.effort) <= EFFORT).all()
            self.plant.move(self.verdict.effort + load)
        return self

    @property
    def phase(self):
        return self.filter.phase


def active(**start):
    bench = Bench(**start).run(3, ASKED)
    assert bench.phase is Phase.ACTIVE
    return bench


@pytest.mark.parametrize('bad', [
    [NAN, 0.0, 0.0], [0.0, INF, 0.0], [0.0, 0.0], [0.0] * 4, [], 'effort'])
def test_rows_01_02_03_bad_requests(bad):
    """One is bridged by the last good one; `max_invalid_requests` in a row brake."""
    bench = active()
    bench.run(1, bad)
    assert bench.phase is Phase.ACTIVE and bench.verdict.reason.startswith('request')
    assert (bench.verdict.effort == ASKED).all()
    bench.run(bench.filter.config.max_invalid_requests - 1, bad)
    assert bench.phase in STOPPED and 'invalid requests in a row' in bench.filter.reason


def test_row_02_huge_and_tiny():
    bench = active()
    assert (active().run(1, [5e-324] * 3).verdict.effort == 5e-324).all()
    bench.run(3, [1e308, -1e308, 1e308])
    assert bench.phase is Phase.ACTIVE


def test_row_12_states_that_are_not_finite():
    bench = active()
    bench.run(1, ASKED, lambda q, v: (q * NAN, v))
    assert bench.phase is Phase.ACTIVE
    bench.run(2, ASKED, lambda q, v: (q, v * INF))
    assert bench.phase is Phase.FAULT and 'not finite' in bench.filter.reason


def test_row_13_frozen_state():
    bench = active()
    periods = bench.filter.config.frozen_periods + 2
    push = np.array([0.1 * EFFORT, 0.0, 0.0])
    bench.run(periods, push, lambda q, v: (np.zeros(3), np.zeros(3)))
    assert bench.phase is Phase.FAULT and 'frozen' in bench.filter.reason


def test_row_14_states_stop():
    """It brakes against the last motion for `blind_brake`, then gives up; latched."""
    bench = active(velocity=np.array([0.5, 0.0, 0.0]))
    bench.filter.state_lost()
    efforts = np.array([bench.filter.step(None, None, None).effort for _ in range(200)])
    assert bench.phase is Phase.FAULT
    assert efforts[0, 0] < 0.0 and (efforts[:, 0] <= 0.0).all()
    assert not efforts[round(bench.filter.config.blind_brake / PERIOD) + 1:].any()
    bench.plant.velocity[:] = 0.0
    assert bench.run(50, ASKED).phase is Phase.FAULT


def test_row_17_jumps():
    bench = active()
    bench.run(1, ASKED, lambda q, v: (q + 0.5, v))
    assert bench.phase is Phase.ACTIVE and 'jumped' in bench.filter.status()['complaint']
    bench.run(1, ASKED)
    bench.run(bench.filter.config.max_invalid_states, ASKED, lambda q, v: (q + 0.5, v))
    assert bench.phase is Phase.FAULT and 'jumped' in bench.filter.reason


def test_row_18_sign_of_velocity():
    bench = active(velocity=np.array([0.0, 0.8, 0.0]))
    bench.run(60, None, lambda q, v: (q, -v))
    assert bench.phase is Phase.FAULT and 'joint2' in bench.filter.reason


def test_rows_19_20_requests_stop_or_come_now_and_then():
    bench = active()
    every = round(bench.filter.command_timeout / PERIOD) - 1
    for _ in range(10):
        bench.run(1, ASKED).run(every)
        bench.run(1, -ASKED).run(every)
        assert bench.phase is Phase.ACTIVE
    bench.run(every + 3)
    assert bench.phase in STOPPED
    bench.run(100, ASKED)  # a late burst
    assert bench.phase is Phase.HOLD and bench.verdict.source == 'stop'
    assert bench.filter.reset()[0]
    bench.run(20)
    assert bench.phase is Phase.IDLE
    assert bench.run(3, ASKED).phase is Phase.ACTIVE


def test_row_27_which_way_is_tighter():
    """Every rule is about an option that there is; a change the other way is named."""
    config = SafetyConfig()
    assert set(TIGHTER) <= {item.name for item in fields(SafetyConfig)}
    for item in fields(SafetyConfig):
        old = getattr(config, item.name)
        step = -1 if isinstance(old, bool) and old else 1 if isinstance(old, int) else 0.01
        side = TIGHTER.get(item.name)
        new = 'model_free' if isinstance(old, str) else type(old)(old + step)
        up = SafetyConfig(**{item.name: new})
        for before, after, way in ((config, up, 1), (up, config, -1)):
            wrong = not_tighter(before, after)
            assert bool(wrong) == (side != way)
            assert not wrong or item.name in wrong[0]
    assert not_tighter(config, config) == [] == not_certified(config, config)


def test_row_27_what_is_certified_stays():
    """A certificate covers lower velocities, and nothing else of what it was computed for."""
    config = SafetyConfig(velocity_scale=0.5)
    assert not_certified(config, replace(config, velocity_scale=0.4, velocity_margin=0.3)) == []
    assert 'velocity_scale' in not_certified(config, replace(config, velocity_scale=0.6))[0]
    for name in AT_START:
        old = getattr(config, name)
        new = 'model' if isinstance(old, str) else old + 1
        assert name in not_certified(config, replace(config, **{name: new}))[0]
        assert name not in TIGHTER


def test_row_27_options_change_in_the_middle():
    """Phase, effort rate, counters and an asserted stop go on in the filter that takes over."""
    bench = active()
    old = bench.filter
    bench.filter = SafetyFilter(ROBOT, config=at_once(velocity_margin=0.2))
    bench.filter.take_over(old)
    bench.run(1, ASKED)
    assert bench.phase is Phase.ACTIVE and (bench.verdict.effort == ASKED).all()
    assert bench.filter.counters['steps'] == old.counters['steps'] + 1
    old.stop('somebody')
    bench.filter.take_over(old)
    assert not bench.filter.reset()[0] and bench.filter.reason == 'somebody'


def test_rows_30_32_49_stop():
    """At once, at start too, and no reset while it is asserted or its cause persists."""
    bench = active(velocity=0.3)
    bench.filter.stop('a person')
    bench.run(1, ASKED)
    assert bench.verdict.source == 'stop' and (bench.verdict.effort < 0.0).all()
    for _ in range(100):
        done, why = bench.filter.reset()
        assert not done and 'a person' in why
    bench.filter.release()
    assert bench.run(20, ASKED).phase is Phase.STOP
    fresh = Bench()
    fresh.filter.stop('a person')
    assert fresh.run(50, ASKED).phase is Phase.STOP and fresh.verdict.source == 'stop'
    lost = active()
    lost.filter.state_lost()
    assert 'still wrong: no joint state' in lost.filter.reset()[1]


def test_row_33_started_while_the_robot_moves():
    bench = Bench(SafetyConfig(), velocity=0.5)
    bench.run(1, ASKED)
    assert bench.phase is Phase.IDLE and (bench.verdict.effort < 0.0).all()
    still = bench.run(20, ASKED)
    assert still.phase is Phase.IDLE and (np.abs(bench.plant.velocity) < 0.5).all()


def test_row_42_start_outside():
    """It may only come back, slowly."""
    bench = Bench(position=np.array([1.6, 0.0, 0.0]))
    bench.run(200, [EFFORT, 0.0, 0.0])
    assert bench.phase is Phase.ACTIVE and bench.plant.position[0] <= 1.6
    bench.run(400, [-EFFORT, 0.0, 0.0])
    assert bench.phase is Phase.ACTIVE and bench.plant.position[0] < 1.6


def test_row_43_pushed_out():
    """It pushes back within its limits; beyond the tolerance that is a fault."""
    bench = active(position=np.array([1.4, 0.0, 0.0]))
    bench.run(400, np.zeros(3), load=np.array([3.0 * EFFORT, 0.0, 0.0]))
    assert bench.phase is Phase.FAULT and 'joint1' in bench.filter.reason


def gravity(position):
    return 30.0 * np.sin(position + 1.0)


@pytest.mark.parametrize('assumed, true', [(gravity, None), (None, gravity)])
def test_row_44_wrong_idea_of_gravity(assumed, true):
    """Robot at rest: the right idea has nothing to say, the wrong one is off by gravity."""
    limits = JointLimits.from_robot(ROBOT)
    position, hold = np.array([0.1, 0.2, 0.3]), np.zeros(3)
    measured = hold + (true(position) if true else 0.0)
    right = RealisedEffort(limits, 0.2, 20, true)
    wrong = RealisedEffort(limits, 0.2, 20, assumed)
    says = [(right.check(measured, hold, position), wrong.check(measured, hold, position))
            for _ in range(40)]
    assert not any(said for said, _ in says)
    assert not any(said for _, said in says[:19])
    assert 'joint1' in says[-1][1]


class Decoupled:
    """The dynamics of the plant, without gravity."""

    compensated = True

    def evaluate(self, position, velocity):
        return np.diag(ROBOT.inertia), np.zeros(3)

    def solve(self, force):
        return force / np.array(ROBOT.inertia)

    def gravity(self, position):
        return np.zeros(3)

    def twin(self):
        return self


def test_row_45_model_does_not_fit():
    """Something pushes harder than the observer believes; a little less is borne."""
    config = at_once(certificate_samples=200, latency_periods=0)
    for push, phase in ((0.8, Phase.ACTIVE), (1.3, Phase.FAULT)):
        bench = Bench()
        bench.filter = SafetyFilter(ROBOT, config=config, dynamics=Decoupled())
        load = push * config.extra_braking * np.array(ROBOT.inertia)
        for _ in range(round(1.5 * config.mismatch_time / PERIOD)):
            bench.run(1, -load - 5.0 * bench.plant.velocity, load=load)
        assert bench.phase is phase, bench.filter.reason
    assert 'model mismatch' in bench.filter.reason


def test_row_46_effort_is_not_realised():
    check = RealisedEffort(JointLimits.from_robot(ROBOT), 0.2, 10)
    commanded, zero = np.array([0.0, 0.5 * EFFORT, 0.0]), np.zeros(3)
    rng = np.random.default_rng(1)
    for _ in range(200):  # noise and a command that arrives late are nothing
        commanded = -commanded if rng.random() < 0.1 else commanded
        assert check.check(commanded + rng.normal(0.0, 2.0, 3), commanded, zero) == ''
    for _ in range(9):
        said = check.check(zero, np.abs(commanded), zero)
    assert said == 'effort is not realised: joint2 is off by ' + said.rsplit(' ', 1)[1]
    check.begin()
    assert check.check(zero * NAN, commanded, zero, periods=10)
    bench = active()
    bench.filter.fault(said)
    assert bench.phase is Phase.FAULT and bench.run(1, ASKED).verdict.source == 'stop'
