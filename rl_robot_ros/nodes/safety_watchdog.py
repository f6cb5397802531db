"""
The `safety_watchdog` node: stops the robot when the safety filter cannot.

An effort controller holds its last command for ever.  So a filter that was killed, crashed or
hangs leaves its last torque on the motors.  This small second process listens to the filter's
output.  When it falls silent the watchdog calls the simulator's brakes and, where there is
ros2_control, takes the effort controller away and activates fallback controllers; by a command of
wrong length where no service can be called and `watchdog.wrong_length` allows it.

It acts once and latches: `safety_watchdog/reset` releases, and is refused while the filter is
silent.  It acts as well when the filter ends in order, because nobody corrects its last effort any
more.  The watchdog is a process like any other: it is not safety-rated either.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.serialization import serialize_message
from rl_robot_ros import wire
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.brakes import Brake
from rl_robot_ros.nodes.brakes import controller_service
from rl_robot_ros.nodes.brakes import ControllerSwitch
from rl_robot_ros.nodes.brakes import SimulatorBrake
from rl_robot_ros.nodes.brakes import WrongLength
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import FAREWELL
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.heartbeat import Heartbeat
from rl_robot_ros.settings import GraphConfig
from rl_robot_ros.settings import SimConfig
from rl_robot_ros.settings import WatchdogConfig
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

OUTPUT = 'effort_controller/commands'
LOOKS = 8  # in the time that a state may wait
LAST_WATCH = 2.0  # [s] a filter that is told to end together with us brakes for up to 1 s
LEASE = 25.0  # [s] DDS goes on listing a killed process for 20 s


class SafetyWatchdogNode(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('safety_watchdog', controls=True)
        robot = resolve('robot', self.configure(GraphConfig).robot)
        config = self.configure(WatchdogConfig, 'watchdog.')
        safety = self.configure(SafetyConfig, 'safety.')
        pace = self.configure(SimConfig, 'sim.').real_time_factor
        patience = max(config.periods * robot.control_period / pace, config.min_silence)
        # Never below three periods, as in the filter.
        state_timeout = max(safety.state_timeout, 3 * robot.control_period) / pace
        self.heartbeat = Heartbeat(patience, state_timeout, patience / LOOKS)
        self.use_sim_time = bool(self.get_parameter('use_sim_time').value)
        self.tripped = ''
        self.trips = 0
        self.brakes: tuple[Brake, ...] = (
            SimulatorBrake(self),
            ControllerSwitch(self, config.controller_manager, config.effort_controller,
                             config.fallbacks, controller_service()))
        self.counts = {'states_refused': 0}
        self._own = b''  # what we say ourselves where the filter speaks
        if config.wrong_length:
            last = WrongLength(self.create_publisher(Float64MultiArray, OUTPUT, COMMAND_QOS),
                               len(robot.actuated), self.brakes)
            self._own = serialize_message(last.message)
            self.brakes += (last,)
        self._mode = ''
        self._joints = wire.JointReader(robot.actuated)
        self._stamp = -1
        self._seen = self._tripped_at = -LEASE
        self._filter_says = 'nothing yet'
        # Raw, because only that it comes matters.
        self.create_subscription(Float64MultiArray, OUTPUT, self._on_output, COMMAND_QOS, raw=True)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE_QOS)
        self.create_subscription(DiagnosticStatus, 'safety_filter/state', self._on_filter_state,
                                 LATCHED_QOS)
        self.create_service(Trigger, 'safety_watchdog/reset', self._on_reset)
        self.every(patience / LOOKS, self._look)

    # -- listening ----------------------------------------------------------------------------

    def _on_output(self, message: bytes) -> None:
        if message != self._own:
            self.heartbeat.output(time.monotonic())
        self.spare_time.use()

    def _on_state(self, message: JointState) -> None:
        now = time.monotonic()
        try:
            self._joints.read(message, 'position', 'velocity')
        except wire.WireError:  # a part of a state, or nothing that the filter would answer
            self.counts['states_refused'] += 1
            self.heartbeat.state(now, self._mode != LOCKSTEP, False)
            return
        # As in the filter: only who lives in simulated time believes what a simulator marks.
        self._mode = wire.parse_mark(message.header.frame_id)[0] if self.use_sim_time else HARDWARE
        timed = self._mode != LOCKSTEP
        self.heartbeat.state(now, timed, timed and self._is_new(message, now))

    def _is_new(self, message: JointState, now: float) -> bool:
        """Tell whether the filter owes this state an output, by the same rules as the filter."""
        stamp = wire.stamp_of(message.header.stamp)
        if stamp <= self._stamp and now - self._seen < self.heartbeat.state_timeout:
            return False
        self._stamp, self._seen = stamp, now
        return True

    def _on_filter_state(self, message: DiagnosticStatus) -> None:
        phase = next((pair.value for pair in message.values if pair.key == 'phase'), '')
        self._filter_says = f'{phase}: {message.message}'[:200]

    # -- acting -------------------------------------------------------------------------------

    def _look(self) -> None:
        now = time.monotonic()
        reason = self.heartbeat.look(now)
        if reason and not self.tripped:
            self._trip(reason, now)
        for brake in self.brakes:
            brake.drive(now)

    def _trip(self, reason: str, now: float) -> None:
        self.tripped, self._tripped_at = reason, now
        self.trips += 1
        for brake in self.brakes:  # first of all, whatever else there is to do
            brake.want(True, now)
        called = [brake.name for brake in self.brakes if brake.ready]
        text = f'{reason}; {self._helpless()}'
        if called:
            text = f'{reason}: calling {" and ".join(called)}; safety_watchdog/reset releases'
        if FAREWELL in self._filter_says:
            self.get_logger().warning(f'safety_filter has ended, {text}')
        else:
            self.get_logger().error(f'safety_filter is SILENT, {text}')
        self._publish_diagnostics()

    def _helpless(self) -> str:
        """Say why nothing can be done, empty where something can."""
        if any(brake.ready or brake.engaged for brake in self.brakes):
            return ''
        states = '; '.join(f'{brake.name}: {brake.state}' for brake in self.brakes)
        return f'cannot stop the robot: {states}'

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        now = time.monotonic()
        silence = self.heartbeat.silence(now)
        if not self.tripped:
            response.success, response.message = True, 'nothing to reset'
        elif silence > self.heartbeat.patience:
            response.success = False
            response.message = (f'safety_filter is silent since {silence:.1f} s (it last said '
                                f'{self._filter_says!r}): start it again first')
            self.warn('reset', f'reset refused: {response.message}')
        else:
            response.success = True
            advice = [f'{brake.name} is told to release' if brake.lasting else
                      f'activate your effort controller yourself ({brake.name})'
                      for brake in self.brakes if brake.told]
            response.message = '; '.join([f'reset from: {self.tripped}', *advice])
            self.tripped = ''
            for brake in self.brakes:
                brake.want(False, now)
            self.get_logger().info(response.message)
            self._publish_diagnostics()
        return response

    # -- telling ------------------------------------------------------------------------------

    def _rivals(self) -> str:
        """Name the publishers on the controller's topic where there is more than one."""
        names = [f'{info.node_namespace.rstrip("/")}/{info.node_name}'
                 for info in self.get_publishers_info_by_topic(OUTPUT)
                 if not self._own or info.node_name != self.get_name()]
        if time.monotonic() - self._tripped_at < LEASE:
            names = sorted(set(names))  # one of two is the filter that was killed
        if len(names) < 2:
            return ''
        return f'{len(names)} publishers on {OUTPUT}: {", ".join(sorted(names)[:5])}'

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell what is watched, what could be done, and what was."""
        beat = self.heartbeat
        values = {'armed': int(beat.armed), 'trips': self.trips, 'reason': self.tripped,
                  'patience_ms': 1e3 * beat.patience, 'waited_max_ms': 1e3 * beat.longest,
                  'filter': self._filter_says, **self.counts,
                  **{brake.name: brake.state for brake in self.brakes}}
        helpless = '' if self._mode == LOCKSTEP else self._helpless()
        if helpless and beat.armed:
            self.warn('helpless', helpless, 30.0)
        wrong = [text for text in (self.tripped and f'tripped: {self.tripped}', helpless,
                                   self._rivals()) if text]
        if wrong:
            return DiagnosticStatus.ERROR, '; '.join(wrong), values
        if self._mode == LOCKSTEP:
            return DiagnosticStatus.OK, 'lockstep: nothing is timed', values
        return (DiagnosticStatus.OK, 'watches' if beat.armed else 'waits for the first output',
                values)

    def close(self) -> None:
        """Where all are told to end at once, end after the filter and its last words."""
        end = time.monotonic() + LAST_WATCH
        while self.heartbeat.armed and time.monotonic() < end \
                and any(brake.ready and not (self.tripped and brake.engaged)
                        for brake in self.brakes):
            self.spin_once(self.heartbeat.patience / LOOKS)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(SafetyWatchdogNode, args)


if __name__ == '__main__':
    sys.exit(main())
