"""The composed safety filter: one joint state and at most one request in, one effort out."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.envelope import BrakingEnvelope
from rl_robot_ros.safety.envelope import EffortLimit
from rl_robot_ros.safety.hold import ControlledStop
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import Finding
from rl_robot_ros.safety.monitor import StateMonitor
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.state_machine import StateMachine

COUNTERS = ('steps', 'limited', 'rate_overrides', 'bad_states', 'rejected_requests',
            'rejected_size', 'rejected_not_numbers', 'rejected_not_finite', 'repeated_requests',
            'braked', 'faults', 'stops')

RATE = 'limited by effort or effort rate'
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

    Limits in order: effort rate on what was asked for, then the state-dependent limits (they
    outrank the rate: `rate_overrides` counts), then the effort limit.  What needs no limiting
    comes out bit-identical.
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
        self.robot = robot
        self.config = resolve_config(SafetyConfig, to_parameters(config))
        self.limits = JointLimits.from_robot(robot) if limits is None else limits
        _check_not_wider(self.limits, JointLimits.from_robot(robot))
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
        self._most_stale = math.floor(self.command_timeout / period + 1e-9)
        self._upper = np.array(self.limits.effort)
        self._lower = -self._upper
        self._rate_step = np.array(self.limits.effort_rate) * period
        self._applied = np.zeros_like(self._upper)
        self._rate_low = np.empty_like(self._upper)
        self._rate_high = np.empty_like(self._upper)
        self._work = np.empty_like(self._upper)
        self._same = np.ones(len(self._upper), dtype=np.bool_)
        self._all_true = self._same.tobytes()
        self._asked = np.zeros_like(self._upper)  # the last accepted request
        self._asked_by = ''
        self._rejection = ''
        self._invalid = 0
        self._stale = 0

    # -- what the node reports -----------------------------------------------------------------

    @property
    def phase(self) -> Phase:
        """What the filter is doing."""
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
        """Whether a stop or a hold has come to standstill."""
        return self._hold.at_rest(self._monitor.velocity)

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
        self._asked_by = ''
        self._invalid = 0
        self._stale = 0

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
        machine, monitor = self._machine, self._monitor
        self.counters['steps'] += 1
        finding = monitor.check(position, velocity, self._applied, periods)
        usable = True
        if finding is not None:
            self._judge(finding)
            self.counters['bad_states'] += 1
            usable = finding.usable
        elif machine.phase is Phase.UNCONFIGURED or machine.phase is Phase.STOP:
            if machine.configured():
                self._hold.release()
        source = self._accept(request, teleop, periods)
        asked = usable and bool(source) and machine.request()
        if asked and machine.blend == 1.0:
            self._hold.release()
            return self._deliver(self._asked, source, usable)
        return self._deliver_held(source if asked else '', usable, periods)

    def _judge(self, finding: Finding) -> None:
        if finding.fatal and self._machine.fault(finding.reason):
            self.counters['faults'] += 1
            self._hold.release()

    def _accept(self, request: ArrayLike | None, teleop: ArrayLike | None, periods: int) -> str:
        """Return whose effort stands in `_asked` now, empty where nobody's does."""
        given, source = (request, 'policy') if teleop is None else (teleop, 'teleop')
        self._rejection = ''
        if given is not None:
            self._rejection = self._refuse(given)
            if not self._rejection:
                self._asked_by = source
                self._invalid = 0
                self._stale = 0
                return source
            self.counters['rejected_requests'] += 1
            self._invalid += 1
            if self._invalid >= self.config.max_invalid_requests:
                self.request_lost(f'{self._invalid} invalid requests in a row, the last: '
                                  f'{self._rejection}')
        if self._machine.phase is not Phase.ACTIVE:
            return ''  # only a fresh request starts motion
        self._stale += periods
        self.counters['repeated_requests'] += 1
        if self._stale > self._most_stale:
            self.request_lost(f'no valid request for more than {self.command_timeout:g} s')
            return ''
        return self._asked_by

    def _refuse(self, given: ArrayLike) -> str:
        """Copy a complete and finite request; return why it is refused otherwise."""
        try:
            effort = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            self.counters['rejected_not_numbers'] += 1
            return 'request is not made of numbers'
        if effort.shape != self._asked.shape:
            self.counters['rejected_size'] += 1
            return f'request has {effort.size} efforts, needs {self._asked.size}'
        if np.isfinite(effort, out=self._same).tobytes() != self._all_true:
            self.counters['rejected_not_finite'] += 1
            return 'request is not finite'
        self._asked[:] = effort
        return ''

    def _deliver_held(self, source: str, usable: bool, periods: int) -> Verdict:
        """Hold or stop, or blend from the hold into the request of `source`."""
        machine, monitor, hold = self._machine, self._monitor, self._hold
        if usable and machine.phase is not Phase.UNCONFIGURED:
            effort = hold.effort(monitor.position, monitor.velocity, periods)
        else:
            effort = hold.blind_effort(monitor.position, monitor.velocity, periods)
        if source:
            blend = machine.blend
            machine.tick(periods)
            effort += blend * (self._asked - effort)
            return self._deliver(effort, source, usable)
        if machine.stopping:
            if self.at_rest:
                machine.arrived()
            return self._deliver(effort, 'stop' if machine.latched else 'hold', usable)
        if machine.phase is Phase.IDLE:
            machine.stood_still(usable and self.at_rest, periods)
        return self._deliver(effort, 'hold', usable)

    def _deliver(self, wanted: Vector, source: str, usable: bool) -> Verdict:
        """Apply every limit to `wanted`, and say what that changed."""
        out, applied = self._work, self._applied
        np.subtract(applied, self._rate_step, out=self._rate_low)
        np.add(applied, self._rate_step, out=self._rate_high)
        clamp(wanted, self._rate_low, self._rate_high, out)
        rated = out.tobytes()
        if usable:
            for limit in self._state_limits:
                limit.limit(self._monitor.position, self._monitor.velocity, out)
        clamp(out, self._lower, self._upper, out)
        limited = out.tobytes()
        reason = ''
        if limited != wanted.tobytes():
            if np.equal(out, wanted, out=self._same).tobytes() == self._all_true:
                out[:] = wanted  # only the sign of a zero was lost
            else:
                reason = RATE if limited == rated else self._explain(wanted, out)
        applied[:] = out
        if source == 'hold' or source == 'stop':
            return Verdict(out.copy(), source, True, self._machine.reason)
        if reason:
            self.counters['limited'] += 1
        elif wanted is not self._asked:
            reason = 'fades in'
        reason = reason or self._rejection
        return Verdict(out.copy(), source, bool(reason), reason)

    def _explain(self, wanted: Vector, out: Vector) -> str:
        """Say which limit came after the effort rate, and count where it outranked that."""
        if ((out < self._rate_low) | (out > self._rate_high)).any():
            self.counters['rate_overrides'] += 1
        rated = clamp(wanted, self._rate_low, self._rate_high)
        if (clamp(rated, self._lower, self._upper, rated) == out).all():
            return RATE
        return ENVELOPE


def _check_not_wider(limits: JointLimits, widest: JointLimits) -> None:
    """Refuse limits that were not made by tightening those of the datasheet."""
    if limits.joints != widest.joints:
        raise ValueError(f'limits are for {", ".join(limits.joints)}, the robot has '
                         + ', '.join(widest.joints))
    widest.tightened(**{joint: {
        'has_position_limits': True, 'min_position': limits.position_lower[index],
        'max_position': limits.position_upper[index],
        'has_velocity_limits': True, 'max_velocity': limits.velocity[index],
        'has_effort_limits': True, 'max_effort': limits.effort[index],
        'max_effort_rate': limits.effort_rate[index]} for index, joint in enumerate(limits.joints)})
