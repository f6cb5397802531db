"""
The safety filter with its outputs and deadlines, behind one lock.

Two threads come here: the executor's, with messages and services, and the watchdog's, with
deadlines.  Whoever touches the filter or speaks to the motors holds `lock`.
"""

from __future__ import annotations

import threading
import time

import numpy as np
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.enable_switch import EnableSwitch
from rl_robot_ros.nodes.filter_outputs import FilterOutputs
from rl_robot_ros.nodes.limit_sources import BEFORE_MOTION
from rl_robot_ros.nodes.limit_sources import LimitSources
from rl_robot_ros.nodes.motor_check import MotorCheck
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.state_deadline import StateDeadline
from rl_robot_ros.nodes.state_deadline import States
from rl_robot_ros.nodes.state_stream import NOTHING
from rl_robot_ros.nodes.state_stream import Sample
from rl_robot_ros.nodes.timing import Timing
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.tightening import not_certified
from rl_robot_ros.safety.tightening import not_tighter
from rl_robot_ros.safety.verdict import Verdict
from rl_robot_ros.settings import FilterConfig

TELEOP_TIMEOUT = 0.2  # [s] a person's effort counts this long
PAUSED = 'simulated time stands still'
START = 'a person lets the robot go: release safety_filter/stop, then safety_filter/reset'


