"""
The contract: what a robot is, what a task is, and what a policy promises.

Everything else depends on this file and it depends on NumPy alone.  All quantities are SI
(REP-103): metres, radians, seconds, newtons, newton metres.  `effort` is N for a prismatic and
N m for a revolute joint, and is always *on top of* gravity compensation.

Two vectors describe a robot at one instant:

======== ============================ =========================================================
name     shape                        meaning
======== ============================ =========================================================
position (len(robot.joint_names),)    every movable joint, in the order of `joint_names`
effort   (len(robot.actuated),)       the motors, in the order of `actuated`
======== ============================ =========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
import math
from typing import Any
from typing import ClassVar
from typing import NamedTuple
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class RobotSpec:
    """
    The datasheet of one robot: what the URDF cannot say, and what must agree with it.

    :param name: name of the datasheet.
    :param urdf: file name of the URDF below `rl_robot_ros/data`, or an absolute path; empty where
        there is only an MJCF file, or `robot_description` alone.
    :param joint_names: every movable joint, in the order of the state vector.
    :param actuated: joints that have a motor, in the order of actions and efforts.
    :param position_lower: [rad or m] per actuated joint, ``-inf`` where it is continuous.
    :param position_upper: [rad or m] per actuated joint, ``inf`` where it is continuous.
    :param velocity_limit: [rad/s or m/s] per actuated joint.
    :param effort_limit: [N m or N] per actuated joint.
    :param effort_rate_limit: [N m/s or N/s] per actuated joint.
    :param braking_acceleration: [rad/s^2 or m/s^2] deceleration that every actuated joint can
        count on.
    :param inertia: [kg m^2 or kg] effective inertia per actuated joint, towards the low end of
        what it is over the workspace; the gains of the safety filter grow with it.
    :param armature: [kg m^2 or kg] rotor inertia seen at the joint, which a URDF cannot say.
    :param home: [rad or m] position of every movable joint at the start of an episode.
    :param control_period: [s] between two joint states.
    :param decision_periods: control periods that one action is held for.
    :param physics_steps: simulation steps in one control period.
    :param action_scale: action 1 means `action_scale * effort_limit`.
    :param gravity_compensated: whether the robot's own controller compensates gravity.
    :param tip_link: link whose origin is the tool centre point, empty where there is none.
    :param lifted: whether the safety filter carries the weight that nobody else compensates; false
        where gravity is what the task is about, and then its limits do without a model.
    :param discs: whether a rotor is a disc in its link, as for Gazebo (`robots.gazebo`), and not
        felt by its own joint alone.
    :param mjcf: absolute path of an MJCF file, which is simulated in place of the URDF.
    """

    name: str
    urdf: str
    joint_names: tuple[str, ...]
    actuated: tuple[str, ...]
    position_lower: tuple[float, ...]
    position_upper: tuple[float, ...]
    velocity_limit: tuple[float, ...]
    effort_limit: tuple[float, ...]
    effort_rate_limit: tuple[float, ...]
    braking_acceleration: tuple[float, ...]
    inertia: tuple[float, ...]
    armature: tuple[float, ...]
    home: tuple[float, ...]
    control_period: float
    decision_periods: int
    physics_steps: int
    action_scale: float
    gravity_compensated: bool
    tip_link: str = ''
    lifted: bool = True
    discs: bool = False
    mjcf: str = ''

    def __post_init__(self) -> None:
        """Check shapes and signs; raises ValueError that names the field."""
        for name in ('position_lower', 'position_upper', 'velocity_limit', 'effort_limit',
                     'effort_rate_limit', 'braking_acceleration', 'inertia', 'armature'):
            self._check_length(name, len(self.actuated))
        self._check_length('home', len(self.joint_names))
        for name in ('velocity_limit', 'effort_limit', 'effort_rate_limit',
                     'braking_acceleration', 'inertia'):
            if not all(value > 0.0 for value in getattr(self, name)):
                raise ValueError(f'{self.name}: {name} must be positive for every actuated joint, '
                                 f'got {getattr(self, name)}')
        if not all(map(math.isfinite, (*self.inertia, *self.armature))):
            raise ValueError(f'{self.name}: inertia and armature must be finite, got '
                             f'{self.inertia} and {self.armature}')
        if not all(low < high for low, high in zip(self.position_lower, self.position_upper)):
            raise ValueError(f'{self.name}: position_lower must be below position_upper')
        missing = [joint for joint in self.actuated if joint not in self.joint_names]
        if missing or len(set(self.joint_names)) != len(self.joint_names):
            raise ValueError(f'{self.name}: actuated joints {missing} are not in joint_names, '
                             'or a name is there twice')
        if not self.control_period > 0.0 or self.decision_periods < 1 or self.physics_steps < 1:
            raise ValueError(f'{self.name}: control_period, decision_periods and physics_steps '
                             'must be positive')
        if not 0.0 < self.action_scale <= 1.0:
            raise ValueError(f'{self.name}: action_scale must lie in (0, 1], '
                             f'got {self.action_scale}')

    def _check_length(self, name: str, length: int) -> None:
        if len(getattr(self, name)) != length:
            raise ValueError(f'{self.name}: {name} has {len(getattr(self, name))} values, '
                             f'needs {length}')

    @cached_property
    def actuated_index(self) -> NDArray[np.intp]:
        """Where the actuated joints stand in the state vector, shape (n_actuated,)."""
        return np.array([self.joint_names.index(joint) for joint in self.actuated], dtype=np.intp)

    @cached_property
    def action_to_effort(self) -> Vector:
        """Effort of action 1 [N m or N], shape (n_actuated,)."""
        return self.action_scale * np.array(self.effort_limit)

    @property
    def decision_period(self) -> float:
        """Seconds between two actions."""
        return self.control_period * self.decision_periods


class Term(NamedTuple):
    """One named part of an observation or of a row: `size` numbers in `unit`."""

    name: str
    size: int
    unit: str = '1'


class Outcome(NamedTuple):
    """
    What a task says about one control state.

    `terminated` ends the episode for good (no bootstrapping); running out of time is truncation
    and is not the task's business but the recorder's.
    """

    reward: float
    terms: Vector  # one value per `Task.reward_terms`; they sum to `reward`
    success: bool
    terminated: bool


class Tip(NamedTuple):
    """The tool centre point in the base frame."""

    position: Vector  # [m], shape (3,)
    velocity: Vector  # [m/s], shape (3,)
    jacobian: Vector  # [m/rad or 1], shape (3, joints): velocity = jacobian @ joint velocity


class Kinematics(Protocol):
    """Where the tip is and how it moves, from joint positions and velocities alone."""

    def tip(self, position: Vector, velocity: Vector) -> Tip:
        """Return the tip for positions and velocities of all movable joints."""
        ...


class Dynamics(Protocol):
    """
    The equation of motion of a fixed-base robot whose every movable joint has a motor.

    mass(q) a + bias(q, v) = effort, where `effort` is what the controller is told: `bias` holds
    Coriolis and passive joint forces, and gravity too where the robot does not compensate it.
    """

    compensated: bool  # whether the robot's own controller compensates gravity

    def evaluate(self, position: Vector, velocity: Vector) -> tuple[Vector, Vector]:
        """
        Return mass matrix and bias; the arrays are reused by the next call.

        :param position: [rad or m] per actuated joint, in the order of `RobotSpec.actuated`.
        :param velocity: [rad/s or m/s] per actuated joint.
        :returns: mass [kg m^2, kg m or kg], shape (n, n), and bias [N m or N], shape (n,).
        """
        ...

    def solve(self, force: Vector) -> Vector:
        """
        Return mass^-1 force for the position that was evaluated last, a new array.

        :param force: [N m or N], shape (n,).
        """
        ...

    def gravity(self, position: Vector) -> Vector:
        """Return the effort [N m or N] that holds the bare robot still, shape (n,), reused."""
        ...

    def twin(self) -> Dynamics:
        """Return the same equation of motion with arrays and a last position of its own."""
        ...


class Geometry(Protocol):
    """
    What a robot fills of space: capsules, in the base frame.

    A capsule is everything within `radius` of its axis, a segment.  Positions are those of the
    actuated joints, and nothing else moves.
    """

    links: tuple[str, ...]  # the link of every capsule; a link may have several
    radius: Vector  # [m], shape (capsules,)
    length: Vector  # [m] of the axis, 0 for a sphere, shape (capsules,)
    moves: NDArray[np.bool_]  # whether a joint carries a capsule, shape (capsules, joints)
    reach: Vector  # [m/rad or 1], shape (capsules, joints), see below

    # `reach` bounds, over all positions within the limits, how far any point of the capsule's
    # axis is from the axis of the joint (carried by it or not); it is 1 for a prismatic joint.
    # So a joint that moves by dq moves no point of an axis that it carries by more than reach dq.

    def capsules(self, position: Vector) -> Vector:
        """
        Return the two ends of every axis [m].

        :param position: [rad or m] shape (joints,) or (configurations, joints).
        :returns: shape (capsules, 2, 3) or (configurations, capsules, 2, 3), a new array.
        """
        ...


@dataclass(frozen=True)
class Goal:
    """What kind of goal a task takes: how many numbers, and which message carries them."""

    size: int = 0
    kind: str = 'none'  # none | position (PoseStamped) | joint (JointState)
    frame_id: str = 'base_link'


class Task(Protocol):
    """
    One task: what is observed, what is rewarded, when it ends, where it starts.

    A task is pure: it sees positions, velocities, applied actions and the goal, never the
    simulator.  The policy node and `env.py` call the same object, one per episode stream.  Per
    episode the calls are::

        position, velocity = task.initial_state(rng)        (by the simulator)
        goal = task.sample_goal(rng)                        (by the policy)
        task.begin(goal)
        task.observe(position, velocity, previous_action)   (at each decision)
        task.evaluate(position, velocity, action, previous_action)   (at each control state)
    """

    Config: ClassVar[type]
    config: Any
    robot: RobotSpec
    observation_terms: tuple[Term, ...]
    reward_terms: tuple[str, ...]
    goal: Goal
    terminates: bool  # whether `Outcome.terminated` can ever be true
    max_episode_steps: int  # control periods
    train_episode_steps: int  # control periods; exploring episodes may be shorter

    def initial_state(self, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Draw position and velocity of every movable joint for a new episode."""
        ...

    def sample_goal(self, rng: np.random.Generator) -> Vector:
        """Draw a goal, shape (goal.size,)."""
        ...

    def begin(self, goal: Vector) -> None:
        """Start an episode (or change the goal inside one): forget what came before."""
        ...

    def observe(self, position: Vector, velocity: Vector, previous_action: Vector) -> Vector:
        """Return the observation, shape (sum of observation_terms,)."""
        ...

    def evaluate(self, position: Vector, velocity: Vector, action: Vector,
                 previous_action: Vector) -> Outcome:
        """
        Judge one control state.

        :param action: normalised effort that was applied over the period that led here.
        :param previous_action: mean normalised effort of the decision before this one.
        """
        ...
