"""
What a person asks of the motors, from keys or from a gamepad.

Both pilots give one normalised effort per motor, where 1 is what action 1 of a policy is
(`action_scale * effort_limit`), so that a policy can do what a person shows.  They give None where
the person is not in command: then nothing is sent, and the safety filter goes on with the policy,
or holds, as soon as the person's last effort is 0.2 s old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rl_robot_ros.core.config import option
from rl_robot_ros.core.spec import Vector

SUCCESS, HELP, QUIT = 'success', 'help', 'quit'
ASKED = {'y': SUCCESS, '?': HELP, 'q': QUIT, 'end': QUIT}
PUSHES = {'up': 1.0, 'w': 1.0, 'down': -1.0, 's': -1.0}


@dataclass(frozen=True)
class TeleopConfig:
    """How a person moves the robot."""

    device: str = option('keyboard', 'what the person has at hand', choices=('keyboard', 'joy'))
    rate: float = option(25.0, 'messages while a person is in command; the safety filter lets go '
                         'of a person after 0.2 s without one', unit='Hz', low=10.0, high=500.0)
    level: float = option(0.3, 'effort of a key at the start, as part of what a policy may ask '
                          'for', low=0.0, high=1.0)
    step: float = option(0.05, 'by how much the keys + and - change that', low=0.001, high=1.0)
    key_timeout: float = option(0.6, 'a key counts this long: a terminal does not tell when one '
                                'is released, and first repeats one after about half a second',
                                unit='s', low=0.05, high=5.0)
    axes: tuple[int, ...] = option((1, 4), 'axes of sensor_msgs/Joy for the selected joint and '
                                   'those after it', low=0, high=63)
    scale: float = option(1.0, 'effort of a full deflection, as part of what a policy may ask for',
                          low=0.0, high=1.0)
    deadman_button: int = option(4, 'Joy button that is held while a person is in command', low=0,
                                 high=63)
    next_button: int = option(5, 'Joy button that goes on to the next joints', low=0, high=63)
    success_button: int = option(0, 'Joy button that calls policy/label_success', low=0, high=63)
    joy_timeout: float = option(0.25, 'a Joy message counts this long: a gamepad that is gone '
                                'must not go on (autorepeat_rate of joy_node: at least 20 Hz)',
                                unit='s', low=0.02, high=5.0)
    demonstrations: str = option('', 'file for the rows in which a person was in command; empty: '
                                 'none')
    save_period: float = option(10.0, 'between two writes of that file', unit='s', low=0.1,
                                high=3600.0)
    max_rows: int = option(200_000, 'rows in that file at most', unit='rows', low=1,
                           high=10_000_000)

    def __post_init__(self) -> None:
        """Check that there is an axis; raises ValueError."""
        if not self.axes:
            raise ValueError('teleop.axes: got none, a gamepad moves a robot by at least one')


class KeyPilot:
    """
    A keyboard: one joint is selected, and pushed either way as long as a key repeats.

    ================= ============================================================
    key               does
    ================= ============================================================
    1 to 9, 0         select a joint (0: the tenth)
    tab               select the next joint
    up or w           push the selected joint in its positive direction
    down or s         push it in its negative direction
    + and -           more and less effort
    c                 stay in command between two pushes, or not any more
    space             let go at once
    y                 the task is done: label the episode as a success
    ?                 help
    q, Ctrl-D, Ctrl-C end
    ================= ============================================================

    :param joints: motors.
    """

    def __init__(self, joints: int, config: TeleopConfig) -> None:
        self.selected = 0
        self.level = config.level
        self.keeps = False  # in command, with no effort, while no key is pressed
        self._joints = joints
        self._config = config
        self._sign = np.zeros(joints)
        self._until = np.full(joints, -np.inf)

    def press(self, key: str, now: float) -> str:
        """
        Take a key.

        :param now: [s] on the steady clock.
        :returns: what the person asks for beside effort: SUCCESS, HELP, QUIT or nothing.
        """
        if key in PUSHES:
            self._sign[self.selected] = PUSHES[key]
            self._until[self.selected] = now + self._config.key_timeout
        elif key.isdecimal():
            number = (int(key) - 1) % 10
            self.selected = number if number < self._joints else self.selected
        elif key == 'tab':
            self.selected = (self.selected + 1) % self._joints
        elif key in ('+', '='):
            self.level = min(1.0, self.level + self._config.step)
        elif key == '-':
            self.level = max(0.0, self.level - self._config.step)
        elif key == 'c':
            self.keeps = not self.keeps
        elif key == ' ':
            self.keeps = False
            self._until[:] = -np.inf
        return ASKED.get(key, '')

    def action(self, now: float) -> Vector | None:
        """Return normalised effort, shape (joints,); None where nobody is in command."""
        pushed = now < self._until
        if not (self.keeps or pushed.any()):
            return None
        return np.where(pushed, self.level * self._sign, 0.0)

    @property
    def first(self) -> int:
        """Return the joint that is moved next."""
        return self.selected


class JoyPilot:
    """
    A gamepad: each axis moves one joint while the dead man's button is held.

    :param joints: motors.
    """

    def __init__(self, joints: int, config: TeleopConfig) -> None:
        self.first = 0  # the joint that the first axis moves
        self.level = config.scale
        self.keeps = False
        self._joints = joints
        self._config = config
        self._action: Vector = np.zeros(joints)
        self._until = -np.inf
        self._held: dict[int, bool] = {}

    def take(self, axes: Sequence[float], buttons: Sequence[int], now: float) -> str:
        """
        Take a message.

        :param axes: deflections, each within [-1, 1]; what is outside counts as full.
        :param now: [s] on the steady clock.
        :returns: SUCCESS where its button was pressed just now, else nothing.
        :raises ValueError: an axis or button is missing, or not a number; the person has let go.
        """
        config, self._until = self._config, -np.inf
        wanted = (config.deadman_button, config.next_button, config.success_button)
        if max(config.axes) >= len(axes) or max(wanted) >= len(buttons):
            raise ValueError(f'it has {len(axes)} axes and {len(buttons)} buttons, needed are '
                             f'axes {list(config.axes)} (teleop.axes) and buttons {list(wanted)} '
                             '(teleop.deadman_button, next_button, success_button)')
        values = np.array([axes[axis] for axis in config.axes], dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f'axes {list(config.axes)} are {values.tolist()}')
        if self._pressed(config.next_button, buttons):
            self.first += len(values)
            if self.first >= self._joints:
                self.first = 0
        moved = values[:self._joints - self.first]
        self._action = np.zeros(self._joints)
        self._action[self.first:self.first + len(moved)] = \
            config.scale * np.clip(moved, -1.0, 1.0)
        if buttons[config.deadman_button]:
            self._until = now + config.joy_timeout
        return SUCCESS if self._pressed(config.success_button, buttons) else ''

    def _pressed(self, button: int, buttons: Sequence[int]) -> bool:
        """Tell whether a button went down since the last message; the first one tells nothing."""
        before = self._held.get(button, True)
        self._held[button] = bool(buttons[button])
        return self._held[button] and not before

    def action(self, now: float) -> Vector | None:
        """Return normalised effort, shape (joints,); None where nobody is in command."""
        return self._action if now < self._until else None
