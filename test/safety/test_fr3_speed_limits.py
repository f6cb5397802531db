"""
Franka's published speed limits of the FR3 are our braking envelope with a reaction time.

The constants are those of libfranka 0.21.2, `include/franka/rate_limiting.h`
(`computeUpperLimitsJointVelocity`, `computeLowerLimitsJointVelocity`), without the tolerance of
1e-3 rad/s that libfranka takes off for numerical errors.  They read, towards an upper limit,

    v(q) = min(v_max, max(0, -c0 + sqrt(max(0, c1 (Q - q)))))

which is `envelope` with a_b = c1 / 2, T_r = c0 / a_b and the limit at Q - c0^2 / c1, where v = 0.
"""

import numpy as np
import pytest
from rl_robot_ros.robots.fr3 import ROBOT
from rl_robot_ros.safety.bounds import envelope

V_MAX = np.array([2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26])
C0 = np.array([0.30, 0.20, 0.20, 0.30, 0.35, 0.35, 0.35])
C1 = np.array([12.0, 5.17, 7.00, 8.00, 34.0, 11.0, 34.0])
UPPER = np.array([2.75010, 1.79180, 2.90650, -0.1458, 2.81010, 4.52050, 3.01960])
LOWER = np.array([-2.75010, -1.79180, -2.90650, -3.04810, -2.81010, 0.54092, -3.01960])

BRAKING = C1 / 2.0
REACTION = C0 / BRAKING
STOP = C0**2 / C1  # [rad] from Q to where the curve reaches 0

# From far inside to beyond the end of each joint's range, shape (1001, 7).
POSITIONS = np.linspace(LOWER - 0.1, UPPER + 0.1, 1001)


def published(distance):
    """Return Franka's limit [rad/s], `distance` [rad] being Q - q or q - Q."""
    root = np.sqrt(np.maximum(0.0, C1 * distance))
    return np.minimum(V_MAX, np.maximum(0.0, root - C0))


@pytest.mark.parametrize('distance', [UPPER - POSITIONS, POSITIONS - LOWER],
                         ids=['upper', 'lower'])
def test_the_envelope_is_the_published_curve(distance):
    ours = np.minimum(V_MAX, envelope(distance - STOP, BRAKING, REACTION))
    assert np.abs(ours - published(distance)).max() <= 1e-9
    # The grid meets all three parts of every curve.
    assert ((ours == 0.0).any(0) & (ours == V_MAX).any(0)).all()
    assert ((ours > 0.0) & (ours < V_MAX)).any(0).all()


def test_the_datasheet_has_these_constants():
    assert np.array(ROBOT.braking_acceleration) == pytest.approx(BRAKING, abs=1e-12)
    assert np.array(ROBOT.velocity_limit) == pytest.approx(V_MAX)


def test_the_curves_end_at_the_position_limits():
    """Within 8 mrad, and never more than 0.5 mrad beyond; reaction takes 20 to 80 ms."""
    room = np.array([ROBOT.position_upper - (UPPER - STOP), (LOWER + STOP) - ROBOT.position_lower])
    assert room.max() < 8e-3 and room.min() > -5e-4
    assert REACTION.min() > 0.02 and REACTION.max() < 0.08
