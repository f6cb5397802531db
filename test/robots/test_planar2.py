"""The dynamics of planar2 are those of the textbook: two links in a vertical plane."""

import mujoco
import numpy as np
import pytest
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.planar2 import ROBOT

LENGTH, G = 0.4, 9.81  # [m] from joint to joint, [m/s^2]
MASS, CENTRE = (3.0, 2.0), (0.2, 0.15)  # [kg], [m] from the joint
CAPSULES = (0.05, 0.5), (0.04, 0.38)  # [m] radius, and length from tip to tip


def across(mass, radius, length):
    """Return the inertia of a solid capsule across its axis [kg m^2], summed over thin discs."""
    z = np.linspace(-length / 2.0, length / 2.0, 20_001)
    beyond = np.maximum(np.abs(z) - (length / 2.0 - radius), 0.0)
    square = np.maximum(radius**2 - beyond**2, 0.0)  # of the radius of the disc at z
    return mass * (square * (square / 4.0 + z**2)).sum() / square.sum()


def textbook(q, v, inertia):
    """
    Return M (2, 2) and h (2,) of the planar elbow manipulator (Spong, Hutchinson, Vidyasagar).

    :param inertia: [kg m^2] of the two links about their centres of mass.
    """
    (m1, m2), (c1, c2), (i1, i2) = MASS, CENTRE, inertia
    m12 = m2 * (c2**2 + LENGTH * c2 * np.cos(q[1])) + i2
    m11 = m1 * c1**2 + i1 + m2 * (LENGTH**2 + c2**2 + 2.0 * LENGTH * c2 * np.cos(q[1])) + i2
    matrix = np.array([[m11, m12], [m12, m2 * c2**2 + i2]]) + np.diag(ROBOT.armature)
    coriolis = -m2 * LENGTH * c2 * np.sin(q[1])
    forearm = m2 * c2 * G * np.cos(q[0] + q[1])
    h = np.array([coriolis * v[1] * (2.0 * v[0] + v[1])
                  + (m1 * c1 + m2 * LENGTH) * G * np.cos(q[0]) + forearm,
                  -coriolis * v[0] ** 2 + forearm])
    return matrix, h


def test_dynamics():
    model = build_spec(ROBOT).compile()
    data = mujoco.MjData(model)
    inertia = [across(mass, *capsule) for mass, capsule in zip(MASS, CAPSULES)]
    rng = np.random.default_rng(1)
    for _ in range(50):
        data.qpos[:] = rng.uniform(ROBOT.position_lower, ROBOT.position_upper)
        data.qvel[:] = rng.uniform(-1.0, 1.0, 2) * ROBOT.velocity_limit
        mujoco.mj_forward(model, data)
        found = np.zeros((2, 2))
        for i, unit in enumerate(np.eye(2)):
            mujoco.mj_mulM(model, data, found[i], unit)
        matrix, h = textbook(data.qpos, data.qvel, inertia)
        assert found == pytest.approx(matrix, rel=1e-6)
        assert data.qfrc_bias == pytest.approx(h, abs=1e-5)
        assert data.ncon == 0
