"""
One pure function per limit.

They never hide NaN: a clamp lets it through and a comparison with it counts as exceeded, so the
finite check in front of them is not the only one.  `out` saves the allocation; it may be an input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector


def exceeds(value: Vector, limit: Vector) -> NDArray[np.bool_]:
    """Say where `value` is above `limit`; NaN in either counts as above."""
    return np.logical_not(value <= limit)


def clamp(value: Vector, lower: Vector | float, upper: Vector | float,
          out: Vector | None = None) -> Vector:
    """
    Bring `value` into ``[lower, upper]``; a value inside comes back bit-identical.

    :param out: array for the result.
    """
    out = np.maximum(value, lower, out=out)
    return np.minimum(out, upper, out=out)


def clamp_effort(effort: Vector, limit: Vector, out: Vector | None = None) -> Vector:
    """
    Effort limit: bring `effort` into ``[-limit, limit]`` [N m or N].

    :param out: array for the result.
    """
    return clamp(effort, -limit, limit, out)


def clamp_rate(effort: Vector, previous: Vector, step: Vector,
               out: Vector | None = None) -> Vector:
    """
    Effort rate limit: let `effort` differ from `previous` by at most `step`.

    :param previous: effort that was applied over the last control period [N m or N].
    :param step: rate limit times control period [N m or N].
    :param out: array for the result.
    """
    return clamp(effort, previous - step, previous + step, out)


def envelope(distance: Vector, braking_acceleration: Vector, reaction_time: Vector | float
             ) -> Vector:
    r"""
    Return the speed from which a joint still stops within `distance`.

    With the speed kept for the reaction time and a constant deceleration after it, stopping takes
    v T_r + v^2 / (2 a_b).  Setting that equal to the distance d gives

        v_env(d) = -a_b T_r + sqrt((a_b T_r)^2 + 2 a_b d)

    and 0 at or beyond the limit.  Franka's position-dependent speed limit of the FR3 is this very
    formula.

    :param distance: [rad or m] to the limit, negative beyond it.
    :param braking_acceleration: [rad/s^2 or m/s^2] deceleration that is always available.
    :param reaction_time: [s] until the deceleration is there.
    """
    lost = braking_acceleration * reaction_time
    return np.sqrt(lost * lost + 2.0 * braking_acceleration * np.maximum(distance, 0.0)) - lost


def effort_bounds(velocity: Vector, speed_lower: Vector, speed_upper: Vector, gain: Vector,
                  hold: Vector | float = 0.0) -> tuple[Vector, Vector]:
    """
    Turn a range of allowed velocities into a range of efforts.

    Inside its envelope a joint gets room to accelerate towards it; outside, the whole range lies
    on the braking side.  A mitigation, not a guarantee: it takes joints one by one.

    :param velocity: [rad/s or m/s].
    :param speed_lower: allowed speed towards the lower limit [rad/s or m/s], >= 0.
    :param speed_upper: allowed speed towards the upper limit [rad/s or m/s], >= 0.
    :param gain: effort per velocity error [N m s/rad or N s/m]; gain * T / inertia must stay well
        below 1 or the sampled loop overshoots.
    :param hold: effort that would hold the joint still [N m or N]; 0 where gravity is compensated.
    """
    return hold + gain * (-speed_lower - velocity), hold + gain * (speed_upper - velocity)
