"""Arms that are not what the model says, and policies that mean harm; see safety.py."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import replace

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.robots.dynamics import scale_masses
from rl_robot_ros.robots.model import build_spec

Policy = Callable[[Vector, Vector], Vector]
SUBSTEPS = 5  # physics steps per control period: violations are seen five times as often
STRENGTH = 1.2  # adversaries ask for more than the motors have


@dataclass(frozen=True)
class Imperfection:
    """What the plant does that the filter's model does not know."""

    mass_error: float = 0.0  # every link heavier or lighter by this part, drawn per link
    latency: int = 0  # control periods until a command acts
    velocity_noise: float = 0.0  # [rad/s] standard deviation
    friction: float = 0.0  # part of the effort limit lost to dry friction
    backlash: float = 0.0  # [rad] play between motor encoder and joint
    quantum: float = 0.0  # [rad] step of the encoder; velocity is rounded to quantum / period
    contact: float = 0.0  # [N] pushes at the tip, a tenth of the time
    dropped: float = 0.0  # part of the joint states that never arrive
    pushed: float = 0.0  # part of its effort limit by which somebody pushes every joint


class Plant:
    """
    The arm in MuJoCo with its imperfections; self contact is left out, contact is a push.

    :param robot: datasheet of the arm.
    :param imperfection: what is wrong with it.
    :param seed: of everything random.
    """

    def __init__(self, robot: RobotSpec, imperfection: Imperfection, seed: int) -> None:
        self.robot, self.imperfection = robot, imperfection
        self.rng = np.random.default_rng([seed, 1])
        size = len(robot.actuated)
        self.model = model = build_spec(replace(robot, physics_steps=SUBSTEPS)).compile()
        model.geom_contype[:] = model.geom_conaffinity[:] = 0
        # The model knows no walls: a joint beyond its limit must be seen there.
        model.jnt_limited[:] = 0
        if imperfection.mass_error:
            nominal = model.body_mass.copy()
            scale = 1.0 + self.rng.choice([-1.0, 1.0], size) * imperfection.mass_error
            scale_masses(model, [int(model.joint(j).bodyid[0]) for j in robot.actuated], scale)
            if robot.gravity_compensated:  # the robot's controller believes the model too
                model.body_gravcomp[:] = nominal / np.maximum(model.body_mass, 1e-9)
        model.dof_frictionloss[:] = imperfection.friction * np.array(robot.effort_limit)
        self.data = mujoco.MjData(model)
        self._tip = model.body(robot.tip_link).id if robot.tip_link else 0
        self._middle = 0.5 * (np.array(robot.position_upper) + np.array(robot.position_lower))
        self._half = 0.5 * (np.array(robot.position_upper) - np.array(robot.position_lower))
        self._gravity = None if robot.gravity_compensated else MujocoDynamics(robot)
        self.reset()

    def reset(self) -> None:
        """Put the arm at rest at home."""
        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:] = self.robot.home
        self._seen = np.array(self.robot.home)
        hold = np.zeros(len(self.robot.actuated))
        if self._gravity is not None:
            hold = self._gravity.gravity(self._seen).copy()
        self._queue = deque([hold] * self.imperfection.latency)
        self._pushes = np.zeros_like(hold)
        mujoco.mj_forward(self.model, self.data)

    def observe(self) -> tuple[Vector, Vector] | None:
        """Return position and velocity as the sensors tell them; None where they get lost."""
        wrong, rng = self.imperfection, self.rng
        if wrong.dropped and rng.random() < wrong.dropped:
            return None
        position, velocity = self.data.qpos.copy(), self.data.qvel.copy()
        if wrong.backlash:
            play = 0.5 * wrong.backlash
            self._seen = position = np.clip(self._seen, position - play, position + play)
        if wrong.quantum:
            position = np.round(position / wrong.quantum) * wrong.quantum
            step = wrong.quantum / self.robot.control_period
            velocity = np.round(velocity / step) * step
        if wrong.velocity_noise:
            velocity += wrong.velocity_noise * rng.standard_normal(len(velocity))
        return position, velocity

    def step(self, effort: Vector, limit: Vector) -> tuple[float, float]:
        """
        Advance one control period.

        :param effort: [N m] as the controller is told.
        :param limit: [rad/s] velocity limits.
        :returns: the furthest that any joint was beyond a position limit [rad], and the largest
            part of its velocity limit that any joint used, over all physics steps.
        """
        self._queue.append(effort)
        self.data.qfrc_applied[:] = self._queue.popleft()
        if self.imperfection.contact:
            push = self.rng.random() < 0.1
            self.data.xfrc_applied[self._tip, :3] = (
                self.imperfection.contact * self.rng.standard_normal(3) if push else 0.0)
        if self.imperfection.pushed:
            self.data.qfrc_applied += self._push()
        over, fast = -np.inf, 0.0
        for _ in range(SUBSTEPS):
            mujoco.mj_step(self.model, self.data)
            over = max(over, float((np.abs(self.data.qpos - self._middle) - self._half).max()))
            fast = max(fast, float((np.abs(self.data.qvel) / limit).max()))
        return over, fast

    def _push(self) -> Vector:
        """Return what somebody pushes with, who means harm and changes their mind now and then."""
        rng = self.rng
        if rng.random() < 0.05:
            ways = (rng.choice([-1.0, 1.0], len(self._pushes)), np.sign(self.data.qvel),
                    np.sign(self.data.qpos - self._middle), -np.sign(self._pushes))
            self._pushes = (self.imperfection.pushed * np.array(self.robot.effort_limit)
                            * ways[rng.integers(len(ways))])
        return self._pushes


