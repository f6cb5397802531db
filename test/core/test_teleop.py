"""What keys and sticks ask of the motors, and when they ask for nothing."""

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.teleop import HELP
from rl_robot_ros.core.teleop import JoyPilot
from rl_robot_ros.core.teleop import KeyPilot
from rl_robot_ros.core.teleop import QUIT
from rl_robot_ros.core.teleop import SUCCESS
from rl_robot_ros.core.teleop import TeleopConfig
from rl_robot_ros.nodes.guarded_filter import TELEOP_TIMEOUT

CONFIG = TeleopConfig(axes=(0, 2))
HELD = [0, 0, 0, 0, 1, 0]  # the dead man's button
KEYS = st.sampled_from([*'0123456789ws+-=c yq?xZ', 'up', 'down', 'tab', 'enter', 'end'])


def joy(pilot, axes=(0.0, 0.0, 0.0), held=(4,), now=0.0):
    return pilot.take(axes, [int(button in held) for button in range(6)], now)


def test_the_filter_hears_a_person_in_time():
    low = TeleopConfig.__dataclass_fields__['rate'].metadata['low']
    assert 1.0 / low < TELEOP_TIMEOUT


def test_a_key_pushes_the_selected_joint_for_a_while():
    pilot = KeyPilot(3, CONFIG)
    assert pilot.action(0.0) is None
    pilot.press('2', 0.0)
    pilot.press('up', 1.0)
    assert pilot.action(1.5).tolist() == [0.0, 0.3, 0.0]
    pilot.press('tab', 1.5)
    pilot.press('s', 1.5)
    assert pilot.action(1.55).tolist() == [0.0, 0.3, -0.3]
    assert pilot.action(1.65).tolist() == [0.0, 0.0, -0.3]
    assert pilot.action(2.11) is None
    pilot.press('9', 3.0)
    assert pilot.first == 2, 'there is no ninth joint'
    pilot.press('tab', 3.0)
    assert pilot.first == 0


def test_who_stays_in_command_asks_for_nothing_between_keys():
    pilot = KeyPilot(2, CONFIG)
    pilot.press('c', 0.0)
    assert pilot.action(1e6).tolist() == [0.0, 0.0]
    pilot.press('w', 1e6)
    pilot.press('c', 1e6)
    assert pilot.action(1e6).tolist() == [0.3, 0.0]
    pilot.press('c', 1e6)
    pilot.press(' ', 1e6)
    assert pilot.action(1e6) is None


@pytest.mark.parametrize('key, asked', [('y', SUCCESS), ('?', HELP), ('q', QUIT), ('end', QUIT),
                                        ('w', ''), ('x', '')])
def test_what_keys_ask_for_beside_effort(key, asked):
    assert KeyPilot(2, CONFIG).press(key, 0.0) == asked


@given(st.integers(1, 12), st.lists(st.tuples(KEYS, st.floats(0.0, 2.0))))
def test_any_keys(joints, presses):
    """Effort stays within what a policy may ask for, and ends with the keys."""
    pilot, now, pushed = KeyPilot(joints, CONFIG), 0.0, -math.inf
    for key, wait in presses:
        now += wait
        pilot.press(key, now)
        pushed = {'up': now, 'w': now, 'down': now, 's': now, ' ': -math.inf}.get(key, pushed)
        action = pilot.action(now)
        assert 0.0 <= pilot.level <= 1.0 and 0 <= pilot.first < joints
        assert (action is not None) == (pilot.keeps or now - pushed < CONFIG.key_timeout)
        if action is not None:
            assert action.shape == (joints,) and (np.abs(action) <= pilot.level).all()
    if not pilot.keeps:
        assert pilot.action(now + CONFIG.key_timeout) is None


def test_sticks_move_the_joints_in_turn():
    pilot = JoyPilot(3, CONFIG)
    joy(pilot, (0.5, 9.0, -2.0))
    assert pilot.action(0.1).tolist() == [0.5, -1.0, 0.0]
    joy(pilot, (0.5, 9.0, -1.0), held=(4, 5))
    assert pilot.action(0.1).tolist() == [0.0, 0.0, 0.5]
    joy(pilot, (0.5, 0.0, 0.0), held=(4, 5))
    assert pilot.first == 2, 'a button that is kept down counts once'
    joy(pilot)
    joy(pilot, held=(4, 5))
    assert pilot.first == 0


def test_nothing_is_sent_without_the_dead_mans_button():
    pilot = JoyPilot(2, CONFIG)
    joy(pilot, (1.0, 0.0, 0.0), held=())
    assert pilot.action(0.0) is None
    joy(pilot, (1.0, 0.0, 0.0), now=1.0)
    assert pilot.action(1.2) is not None
    assert pilot.action(1.0 + CONFIG.joy_timeout) is None, 'a gamepad that is gone'
    joy(pilot, (1.0, 0.0, 0.0), now=2.0)
    joy(pilot, held=(), now=2.01)
    assert pilot.action(2.01) is None


def test_success_is_pressed_once():
    pilot = JoyPilot(2, CONFIG)
    assert joy(pilot, held=(0,)) == '', 'it was down before we listened'
    assert joy(pilot, held=()) == ''
    assert [joy(pilot, held=(0,)) for _ in range(3)] == [SUCCESS, '', '']


@pytest.mark.parametrize('axes, buttons, says', [
    ((0.0, 0.0), HELD, 'it has 2 axes and 6 buttons'), ((0.0, 0.0, 0.0), [1], '1 buttons'),
    ((0.0, 0.0, math.nan), HELD, 'nan'), ((math.inf, 0.0, 0.0), HELD, 'inf')])
def test_a_bad_message_lets_go(axes, buttons, says):
    pilot = JoyPilot(2, CONFIG)
    joy(pilot)
    assert pilot.action(0.1) is not None
    with pytest.raises(ValueError, match=says):
        pilot.take(axes, buttons, 0.1)
    assert pilot.action(0.1) is None


@given(st.integers(1, 9), st.lists(st.tuples(
    st.lists(st.floats(width=32), max_size=4), st.lists(st.integers(0, 2), max_size=7)),
    max_size=20))
def test_any_messages(joints, messages):
    pilot = JoyPilot(joints, CONFIG)
    for now, (axes, buttons) in enumerate(messages):
        try:
            pilot.take(axes, buttons, float(now))
        except ValueError:
            assert pilot.action(float(now)) is None
            continue
        action = pilot.action(float(now))
        assert (action is not None) == bool(buttons[4]) and 0 <= pilot.first < joints
        assert action is None or (action.shape == (joints,) and (np.abs(action) <= 1.0).all())
