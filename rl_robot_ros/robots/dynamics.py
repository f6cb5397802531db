"""The robot's equation of motion by MuJoCo, from the model that simulation and kinematics use."""

from __future__ import annotations

from collections.abc import Sequence
import copy

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import build_spec


class MujocoDynamics:
    """
    `core.spec.Dynamics` by MuJoCo: mass matrix by composite rigid bodies, bias by Newton-Euler.

    :param robot: a robot with a fixed base and a motor on every movable joint.
    :param payload: [kg] mass held at the `tip_link`, known to the model but not compensated.
    :param mass_scale: factor on mass and inertia of each link that moves, for tests with a model
        that is wrong; None leaves them as they are.
    :raises ValueError: a joint has no motor or weight that is not to be carried, or there is a
        payload and no `tip_link`.
    """

    def __init__(self, robot: RobotSpec, payload: float = 0.0,
                 mass_scale: Sequence[float] | None = None) -> None:
        if missing := unmodelled(robot):
            raise ValueError(f'robot {robot.name} has no model for the safety filter: {missing}')
        spec = build_spec(robot)
        if payload:
            if not robot.tip_link:
                raise ValueError(f'robot {robot.name} has no tip_link to hold a payload of '
                                 f'{payload} kg')
            body = spec.body(robot.tip_link).add_body(name='payload')
            body.mass, body.inertia, body.explicitinertial = payload, [1e-6] * 3, True
        self.compensated = robot.gravity_compensated
        self._model = model = spec.compile()
        joints = [model.joint(name) for name in robot.actuated]
        order = np.array([joint.dofadr[0] for joint in joints])
        # Joints of a datasheet stand in the order of the chain, nearly always.
        self._order = None if (order == np.arange(len(order))).all() else order
        if mass_scale is not None:
            scale_masses(model, [int(joint.bodyid[0]) for joint in joints], mass_scale)
        self._make_arrays()

    def twin(self) -> MujocoDynamics:
        """Return the same equation of motion with arrays and a last position of its own."""
        other = copy.copy(self)
        other._make_arrays()
        return other

    def _make_arrays(self) -> None:
        model = self._model
        self._data = mujoco.MjData(model)
        self._full = np.zeros((model.nv, model.nv))
        self._bias = np.zeros(model.nv)
        self._gravity = np.zeros(model.nv)
        self._force = np.zeros((1, model.nv))
        self._solved = np.zeros((1, model.nv))
        # Views: looking them up in MuJoCo's structures costs more than filling them.
        self._qpos, self._qvel = self._data.qpos, self._data.qvel
        self._passive = self._data.qfrc_passive

    def evaluate(self, position: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """Return mass matrix and bias, see :class:`rl_robot_ros.core.spec.Dynamics`."""
        model, data = self._model, self._data
        self._place(position, velocity)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_makeM(model, data)
        mujoco.mj_factorM(model, data)
        mujoco.mj_fullM(model, data, self._full)
        mujoco.mj_comVel(model, data)
        mujoco.mj_passive(model, data)  # damping, and gravity compensation where there is any
        mujoco.mj_rne(model, data, 0, self._bias)
        np.subtract(self._bias, self._passive, out=self._bias)
        if self._order is None:
            return self._full, self._bias
        return self._full[np.ix_(self._order, self._order)], self._bias[self._order]

    def solve(self, force: Vector) -> Vector:
        """Return mass^-1 force, by MuJoCo's factorisation of the mass matrix."""
        if self._order is None:
            self._force[0] = force
            mujoco.mj_solveM(self._model, self._data, self._solved, self._force)
            return self._solved[0].copy()
        self._force[0, self._order] = force
        mujoco.mj_solveM(self._model, self._data, self._solved, self._force)
        return self._solved[0, self._order]

    def gravity(self, position: Vector) -> Vector:
        """Return the effort that holds the robot still, compensated or not."""
        model, data = self._model, self._data
        self._place(position, np.zeros(model.nv))
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_comVel(model, data)
        mujoco.mj_rne(model, data, 0, self._gravity)
        return self._gravity if self._order is None else self._gravity[self._order]

    def _place(self, position: Vector, velocity: Vector) -> None:
        if self._order is None:
            self._qpos[:] = position
            self._qvel[:] = velocity
        else:
            self._qpos[self._order] = position
            self._qvel[self._order] = velocity


def unmodelled(robot: RobotSpec) -> str:
    """Say why the dynamics of a robot cannot be used by the safety filter; empty if they can."""
    passive = [name for name in robot.joint_names if name not in robot.actuated]
    if passive:
        return f'joints {passive} have no motor'
    return '' if robot.lifted or robot.gravity_compensated else 'its weight is not to be carried'


def dynamics_of(robot: RobotSpec, payload: float = 0.0) -> MujocoDynamics | None:
    """Return the dynamics of a robot, None where the safety filter is to do without."""
    return None if unmodelled(robot) else MujocoDynamics(robot, payload)


def scale_masses(model: mujoco.MjModel, bodies: Sequence[int], scale: Sequence[float]) -> None:
    """
    Make links heavier or lighter: each joint's body and all that is fixed to it.

    :param bodies: body of each joint.
    :param scale: factor on mass and inertia, one per joint.
    """
    factor = dict(zip(bodies, scale))
    for body in range(1, model.nbody):
        above = body
        while above and above not in factor:
            above = int(model.body_parentid[above])
        if above:
            model.body_mass[body] *= factor[above]
            model.body_inertia[body] *= factor[above]
    mujoco.mj_setConst(model, mujoco.MjData(model))
