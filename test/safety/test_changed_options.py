"""A change of options in the middle of things: everything goes on but the options."""

from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety import SafetyFilter
from rl_robot_ros.safety.state_machine import Phase
from safety.test_filter_model import ASKED
from safety.test_filter_model import CERTIFICATE
from safety.test_filter_model import Joints
from safety.test_filter_model import ROBOT

NAN = np.full(2, np.nan)


class Changing(Joints):
    """Joints whose filter gets other options now and then."""

    def change(self, **changes):
        new = SafetyFilter(ROBOT, config=replace(self.filter.config, **changes),
                           dynamics=self.dynamics, certificate=CERTIFICATE)
        new.take_over(self.filter)
        self.filter = new


def test_what_was_sent_and_learnt_is_not_forgotten():
    joints = Changing(observer_gain=0.5, push=2.0)
    joints.run(30, ASKED)
    old = joints.filter._limit
    joints.change(fade_in=0.1)
    new, learnt = joints.filter._limit, old.observer.acceleration
    assert learnt.any() and new.observer.acceleration.tolist() == learnt.tolist()
    assert [list(sent) for sent in new._in_flight] == [list(sent) for sent in old._in_flight]


def test_a_blind_brake_does_not_begin_again():
    joints = Changing()
    joints.run(60, np.array([60.0, 0.0]))
    joints.filter.state_lost()
    for _ in range(200):
        joints.filter.step(None, None, None)
    for _ in range(3):
        joints.change(position_margin=joints.filter.config.position_margin + 0.001)
        for _ in range(5):
            verdict = joints.filter.step(None, None, None)
            assert not verdict.effort.any() and joints.filter.phase is Phase.FAULT


def test_a_stop_keeps_the_place_where_it_stands():
    joints = Changing()
    joints.run(60, np.array([60.0, 0.0]))
    joints.filter.stop('button')
    joints.run(200, None)
    where = joints.position
    joints.push = np.array([0.5, -0.5])  # sags a little
    joints.run(100, None)
    target = joints.filter._hold.target.copy()
    for number in range(20):
        joints.change(fade_in=0.1 + 0.01 * number)
        joints.run(20, None)
    assert joints.filter._hold.target.tolist() == target.tolist()
    assert joints.position == pytest.approx(where, abs=0.01)


def test_an_old_request_is_repeated_and_not_braked_for():
    joints = Changing()
    for number in range(40):
        if number % 4 == 2:
            joints.change(velocity_margin=0.05 + 1e-3 * number)
        verdict = joints.run(1, ASKED if number % 4 == 0 else None)
        assert verdict.source == 'policy', number


def test_no_timeout_begins_again():
    joints = Changing(command_timeout=0.05)
    joints.run(10, ASKED)
    for number in range(10):
        joints.change(velocity_margin=0.05 + 1e-3 * number)
        joints.run(1, None)
    assert joints.filter.phase is not Phase.ACTIVE
    joints = Changing(max_invalid_states=3)
    joints.run(10, ASKED)
    for number in range(3):
        joints.change(velocity_margin=0.05 + 1e-3 * number)
        joints.filter.step(NAN, NAN, ASKED)
    assert joints.filter.phase is Phase.FAULT and 'not finite' in joints.filter.reason
    joints = Changing(push=30.0, mismatch_time=0.1, observer_gain=0.5, extra_braking=5.0)
    for number in range(40):
        joints.change(velocity_margin=0.05 + 1e-3 * number)
        joints.run(1, ASKED)
    assert 'model mismatch' in joints.filter.reason


def test_a_state_that_was_learnt_from_teaches_nothing_twice():
    joints = Changing(observer_gain=1.0, latency_periods=1)
    joints.run(20, ASKED)
    learnt = joints.filter._limit.observer.acceleration.copy()
    joints.filter.see(joints.position, joints.velocity)
    joints.change(velocity_margin=0.06)
    assert joints.filter._limit.observer.acceleration == pytest.approx(learnt, abs=0.05)


@pytest.mark.parametrize('latency', [0, 1])
def test_a_bridged_state_teaches_nothing_and_promises_nothing(latency):
    joints = Joints(observer_gain=1.0, latency_periods=latency)
    joints.run(20, ASKED)
    learnt = joints.filter._limit.observer.acceleration.copy()
    joints.filter.step(NAN, NAN, ASKED)
    for jump in (0.5, -0.5):  # of the next velocity, which nobody could expect
        joints.velocity = joints.velocity + jump
        joints.filter.see(joints.position, joints.velocity)
        assert joints.filter._limit.observer.acceleration.tolist() == learnt.tolist()
        joints.filter.answer(ASKED)
        joints.filter.step(NAN, NAN, ASKED)
