r"""
How much a joint may accelerate now so that it can still stop in time later.

A state is *viable* when the joint, braking with an acceleration it really has, comes to rest
before its position limit, and is not faster than its velocity limit:

    q_lower <= q <= q_upper,  |v| <= v_max,
    v <= sqrt(2 a_b (q_upper - q)),  -v <= sqrt(2 a_b (q - q_lower)).

The bounds below keep a viable joint viable under an acceleration that is held for a time t.
A. Del Prete, "Joint Position and Velocity Bounds in Discrete-Time Acceleration/Torque Control of
Robot Manipulators", IEEE Robotics and Automation Letters 3(1), 2018; they are exact for a constant
acceleration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector

TINY = 1e-12  # keeps 0 / 0 out of a joint that stands exactly on its limit


def upper_bound(distance: Vector, velocity: Vector, speed: Vector, braking: Vector,
                horizon: float, back: Vector | float = 0.0) -> Vector:
    r"""
    Return the largest acceleration that keeps a joint viable towards one limit.

    The least of three bounds, with d the distance, v the velocity towards the limit, t the
    horizon, and w = v + t a the velocity at its end:

    - speed: w <= v_max.
    - viability at the end: w <= sqrt(2 a_b (d - t (v + w) / 2)), a quadratic in w, which a joint
      that stands still at the end, or comes back, fulfils as long as it is inside the limit.
    - the way in between: a joint that would be beyond the limit before it stands still, t v / 2 >=
      d, must turn round earlier, a <= -v^2 / (2 d).

    Beyond the limit (d <= 0) the joint may not move further out, w <= -`back`.  With zero it
    may come back as it likes; then errors of model and measurement may carry a joint that is
    pushed for long further and further out.

    Held for a horizon of several periods although it is renewed each period: that is what forgives
    a model whose inertia is too small.  It stays sound: while a joint moves towards the limit,
    2 a_b d - v^2 falls monotonically under a constant acceleration above -a_b, so viable at the
    end means viable on the way.

    :param distance: [rad or m] to the limit, negative beyond it, infinite where there is none.
    :param velocity: [rad/s or m/s] towards the limit.
    :param speed: [rad/s or m/s] velocity limit, positive.
    :param braking: [rad/s^2 or m/s^2] certified braking acceleration a_b, positive.
    :param horizon: [s] for which the acceleration is taken to be held.
    :param back: [rad/s or m/s] how fast a joint beyond the limit must come back, 0 or more.
    :returns: [rad/s^2 or m/s^2], the shape of `distance`.
    """
    half = 0.5 * horizon
    lost = half * braking
    room = distance - half * velocity  # left where the joint stands still at the end
    end = np.sqrt(lost * lost + (2.0 * braking) * np.maximum(room, 0.0)) - lost
    if not np.minimum(room, distance).min() > 0.0:
        turns = velocity - half * velocity * velocity / np.maximum(distance, TINY)
        end = np.where(distance > 0.0, np.where(room > 0.0, end, turns), -back)
    bound: Vector = (np.minimum(end, speed) - velocity) / horizon
    return bound


def braking_box(lower: Vector, upper: Vector, most: Vector) -> tuple[Vector, Vector]:
    """
    Let bounds ask for no more than `most` braking; where they cross, meet in the middle.

    :param lower: [rad/s^2 or m/s^2] lowest acceleration, shape (n,), like the other two.
    """
    lower, upper = np.minimum(lower, most), np.maximum(upper, -most)
    crossed = lower > upper
    if crossed.any():
        middle = 0.5 * (lower + upper)
        lower, upper = np.where(crossed, middle, lower), np.where(crossed, middle, upper)
    return lower, upper


def is_viable(distance: Vector, velocity: Vector, speed: Vector, braking: Vector,
              slack: float) -> NDArray[np.bool_]:
    """
    Say which joints are viable towards one limit; arguments as in :func:`upper_bound`.

    :param slack: [rad or m], and the same part of the velocity limit, that is forgiven.
    """
    towards = np.maximum(velocity, 0.0)
    stops = np.less_equal(towards * towards, 2.0 * braking * (distance + slack))
    slow = np.less_equal(np.abs(velocity), speed * (1.0 + slack))
    inside: NDArray[np.bool_] = stops & slow & np.greater_equal(distance, -slack)
    return inside
