r"""
Pushes that people declare: room in every bound for what contact may do next.

Up to an effort of tau_ext,i on each joint, whichever way and changing as they like, they
accelerate joint j by no more than

    delta_j = (1 + e) sum_i |M^-1(q)_ji| tau_ext,i

with e the declared relative error of masses.  The motors have to brake against that as well, so
the certificate counts it (:mod:`rl_robot_ros.safety.certificate`), and every control period
keeps room for it here.  A coupled arm passes a push on: delta is large, and no more than a few
hundredths of the effort limits can be declared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.viability import upper_bound


def push_acceleration(mass: Vector, effort: Vector, mass_error: float) -> Vector:
    """
    Return the most that a push may accelerate each joint, the delta above [rad/s^2 or m/s^2].

    :param mass: [kg m^2, kg m or kg] shape (n, n).
    :param effort: [N m or N] of the push, shape (n,), 0 or more.
    :param mass_error: largest relative error of `mass`.
    """
    result: Vector = (1.0 + mass_error) * (np.abs(np.linalg.inv(mass)) @ effort)
    return result


def upper_bound_if_pushed(distance: Vector, velocity: Vector, speed: Vector, braking: Vector,
                          period: float, push: Vector, late: float) -> Vector:
    """
    Return the largest acceleration that leaves a joint viable whatever pushes it for a period.

    The state is taken to be as bad as a push can have made it since it was measured, and the push
    to go on; see :func:`~rl_robot_ros.safety.viability.upper_bound` for the arguments that are not
    here.

    :param period: [s] for which a command acts.
    :param push: [rad/s^2 or m/s^2] most that may come on top, towards the limit, 0 or more.
    :param late: [s] from the measurement until the command acts.
    """
    bound: Vector = upper_bound(distance - (0.5 * late * late) * push, velocity + late * push,
                                speed, braking, period)
    bound -= push
    return bound


def require_room_for_pushes(joints: Sequence[str], speed: Vector, push: Sequence[float],
                            late: float) -> None:
    """
    Refuse pushes that use up all the speed there is before anybody can answer them.

    :param speed: [rad/s or m/s] that may be used, one per joint.
    :param push: [rad/s^2 or m/s^2] most that a push may accelerate each joint; empty where none
        is declared.
    :param late: [s] from a measurement until the command that answers it has acted.
    :raises ValueError: names the joint.
    """
    for joint, most, acceleration in zip(joints, speed, push):
        if late * acceleration > most:
            raise ValueError(
                f'{joint}: before a command acts, a push of safety.external_effort changes its '
                f'velocity by {late * acceleration:.3g}, which is more than the {most:.3g} that '
                'may be used; raise safety.velocity_scale, or lower safety.external_effort')
