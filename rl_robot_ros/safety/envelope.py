"""Velocity and position limits, enforced as bounds on effort."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits


class EffortLimit(Protocol):
    """
    One limit that depends on the state.

    The filter calls :meth:`see` once per state, which does all that can be done before somebody
    asks for an effort, then :meth:`limit`, and then clamps to the effort limit.
    """

    reason: str  # what to tell people when it has changed something

    def begin(self) -> None:
        """Forget everything: the next state has nothing to do with the last one."""
        ...

    def see(self, position: Vector, velocity: Vector, periods: int = 1) -> None:
        """
        Take in a state.

        :param position: [rad or m] per actuated joint, finite.
        :param velocity: [rad/s or m/s] per actuated joint, finite.
        :param periods: control periods since the last state.
        """
        ...

    def limit(self, effort: Vector, following: bool = True) -> None:
        """
        Change `effort` in place where the last state does not allow it, and nowhere else.

        :param effort: [N m or N] per actuated joint as the controller is told, finite.
        :param following: whether it follows a request, rather than holding the robot still.
        """
        ...

    def sent(self, effort: Vector) -> None:
        """Hear what was sent [N m or N], in every phase, by whomever."""
        ...

    def status(self, position: Vector) -> dict[str, str | int | float]:
        """Tell how good a limit this is, for diagnostics."""
        ...


class BrakingEnvelope:
    """
    Velocity and position limits by braking distance, model-free.

    The same as :func:`~rl_robot_ros.safety.bounds.envelope` followed by
    :func:`~rl_robot_ros.safety.bounds.effort_bounds`, with everything constant computed
    beforehand; both limits of a joint are the two rows of one array.  The hold term, which stands
    against what the other joints and the world do to a joint, is an integrator: it pushes harder
    for as long as a joint is over its envelope, drains as soon as it is back, and is clamped to
    the effort limit.

    Holds if: every motor can brake its joint with `braking_acceleration` against everything else
    that acts on it, `inertia` is no more than about twice too large, the state is no older than
    `transport_delay`, and joints are decoupled.  On a real arm they are not: mitigation.
    """

    reason = 'limited by the braking envelope'

    def __init__(self, robot: RobotSpec, limits: JointLimits, config: SafetyConfig) -> None:
        period, gain = robot.control_period, config.envelope_gain
        inertia = np.array(robot.inertia)
        # A tightened effort limit leaves less to brake with.
        self.braking_acceleration = np.minimum(np.array(robot.braking_acceleration),
                                               np.array(limits.effort) / inertia)
        # The sampled loop takes 1 / gain periods to follow the envelope down.
        self.reaction_time = period * (1.0 + 1.0 / gain) + config.transport_delay
        self.gain = gain * inertia / period
        self.speed_limit = (1.0 - config.velocity_margin) * np.array(limits.velocity)
        lower = np.array(limits.position_lower) + config.position_margin
        upper = np.array(limits.position_upper) - config.position_margin
        for joint, low, high in zip(limits.joints, lower, upper):
            if not low < high:
                raise ValueError(f'{joint}: nothing is left between the position limits after a '
                                 f'position_margin of {config.position_margin} on both sides')
        lost = self.braking_acceleration * self.reaction_time
        slope = 2.0 * self.braking_acceleration
        self._lost = np.stack((lost, lost))
        self._floor = self._lost * self._lost
        self._slope = slope
        self._offset = np.stack((-slope * lower, slope * upper)) + self._floor
        self._speed_limit = np.stack((self.speed_limit, self.speed_limit))
        self._gain = np.stack((-self.gain, self.gain))
        self._work = np.empty_like(self._gain)
        self._to_lower, self._to_upper = self._work
        self._damping = np.empty_like(self.gain)
        effort = np.array(limits.effort)
        self._integral = np.zeros_like(self._work)
        self._integral_low = np.stack((0.0 * effort, -effort))
        self._integral_high = np.stack((effort, 0.0 * effort))
        self._share = np.full_like(self._work, config.envelope_integral)
        self._more = np.empty_like(self._work)
        self._outside = np.stack((np.array(limits.position_upper),
                                  -np.array(limits.position_lower)))
        self._recover = np.minimum(config.recover_velocity, self._speed_limit)
        self.recovering = True

    def begin(self) -> None:
        """Forget; the joints may start outside their limits, and come back slowly."""
        self.recovering = True
        self._integral[:] = 0.0

    def speeds(self, position: Vector) -> Vector:
        """
        Return the speeds allowed towards the lower and the upper limit, shape (2, n).

        The array is reused by the next call.
        """
        work = self._work
        np.multiply(self._slope, position, out=self._to_lower)
        np.negative(self._to_lower, out=self._to_upper)
        np.add(work, self._offset, out=work)
        np.maximum(work, self._floor, out=work)
        np.sqrt(work, out=work)
        np.subtract(work, self._lost, out=work)
        np.minimum(work, self._speed_limit, out=work)
        if self.recovering:
            # Row 0 is motion towards the lower limit: the way back from above the upper one.
            outside = np.stack((position, -position)) > self._outside
            np.minimum(work, self._recover, out=work, where=outside)
            self.recovering = bool(outside.any())
        return work

    def bounds(self, position: Vector, velocity: Vector) -> Vector:
        """Return the lowest and the highest effort allowed, shape (2, n), reused as above."""
        work = self.speeds(position)
        np.multiply(work, self._gain, out=work)
        np.multiply(self.gain, velocity, out=self._damping)
        np.subtract(self._to_lower, self._damping, out=self._to_lower)
        np.subtract(self._to_upper, self._damping, out=self._to_upper)
        return work

    def see(self, position: Vector, velocity: Vector, periods: int = 1) -> None:
        """Compute the bounds of this state."""
        bounds, integral = self.bounds(position, velocity), self._integral
        np.multiply(bounds, self._share, out=self._more)
        np.add(integral, self._more, out=integral)
        np.maximum(integral, self._integral_low, out=integral)
        np.minimum(integral, self._integral_high, out=integral)
        np.add(bounds, integral, out=bounds)

    def limit(self, effort: Vector, following: bool = True) -> None:
        """Bring `effort` into the bounds, in place."""
        np.maximum(effort, self._to_lower, out=effort)
        np.minimum(effort, self._to_upper, out=effort)

    def sent(self, effort: Vector) -> None:
        """Hear what was sent, which makes no difference here."""

    def status(self, position: Vector) -> dict[str, str | int | float]:
        """Tell that this is no guarantee."""
        return {'mode': 'model-free mitigation, not safety-rated'}