def uniform(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Ask for something else in every period."""
    effort = STRENGTH * np.array(robot.effort_limit)
    return lambda position, velocity: rng.uniform(-1.0, 1.0, len(effort)) * effort


def bang_bang(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Push every motor one way or the other, and change one's mind about four times a second."""
    effort, state = STRENGTH * np.array(robot.effort_limit), {}

    def policy(position: Vector, velocity: Vector) -> Vector:
        if not state or rng.random() < 4.0 * robot.control_period:
            state['effort'] = rng.choice([-1.0, 1.0], len(effort)) * effort
        return state['effort']
    return policy


def nearest_limit(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Push every joint into the limit that is nearest."""
    effort = STRENGTH * np.array(robot.effort_limit)
    middle = 0.5 * (np.array(robot.position_lower) + np.array(robot.position_upper))
    return lambda position, velocity: effort * np.sign(position - middle + 1e-9)


def swing(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Run up from one limit to the other with all there is."""
    effort, state = STRENGTH * np.array(robot.effort_limit), {'step': 0}
    periods = round(1.4 / robot.control_period)

    def policy(position: Vector, velocity: Vector) -> Vector:
        if state['step'] % periods == 0:
            state['effort'] = rng.choice([-1.0, 1.0], len(effort)) * effort
        state['step'] += 1
        return state['effort']
    return policy


def coupled(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Know the model: use all motors to throw one joint."""
    effort, state = STRENGTH * np.array(robot.effort_limit), {'step': 0}
    dynamics = MujocoDynamics(robot)
    periods = round(0.8 / robot.control_period)

    def policy(position: Vector, velocity: Vector) -> Vector:
        if state['step'] % periods == 0:
            state['joint'], state['way'] = rng.integers(len(effort)), rng.choice([-1.0, 1.0])
        state['step'] += 1
        mass, _ = dynamics.evaluate(position, velocity)
        return effort * np.sign(np.linalg.inv(mass)[state['joint']]) * state['way']
    return policy


def resonant(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Push every joint the way it moves: the most energy there is to be had."""
    effort = STRENGTH * np.array(robot.effort_limit)
    return lambda position, velocity: effort * np.sign(velocity + 1e-9)


def benign(robot: RobotSpec, rng: np.random.Generator) -> Policy:
    """Follow sinusoids around home, well inside all limits, by computed torque."""
    dynamics, state = MujocoDynamics(robot), {'time': 0.0}
    home, rate = np.array(robot.home), 1.2
    room = np.minimum(np.array(robot.position_upper) - home, home - np.array(robot.position_lower))
    amplitude = np.minimum(0.2 * np.array(robot.velocity_limit) / rate, 0.3 * room)
    phase = rng.uniform(0.0, 2.0 * np.pi, len(home))

    def policy(position: Vector, velocity: Vector) -> Vector:
        state['time'] += robot.control_period
        grown = amplitude * min(1.0, 0.2 * state['time'])
        angle = rate * state['time'] + phase
        goal, speed = home + grown * np.sin(angle), rate * grown * np.cos(angle)
        wanted = -rate * rate * grown * np.sin(angle) + 100.0 * (goal - position) \
            + 20.0 * (speed - velocity)
        mass, bias = dynamics.evaluate(position, velocity)
        effort = mass @ wanted + bias
        return effort if dynamics.compensated else effort - dynamics.gravity(position)
    return policy


ADVERSARIES = {'uniform': uniform, 'bang-bang': bang_bang, 'nearest limit': nearest_limit,
               'swing': swing, 'coupled (knows the model)': coupled, 'resonant': resonant}
