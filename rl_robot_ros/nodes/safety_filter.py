"""
The `safety_filter` node: the last one before the motors.  No torch, starts in about a second.

Exactly one output per joint state.  In lockstep it comes with the request that carries the state's
stamp, however long that takes.  Otherwise it comes with the request, or `answer_window` after the
state, or from the watchdog when states stop; all deadlines are on the steady clock.

This is a software mitigation, not a safety-rated function: keep the hardware stop in your hand.
"""

from __future__ import annotations

from pathlib import Path
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rl_robot_ros import wire
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LAST_WORDS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.timing import Timing
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.robots.joint_limits import load_joint_limits
from rl_robot_ros.robots.urdf import differences
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.settings import FilterConfig
from rl_robot_ros.settings import SimConfig
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import String
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

MOST_PERIODS = 1000  # a gap that is longer counts as this many control periods
TELEOP_TIMEOUT = 0.2  # [s] a person's effort counts this long
SHUTDOWN_TIME = 1.0  # [s] to come to rest before the node ends


class SafetyFilterNode(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('safety_filter')
        graph = load_graph(self)
        self.robot = graph.robot
        config = self.configure(FilterConfig, 'filter.')
        limits = JointLimits.from_robot(self.robot)
        if config.joint_limits_file:
            limits = limits.tightened(**load_joint_limits(Path(config.joint_limits_file)))
        safety = self.configure(SafetyConfig, 'safety.')
        collision = self.configure(CollisionConfig, 'collision.')
        self.filter = SafetyFilter(
            self.robot, limits, safety, dynamics_of(self.robot, safety.payload),
            geometry=MujocoGeometry(self.robot) if collision.enabled else None,
            collision=collision)
        pace = self.configure(SimConfig, 'sim.')
        self._period = self.robot.control_period / pace.real_time_factor
        self._state_timeout = self.filter.state_timeout / pace.real_time_factor
        self._window = self.filter.config.answer_window * self._period
        self.use_sim_time = bool(self.get_parameter('use_sim_time').value)
        self.timing = Timing(self.robot.control_period)
        self.counts = dict.fromkeys(('states_refused', 'states_old', 'requests_refused',
                                     'requests_old', 'repeats', 'teleop_refused',
                                     'unanswered'), 0)
        self._joints = wire.JointReader(self.robot.actuated)
        self._requests = wire.JointReader(self.robot.actuated)
        self._teleops = wire.JointReader(self.robot.actuated)
        self._writer = wire.JointWriter(self.robot.actuated)
        self._efforts = wire.EffortsWriter()
        self._stamp = -1
        self._mark = (HARDWARE, -1)
        self._state: tuple[Vector, Vector] | None = None
        self._periods = 1
        self._seen = 0.0
        self._answered: JointState | None = None
        self._waiting: tuple[int, Vector] | None = None  # a request that overtook its state
        self._teleop = (-TELEOP_TIMEOUT, np.zeros(len(self.robot.actuated)))
        self._phase = Phase.UNCONFIGURED
        self._listeners = 0
        self._connect()

    def _connect(self) -> None:
        self._command_out = self.create_publisher(JointState, 'effort_command', COMMAND_QOS)
        self._controller_out = self.create_publisher(Float64MultiArray,
                                                     'effort_controller/commands', COMMAND_QOS)
        self._state_out = self.create_publisher(DiagnosticStatus, 'safety_filter/state',
                                                LATCHED_QOS)
        self._intervention_out = self.create_publisher(JointState, 'safety_filter/intervention',
                                                       COMMAND_QOS)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE_QOS)
        self.create_subscription(JointState, 'effort_request', self._on_request, COMMAND_QOS)
        self.create_subscription(JointState, 'teleop_effort', self._on_teleop, COMMAND_QOS)
        self.create_subscription(String, 'robot_description', self._on_description, LATCHED_QOS)
        self.create_service(SetBool, 'safety_filter/stop', self._on_stop)
        self.create_service(Trigger, 'safety_filter/reset', self._on_reset)
        self._window_timer = self.every(self._window, self._window_over)
        self._window_timer.cancel()
        self.every(self._period, self._watch)
        self._report_phase()

    # -- states -------------------------------------------------------------------------------

    def _on_state(self, message: JointState) -> None:
        mark = wire.parse_mark(message.header.frame_id)
        if mark[0] != HARDWARE and not self.use_sim_time:
            self.filter.stop('a simulator publishes joint_states, but use_sim_time is false')
            self._report_phase()
            self.warn('mark', f'joint_states says {message.header.frame_id!r}, which only a '
                              'simulator does: set use_sim_time, or stop the simulator')
            return
        stamp = wire.stamp_of(message.header.stamp)
        if stamp <= self._stamp:
            if stamp == self._stamp and self._answered is not None:
                self.counts['repeats'] += 1
                self._command_out.publish(self._answered)
            else:
                self.counts['states_old'] += stamp < self._stamp
            return
        try:
            position, velocity = self._joints.read(message, 'position', 'velocity')
        except wire.WireError as error:
            self.counts['states_refused'] += 1
            self.warn(f'state {error.kind}', f'joint_states refused: {error}')
            return
        # The old state first, while the filter still remembers where it was.
        self._answer_unanswered()
        if mark != self._mark:
            self._mark = mark
            self.filter.set_lockstep(mark[0] == LOCKSTEP)
            self.filter.begin_episode()
        # A best-effort state may be lost: the joints have moved on for more than one period.
        gap = (stamp - self._stamp) / (self.robot.control_period * 1e9)
        self._periods = 1 if self._stamp < 0 else max(1, round(min(gap, MOST_PERIODS)))
        self._stamp, self._state, self._answered = stamp, (position, velocity), None
        self._seen = time.monotonic()
        self.timing.mark(self._seen)
        if self._waiting is not None and self._waiting[0] == stamp:
            self._answer(self._waiting[1])
        elif mark[0] != LOCKSTEP:
            self._window_timer.reset()

    def _answer_unanswered(self) -> None:
        """Keep to one output per state where a new one comes before the window is over."""
        if self._state is not None and self._answered is None and self._mark[0] != LOCKSTEP:
            self._window_over()

    def _on_request(self, message: JointState) -> None:
        stamp = wire.stamp_of(message.header.stamp)
        if stamp < self._stamp or (stamp == self._stamp and self._answered is not None):
            if stamp == self._stamp:
                self.counts['repeats'] += 1
                self._command_out.publish(self._answered)
            else:
                self.counts['requests_old'] += 1
            return
        try:
            effort, = self._requests.read(message, 'effort')
        except wire.WireError as error:
            self.counts['requests_refused'] += 1
            self.warn(f'request {error.kind}', f'effort_request refused: {error}')
            return
        if stamp > self._stamp:
            self._waiting = (stamp, effort.copy())
        else:
            self._answer(effort)

    def _on_teleop(self, message: JointState) -> None:
        try:
            effort, = self._teleops.read(message, 'effort')
        except wire.WireError as error:
            self.counts['teleop_refused'] += 1
            self.warn(f'teleop {error.kind}', f'teleop_effort refused: {error}')
            return
        self._teleop = (time.monotonic(), effort.copy())

    # -- answers ------------------------------------------------------------------------------

    def _answer(self, request: Vector | None) -> None:
        """Give the one output of the newest state."""
        assert self._state is not None
        self._waiting = None
        start = time.monotonic()
        teleop = self._teleop[1] if start - self._teleop[0] < TELEOP_TIMEOUT else None
        verdict = self.filter.step(*self._state, request, teleop, self._periods)
        command = self._writer.write(self._stamp, verdict.source, effort=verdict.effort)
        self._command_out.publish(command)
        self._controller_out.publish(self._efforts.write(verdict.motor_effort))
        self._answered = command
        if self._listeners and request is not None:
            self._intervention_out.publish(wire.joint_state(
                self.robot.actuated, self._stamp, verdict.source,
                effort=verdict.effort - request))
        if self.filter.phase is not self._phase:
            self._report_phase()
        self.timing.note('answer', time.monotonic() - start)

    def _window_over(self) -> None:
        """Answer a state whose request has not come: the filter repeats, brakes or holds."""
        self._window_timer.cancel()
        if self._state is not None and self._answered is None:
            self.counts['unanswered'] += 1
            self._answer(None)

    def _watch(self) -> None:
        """Take over when states stop; the simulator's lockstep may wait as long as it likes."""
        if self._state is None or self._mark[0] == LOCKSTEP:
            return
        if time.monotonic() - self._seen > self._state_timeout:
            self.filter.state_lost()
            self._stamp = -1  # the next state is fresh, whatever clock it comes by
            verdict = self.filter.step(None, None, None)
            self._controller_out.publish(wire.efforts_message(verdict.motor_effort))
            if self.filter.phase is not self._phase:
                self._report_phase()

    # -- people -------------------------------------------------------------------------------

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        if request.data:
            self.filter.stop('stop service')
        else:
            self.filter.release()
        response.success = True
        response.message = f'{self.filter.phase.value}: {self.filter.reason}'
        self._report_phase()
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self.filter.reset()
        self._report_phase()
        return response

    def _on_description(self, message: String) -> None:
        try:
            found = differences(self.robot, parse_joints(message.data))
        except ValueError as error:
            found = [str(error)]
        if found:
            self.filter.stop('robot_description does not cover the datasheet: '
                             + '; '.join(found[:5]))
            self.get_logger().error(self.filter.reason)
            self._report_phase()

    def _report_phase(self) -> None:
        self._phase = self.filter.phase
        level = {Phase.FAULT: DiagnosticStatus.ERROR, Phase.STOP: DiagnosticStatus.ERROR,
                 Phase.BRAKING: DiagnosticStatus.WARN, Phase.HOLD: DiagnosticStatus.WARN}.get(
                     self._phase, DiagnosticStatus.OK)
        self._state_out.publish(wire.status('safety_filter', level, self.filter.reason,
                                            {'phase': self._phase.value}))

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell phase, reason and counters."""
        self._listeners = self._intervention_out.get_subscription_count()
        values = {**self.filter.status(), **self.counts, **self.timing.report()}
        level = DiagnosticStatus.OK
        if self.filter.phase in (Phase.FAULT, Phase.STOP):
            level = DiagnosticStatus.ERROR
        elif self.filter.phase in (Phase.BRAKING, Phase.HOLD):
            level = DiagnosticStatus.WARN
        return level, self.filter.reason or self.filter.phase.value, values

    def on_error(self, error: Exception) -> None:
        """Brake: a filter that does not understand what happens must not pass efforts on."""
        self.filter.stop(f'internal error: {type(error).__name__}: {error}')
        super().on_error(error)

    def close(self) -> None:
        """Bring the robot to rest, then leave a last command that keeps it there."""
        self.filter.stop('the safety filter is shutting down')
        end = time.monotonic() + SHUTDOWN_TIME
        while self._state is not None and self._mark[0] != LOCKSTEP \
                and not self.filter.at_rest and time.monotonic() < end:
            try:
                self.spin_once(self._period)
            except Exception as error:  # nothing may keep the last command from being sent
                self.on_error(error)
        if self._state is not None:
            # An effort controller keeps the last command for ever.  A braking effort would speed a
            # joint up again after it has stopped it; nothing but gravity lets friction stop it.
            self._controller_out.publish(wire.efforts_message(self.filter.rest_effort()))
            self._command_out.publish(wire.joint_state(
                self.robot.actuated, self._stamp, 'stop',
                effort=np.zeros(len(self.robot.actuated))))
            for publisher in (self._controller_out, self._command_out):
                publisher.wait_for_all_acked(LAST_WORDS)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(SafetyFilterNode, args)


if __name__ == '__main__':
    sys.exit(main())
