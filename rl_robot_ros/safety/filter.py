"""The composed safety filter: one joint state and at most one request in, one effort out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety import intake
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.envelope import BrakingEnvelope
from rl_robot_ros.safety.envelope import EffortLimit
from rl_robot_ros.safety.hold import ControlledStop
from rl_robot_ros.safety.intake import RequestIntake
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import Finding
from rl_robot_ros.safety.monitor import StateMonitor
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.state_machine import StateMachine

COUNTERS = ('steps', 'limited', 'rate_overrides', 'bad_states', 'braked', 'faults', 'stops',
            *intake.COUNTERS)

RATE = 'limited by effort or effort rate'
NO_REQUEST = 'no request yet'
ENVELOPE = 'limited by the braking envelope'


class Verdict(NamedTuple):
    """
    What goes to the motors, and why.

    :param effort: [N m or N] per actuated joint; a new array, finite, within the effort limits.
    :param source: whose effort it is: policy, teleop, hold, or stop.
    :param filtered: whether it differs from what that source asked for; always for hold and stop.
    :param reason: empty where nothing was changed.
    """

    effort: Vector
    source: str
    filtered: bool
    reason: str


class SafetyFilter:
    """
    Everything between a policy and the motors; see the package for what it does not promise.

    One call of :meth:`step` per state stamp, from one thread.  In every phase the order is: stop,
    freshness, finite and complete, limits, all joints at once.  The outcome depends on the inputs
    and on the number of calls alone.

    Limits in order: effort rate on what was asked for, then the state-dependent limits, then the
    effort limit.  State-dependent limits and stops outrank the rate: `rate_overrides` counts.
    What needs no limiting comes out bit-identical.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits | None = None,
                 config: SafetyConfig = SafetyConfig(), *,
                 extra: tuple[EffortLimit, ...] = ()) -> None:
        """
        Prepare for one robot.

        :param limits: tightened limits, those of the datasheet where None.
        :param extra: further state-dependent limits, applied after the braking envelope.
        :raises ValueError: a limit is missing or wider than the datasheet's, or an option is out
            of range.
        """
        self.config = resolve_config(SafetyConfig, to_parameters(config))
        self.limits = JointLimits.from_robot(robot) if limits is None else limits
        self.limits.require_within(JointLimits.from_robot(robot))
        period = robot.control_period
        # Shorter than three periods would trip on ordinary jitter.
        self.command_timeout = max(self.config.command_timeout, 3 * period)
        self.state_timeout = max(self.config.state_timeout, 3 * period)
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.envelope = BrakingEnvelope(robot, self.limits, self.config)
        self._state_limits: tuple[EffortLimit, ...] = (self.envelope, *extra)
        self._monitor = StateMonitor(robot, self.limits, self.config)
        self._hold = ControlledStop(robot, self.limits, self.config,
                                    self.envelope.braking_acceleration)
        self._machine = StateMachine(self.config.start_hold, self.config.fade_in, period,
                                     self.config.resume_after_loss)
        self._intake = RequestIntake(len(robot.actuated), self.command_timeout, period,
                                     self.config.max_invalid_requests, self.counters)
        self._upper = np.array(self.limits.effort)
        self._lower = -self._upper
        self._rate_step = np.array(self.limits.effort_rate) * period
        self._applied = np.zeros_like(self._upper)
        self._rate_low = np.empty_like(self._upper)
        self._rate_high = np.empty_like(self._upper)
        self._work = np.empty_like(self._upper)
        self._same = np.ones(len(self._upper), dtype=np.bool_)
        self._all_same = self._same.tobytes()
        self._usable = False

    # -- what the node reports -----------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """Return what the filter is doing."""
        return self._machine.phase

    @property
    def reason(self) -> str:
        """Why it is not ACTIVE, empty where it is."""
        return self._machine.reason

    @property
    def latched(self) -> bool:
        """Whether only a reset leads on."""
        return self._machine.latched

    @property
    def at_rest(self) -> bool:
        """Whether a stop or a hold has come to standstill, as far as can be seen."""
        return self._usable and self._hold.at_rest(self._monitor.velocity)

    def status(self) -> dict[str, str | int | float]:
        """Return a few values for diagnostics; the counters are in it."""
        return {'phase': self.phase.value, 'reason': self.reason,
                'mode': 'model-free mitigation, not safety-rated',
                'blend': self._machine.blend, 'stop_asserted': int(self._machine.stop_asserted),
                'complaint': self._monitor.complaint, **self.counters}

    # -- what the node tells -------------------------------------------------------------------

    def begin_episode(self) -> None:
        """
        Forget rate, jump and observer memory, because a simulator put the robot elsewhere.

        An ACTIVE filter stays ACTIVE and does not fade in again; a stopped one stays stopped,
        but what was wrong with the old state no longer refuses a reset.
        """
        self._monitor.begin()
        self._forget()

    def stop(self, reason: str) -> None:
        """Stop the robot and keep it stopped until :meth:`release` and then :meth:`reset`."""
        if not self._machine.stop_asserted:
            self.counters['stops'] += 1
            self._hold.release()
        self._machine.stop(reason)

    def release(self) -> None:
        """Take the stop back; nothing moves before :meth:`reset`."""
        self._machine.release()

    def request_lost(self, reason: str = 'no request in time') -> None:
        """Brake, then hold: the policy's deadline passed on the node's steady clock."""
        if self._machine.lose_request(reason):
            self.counters['braked'] += 1
            self._hold.release()

    def state_lost(self, reason: str = 'no joint state in time') -> None:
        """
        Latch a fault: the state's deadline passed on the node's steady clock.

        Call ``step(None, None, None)`` once per control period from then on, until states return.
        """
        self._judge(self._monitor.lost(reason))

    def fault(self, reason: str) -> None:
        """Latch a fault that somebody else has found; the state may still be braked with."""
        self._judge(Finding(reason, usable=True, fatal=True))

    def stand_by(self) -> Verdict:
        """Brake along the last known motion and complain of nothing: simulated time stands."""
        self._usable = False
        return self._deliver_held('', 1)

    def take_over(self, old: SafetyFilter) -> None:
        """
        Go on where another filter has been, with other options or limits, in the middle of things.

        Phase, stop, effort rate and counters go on; detectors and limits begin anew.
        """
        self._machine.take_over(old._machine)
        self._monitor.position[:] = old._monitor.position
        self._monitor.velocity[:] = old._monitor.velocity
        self._monitor.complaint = old._monitor.complaint
        self._applied[:] = old._applied
        self.counters.update(old.counters)

    def reset(self) -> tuple[bool, str]:
        """Leave a stopped phase for IDLE; refused with the reason while its cause persists."""
        stopped = self._machine.stopping
        done, message = self._machine.reset(self._monitor.complaint)
        if done and stopped:
            self._monitor.restart()
            self._forget(keep_effort=True)
        return done, message

    def _forget(self, keep_effort: bool = False) -> None:
        for limit in self._state_limits:
            limit.begin()
        self._hold.release()
        if not keep_effort:
            self._applied[:] = 0.0
        self._intake.begin()

    # -- the one call per state ----------------------------------------------------------------

    def step(self, position: ArrayLike | None, velocity: ArrayLike | None,
             request: ArrayLike | None, teleop: ArrayLike | None = None,
             periods: int = 1) -> Verdict:
        """
        Answer one joint state.

        :param position: [rad or m] of the actuated joints; None where there is no state.
        :param velocity: [rad/s or m/s] of the actuated joints; None where there is no state.
        :param request: [N m or N] what the policy asks for; None where nothing came.
        :param teleop: [N m or N] what a person asks for, before the policy; None where nothing.
        :param periods: control periods since the last state, 1 or more.
        """
        machine, asked = self._machine, self._intake
        self.counters['steps'] += 1
        finding = self._monitor.check(position, velocity, self._applied, periods)
        self._usable = finding is None or finding.usable
        if finding is not None:
            self.counters['bad_states'] += 1
            self._judge(finding)
        elif machine.configured():
            self._hold.release()
        source = asked.take(request, teleop, machine.phase is Phase.ACTIVE, periods)
        if asked.loss:
            self.request_lost(asked.loss)
        follow = self._usable and bool(source) and machine.request()
        if follow and machine.blend == 1.0:
            self._hold.release()
            return self._deliver(asked.effort, source)
        return self._deliver_held(source if follow else '', periods)

    def _judge(self, finding: Finding) -> None:
        if finding.fatal and self._machine.fault(finding.reason):
            self.counters['faults'] += 1
            self._hold.release()

    def _deliver_held(self, source: str, periods: int) -> Verdict:
        """Hold or stop, or blend from the hold into the request of `source`."""
        machine, monitor, hold = self._machine, self._monitor, self._hold
        control = hold.effort if self._usable else hold.blind_effort
        effort = control(monitor.position, monitor.velocity, periods)
        if source:
            blend = machine.blend
            machine.tick(periods)
            effort += blend * (self._intake.effort - effort)
            return self._deliver(effort, source)
        if machine.stopping:
            if self.at_rest:
                machine.arrived()
            return self._deliver(effort, 'stop' if machine.latched else 'hold')
        if machine.phase is Phase.IDLE:
            machine.stood_still(self.at_rest, periods)
        return self._deliver(effort, 'hold')

    def _deliver(self, wanted: Vector, source: str) -> Verdict:
        """Apply every limit to `wanted`, and say what that changed."""
        out, applied = self._work, self._applied
        np.subtract(applied, self._rate_step, out=self._rate_low)
        np.add(applied, self._rate_step, out=self._rate_high)
        held = source == 'hold' or source == 'stop'
        if held and self._machine.stopping:
            out[:] = wanted  # a brake does not wait for the effort rate
        else:
            clamp(wanted, self._rate_low, self._rate_high, out)
        rated = out.tobytes()
        if self._usable:
            for limit in self._state_limits:
                limit.limit(self._monitor.position, self._monitor.velocity, out)
        clamp(out, self._lower, self._upper, out)
        limited = out.tobytes()
        if held:
            self._count_override(out)
            applied[:] = out
            return Verdict(out.copy(), source, True,
                           self._machine.reason or self._monitor.complaint or NO_REQUEST)
        reason = ''
        if limited != wanted.tobytes():
            if np.equal(out, wanted, out=self._same).tobytes() == self._all_same:
                out[:] = wanted  # only the sign of a zero was lost
            else:
                reason = RATE if limited == rated else self._explain(wanted, out)
        applied[:] = out
        if reason:
            self.counters['limited'] += 1
        elif wanted is not self._intake.effort:
            reason = 'fades in'
        reason = reason or self._intake.rejection
        return Verdict(out.copy(), source, bool(reason), reason)

    def _explain(self, wanted: Vector, out: Vector) -> str:
        """Say which limit came after the effort rate."""
        self._count_override(out)
        rated = clamp(wanted, self._rate_low, self._rate_high)
        if (clamp(rated, self._lower, self._upper, rated) == out).all():
            return RATE
        return ENVELOPE

    def _count_override(self, out: Vector) -> None:
        """Count where something outranked the effort rate."""
        if ((out < self._rate_low) | (out > self._rate_high)).any():
            self.counters['rate_overrides'] += 1
