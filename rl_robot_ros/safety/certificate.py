r"""
Whether every joint can always be braked, with the motors that there are.

A limit that relies on braking is worth what the brakes are worth.  On a coupled arm the motors
have to stand against gravity, Coriolis forces and each other before anything is left for braking,
so the braking acceleration a_b is computed and not guessed: for every position q inside the limits
and every velocity v up to the velocity limits,

    (1 + e) (sum_j |M_ij(q)| (a_b,j + delta_j(q)) + |h_i(q, v)|) + e |g_i(q)| <= (1 - r) tau_i

with e the declared relative error of masses, g the gravity that the robot compensates by its own
(equally wrong) model, r a reserve, delta what a declared push may accelerate a joint by
(:mod:`rl_robot_ros.safety.push`).  Then *any* combination of joints can brake at once, and viable
states stay viable (:mod:`rl_robot_ros.safety.viability`).  States are sampled evenly, half of them
at the corners of the velocity limits, and from the worst ones a random search climbs on: evidence,
not proof.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from dataclasses import dataclass
import json

import numpy as np
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.push import push_acceleration
from rl_robot_ros.safety.samples import one_turn
from rl_robot_ros.safety.samples import quasi_random

STEPS = 300  # of the search for worse states, per joint
CLIMBS = 4  # at most, for the largest scale that certifies


class CertificateError(ValueError):
    """There is no certificate; `certificate` says what is missing."""

    def __init__(self, message: str, certificate: Certificate) -> None:
        super().__init__(message)
        self.certificate = certificate


@dataclass(frozen=True)
class Certificate:
    """
    What was certified, for which robot, and under which declared errors.

    :param braking: [rad/s^2 or m/s^2] certified braking acceleration per joint, `share` times what
        the datasheet claims; zero where there is none.
    :param share: part of the datasheet's braking acceleration that is certified, 0 to 1.
    :param worst_joint: the joint whose motor has least left.
    :param worst_position: [rad or m] the sample where it has.
    :param worst_velocity: [rad/s or m/s] the sample where it has.
    :param needed: [N m or N] per joint, the most that braking and standing against the rest needs.
    :param available: [N m or N] per joint, what the motor may give.
    :param velocity_scale: the scale of the velocity limits this was computed for.
    :param largest_velocity_scale: the largest known to certify, 0 where not even standing still
        does.
    :param push: [rad/s^2 or m/s^2] the most that a declared push may accelerate each joint by, at
        any sample; empty where none is declared.
    """

    robot: str
    joints: tuple[str, ...]
    braking: tuple[float, ...]
    share: float
    worst_joint: str
    worst_position: tuple[float, ...]
    worst_velocity: tuple[float, ...]
    needed: tuple[float, ...]
    available: tuple[float, ...]
    velocity: tuple[float, ...]
    velocity_scale: float
    largest_velocity_scale: float
    mass_error: float
    payload: float
    samples: int
    seed: int
    push: tuple[float, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every joint can be braked."""
        return self.share > 0.0

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=2)

    def values(self) -> dict[str, str | int | float]:
        """Return what is certified, flat, one entry per joint."""
        return {'share': self.share, 'velocity_scale': self.velocity_scale,
                'largest_velocity_scale': self.largest_velocity_scale,
                'mass_error': self.mass_error, 'payload_kg': self.payload,
                **{f'{joint}.braking_acceleration': braking
                   for joint, braking in zip(self.joints, self.braking)}}

    def table(self) -> str:
        """Return a table for people."""
        head = (f'{self.robot}: velocity scale {self.velocity_scale:g}, mass error '
                f'{self.mass_error:.0%}, payload {self.payload:g} kg, {self.samples} samples '
                f'(seed {self.seed})\n\n'
                '| joint | velocity limit | braking acceleration | effort needed | available |\n'
                '|---|---|---|---|---|\n')
        rows = ''.join(
            f'| {joint} | {speed:.3g} | {braking:.3g} | {needed:.3g} | {available:.3g} |\n'
            for joint, speed, braking, needed, available in zip(
                self.joints, self.velocity, self.braking, self.needed, self.available))
        return f'{head}{rows}\n{self.summary()}\n'

    def summary(self) -> str:
        """Return one sentence."""
        if self.holds:
            return (f"certified: {self.share:.0%} of the datasheet's braking acceleration, "
                    f'limited by {self.worst_joint}')
        position = ', '.join(f'{value:.2f}' for value in self.worst_position)
        velocity = ', '.join(f'{value:.2f}' for value in self.worst_velocity)
        return (f'NOT certified: at position ({position}) and velocity ({velocity}) the motor of '
                f'{self.worst_joint} has nothing left to brake with; the largest '
                f'velocity_scale that certifies is {self.largest_velocity_scale:.2f}')


