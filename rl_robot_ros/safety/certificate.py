r"""
Whether every joint can always be braked, with the motors that there are.

A limit that relies on braking is worth what the brakes are worth.  On a coupled arm the motors
have to stand against gravity, Coriolis forces and each other before anything is left for braking,
so the braking acceleration a_b is computed and not guessed: for every position q inside the limits
and every velocity v up to the velocity limits,

    (1 + e) (sum_j |M_ij(q)| a_b,j + |h_i(q, v)|) + e |g_i(q)| <= (1 - r) tau_i - tau_ext,i

with e the declared relative error of masses, g the gravity that the robot compensates by its own
(equally wrong) model, r a reserve.  Then *any* combination of joints can brake at once, and viable
states stay viable (:mod:`rl_robot_ros.safety.viability`).  Sampled: evidence, not proof.
"""

from __future__ import annotations

from dataclasses import asdict
from dataclasses import dataclass
import json

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits


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
    :param largest_velocity_scale: the largest that certifies, 0 where not even standing still
        does.
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

    @property
    def holds(self) -> bool:
        """Whether every joint can be braked."""
        return self.share > 0.0

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=2)

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


@dataclass(frozen=True)
class _Samples:
    """Terms of the inequality at every sample, at full velocity limits, shape (samples, n)."""

    position: Vector
    velocity: Vector
    brake: Vector  # sum_j |M_ij| a_b,j for the datasheet's a_b
    still: Vector  # bias at standstill
    square: Vector  # part of the bias that grows with the square of velocity (Coriolis)
    linear: Vector  # part of the bias that grows with velocity (damping)
    gravity: Vector  # that the robot compensates by itself


def certify(robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
            dynamics: Dynamics) -> Certificate:
    """
    Compute the certificate; about half a second for 20 000 samples of seven joints.

    :param limits: position and effort limits; velocity limits before `velocity_scale`.
    """
    samples = _sample(robot, limits, config, dynamics)
    error = config.model_mass_error
    effort = np.array(limits.effort)
    # A part of the effort limit is for contact forces, another stays unused.
    available = effort * (1.0 - config.effort_reserve - config.external_effort)

    def shares(scale: float) -> tuple[NDArray[np.float64], Vector]:
        bias = np.abs(samples.still + scale * scale * samples.square + scale * samples.linear)
        standing = (1.0 + error) * bias + error * np.abs(samples.gravity)
        return (available - standing) / ((1.0 + error) * samples.brake), standing

    room, standing = shares(config.velocity_scale)
    least = float(room.min())
    sample, joint = (int(i) for i in np.unravel_index(room.argmin(), room.shape))
    certified = least >= config.min_braking
    share = min(least, 1.0) if certified else 0.0
    needed = standing + (1.0 + error) * share * samples.brake
    largest = _largest(lambda scale: float(shares(scale)[0].min()) >= config.min_braking)
    return Certificate(
        robot=robot.name, joints=limits.joints,
        braking=tuple((share * np.array(robot.braking_acceleration)).tolist()), share=share,
        worst_joint=limits.joints[joint],
        worst_position=tuple(samples.position[sample].tolist()),
        worst_velocity=tuple((config.velocity_scale * samples.velocity[sample]).tolist()),
        needed=tuple(needed.max(axis=0).tolist()), available=tuple(available.tolist()),
        velocity=tuple((config.velocity_scale * np.array(limits.velocity)).tolist()),
        velocity_scale=config.velocity_scale, largest_velocity_scale=largest, mass_error=error,
        payload=config.payload, samples=len(samples.position), seed=config.certificate_seed)


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


def _sample(robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
            dynamics: Dynamics) -> _Samples:
    """Evaluate the dynamics all over positions and velocities."""
    size, count = len(limits.joints), config.certificate_samples
    unit = quasi_random(count, 2 * size, config.certificate_seed)
    # A joint that turns for ever repeats itself after one turn.
    lower = np.maximum(np.array(limits.position_lower), -np.pi)
    upper = np.minimum(np.array(limits.position_upper), np.pi)
    bounded = np.isfinite(np.array(limits.position_lower))
    lower = np.where(bounded, np.array(limits.position_lower), lower)
    upper = np.where(bounded, np.array(limits.position_upper), upper)
    position = lower + unit[:, :size] * (upper - lower)
    velocity = 2.0 * unit[:, size:] - 1.0
    velocity[::2] = np.where(velocity[::2] < 0.0, -1.0, 1.0)  # half of them in the corners
    velocity *= np.array(limits.velocity)
    braking = np.array(robot.braking_acceleration)
    columns = np.empty((5, count, size))
    zero = np.zeros(size)
    for k in range(count):
        mass, bias = dynamics.evaluate(position[k], velocity[k])
        columns[0, k] = np.abs(mass) @ braking
        columns[1, k] = bias
        columns[2, k] = dynamics.evaluate(position[k], -velocity[k])[1]
        columns[3, k] = dynamics.evaluate(position[k], zero)[1]
        columns[4, k] = dynamics.gravity(position[k]) if dynamics.compensated else 0.0
    brake, forward, backward, still, gravity = columns
    return _Samples(position, velocity, brake, still, 0.5 * (forward + backward) - still,
                    0.5 * (forward - backward), gravity)


def quasi_random(count: int, size: int, seed: int) -> Vector:
    """
    Return points that fill the unit cube evenly, shape (count, size).

    The additive recurrence of M. Roberts ("The unreasonable effectiveness of quasirandom
    sequences", 2018): a generalisation of the golden ratio, shifted by a seeded offset.
    """
    ratio = 2.0
    for _ in range(64):  # the one positive root of x^(size + 1) = x + 1
        ratio = (1.0 + ratio) ** (1.0 / (size + 1))
    step = ratio ** -np.arange(1.0, size + 1.0)
    offset = np.random.default_rng(seed).random(size)
    points: Vector = (offset + np.arange(count)[:, None] * step) % 1.0
    return points


def _largest(certifies: object) -> float:
    """Return the largest scale in [0, 1] that certifies, to within 0.001, rounded down."""
    assert callable(certifies)
    if certifies(1.0):
        return 1.0
    if not certifies(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while high - low > 1e-3:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if certifies(middle) else (low, middle)
    return low