class GuardedFilter:
    """
    Gives one answer per state, and one per control period where states have stopped.

    :param node: has the clock and the timers, and is told of errors.
    :param config: options of the filter, as `collision` are.
    :param options: options of the node.
    :param pace: by how much simulated time is faster than real time.
    :param simulated: whether the node uses simulated time.
    """

    def __init__(self, node: RobotNode, robot: RobotSpec, config: SafetyConfig,
                 collision: CollisionConfig, options: FilterConfig, pace: float,
                 simulated: bool) -> None:
        self.lock = threading.RLock()
        self.limits = LimitSources(robot, options.joint_limits_file, options.require_description)
        self._robot, self._collision = robot, collision
        self._node, self._options, self._pace = node, options, pace
        # For every filter that is made: making these takes longer than a control period.
        self._dynamics = dynamics_of(robot, config.payload)
        self._geometry = MujocoGeometry(robot) if collision.enabled else None
        self.filter = self._make_filter(config)
        self.motors = MotorCheck(robot, self.limits.limits, options)
        self.enable = EnableSwitch(options.enable_timeout)
        self.out = FilterOutputs(node, robot.actuated)
        self.out.certify(self.filter.certificate, options.certificate_file)
        self.period = robot.control_period / pace  # [s] on the steady clock
        clock = node.get_clock()
        self.deadline = StateDeadline(self.filter.state_timeout / pace,
                                      lambda: clock.now().nanoseconds, simulated)
        self.timing = Timing(robot.control_period)
        self.counts = {'unanswered': 0, 'overruns': 0, 'hangs': 0}
        self.state: Sample = NOTHING
        self.answered = True  # the newest state has its answer
        self._seen = False  # the filter has seen it
        self.graph_refusal = ''  # why the graph around us lets nothing move
        self._waiting: tuple[int, Vector] | None = None  # a request that overtook its state
        self._teleop = (-TELEOP_TIMEOUT, np.zeros(len(robot.actuated)))
        self.shown = (Phase.UNCONFIGURED, '')  # phase and reason, as reported
        self._paused = False
        self._late = 0
        self._to_stop = options.start_stopped  # with the first state
        self._rest = self.filter.rest_effort()
        self._window = node.every(config.answer_window * self.period, self.window_over)
        self._window.cancel()

    @property
    def lockstep(self) -> bool:
        """Whether the robot is a simulator that waits for us."""
        return self.state.mark[0] == LOCKSTEP

    def refusal(self) -> str:
        """Say why nobody may move the robot, empty where somebody may."""
        outside = '' if self.lockstep else self.graph_refusal or self.motors.refusal
        return self.limits.refusal or outside

    # -- what comes in ------------------------------------------------------------------------

    def take_state(self, sample: Sample) -> None:
        """Take a new state, and answer it where its request is there."""
        if not self.lockstep:
            self.window_over()  # the old state first, while the filter remembers where it was
        if sample.mark != self.state.mark:
            self.filter.set_lockstep(sample.mark[0] == LOCKSTEP)
            self.filter.begin_episode()
            self.motors.begin()
        self.state = sample
        self.answered = self._paused = False
        self.timing.mark(sample.seen)
        self._see(sample)
        if self._waiting is not None and self._waiting[0] == sample.stamp:
            self._answer(self._waiting[1])
        elif not self.lockstep:
            self._window.reset()

    def _see(self, sample: Sample) -> None:
        """Do what can be done before the request comes, while the policy computes it."""
        wrong = self.motors.take(sample)
        if wrong and self.filter.phase is Phase.ACTIVE:
            self.filter.fault(wrong)
        # Where nothing is known of the limits yet, there is nobody to answer.
        self._seen = not self.limits.refusal or self.filter.phase is not Phase.UNCONFIGURED
        if not self._seen:
            return
        try:
            self.filter.see(sample.position, sample.velocity, sample.periods)
        except Exception as error:
            self._node.on_error(error)
        if self._to_stop and self.filter.phase is Phase.IDLE:
            self._to_stop = False
            self.filter.stop(START)
        self.timing.note('state', time.monotonic() - sample.seen)

    def take_request(self, stamp: int, effort: Vector) -> None:
        """Take a request for the newest state, or for one that is still to come."""
        if stamp > self.state.stamp:
            self._waiting = (stamp, effort)
        else:
            self._answer(effort)

    def take_teleop(self, effort: Vector) -> None:
        """Take what a person asks for."""
        self._teleop = time.monotonic(), effort

    # -- answers ------------------------------------------------------------------------------

    def window_over(self) -> None:
        """Answer a state whose request has not come: the filter repeats, brakes or holds."""
        with self.lock:
            self._window.cancel()
            if not self.answered:
                self.counts['unanswered'] += 1
                self._answer(None)

    def _answer(self, request: Vector | None) -> None:
        """Give the one output of the newest state."""
        state, self._waiting, self.answered = self.state, None, True
        if not self._seen:
            return
        start = time.monotonic()
        teleop = self._teleop[1] if start - self._teleop[0] < TELEOP_TIMEOUT else None
        refusal = self.refusal()
        if refusal:
            request = teleop = None
            self.filter.request_lost(refusal)
        try:
            verdict = self.filter.answer(request, teleop)
        except Exception as error:
            verdict = self._brake_anyway(error)
        self.out.answer(state.stamp, verdict, request, self.lockstep)
        self.motors.commanded = verdict.motor_effort
        self._rest = verdict.motor_effort - verdict.effort  # what gravity takes
        if self.filter.phase is not self.shown[0]:
            self.report()
        end = time.monotonic()
        self.timing.note('answer', end - start)
        if not self.lockstep:
            self.timing.note('latency', end - state.seen)
            self._count_late(end - state.seen > self._options.overrun * self.period)

    def _brake_anyway(self, error: Exception) -> Verdict:
        """Answer although the filter has failed: what stops the robot may still work."""
        self._node.on_error(error)
        try:
            return self.filter.step(self.state.position, self.state.velocity, None)
        except Exception as again:
            self._node.on_error(again)
            return Verdict(0.0 * self._rest, 'stop', True, self.filter.reason, self._rest)

    def _count_late(self, late: bool) -> None:
        self._late = self._late + 1 if late else 0
        self.counts['overruns'] += late
        if self._late >= self._options.max_overruns:
            self.filter.request_lost(f'{self._late} late answers in a row')

    # -- the watchdog's thread ----------------------------------------------------------------

    def watch(self) -> float:
        """Look after deadlines; returns after how long [s] to look again."""
        if not self.lock.acquire(timeout=self.deadline.timeout):
            self.counts['hangs'] += 1
            if self.state.seen and not self.lockstep:
                self.out.drive(self._rest)  # the filter hangs: its last effort must not stay
            return self.period
        try:
            now = time.monotonic()
            refusal = self.enable.refusal(now)
            if refusal and self.filter.phase is not Phase.STOP:
                self.filter.stop(refusal)
                self.report()
            states, wait = States.FRESH, self.deadline.timeout
            if self.state.seen and not self.lockstep \
                    and self.filter.phase is not Phase.UNCONFIGURED:
                states, wait = self.deadline.check(self.state.seen, now)
            if states is not States.FRESH:
                self._go_on_blindly(states)
                wait = self.period
            return min(wait + 1e-4, 0.5 * self.deadline.timeout)
        finally:
            self.lock.release()

    def _go_on_blindly(self, states: States) -> None:
        """Brake where states have stopped."""
        self._paused = states is States.PAUSED
        if self._paused:
            verdict = self.filter.stand_by()
        else:
            self.filter.state_lost()
            self.state = self.state._replace(stamp=-1)  # the next is fresh, whatever its clock
            self.answered = True
            self.motors.begin()
            verdict = self.filter.step(None, None, None)
        self.out.drive(verdict.motor_effort)
        self.report()

    # -- people -------------------------------------------------------------------------------

    def stop(self, asserted: bool) -> tuple[bool, str]:
        """Stop, or take the stop back; returns whether that was done, and the phase."""
        with self.lock:
            refusal = self.enable.refusal(time.monotonic())
            if asserted:
                self.filter.stop('stop service')
            elif not refusal:
                self.filter.release()
            self.report()
            return asserted or not refusal, \
                f'{self.filter.phase.value}: {refusal or self.filter.reason}'

    def reset(self) -> tuple[bool, str]:
        """Reset the filter where nothing around it is wrong."""
        with self.lock:
            refusal = '' if self.filter.phase in BEFORE_MOTION else self.refusal()
            if refusal:
                return False, f'{self.filter.reason}; still wrong: {refusal}'
            answer = self.filter.reset()
            self._late = 0
            self.report()
            return answer

    def describe_robot(self, text: str) -> None:
        """Take a `robot_description`."""
        with self.lock:
            changed = self.limits.offer(text, self.filter.phase)
            self.report()
        if changed:
            try:
                new = self._make_filter(self.filter.config)
            except ValueError as error:
                self.limits.refuse(str(error))
                return
            with self.lock:
                self.limits.accept()
                self._exchange(new)
            self.out.certify(self.filter.certificate, self._options.certificate_file)

    def change(self, config: SafetyConfig) -> str:
        """Change options, only to tighter ones while the robot may move; returns a refusal."""
        with self.lock:
            phase, old = self.filter.phase, self.filter.config
            wrong = not_certified(old, config)
            wrong += [] if phase in BEFORE_MOTION else not_tighter(old, config)
            if wrong:
                return f'while the filter is {phase.value}: ' + '; '.join(wrong)
            try:
                self._exchange(self._make_filter(config, self.filter.certificate))
            except ValueError as error:
                return str(error)
        return ''

    def _make_filter(self, config: SafetyConfig,
                     certificate: Certificate | None = None) -> SafetyFilter:
        """Make one; without a certificate that takes a second, which only a start may take."""
        return SafetyFilter(self._robot, self.limits.limits, config, self._dynamics, certificate,
                            self._geometry, self._collision)

    def _exchange(self, new: SafetyFilter) -> None:
        """Put a filter with other options or limits in the place of this one."""
        with self.lock:
            new.take_over(self.filter)
            self.filter = new
            self.deadline.timeout = new.state_timeout / self._pace
            self._window.timer_period_ns = round(new.config.answer_window * self.period * 1e9)
            self.report()

    def report(self) -> None:
        """Tell everybody phase and reason where one of them is new."""
        phase, reason = self.filter.phase, self.filter.reason
        if self._paused and phase is Phase.ACTIVE:
            phase, reason = Phase.HOLD, PAUSED
        elif phase in BEFORE_MOTION:
            reason = self.refusal() or reason
        if (phase, reason) != self.shown:
            self.shown = phase, reason
            self.out.report(phase, reason)
