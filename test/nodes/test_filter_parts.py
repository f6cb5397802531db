"""Parts of the filter node that need no graph: deadlines, limits, switch, thread."""

import threading

import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.enable_switch import EnableSwitch
from rl_robot_ros.nodes.limit_sources import LimitSources
from rl_robot_ros.nodes.state_deadline import StateDeadline
from rl_robot_ros.nodes.state_deadline import States
from rl_robot_ros.nodes.steady_watchdog import SteadyWatchdog
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.safety.state_machine import Phase

ARM = resolve('robot', 'arm7')


@pytest.mark.parametrize('simulated', [True, False])
def test_states_that_stop(simulated):
    """Lost where the clock runs on, or never ran, or is none of ours; paused where it stands."""
    clock = [5]
    deadline = StateDeadline(1.0, lambda: clock[0], simulated)
    assert deadline.check(10.0, 10.2) == (States.FRESH, pytest.approx(0.3))
    assert deadline.check(10.0, 10.6) == (States.FRESH, pytest.approx(0.4))
    assert deadline.check(10.0, 11.1)[0] is States.LOST  # the clock was never seen to run
    for clock[0] in (6, 7):
        deadline.watch_clock()
    deadline.check(20.0, 20.6)
    expected = States.PAUSED if simulated else States.LOST
    assert deadline.check(20.0, 21.1)[0] is expected
    assert deadline.check(20.0, 25.0)[0] is expected
    clock[0] = 8  # it goes on; the next state has its time to come
    assert deadline.check(20.0, 25.1)[0] is expected
    assert deadline.check(20.0, 25.2)[0] is (States.FRESH if simulated else States.LOST)
    assert deadline.check(25.3, 25.4)[0] is States.FRESH
    deadline.check(25.3, 25.9)
    clock[0] = 9
    assert deadline.check(25.3, 26.4)[0] is States.LOST


def test_enable_switch():
    assert EnableSwitch(0.0).refusal(1e9) == ''
    switch = EnableSwitch(0.5)
    assert 'silent' in switch.refusal(0.0)
    switch.say(True, 1.0)
    assert switch.refusal(1.4) == '' and 'silent' in switch.refusal(1.6)
    switch.say(False, 1.6)
    assert 'says no' in switch.refusal(1.7)


def test_watchdog_survives_what_it_looks_at():
    looked, errors, enough = [], [], threading.Event()

    def look():
        looked.append(threading.current_thread().name)
        if len(looked) % 2:
            raise ZeroDivisionError('built in')
        if len(looked) > 5:
            enough.set()
        return 0.001
    watchdog = SteadyWatchdog(look, errors.append, 0.001)
    watchdog.start()
    assert enough.wait(20.0)
    watchdog.close(20.0)
    assert not watchdog.is_alive() and set(looked) == {'steady watchdog'} and len(errors) >= 3


def test_limits_are_the_tightest_of_all(tmp_path):
    yaml = tmp_path / 'joint_limits.yaml'
    yaml.write_text('joint_limits: {joint1: {has_velocity_limits: true, max_velocity: 1.0}}')
    sources = LimitSources(ARM, str(yaml), False)
    assert sources.limits.velocity[0] == 1.0 and not sources.refusal
    text = urdf_path(ARM).read_text()
    assert not sources.offer(text, Phase.IDLE)  # says the same
    lower, upper = ARM.position_lower[1], ARM.position_upper[1]
    narrow = text.replace(f'upper="{upper}"', f'upper="{lower + 0.5}"')
    assert narrow != text
    assert sources.offer(narrow, Phase.UNCONFIGURED) and 'makes a filter' in sources.refusal
    sources.accept()
    assert sources.limits.position_upper[1] == lower + 0.5 and sources.limits.velocity[0] == 1.0
    assert not sources.offer(text, Phase.ACTIVE) and 'ignored' in sources.complaint
    assert not sources.offer(text, Phase.IDLE) and 'after the start' in sources.refusal
    assert sources.limits.position_upper[1] == lower + 0.5
    assert not sources.offer(narrow.replace('</robot>', ' </robot>'), Phase.IDLE)
    assert not sources.refusal and not sources.complaint
    nothing = text.replace(f'upper="{upper}"', f'upper="{lower - 0.5}"')
    assert not sources.offer(nothing, Phase.IDLE) and 'joint2' in sources.refusal
    for _ in range(2):  # whoever says it again is refused again
        assert sources.offer(text, Phase.UNCONFIGURED)
        sources.refuse('no certificate')
        assert sources.refusal == 'no certificate'
        assert sources.limits.position_upper[1] == lower + 0.5
    assert sources.offer(text, Phase.UNCONFIGURED)
    sources.accept()
    assert not sources.refusal and sources.limits.position_upper[1] == upper
    assert LimitSources(ARM, '', True).refusal


def test_gravity_of_the_arm():
    """It is the gradient of the potential: what a virtual displacement costs."""
    gravity = MujocoDynamics(ARM).gravity
    home = np.array(ARM.home)
    assert np.abs(gravity(home)).max() > 1.0
    assert gravity(home).shape == (7,) and abs(gravity(home)[0]) < 1e-9  # turns about the vertical
