"""Velocity and position limits, enforced with the robot's equation of motion."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.bounds import clamp
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.collision import CollisionLimit
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.observer import DisturbanceObserver
from rl_robot_ros.safety.push import push_acceleration
from rl_robot_ros.safety.push import require_room_for_pushes
from rl_robot_ros.safety.push import upper_bound_if_pushed
from rl_robot_ros.safety.torque_map import feasible_effort
from rl_robot_ros.safety.viability import braking_box
from rl_robot_ros.safety.viability import upper_bound

VIABILITY = 'limited to what can still be braked'
COLLISION = 'limited to keep clear of a collision'
COME_BACK = 5.0  # [1/s] part of the way back within its margin that a joint must cover
FASTEST_BACK = 0.1  # [rad/s or m/s] that this may ask for


class Seen(NamedTuple):
    """The state in which the next command begins to act, and its equation of motion."""

    position: Vector  # [rad or m]
    velocity: Vector  # [rad/s or m/s]
    mass: Vector  # [kg m^2, kg m or kg]
    bias: Vector  # [N m or N] with what the observer has learnt
    push: Vector  # [rad/s^2 or m/s^2] most that a declared push may add either way


class ViabilityLimit:
    """
    Keeps every joint in a state from which it can still be stopped; an `EffortLimit`.

    At every state, :meth:`see`: (1) roll position and velocity forward over the commands that are
    on their way.  For every effort, :meth:`limit`: (2) bound each joint's acceleration so that it
    stays viable (see `viability`); (3) where the wanted effort would accelerate a joint beyond its
    bounds, return a feasible effort that does not (see `torque_map`).  An effort that respects the
    bounds is not touched.  What holds, and under which assumptions: `docs/safety.md`.

    A joint that got into its margin must come back out of it while requests are followed, or long
    pushes would let it creep on.  One that started there is left alone until somebody asks it to
    go further out, and nobody is moved who is held.

    :param robot: datasheet.
    :param limits: position, velocity and effort limits.
    :param config: margins, kappa, observer, latency.
    :param dynamics: the robot's equation of motion.
    :param certificate: braking accelerations that are certified for all of these.
    :param collision: keeps links off each other and off the world, by the same braking; None
        where nothing does.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                 dynamics: Dynamics, certificate: Certificate,
                 collision: CollisionLimit | None = None) -> None:
        size = len(robot.actuated)
        self.dynamics = dynamics.twin()  # between `see` and `limit` others use theirs
        self.certificate = certificate
        self.collision = collision
        self.reason = VIABILITY
        self.braking_acceleration = np.array(certificate.braking)
        self.observer = DisturbanceObserver(size, config.observer_gain, config.extra_braking)
        self._period = robot.control_period
        self._horizon = config.kappa * robot.control_period
        self._latency = config.latency_periods
        lower = np.array(limits.position_lower) + config.position_margin
        upper = np.array(limits.position_upper) - config.position_margin
        for joint, low, high in zip(limits.joints, lower, upper):
            if not low < high:
                raise ValueError(f'{joint}: nothing is left between the position limits after a '
                                 f'position_margin of {config.position_margin} on both sides')
        # Row 0 is motion towards the upper limit, row 1 towards the lower one.
        self._sign = np.array([[1.0], [-1.0]])
        self._margin_limit = np.stack((upper, -lower))
        self._outside = np.stack((np.array(limits.position_upper),
                                  -np.array(limits.position_lower)))
        speed = limits.usable_speed(config.velocity_margin, config.velocity_noise)
        require_room_for_pushes(limits.joints, speed, certificate.push,
                                (config.latency_periods + 1) * self._period)
        self._speed = np.stack((speed, speed))
        self._recover = np.minimum(config.recover_velocity, self._speed)
        self._asked_out = 3.0 * config.velocity_noise
        self._fastest_back = np.minimum(FASTEST_BACK, 0.5 * self._speed)
        self._extra_braking = config.extra_braking
        self._hard = self.braking_acceleration + config.extra_braking
        self._effort_limit = np.array(limits.effort)
        self._push_effort = config.external_effort * self._effort_limit
        self._pushes = config.external_effort > 0.0
        self._mass_error = config.model_mass_error
        self._no_push = np.zeros(size)
        self._in_flight: deque[Vector] = deque(maxlen=self._latency)
        self._seen: Seen
        self._been_inside = np.zeros((2, size), dtype=np.bool_)  # of the margin, since it began
        self._settled = False  # all have
        self.recovering = True

    def begin(self) -> None:
        """Forget; the joints may start outside their limits, and come back slowly."""
        self.observer.begin()
        self._in_flight.clear()
        self._been_inside[:] = False
        self._settled = False
        self.recovering = True
        if self.collision is not None:
            self.collision.begin()

    def take_over(self, old: ViabilityLimit) -> None:
        """Go on with what another limit has sent and learnt; margins begin anew."""
        self._in_flight.extend(old._in_flight)
        self.observer.take_over(old.observer)

    def status(self, position: Vector) -> dict[str, str | int | float]:
        """Tell what is certified, how far off the model is, and what is nearest."""
        values: dict[str, str | int | float] = {
            'mode': 'model-based, certified, not safety-rated',
            'certified_share': self.certificate.share,
            'disturbance': float(np.abs(self.observer.acceleration).max())}
        if self.collision is not None:
            pair, distance = self.collision.nearest(position)
            values |= {'nearest': pair, 'nearest_distance_m': distance}
        return values

    def set_latency(self, latency: int) -> None:
        """Tell how many commands are on their way when a state arrives."""
        if latency != self._latency:
            self._latency = latency
            self._in_flight = deque(maxlen=latency)

    def sent(self, effort: Vector) -> None:
        """
        Note what was sent for the state of the last :meth:`see`, by whomever.

        :param effort: [N m or N] as the controller is told.
        """
        self._in_flight.append(effort.copy())

    def see(self, position: Vector, velocity: Vector, periods: int = 1) -> None:
        """
        Learn from a state, and find the one in which a command that is sent now begins to act.

        :param position: [rad or m] per actuated joint, finite.
        :param velocity: [rad/s or m/s] per actuated joint, finite.
        :param periods: control periods since the last state.
        """
        if periods == 1:
            self.observer.observe(velocity, self._period)
        else:
            for _ in range(min(periods - 1, self._latency) if self._in_flight else 0):
                self._in_flight.append(self._in_flight[-1])  # it stayed applied
        self._seen = self._when_it_acts(position, velocity)

    def limit(self, effort: Vector, following: bool = True) -> None:
        """
        Change `effort` in place where it would make a joint unstoppable from the state seen last.

        :param effort: [N m or N] as the controller is told, gravity included where it is not
            compensated.
        :param following: whether it follows a request; a robot that is held still is not moved
            out of its margins.
        """
        self.reason = VIABILITY
        bias = self._seen.bias
        clamp(effort, -self._effort_limit, self._effort_limit, effort)
        acceleration = self.dynamics.solve(effort - bias)
        bounds = self._bounds(self._horizon, acceleration if following else None)
        if (clamp(acceleration, *bounds) != acceleration).any():
            effort[:] = self._feasible(acceleration, bounds)
            acceleration = self.dynamics.solve(effort - bias)
        if self.collision is not None and self._keep_clear(effort, acceleration):
            acceleration = self.dynamics.solve(effort - bias)
        if not self._latency:
            self.observer.expect(self._seen.velocity + self._period * acceleration)

    def _keep_clear(self, effort: Vector, acceleration: Vector) -> bool:
        """
        Slide `effort` towards braking where it would lead into something; says whether it did.

        Both ends respect all bounds, which are convex, so what lies between does too.  The bounds
        of braking are those of one period, which a viable state leaves braking itself; and
        nothing is driven out of its margin, for that way may lead into something.
        """
        assert self.collision is not None
        brake = self.collision.path.brake(self._seen.velocity)
        scale = self.collision.scale(self._seen.position, self._seen.velocity, brake, acceleration)
        if scale == 1.0:
            return False
        backup = self._feasible(brake, self._bounds(self._period, None))
        effort[:] = backup + scale * (effort - backup)
        self.reason = COLLISION
        return True

    def _when_it_acts(self, position: Vector, velocity: Vector) -> Seen:
        """Roll the state forward to when a command sent now begins to act."""
        mass, bias = self._evaluate(position, velocity)
        if not self._latency:
            return Seen(position.copy(), velocity.copy(), mass, bias, self._push(mass))
        while len(self._in_flight) < self._latency:
            self._in_flight.append(bias.copy())  # nothing known: as if it kept its velocity
        period, first = self._period, True
        for on_its_way in self._in_flight:
            acceleration = self.dynamics.solve(on_its_way - bias)
            position = position + period * velocity + (0.5 * period * period) * acceleration
            velocity = velocity + period * acceleration
            if first:
                self.observer.expect(velocity)
                first = False
            mass, bias = self._evaluate(position, velocity)
        return Seen(position, velocity, mass, bias, self._push(mass))

    def _push(self, mass: Vector) -> Vector:
        """Return what a declared push may add; the observer may learn as much on top."""
        if not self._pushes:
            return self._no_push
        push = push_acceleration(mass, self._push_effort, self._mass_error)
        self.observer.most = self._extra_braking + push
        return push

    def _evaluate(self, position: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """Return mass, and bias with what the observer has learnt."""
        mass, bias = self.dynamics.evaluate(position, velocity)
        return mass, bias - mass @ self.observer.acceleration

    def _feasible(self, acceleration: Vector, bounds: tuple[Vector, Vector]) -> Vector:
        """Return the effort of `acceleration` inside `bounds`, or the nearest the motors have."""
        hard = braking_box(*bounds, self._against_pushes(self._hard))
        gentle = braking_box(*bounds, self._against_pushes(self.braking_acceleration))
        return feasible_effort(clamp(acceleration, *hard), self._seen.mass, self._seen.bias, hard,
                               gentle, self._effort_limit)

    def _against_pushes(self, most: Vector) -> Vector:
        """Add to this braking what the motors need against a push, where one is declared."""
        if not self._pushes:
            return most
        result: Vector = most + self._seen.push + np.abs(self.observer.acceleration)
        return result

    def _bounds(self, horizon: float, asked: Vector | None) -> tuple[Vector, Vector]:
        """
        Return the lowest and the highest acceleration that keep every joint viable.

        :param asked: [rad/s^2 or m/s^2] what a request would do; None where nobody is followed,
            then the bounds ask for no more than standing still.
        """
        seen = self._seen
        towards, velocity = self._sign * seen.position, self._sign * seen.velocity
        distance, speed = self._margin_limit - towards, self._speed
        fastest_back = self._fastest_back
        if not self._settled:
            self._been_inside |= distance > 0.0
            self._settled = bool(self._been_inside.all())
        if self.recovering:
            # The way back in from above the upper limit is motion towards the lower one.
            outside = towards > self._outside
            speed = np.where(outside[::-1], self._recover, speed)
            fastest_back = np.where(outside, np.minimum(self._recover, fastest_back), fastest_back)
            self.recovering = bool(outside.any())
        back: Vector | float = 0.0
        if asked is not None and distance.min() < 0.0:
            back = clamp(-COME_BACK * distance, 0.0, fastest_back)
            if not self._settled:
                further = velocity + horizon * self._sign * asked > self._asked_out
                back *= self._been_inside | further
        bound = upper_bound(distance, velocity, speed, self.braking_acceleration, horizon, back)
        if self._pushes:
            push = np.maximum(seen.push - self._sign * self.observer.acceleration, 0.0)
            pushed = upper_bound_if_pushed(distance, velocity, speed, self.braking_acceleration,
                                           self._period, push, self._latency * self._period)
            if asked is None:
                np.maximum(pushed, velocity * (-1.0 / self._period), out=pushed)
            np.minimum(bound, pushed, out=bound, where=self._been_inside)
        return -bound[1], bound[0]