class _Demand:
    """
    What braking and standing against everything else asks of the motors, state by state.

    :param limits: velocity limits before `velocity_scale`, which :meth:`room` applies.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                 dynamics: Dynamics) -> None:
        self._dynamics = dynamics
        self._braking = np.array(robot.braking_acceleration)
        self._error = config.model_mass_error
        self.available = (1.0 - config.effort_reserve) * np.array(limits.effort)
        self._push = config.external_effort * np.array(limits.effort)
        self.most_push = np.zeros_like(self._push)  # [rad/s^2 or m/s^2] over all states so far

    def terms(self, position: Vector, velocity: Vector) -> Vector:
        """
        Return the terms of the inequality at one state, shape (6, n).

        Braking; the bias at standstill, its part that grows with the square of velocity
        (Coriolis), its part that grows with velocity (damping); gravity that is compensated;
        standing against a push.
        """
        mass, bias = self._dynamics.evaluate(position, velocity)
        brake, forward = np.abs(mass) @ self._braking, bias.copy()
        push = np.zeros_like(brake)
        if self._push.any():  # the inverse takes as long as the rest
            pushed = push_acceleration(mass, self._push, self._error)
            np.maximum(self.most_push, pushed, out=self.most_push)
            push = np.abs(mass) @ pushed
        backward = self._dynamics.evaluate(position, -velocity)[1].copy()
        still = self._dynamics.evaluate(position, np.zeros_like(velocity))[1].copy()
        gravity = (self._dynamics.gravity(position) if self._dynamics.compensated
                   else np.zeros_like(still))
        result: Vector = np.stack((brake, still, 0.5 * (forward + backward) - still,
                                   0.5 * (forward - backward), gravity, push))
        return result

    def standing(self, terms: Vector, scale: float) -> Vector:
        """Return the effort [N m or N] that is needed besides braking; terms of shape (6, ...)."""
        _, still, square, linear, gravity, push = terms
        bias = np.abs(still + scale * scale * square + scale * linear)
        result: Vector = (1.0 + self._error) * (bias + push) + self._error * np.abs(gravity)
        return result

    def braking(self, terms: Vector) -> Vector:
        """Return the effort [N m or N] that braking as in the datasheet needs."""
        result: Vector = (1.0 + self._error) * terms[0]
        return result

    def room(self, terms: Vector, scale: float) -> Vector:
        """Return the part of the datasheet's braking that every motor still has."""
        result: Vector = (self.available - self.standing(terms, scale)) / self.braking(terms)
        return result


