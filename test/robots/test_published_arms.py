"""
The arms after published ones reach where their usual Denavit-Hartenberg tables say.

The URDFs were written from ROS packages, these tables are another way to the same arm: a sign or
an axis that is wrong in one of them shows.
"""

import math

import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.model import build_spec
from rl_robot_ros.robots.model import MujocoKinematics

H = math.pi / 2


def shift(x, z):
    """Return the transform that goes `x` along x and `z` along z, shape (4, 4)."""
    transform = np.eye(4)
    transform[[0, 2], 3] = x, z
    return transform


def turn(angle, axis):
    """Return the rotation by `angle` about axis 0 (x) or 2 (z), shape (4, 4)."""
    transform, c, s = np.eye(4), math.cos(angle), math.sin(angle)
    i, j = (axis + 1) % 3, (axis + 2) % 3
    transform[[i, j, i, j], [i, j, j, i]] = c, c, -s, s
    return transform


def classic(a, d, alpha, angle):
    """Return one link in the classic convention (Denavit and Hartenberg 1955)."""
    return turn(angle, 2) @ shift(a, d) @ turn(alpha, 0)


def craig(a, d, alpha, angle):
    """Return one link in the modified convention (Craig, Introduction to Robotics)."""
    return turn(alpha, 0) @ shift(a, 0.0) @ turn(angle, 2) @ shift(0.0, d)


# a [m], d [m], alpha [rad] per joint; what stands before the first joint and behind the last.
ARMS = {
    'ur5e': (classic, turn(math.pi, 2), np.eye(4), (
        (0.0, 0.1625, H), (-0.425, 0.0, 0.0), (-0.3922, 0.0, 0.0), (0.0, 0.1333, H),
        (0.0, 0.0997, -H), (0.0, 0.0996, 0.0))),
    'iiwa14': (classic, np.eye(4), np.eye(4), (
        (0.0, 0.36, -H), (0.0, 0.0, H), (0.0, 0.42, H), (0.0, 0.0, -H), (0.0, 0.4, -H),
        (0.0, 0.0, H), (0.0, 0.126, 0.0))),
    'fr3': (craig, np.eye(4), shift(0.0, 0.107), (
        (0.0, 0.333, 0.0), (0.0, 0.0, -H), (0.0, 0.316, H), (0.0825, 0.0, H),
        (-0.0825, 0.384, -H), (0.0, 0.0, H), (0.088, 0.0, H)))}

# [kg] with the base: the sum over the tables that the URDFs name.
MASS = {'ur5e': 21.7, 'iiwa14': 29.9, 'fr3': 17.8914}


@pytest.mark.parametrize('name', ARMS)
def test_the_tip_is_where_the_table_says(name):
    robot = resolve('robot', name)
    link, base, tool, table = ARMS[name]
    kinematics = MujocoKinematics(robot)
    rng = np.random.default_rng(0)
    for _ in range(100):
        position = rng.uniform(robot.position_lower, robot.position_upper)
        transform = base
        for row, angle in zip(table, position):
            transform = transform @ link(*row, angle)
        tip = kinematics.tip(position, np.zeros_like(position)).position
        assert tip == pytest.approx((transform @ tool)[:3, 3], abs=1e-5)


@pytest.mark.parametrize('name', ARMS)
def test_no_mass_is_missing(name):
    model = build_spec(resolve('robot', name)).compile()
    assert model.body_mass.sum() == pytest.approx(MASS[name], abs=1e-4)
