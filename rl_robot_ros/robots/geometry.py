"""What a robot fills of space: capsules of the collision shapes in its URDF, by MuJoCo."""

from __future__ import annotations

from collections.abc import Iterator
import math

import mujoco
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import build_spec

PRISMATIC = mujoco.mjtJoint.mjJNT_SLIDE


class MujocoGeometry:
    """
    `core.spec.Geometry` by MuJoCo, from the very model that the simulator is built from.

    Capsules and spheres are exact; a box or a flat cylinder becomes the capsule around it.

    :param robot: a robot whose every movable joint has a motor.
    :raises ValueError: a joint has no motor, or a collision shape is neither capsule, cylinder,
        sphere nor box.
    """

    def __init__(self, robot: RobotSpec) -> None:
        if set(robot.actuated) != set(robot.joint_names):
            raise ValueError(f'robot {robot.name}: joints '
                             f'{sorted(set(robot.joint_names) - set(robot.actuated))} have no '
                             'motor, so nothing can brake them and no collision limit holds')
        spec = build_spec(robot)
        model = spec.compile()
        shapes = [i for i in range(model.ngeom) if model.geom_contype[i]
                  or model.geom_conaffinity[i]]
        half = np.array([_capsule(model, i) for i in shapes]).reshape(-1, 2)
        self.links: tuple[str, ...] = tuple(model.body(model.geom_bodyid[i]).name for i in shapes)
        self.radius: Vector = half[:, 0].copy()
        self.length: Vector = 2.0 * half[:, 1]
        # Sites are the cheapest points that MuJoCo moves along: two for each capsule.
        for i, link, (_, reach) in zip(shapes, self.links, half):
            axis = np.zeros(3)
            mujoco.mju_rotVecQuat(axis, _axis(model, i), model.geom_quat[i])
            for side, end in (('a', -reach), ('b', reach)):
                spec.body(link).add_site(name=f'capsule_{i}{side}',
                                         pos=model.geom_pos[i] + end * axis)
        self._model = spec.compile()
        self._data = mujoco.MjData(self._model)
        sites = [self._model.site(f'capsule_{i}{side}').id for i in shapes for side in 'ab']
        self._sites = slice(sites[0], sites[-1] + 1) if sites else slice(0)
        assert sites == list(range(*self._sites.indices(self._model.nsite)))
        joints = [self._model.joint(name) for name in robot.actuated]
        self._order = np.argsort([joint.qposadr[0] for joint in joints])
        self.moves, self.reach = self._bounds(robot, [joint.id for joint in joints])

    def capsules(self, position: Vector) -> Vector:
        """Return the ends of every axis for one or many positions, see `core.spec.Geometry`."""
        rows = position.reshape(-1, position.shape[-1])[:, self._order]
        out = np.empty((len(rows), len(self.links), 2, 3))
        model, data = self._model, self._data
        qpos = data.qpos
        ends = data.site_xpos[self._sites].reshape(-1, 2, 3)  # a view, which MuJoCo rewrites
        for row, place in zip(rows, out):
            qpos[:] = row
            mujoco.mj_kinematics(model, data)
            place[:] = ends
        return out.reshape(position.shape[:-1] + out.shape[1:])

    def _bounds(self, robot: RobotSpec, joints: list[int]) -> tuple[NDArray[np.bool_], Vector]:
        """
        Bound how far each axis can be from each joint, in any position.

        A point is carried by a chain of joints.  Between two of them, it is a matter of the link
        alone how far apart they are, so lengths along the chain add up to a bound: from the
        joint's axis to the next joint, from joint to joint, from the last joint to the point.
        """
        model = self._model
        ends = self.capsules(np.zeros(len(joints)))  # with this every other frame is there as well
        travel = np.maximum(np.abs(robot.position_lower), np.abs(robot.position_upper))
        slide = {joint: travel[j] if model.jnt_type[joint] == PRISMATIC else 0.0
                 for j, joint in enumerate(joints)}
        moves = np.zeros((len(self.links), len(joints)), dtype=np.bool_)
        reach = np.ones(moves.shape)
        for c, link in enumerate(self.links):
            carried = list(_chain(model, model.body(link).id))
            for j, joint in enumerate(joints):
                moves[c, j] = joint in carried
                if model.jnt_type[joint] != PRISMATIC:
                    mover = list(_chain(model, model.jnt_bodyid[joint]))
                    between = _between(mover[mover.index(joint):], carried)
                    reach[c, j] = self._length(joint, between, ends[c], slide)
        return moves, reach

    def _length(self, joint: int, between: list[int], ends: Vector,
                slide: dict[int, float]) -> float:
        """Return the length of the chain from the axis of `joint` to the further of `ends`."""
        anchor, axis = self._data.xanchor, self._data.xaxis[joint]

        def from_axis(point: Vector) -> float:
            return float(np.linalg.norm(np.cross(point - anchor[joint], axis)))

        if not between:
            return max(map(from_axis, ends))
        total = from_axis(anchor[between[0]])
        for near, far in zip(between, between[1:]):
            total += float(np.linalg.norm(anchor[far] - anchor[near]))
        total += sum(slide[k] for k in between)
        return total + float(np.linalg.norm(ends - anchor[between[-1]], axis=1).max())


def _capsule(model: mujoco.MjModel, geom: int) -> tuple[float, float]:
    """Return radius and half the length of the axis of the capsule around a shape [m]."""
    kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom]
    if kind == mujoco.mjtGeom.mjGEOM_SPHERE:
        return size[0], 0.0
    if kind in (mujoco.mjtGeom.mjGEOM_CAPSULE, mujoco.mjtGeom.mjGEOM_CYLINDER):
        return size[0], size[1]
    if kind == mujoco.mjtGeom.mjGEOM_BOX:
        thin, middle, long = sorted(size)
        return math.hypot(thin, middle), long
    raise ValueError(f'link {model.body(model.geom_bodyid[geom]).name} has a collision shape of '
                     f'type {kind.name}, allowed are capsules, cylinders, spheres '
                     'and boxes: give the link simpler collision shapes in the URDF')


def _axis(model: mujoco.MjModel, geom: int) -> Vector:
    """Return the direction of the capsule in the frame of its shape."""
    if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_BOX:
        return np.eye(3)[np.argmax(model.geom_size[geom])]
    return np.array([0.0, 0.0, 1.0])


def _chain(model: mujoco.MjModel, body: int) -> Iterator[int]:
    """Yield the joints that move `body`, from it to the base."""
    while body:
        first = model.body_jntadr[body]
        yield from reversed(range(first, first + model.body_jntnum[body]))
        body = model.body_parentid[body]


def _between(mover: list[int], carried: list[int]) -> list[int]:
    """
    Return the joints between a joint and a link, in order from the joint.

    :param mover: the joint itself, then those that move it, down to the base.
    :param carried: the joints that move the link, down to the base.
    """
    if mover[0] in carried:
        return carried[:carried.index(mover[0])][::-1]
    down = [joint for joint in mover[1:] if joint not in carried]
    return down + [joint for joint in carried if joint not in mover][::-1]
