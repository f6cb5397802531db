"""
What a URDF or MJCF is made of, in terms that do not depend on who wrote it.

Frames of links may lie anywhere and links may be split into several, and still it is the same
robot.  So everything is told in the base frame with every joint at 0, and what moves as one piece,
from one joint to the next, has one mass, one centre and one inertia.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import mujoco
import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.mjcf import joints_in
from rl_robot_ros.robots.model import find_mesh
from rl_robot_ros.robots.model import load_spec
from rl_robot_ros.robots.model import lock
from rl_robot_ros.robots.urdf import UrdfJoint


class Moved(NamedTuple):
    """A joint, and what it carries up to the next ones."""

    axis: Vector  # unit vector, shape (3,)
    anchor: Vector  # [m] a point on the axis, shape (3,)
    mass: float  # [kg]
    centre: Vector  # [m] of mass, shape (3,)
    inertia: Vector  # [kg m^2] about the centre, axes of the base, shape (3, 3)


@dataclass(frozen=True)
class Mechanics:
    """
    One model file.

    :param source: name of the file.
    :param joints: every joint that it lets move, with its limits.
    :param order: those that were asked for and are there, from the base to the tip.
    :param moved: by name of the joint.
    :param links: [m] where the origin of each link is, shape (3,).
    :param missing: files of meshes that are not there or cannot be read.
    """

    source: str
    joints: dict[str, UrdfJoint]
    order: tuple[str, ...]
    moved: dict[str, Moved]
    links: dict[str, Vector]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, path: Path, names: Iterable[str]) -> Mechanics:
        """
        Take a model apart.

        :param names: joints that move; others are fixed at 0.
        :raises FileNotFoundError: there is no such file.
        :raises ValueError: it is neither URDF nor MJCF.
        """
        joints = joints_in(path)
        spec = load_spec(path)
        lock(spec, tuple(name for name in names if name in joints))
        model = spec.compile()
        data = mujoco.MjData(model)
        data.qpos[:] = 0.0  # where an MJCF says `ref`, this is not where it starts
        mujoco.mj_kinematics(model, data)
        order = tuple(model.joint(i).name for i in range(model.njnt))
        carrier = _carriers(model)
        moved = {name: _moved(model, data, i, np.flatnonzero(carrier == i))
                 for i, name in enumerate(order)}
        links = {model.body(i).name: data.xpos[i].copy() for i in range(1, model.nbody)}
        asked = mujoco.MjSpec.from_file(str(path))
        lost = tuple(mesh.file for mesh in asked.meshes
                     if mesh.file and find_mesh(mesh.file, path, asked.meshdir) is None)
        return cls(path.name, joints, order, moved, links, lost)


def _carriers(model: mujoco.MjModel) -> np.ndarray:
    """Return for every body the joint that is the next one towards the base, -1 where none is."""
    carrier = np.full(model.nbody, -1)
    for body in range(1, model.nbody):
        last = model.body_jntadr[body] + model.body_jntnum[body] - 1
        carrier[body] = last if model.body_jntnum[body] else carrier[model.body_parentid[body]]
    return carrier


def _moved(model: mujoco.MjModel, data: mujoco.MjData, joint: int,
           bodies: np.ndarray) -> Moved:
    masses = model.body_mass[bodies]
    mass = float(masses.sum())
    centre = masses @ data.xipos[bodies] / mass if mass else np.zeros(3)
    inertia = np.zeros((3, 3))
    for body, part in zip(bodies, masses):
        frame = data.ximat[body].reshape(3, 3)
        inertia += frame @ np.diag(model.body_inertia[body]) @ frame.T
        offset = data.xipos[body] - centre  # the parallel axis theorem
        inertia += part * (offset @ offset * np.eye(3) - np.outer(offset, offset))
    return Moved(data.xaxis[joint].copy(), data.xanchor[joint].copy(), mass, centre, inertia)


def felt_inertia(model: mujoco.MjModel, data: mujoco.MjData) -> Vector:
    """Return 1 / (M^-1)_ii: what each motor feels while the other joints are free, shape (nv,)."""
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_makeM(model, data)
    mass = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, mass)
    return 1.0 / np.diag(np.linalg.inv(mass))
