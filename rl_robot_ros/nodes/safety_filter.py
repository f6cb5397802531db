"""
The `safety_filter` node: the last one before the motors.  No torch, starts in about a second.

Exactly one output per joint state.  In lockstep it comes with the request that carries the state's
stamp, however long that takes.  Otherwise it comes with the request, or `answer_window` after the
state, or from the watchdog's thread when states stop; all deadlines are on the steady clock.

This is a software mitigation, not a safety-rated function: keep the hardware stop in your hand.
What it does about which fault stands in docs/safety_faults.md.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import QoSProfile
from rl_robot_ros import wire
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.filter_outputs import LEVELS
from rl_robot_ros.nodes.graph_guard import GraphGuard
from rl_robot_ros.nodes.graph_guard import LOOK_PERIOD
from rl_robot_ros.nodes.guarded_filter import GuardedFilter
from rl_robot_ros.nodes.limit_sources import BEFORE_MOTION
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import FAREWELL
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.state_stream import COUNTERS
from rl_robot_ros.nodes.state_stream import StateStream
from rl_robot_ros.nodes.steady_watchdog import SteadyWatchdog
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.settings import FilterConfig
from rl_robot_ros.settings import SimConfig
from sensor_msgs.msg import JointState
from std_msgs.msg import Bool
from std_msgs.msg import String
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

SHUTDOWN_TIME = 1.0  # [s] to come to rest before the node ends


class SafetyFilterNode(RobotNode):
    """Messages, services and parameters of the filter; see the module docstring."""

    def __init__(self) -> None:
        super().__init__('safety_filter', controls=True)
        robot = load_graph(self).robot
        options = self.configure(FilterConfig, 'filter.')
        config = self.configure(SafetyConfig, 'safety.', change=self._on_options)
        pace = self.configure(SimConfig, 'sim.').real_time_factor
        # Read once: who toggles it while the robot runs must not change what a mark means.
        self.use_sim_time = bool(self.get_parameter('use_sim_time').value)
        self.guarded = GuardedFilter(self, robot, config,
                                     self.configure(CollisionConfig, 'collision.'), options, pace,
                                     self.use_sim_time)
        self.counts = dict.fromkeys((*COUNTERS, 'requests_refused', 'requests_old', 'repeats',
                                     'teleop_refused'), 0)
        self._states = StateStream(robot.actuated, robot.control_period, self.guarded.period,
                                   self.guarded.deadline.timeout,
                                   options.measured_effort != 'off', self.counts, self.warn)
        self._requests = wire.JointReader(robot.actuated)
        self._teleops = wire.JointReader(robot.actuated)
        self._connect(robot.actuated, options)

    def _connect(self, joints: tuple[str, ...], options: FilterConfig) -> None:
        inputs = [self.create_subscription(*given) for given in (
            (JointState, 'effort_request', self._on_request, COMMAND_QOS),
            (JointState, 'joint_states', self._on_state, _queue_of(options.joint_state_parts)),
            (JointState, 'teleop_effort', self._on_teleop, COMMAND_QOS),
            (String, 'robot_description', self._on_description, LATCHED_QOS),
            (Bool, 'safety_filter/enable', self._on_enable, COMMAND_QOS))]
        out = self.guarded.out
        both = out.topics() & {subscription.topic_name for subscription in inputs}
        if both:
            raise ValueError(f'the filter would hear itself on {", ".join(sorted(both))}: remap '
                             'its inputs and outputs to different topics')
        self.create_service(SetBool, 'safety_filter/stop', self._on_stop)
        self.create_service(Trigger, 'safety_filter/reset', self._on_reset)
        self._graph = GraphGuard(self, joints, inputs, inputs[0], out.controller,
                                 options.allow_multiple_publishers)
        self.guarded.graph_refusal = self._graph.refusal
        self.spare_time.add(LOOK_PERIOD, self._look_at_graph)
        self.guarded.report()
        self._watchdog = SteadyWatchdog(self.guarded.watch, self.on_error, self.guarded.period)
        self._watchdog.start()

    # -- messages -----------------------------------------------------------------------------

    def _on_state(self, message: JointState) -> None:
        guarded = self.guarded
        if not self.use_sim_time and wire.parse_mark(message.header.frame_id)[0] != HARDWARE:
            self._refuse_simulator(message.header.frame_id)
            return
        with guarded.lock:
            if guarded.answered and self._states.is_again(message, guarded.state):
                self.counts['repeats'] += 1
                guarded.out.repeat()
                return
            sample = self._states.take(message, guarded.state, time.monotonic())
            if sample is not None:
                guarded.take_state(sample)

    def _refuse_simulator(self, mark: str) -> None:
        with self.guarded.lock:
            self.guarded.filter.stop('a simulator publishes joint_states, but use_sim_time is '
                                     'false')
            self.guarded.report()
        self.warn('mark', f'joint_states says {mark!r}, which only a simulator does: set '
                          'use_sim_time, or stop the simulator')

    def _on_request(self, message: JointState) -> None:
        stamp, guarded = wire.stamp_of(message.header.stamp), self.guarded
        with guarded.lock:
            newest = guarded.state.stamp
            if stamp < newest:
                self.counts['requests_old'] += 1
            elif stamp == newest and guarded.answered:
                self.counts['repeats'] += 1
                guarded.out.repeat()
            else:
                try:
                    effort, = self._requests.read(message, 'effort')
                except wire.WireError as error:
                    self.counts['requests_refused'] += 1
                    self.warn(f'request {error.kind}', f'effort_request refused: {error}')
                else:
                    guarded.take_request(stamp, effort)
        if guarded.answered:
            self.spare_time.use()

    def _on_teleop(self, message: JointState) -> None:
        try:
            effort, = self._teleops.read(message, 'effort')
        except wire.WireError as error:
            self.counts['teleop_refused'] += 1
            self.warn(f'teleop {error.kind}', f'teleop_effort refused: {error}')
        else:
            self.guarded.take_teleop(effort)

    def _on_enable(self, message: Bool) -> None:
        self.guarded.enable.say(message.data, time.monotonic())

    def _on_description(self, message: String) -> None:
        self.guarded.describe_robot(message.data)
        text = self.guarded.limits.refusal or self.guarded.limits.complaint
        if text:
            self.warn('description', text)

    def _on_options(self, config: SafetyConfig) -> str:
        return self.guarded.change(config)

    # -- services -----------------------------------------------------------------------------

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        response.success, response.message = self.guarded.stop(request.data)
        return response

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self.guarded.reset()
        return response

    # -- now and then -------------------------------------------------------------------------

    def _look_at_graph(self) -> None:
        guarded = self.guarded
        guarded.deadline.watch_clock()
        if guarded.lockstep:
            return  # the simulator is part of the graph, and waits
        had = self._graph.controller_listens
        self._graph.look()
        with guarded.lock:
            guarded.graph_refusal = self._graph.refusal
            if had and not self._graph.controller_listens \
                    and guarded.filter.phase is Phase.ACTIVE:
                guarded.filter.fault(self._graph.refusal)
            guarded.report()

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell phase, reason and counters."""
        guarded = self.guarded
        guarded.out.listeners = guarded.out.intervention.get_subscription_count()
        phase, reason = guarded.shown
        values = {**guarded.filter.status(), 'refusal': guarded.refusal(), **self.counts,
                  **guarded.counts, **guarded.timing.report()}
        wrong = [*self._graph.complaints, guarded.limits.refusal, guarded.limits.complaint]
        if not guarded.lockstep and phase not in BEFORE_MOTION:
            wrong.append(guarded.graph_refusal)
        wrong = [text for text in wrong if text]
        level = DiagnosticStatus.ERROR if wrong else LEVELS.get(phase, DiagnosticStatus.OK)
        more = [text for text in wrong if text not in reason]
        return level, '; '.join([reason or phase.value, *more]), values

    def on_error(self, error: Exception) -> None:
        """Brake: a filter that does not understand what happens must not pass efforts on."""
        with self.guarded.lock:
            self.guarded.filter.fault(f'internal error: {type(error).__name__}: {error}')
        super().on_error(error)

    def close(self) -> None:
        """Bring the robot to rest, then leave a last command that keeps it there."""
        guarded = self.guarded
        with guarded.lock:
            guarded.filter.stop(FAREWELL)
            guarded.report()
        end = time.monotonic() + SHUTDOWN_TIME
        while guarded.state.seen and not guarded.lockstep \
                and not guarded.filter.at_rest and time.monotonic() < end:
            try:
                self.spin_once(guarded.period)
            except Exception as error:  # nothing may keep the last command from being sent
                self.on_error(error)
        self._watchdog.close()
        if guarded.state.seen:
            guarded.out.last_words(guarded.state.stamp, guarded.filter.rest_effort())


def _queue_of(parts: int) -> QoSProfile:
    """Let every part of one state wait for its turn, and no more."""
    return QoSProfile(history=STATE_QOS.history, depth=parts, reliability=STATE_QOS.reliability)


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(SafetyFilterNode, args)


if __name__ == '__main__':
    sys.exit(main())
