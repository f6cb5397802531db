"""
The `start_robot` program: looks at everything once more, then lets a real robot go.

Filter, watchdog and policy run already, and the filter holds in STOP (`filter.start_stopped`).
This program does in order what a person would do, says each step, and ends:

1. wait until the filter has nothing against a start (joints, limits, description, controller),
   the watchdog can stop the robot, and the policy has weights;
2. release the stop and stop again: the filter now holds the robot where it stands *now*;
3. activate the effort controller (`start.activate`), last of all;
4. release the stop and reset the filter: it holds, then fades in what the policy asks for.

Where something is wrong it says what, the robot stays stopped, and the exit status is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
import sys
import time
from typing import Any

from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from rl_robot_ros.nodes.brakes import controller_service
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.settings import StartConfig
from rl_robot_ros.settings import WatchdogConfig
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

PARTS = ('safety_filter', 'safety_watchdog', 'policy')
PERIOD = 0.05  # [s] between two looks
CALL_TIMEOUT = 5.0  # [s] for one service


class Refused(Exception):
    """Something is wrong: the robot is not started."""


class RobotStart(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('start_robot')
        self.config = self.configure(StartConfig, 'start.')
        names = self.configure(WatchdogConfig, 'watchdog.')
        self._controller = names.effort_controller
        self._manager = f'{names.controller_manager}/switch_controller'
        self._switch = controller_service() if self.config.activate else None
        self._heard: dict[str, DiagnosticStatus] = {}
        self._stop = self.create_client(SetBool, 'safety_filter/stop')
        self._reset = self.create_client(Trigger, 'safety_filter/reset')
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 20)
        self._steps = self._start()
        self.every(PERIOD, self._go_on)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = self.get_namespace().rstrip('/') + '/' + status.hardware_id
            if status.hardware_id in PARTS and status.name == name:
                self._heard[status.hardware_id] = status

    def _go_on(self) -> None:
        try:
            next(self._steps)
            return
        except StopIteration:
            pass
        except Refused as reason:
            self.get_logger().error(f'NOT started: {reason}')
            self.exit_status = 1
        self.stop_requested.append(0)

    # -- the steps ----------------------------------------------------------------------------

    def _start(self) -> Iterator[None]:
        if self.config.activate and self._switch is None:
            raise Refused('controller_manager_msgs is not installed: activate '
                          f'{self._controller} yourself, then start with start.activate:=false')
        yield from self._until_nothing_is_wrong()
        yield from self._call(self._stop, SetBool.Request(data=False))
        yield from self._call(self._stop, SetBool.Request(data=True))
        if self._switch is not None:
            kind = self._switch.Request
            client = self.create_client(self._switch, self._manager)
            yield from self._call(client, kind(
                activate_controllers=[self._controller], strictness=kind.STRICT,
                activate_asap=True, timeout=Duration(sec=2)))
            self._say(f'{self._controller} is active')
        yield from self._call(self._stop, SetBool.Request(data=False))
        yield from self._call(self._reset, Trigger.Request())
        self._say('started: the filter holds, then fades in what the policy asks for')

    def _until_nothing_is_wrong(self) -> Iterator[None]:
        end = time.monotonic() + self.config.timeout
        told: dict[str, str] = {}
        self._heard.clear()
        while True:
            wrong = {part: self._wrong(part) for part in PARTS}
            for part, text in wrong.items():
                if told.get(part) != text:
                    told[part] = text
                    self._say(f'{part}: {text or "ready"}')
            if not any(wrong.values()):
                return
            if time.monotonic() > end:
                raise Refused('; '.join(f'{part}: {text}' for part, text in wrong.items() if text))
            yield

    def _wrong(self, part: str) -> str:
        """Say what is wrong with a part of the graph, empty where nothing is."""
        status = self._heard.get(part)
        if status is None:
            return 'is not there'
        values = {pair.key: pair.value for pair in status.values}
        if part == 'safety_filter':
            if values['phase'] in ('unconfigured', 'active'):
                return status.message
            return values['refusal'] or values['complaint']
        if part == 'policy':
            return '' if values.get('epoch') else status.message
        return status.message if status.level == DiagnosticStatus.ERROR else ''

    def _call(self, client: Any, request: Any) -> Iterator[None]:
        """
        Call a service and wait for its answer.

        :raises Refused: it does not answer, or says no.
        """
        end = time.monotonic() + CALL_TIMEOUT
        future = None
        while future is None or not future.done():
            if future is None and client.service_is_ready():
                future = client.call_async(request)
            if time.monotonic() > end:
                raise Refused(f'{client.srv_name} does not answer')
            yield
        answer = future.result()
        if not getattr(answer, 'success', getattr(answer, 'ok', False)):
            raise Refused(f'{client.srv_name}: {getattr(answer, "message", "") or "refused"}')

    def _say(self, text: str) -> None:
        self.get_logger().info(text)


def main(args: list[str] | None = None) -> int:
    """Run the program."""
    return run(RobotStart, args)


if __name__ == '__main__':
    sys.exit(main())
