"""What the composed filter does otherwise when it knows the dynamics of the robot."""

from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.state_machine import Phase
from safety.robots import at_once
from safety.robots import Coupled
from safety.robots import make_robot
from safety.robots import PERIOD

REST, ASKED = np.zeros(2), np.array([0.5, -0.5])
CONFIG = at_once(certificate_samples=100, latency_periods=2)
ROBOT = make_robot(2)
CERTIFICATE = certify(ROBOT, JointLimits.from_robot(ROBOT), CONFIG, Coupled())


class Joints:
    """A filter in front of the two joints; `push` is what its model does not know."""

    def __init__(self, compensated=True, push=0.0, **changes):
        self.dynamics, self.push = Coupled(compensated), np.full(2, push)
        robot = replace(ROBOT, gravity_compensated=compensated)
        self.filter = SafetyFilter(robot, config=replace(CONFIG, **changes),
                                   dynamics=self.dynamics, certificate=CERTIFICATE)
        self.position, self.velocity = REST, REST

    def run(self, steps, request):
        for _ in range(steps):
            verdict = self.filter.step(self.position, self.velocity, request)
            _, bias = self.dynamics.evaluate(self.position, self.velocity)
            acceleration = self.dynamics.solve(verdict.motor_effort - bias) + self.push
            self.position = (self.position + PERIOD * self.velocity
                             + 0.5 * PERIOD**2 * acceleration)
            self.velocity = self.velocity + PERIOD * acceleration
        return verdict


def test_it_shows_its_certificate_and_its_limit():
    filter_ = Joints().filter
    assert filter_.certificate is CERTIFICATE
    assert filter_.status()['certified_share'] == CERTIFICATE.share
    assert SafetyFilter(ROBOT, config=CONFIG).certificate is None


@pytest.mark.parametrize('compensated', [True, False])
def test_a_stop_and_a_hold_know_what_pulls(compensated):
    """What compensated robots add by themselves, the filter adds for the others."""
    joints = Joints(compensated)
    assert joints.filter.rest_effort().tolist() == (
        [0.0, 0.0] if compensated else Coupled.pull.tolist())
    joints.velocity = np.array([0.3, -0.2])
    verdict = joints.run(300, None)
    assert np.abs(joints.velocity).max() < 1e-3
    assert verdict.motor_effort == pytest.approx(Coupled.pull, abs=0.05)
    assert verdict.effort == pytest.approx(Coupled.pull * compensated, abs=0.05)


def test_in_lockstep_nothing_is_on_its_way():
    joints = Joints()
    limit = joints.filter._limit
    joints.run(5, ASKED)
    assert len(limit._in_flight) == 2
    joints.filter.set_lockstep(True)
    joints.run(5, ASKED)
    assert not limit._in_flight
    joints.filter.set_lockstep(False)
    joints.run(5, ASKED)
    assert len(limit._in_flight) == 2


def test_a_model_that_does_not_fit_is_a_fault_unless_told_otherwise():
    for time, phase in ((0.1, Phase.FAULT), (0.0, Phase.ACTIVE)):
        joints = Joints(push=30.0, mismatch_time=time, observer_gain=0.5, extra_braking=5.0)
        joints.run(40, ASKED)
        assert joints.filter.phase is phase
        assert ('model mismatch' in joints.filter.reason) is (phase is Phase.FAULT)


def test_what_was_not_measured_teaches_the_observer_nothing():
    joints = Joints(observer_gain=1.0, push=1.0)
    observer = joints.filter._limit.observer
    joints.run(3, ASKED)
    before = observer.acceleration.copy()
    assert before.any()
    joints.filter.stand_by()
    joints.run(1, ASKED)
    assert np.array_equal(observer.acceleration, before)


def test_a_state_may_be_seen_before_its_request_comes():
    """What happens between the two counts, and changes nothing else."""
    def answers(between, **how):
        joints = Joints(**how)
        joints.run(3, ASKED)
        filter_ = joints.filter
        filter_.see(joints.position, joints.velocity)
        filter_ = between(filter_) or filter_
        verdicts = [filter_.answer(ASKED)]
        verdicts += [filter_.step(joints.position, joints.velocity, ASKED) for _ in range(3)]
        return [verdict.effort.tobytes() for verdict in verdicts]

    def at_once(joints):
        joints.run(3, ASKED)
        return [joints.filter.step(joints.position, joints.velocity, ASKED).effort.tobytes()
                for _ in range(4)]

    def exchange(old):
        new = Joints().filter
        new.take_over(old)
        return new

    assert answers(lambda filter_: None) == at_once(Joints())
    assert answers(exchange) == at_once(Joints())
    assert answers(lambda filter_: filter_.fault('test')) != at_once(Joints())


def test_limits_that_forgot_everything_answer_the_state_that_waits():
    joints = Joints(push=5.0)
    joints.run(20, ASKED)
    filter_ = joints.filter
    filter_.fault('test')
    for _ in range(300):
        filter_.step(joints.position, REST, None)
    filter_.see(joints.position, REST)
    assert filter_.reset()[0]
    verdict = filter_.answer(None)
    assert np.isfinite(verdict.effort).all()
    assert len(filter_._model._in_flight) == 2, 'as after a first state'


@pytest.mark.parametrize('margin', [0.1, 0.4])
@pytest.mark.parametrize('how', ['stop', 'idle', 'zero'])
def test_a_robot_that_stands_in_its_margin_stays_there(how, margin):
    """Started there, or because the margin grew under it while it was ACTIVE."""
    for raised in (False, True):
        joints = Joints(position_margin=0.01 if raised else margin)
        joints.position = where = np.array([1.45, 0.0])
        request = None if how != 'zero' else Coupled.pull
        if raised:
            joints.run(3, ASKED * 0.0 + Coupled.pull)
            new = SafetyFilter(ROBOT, config=replace(CONFIG, position_margin=margin),
                               dynamics=joints.dynamics, certificate=CERTIFICATE)
            new.take_over(joints.filter)
            joints.filter = new
        if how == 'stop':
            joints.filter.stop('button')
        joints.run(100, request)
        assert joints.position == pytest.approx(where, abs=1e-4)
        assert np.abs(joints.velocity).max() < 1e-3


@pytest.mark.parametrize('scale', [0.5, 0.2, 0.05])
def test_a_velocity_scale_that_is_lowered_on_the_way_slows_the_robot_down(scale):
    joints, push = Joints(), np.array([80.0, -40.0])
    joints.run(60, push)
    fast = np.abs(joints.velocity).max()
    assert fast > 1.5
    new = SafetyFilter(ROBOT, config=replace(CONFIG, velocity_scale=scale),
                       dynamics=joints.dynamics, certificate=CERTIFICATE)
    new.take_over(joints.filter)
    joints.filter = new
    for _ in range(60):
        verdict = joints.run(1, push)
        assert verdict.source == 'policy', joints.filter.reason
        assert new.status()['complaint'] == '' and np.abs(joints.velocity).max() < fast + 1e-6
    assert (np.abs(joints.velocity) <= scale * 2.0).all()
    joints.velocity = np.array([3.0 * scale * 2.0, 0.0])  # too fast now is too fast again
    joints.run(1, push)
    assert new.phase is Phase.FAULT and 'velocity is far over its limit' in new.reason
