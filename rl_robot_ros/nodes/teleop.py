"""
The `teleop` node: a person moves the robot by keys or a gamepad, and shows how it is done.

It publishes `teleop_effort` while the person is in command and nothing otherwise, so that the
safety filter, which lets go of a person after 0.2 s of silence, takes over again.  What is pressed
means what :mod:`rl_robot_ros.core.teleop` says.
"""

from __future__ import annotations

from contextlib import ExitStack
import signal
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import HistoryPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rl_robot_ros import wire
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.teleop import HELP
from rl_robot_ros.core.teleop import JoyPilot
from rl_robot_ros.core.teleop import KeyPilot
from rl_robot_ros.core.teleop import QUIT
from rl_robot_ros.core.teleop import SUCCESS
from rl_robot_ros.core.teleop import TeleopConfig
from rl_robot_ros.nodes.keyboard import Keyboard
from rl_robot_ros.nodes.person_rows import PersonRows
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.settings import GraphConfig
from sensor_msgs.msg import JointState
from sensor_msgs.msg import Joy
from std_srvs.srv import Trigger

# As gamepads are published; a queue, because a button that is pressed is pressed in one message.
JOY_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=10,
                     reliability=ReliabilityPolicy.BEST_EFFORT)
KEYS = """
1..9, 0, tab  select a joint            up, w / down, s  push it either way
+ / -         more / less effort        c                stay in command / do not
y             success: end the episode  space            let go
?             this help                 q, Ctrl-C        end
"""
ANSWER_SHOWN = 5.0  # [s]
BUTTONS = "Hold the dead man's button (teleop.deadman_button) to be in command; Ctrl-C ends."


class TeleopNode(RobotNode):
    """
    See the module docstring.

    :param stack: where to leave what must be undone at the end, whatever the end is.
    """

    def __init__(self, stack: ExitStack) -> None:
        super().__init__('teleop')
        self.robot = resolve('robot', self.configure(GraphConfig).robot)
        self.config = self.configure(TeleopConfig, 'teleop.')
        joints = len(self.robot.actuated)
        self.counts = {'sent': 0, 'joy_refused': 0, 'labelled': 0}
        self.rows = PersonRows(self, self.config) if self.config.demonstrations else None
        self.pilot: KeyPilot | JoyPilot
        self._writer = wire.JointWriter(self.robot.actuated)
        self._efforts = self.create_publisher(JointState, 'teleop_effort', COMMAND_QOS)
        self._label = self.create_client(Trigger, 'policy/label_success')
        self._phase = ''  # of the safety filter, and why
        self._said = ('', 0.0)  # an answer, and until when it is shown [s]
        self._line = ''
        self.create_subscription(DiagnosticStatus, 'safety_filter/state', self._on_phase,
                                 LATCHED_QOS)
        self._keyboard: Keyboard | None = None
        if self.config.device == 'joy':
            self.pilot = self._joy = JoyPilot(joints, self.config)
            self.create_subscription(Joy, 'joy', self._on_joy, JOY_QOS)
            print(BUTTONS)
        else:
            self.pilot = self._keys = KeyPilot(joints, self.config)
            # Where the terminal is closed: the rows are written before this process ends.
            signal.signal(signal.SIGHUP, lambda number, _: self.stop_requested.append(number))
            self._keyboard = stack.enter_context(Keyboard())
            print(KEYS)
        self.every(1.0 / self.config.rate, self._command)
        self.every(0.1 if sys.stdout.isatty() else 5.0, self._show)

    # -- what the person does -----------------------------------------------------------------

    def _command(self) -> None:
        """Read keys, and send what they ask for."""
        now = time.monotonic()
        if self._keyboard is not None:
            for key in self._keyboard.keys():
                self._answer(self._keys.press(key, now))
            if self._keyboard.closed:
                self.stop_requested.append(signal.SIGHUP)
                return
        action = self.pilot.action(now)
        if action is not None:
            self._efforts.publish(self._writer.write(
                self.get_clock().now().nanoseconds,
                effort=action * self.robot.action_to_effort))
            self.counts['sent'] += 1

    def _on_joy(self, message: Joy) -> None:
        try:
            asked = self._joy.take(message.axes, message.buttons, time.monotonic())
        except ValueError as error:
            self.counts['joy_refused'] += 1
            self.warn('joy', f'joy refused: {error}')
        else:
            self._answer(asked)

    def _answer(self, asked: str) -> None:
        if asked == SUCCESS:
            self._label_success()
        elif asked == HELP:
            print(KEYS)
        elif asked == QUIT:
            self.stop_requested.append(0)

    def _label_success(self) -> None:
        if not self._label.service_is_ready():
            self._say('no policy to tell of a success (policy/label_success)')
            return
        future = self._label.call_async(Trigger.Request())

        def answered(done: Any) -> None:
            self.counts['labelled'] += done.result().success
            self._say(done.result().message)
        future.add_done_callback(answered)

    def _say(self, text: str) -> None:
        self._said = text, time.monotonic() + ANSWER_SHOWN

    # -- what the person sees -----------------------------------------------------------------

    def _on_phase(self, message: DiagnosticStatus) -> None:
        phase = next((pair.value for pair in message.values if pair.key == 'phase'), '')
        self._phase = ': '.join(filter(None, [f'filter {phase}', message.message]))

    def _show(self) -> None:
        """Write one line over itself, where it has changed."""
        pilot, now = self.pilot, time.monotonic()
        who = ('you are in command' if pilot.action(now) is not None
               else 'you are not in command')
        if not self._efforts.get_subscription_count():
            who = 'nobody listens to teleop_effort'
        parts = [self.robot.actuated[pilot.first], f'effort {pilot.level:.0%}', who]
        if pilot.keeps:
            parts.append('stays')
        parts.append(self._phase)
        if self.rows is not None:
            parts.append(self.rows.summary())
        if now < self._said[1]:
            parts.append(self._said[0])
        line = ' | '.join(filter(None, parts))
        if line != self._line:
            self._line = line
            print(f'\r\x1b[K{line[:200]}' if sys.stdout.isatty() else line,
                  end='' if sys.stdout.isatty() else '\n', flush=True)

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell who is in command, and what was shown."""
        values = {**self.counts, **(self.rows.counts if self.rows is not None else {})}
        commanding = self.pilot.action(time.monotonic()) is not None
        if self.rows is not None and self.rows.complaint:
            return DiagnosticStatus.ERROR, self.rows.complaint, values
        return DiagnosticStatus.OK, 'in command' if commanding else 'not in command', values

    def close(self) -> None:
        """Write what was shown."""
        if self.rows is not None:
            self.exit_status = self.rows.close()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    with ExitStack() as stack:
        return run(lambda: TeleopNode(stack), args)


if __name__ == '__main__':
    sys.exit(main())