def certify(robot: RobotSpec, limits: JointLimits, config: SafetyConfig, dynamics: Dynamics,
            search: bool = False) -> Certificate:
    """
    Compute the certificate; about half a second for 5000 samples of seven joints.

    :param limits: position and effort limits; velocity limits before `velocity_scale`.
    :param search: look for the largest scale that certifies although this one does.
    """
    demand = _Demand(robot, limits, config, dynamics)
    scale = config.velocity_scale
    states = _States(limits, config, demand)
    states.climb(scale)
    room = demand.room(states.terms, scale)
    least = float(room.min())
    sample, joint = (int(i) for i in np.unravel_index(room.argmin(), room.shape))
    share = min(least, 1.0) if least >= config.min_braking else 0.0
    needed = demand.standing(states.terms, scale) + share * demand.braking(states.terms)
    position, velocity = states.position[sample], scale * states.velocity[sample]
    largest = 1.0 if search or not share else scale
    for _ in range(0 if share and largest == scale else CLIMBS):
        # Other states are the worst ones at another scale.
        states.climb(largest)
        found = _largest(lambda part: float(demand.room(states.terms, part).min())
                         >= config.min_braking)
        if found > largest - 1e-3:
            break
        largest = found
    return Certificate(
        robot=robot.name, joints=limits.joints,
        braking=tuple((share * np.array(robot.braking_acceleration)).tolist()), share=share,
        worst_joint=limits.joints[joint], worst_position=tuple(position.tolist()),
        worst_velocity=tuple(velocity.tolist()),
        needed=tuple(needed.max(axis=0).tolist()), available=tuple(demand.available.tolist()),
        velocity=tuple((scale * np.array(limits.velocity)).tolist()), velocity_scale=scale,
        largest_velocity_scale=largest, mass_error=config.model_mass_error,
        payload=config.payload, samples=config.certificate_samples, seed=config.certificate_seed,
        push=tuple(demand.most_push.tolist()) if config.external_effort else ())


def require_certificate(robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                        dynamics: Dynamics) -> Certificate:
    """
    Return a certificate that holds.

    :raises CertificateError: there is none; names the joint, the sample and the way out.
    """
    certificate = certify(robot, limits, config, dynamics)
    if not certificate.holds:
        raise CertificateError(
            f'robot {robot.name}: {certificate.summary()} (parameter safety.velocity_scale, now '
            f'{config.velocity_scale:g}; see rl-robot certify)', certificate)
    return certificate


class _States:
    """States all over, and then where it is worst; the arrays have one row per state."""

    def __init__(self, limits: JointLimits, config: SafetyConfig, demand: _Demand) -> None:
        size = len(limits.joints)
        unit = quasi_random(config.certificate_samples, 2 * size, config.certificate_seed)
        self._lower, self._upper = one_turn(np.array(limits.position_lower),
                                            np.array(limits.position_upper))
        self.position = self._lower + unit[:, :size] * (self._upper - self._lower)
        self.velocity = 2.0 * unit[:, size:] - 1.0  # in parts of the velocity limits
        # Half of them in the corners.
        self.velocity[::2] = np.where(self.velocity[::2] < 0.0, -1.0, 1.0)
        self.velocity *= np.array(limits.velocity)
        self._demand = demand
        self._rng = np.random.default_rng(config.certificate_seed)
        self.terms = np.stack([demand.terms(q, v)
                               for q, v in zip(self.position, self.velocity)], axis=1)

    def climb(self, scale: float) -> None:
        """Add states that leave the motors less than any so far, found by random search."""
        room = self._demand.room(self.terms, scale)
        for joint in range(room.shape[1]):
            worst = int(room[:, joint].argmin())
            q, v, terms = self._climb(joint, self.position[worst], self.velocity[worst], scale)
            self.position = np.concatenate((self.position, q[None]))
            self.velocity = np.concatenate((self.velocity, v[None]))
            self.terms = np.concatenate((self.terms, terms[:, None]), axis=1)

    def _climb(self, joint: int, position: Vector, velocity: Vector, scale: float
               ) -> tuple[Vector, Vector, Vector]:
        """Look for states near a bad one that leave the motor of `joint` even less."""
        rng, demand = self._rng, self._demand
        found = demand.terms(position, velocity)
        least = demand.room(found, scale)[joint]
        for trial in range(STEPS):
            step = rng.normal(scale=0.3 * (1.0 - trial / STEPS), size=len(position))
            step *= rng.random(len(position)) < 0.5
            q = np.minimum(np.maximum(position + step, self._lower), self._upper)
            v = np.where(rng.random(len(position)) < 0.1, -velocity, velocity)
            terms = demand.terms(q, v)
            room = demand.room(terms, scale)[joint]
            if room < least:
                position, velocity, found, least = q, v, terms, room
        return position, velocity, found


def _largest(certifies: Callable[[float], bool]) -> float:
    """Return the largest scale in [0, 1] that certifies, to within 0.001, rounded down."""
    if certifies(1.0):
        return 1.0
    if not certifies(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if certifies(middle) else (low, middle)
    return low
