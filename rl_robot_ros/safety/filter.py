"""The composed safety filter: one joint state and at most one request in, one effort out."""

from __future__ import annotations

from numpy.typing import ArrayLike
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import Geometry
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety import delivery
from rl_robot_ros.safety import intake
from rl_robot_ros.safety.assembly import make_model_limit
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.delivery import Delivery
from rl_robot_ros.safety.envelope import BrakingEnvelope
from rl_robot_ros.safety.hold import ControlledStop
from rl_robot_ros.safety.intake import RequestIntake
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.monitor import Finding
from rl_robot_ros.safety.monitor import StateMonitor
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.state_machine import StateMachine
from rl_robot_ros.safety.verdict import Verdict

COUNTERS = ('steps', 'limited', 'bad_states', 'braked', 'faults', 'stops',
            *delivery.COUNTERS, *intake.COUNTERS)
NO_REQUEST = 'no request yet'


class SafetyFilter:
    """
    Everything between a policy and the motors; see the package for what it does not promise.

    One call of :meth:`step` per state stamp, from one thread; who knows the state before the
    request calls :meth:`see` and :meth:`answer` instead.  In every phase the order is: stop,
    freshness, finite and complete, limits, all joints at once.  The outcome depends on the inputs
    and on the number of calls alone.

    Limits in order: effort rate on what was asked for, then the state-dependent limit (model-based
    and certified where the dynamics are known, a braking envelope where not), then the effort
    limit.  What needs no limiting comes out bit-identical.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits | None = None,
                 config: SafetyConfig = SafetyConfig(), dynamics: Dynamics | None = None,
                 certificate: Certificate | None = None, geometry: Geometry | None = None,
                 collision: CollisionConfig = CollisionConfig()) -> None:
        """
        Prepare for one robot.

        :param limits: tightened limits, those of the datasheet where None.
        :param dynamics: the robot's equation of motion, None where there is none.
        :param certificate: the result of `require_certificate` for these very arguments; None
            computes it, which takes about a second.
        :param geometry: what the robot fills of space, needed where `collision` is enabled.
        :raises ValueError: a limit is missing or wider than the datasheet's, an option is out of
            range, or (CertificateError) the limits of the model mode cannot be certified.
        """
        self.config = resolve_config(SafetyConfig, to_parameters(config))
        limits = JointLimits.from_robot(robot) if limits is None else limits
        limits.require_within(JointLimits.from_robot(robot))
        self.limits = limits.slowed(self.config.velocity_scale)
        period = robot.control_period
        # Shorter than three periods would trip on ordinary jitter.
        self.command_timeout = max(self.config.command_timeout, 3 * period)
        self.state_timeout = max(self.config.state_timeout, 3 * period)
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._model = make_model_limit(robot, limits, self.config, dynamics, certificate, geometry,
                                       collision)
        self._limit = self._model or BrakingEnvelope(robot, self.limits, self.config)
        self._monitor = StateMonitor(robot, limits, self.config)
        self._hold = ControlledStop(robot, self.limits, self.config,
                                    self._limit.braking_acceleration,
                                    dynamics if self._model else None)
        self._machine = StateMachine(self.config.start_hold, self.config.fade_in, period,
                                     self.config.resume_after_loss)
        self._intake = RequestIntake(len(robot.actuated), self.command_timeout, period,
                                     self.config.max_invalid_requests, self.counters)
        lifts = None if dynamics is None or dynamics.compensated else dynamics
        self._delivery = Delivery(robot, self.limits, self._limit, lifts, self.counters)
        self._most_mismatch = self.config.mismatch_time / period
        self._usable = self._lockstep = self._bridged = False
        self._answered, self._periods = True, 1

    @property
    def certificate(self) -> Certificate | None:
        """Return what was certified, None in model-free mode."""
        return None if self._model is None else self._model.certificate

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
        """Return a few values for diagnostics, counters too."""
        return {'phase': self.phase.value, 'reason': self.reason,
                'recovering': int(self._limit.recovering),
                **self._limit.status(self._monitor.position),
                'blend': self._machine.blend, 'stop_asserted': int(self._machine.stop_asserted),
                'complaint': self._monitor.complaint, **self.counters}

    def set_lockstep(self, lockstep: bool) -> None:
        """Tell whether a simulator waits for every answer: then no command is ever in flight."""
        self._lockstep = lockstep
        if self._model is not None:
            self._model.set_latency(0 if lockstep else self.config.latency_periods)

    def rest_effort(self) -> Vector:
        """Return what keeps a robot still that stands still [N m or N]: nothing, or gravity."""
        return self._delivery.rest_effort(self._monitor.position)

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
        self._distrust()
        return self._deliver_held('', 1)

    def take_over(self, old: SafetyFilter) -> None:
        """
        Go on where another filter has been, with other options or limits, in the middle of things.

        Everything goes on; only the margins begin anew, for nobody is to be driven out of them.
        """
        self._machine.take_over(old._machine)
        self._monitor.take_over(old._monitor)
        self._hold.take_over(old._hold)
        self._intake.take_over(old._intake)
        self._delivery.applied[:] = old._delivery.applied
        self.set_lockstep(old._lockstep)
        if self._model is not None and old._model is not None:
            self._model.take_over(old._model)
        for name in ('_usable', '_bridged', '_answered', '_periods'):
            setattr(self, name, getattr(old, name))
        self.counters.update(old.counters)
        self._see_again()

    def reset(self) -> tuple[bool, str]:
        """Leave a stopped phase for IDLE; refused with the reason while its cause persists."""
        stopped = self._machine.stopping
        done, message = self._machine.reset(self._monitor.complaint)
        if done and stopped:
            self._monitor.restart()
            self._forget(keep_effort=True)
            self._see_again()
        return done, message

    def _forget(self, keep_effort: bool = False) -> None:
        self._limit.begin()
        self._hold.release()
        if not keep_effort:
            self._delivery.applied[:] = 0.0
        self._intake.begin()

    def _see_again(self) -> None:
        """Let limits that have forgotten everything answer the state that still waits."""
        if self._usable and not self._answered:
            self._distrust()
            self._limit.see(self._monitor.position, self._monitor.velocity)

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
        self.see(position, velocity, periods)
        return self.answer(request, teleop)

    def see(self, position: ArrayLike | None, velocity: ArrayLike | None, periods: int = 1
            ) -> None:
        """Judge a state, and do what can be done before the request; arguments as in `step`."""
        periods = max(1, periods)
        self.counters['steps'] += 1
        self._usable, self._answered, self._periods = False, False, periods
        finding = self._monitor.check(position, velocity, self._delivery.applied, periods)
        self._usable = finding is None or finding.usable
        if finding is not None:
            self.counters['bad_states'] += 1
            self._judge(finding)
        elif self._machine.configured():
            self._hold.release()
        self._bridged = finding is not None
        if self._bridged:
            self._distrust()
        if self._usable:
            self._limit.see(self._monitor.position, self._monitor.velocity, periods)

    def answer(self, request: ArrayLike | None, teleop: ArrayLike | None = None) -> Verdict:
        """Answer the state that was seen last, once; arguments as in `step`."""
        machine, asked, periods = self._machine, self._intake, self._periods
        self._answered = True
        source = asked.take(request, teleop, machine.phase is Phase.ACTIVE, periods)
        if asked.loss:
            self.request_lost(asked.loss)
        follow = self._usable and bool(source) and machine.request()
        if follow and machine.blend == 1.0:
            self._hold.release()
            return self._deliver(asked.effort, source)
        return self._deliver_held(source if follow else '', periods)

    def _distrust(self) -> None:
        """Keep a bridged state away from what learns from states."""
        if self._model is not None:
            self._model.observer.skip()

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
        monitor, machine = self._monitor, self._machine
        held = source == 'hold' or source == 'stop'
        effort, motor, reason = self._delivery.deliver(
            wanted, held and machine.stopping, self._usable,
            monitor.position if self._usable else self._hold.target, not held)
        self._check_model()
        if self._bridged:
            self._distrust()
        if held:
            return Verdict(effort, source, True,
                           machine.reason or monitor.complaint or NO_REQUEST, motor)
        if reason:
            self.counters['limited'] += 1
        elif wanted is not self._intake.effort:
            reason = 'fades in'
        reason = reason or self._intake.rejection
        return Verdict(effort, source, bool(reason), reason, motor)

    def _check_model(self) -> None:
        """Latch a fault where the robot has not moved as its model says for too long."""
        if self._model is None or not self._most_mismatch:
            return
        if self._model.observer.saturated > self._most_mismatch:
            self._judge(Finding('model mismatch: the joints do not move as the model says (wrong '
                                'masses, a payload, contact?)', usable=True, fatal=True))
