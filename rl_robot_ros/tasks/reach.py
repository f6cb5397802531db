r"""
Reach: bring the tip of an arm to a target and stop there, with torques.

**Action space** (`Box(-1, 1, (n,))`): one normalised torque per motor, on top of gravity
compensation; 1 means ``action_scale * effort_limit`` (for `arm7` 26.1 N m on joints 1 to 4,
3.6 N m on 5 to 7), held for one decision period (20 ms).

**Observation space** (n = 7: 40 numbers; the terms in square brackets can be left out)

================= ==== ======= ===================================================================
term              size unit    meaning
================= ==== ======= ===================================================================
position          n    rad     joint positions
velocity          n    rad/s   joint velocities
[previous_action] n    1       mean action applied in the decision before
[tip]             3    m       tip position in the base frame
[tip_velocity]    3    m/s     tip velocity in the base frame
[error]           3    m       target minus tip
[target]          3    m       target in the base frame
[pull]            n    m^2     :math:`J^T (g - p)`, the joint torques that a spring of 1 N/m
                               between tip and target would need (Khatib 1987)
================= ==== ======= ===================================================================

**Reward**, per control state, the sum of

========== =================================================================== ==================
term       value                                                               scale
========== =================================================================== ==================
distance   :math:`-\lVert p - g \rVert` in m                                    `distance`
velocity   :math:`-\lVert \dot p \rVert` in m/s, tip speed                      `velocity`
energy     :math:`-\lVert a_t \rVert^2`, applied normalised torque              `energy`
smoothness :math:`-\lVert a_t - a_{t-1} \rVert`                                 `smoothness`
bonus      1 at the target, see `bonus_shape`                                  `bonus`
========== =================================================================== ==================

Preset ``sparse`` leaves one term: 0 within `success_radius` of the target, -1 elsewhere, whatever
the speed (as Andrychowicz et al. 2017, arXiv 1707.01495).  That is a task for hindsight replay,
where the goal that a state achieves is its tip position.  Success means to stay for `success_time`
there, too: a tip that flies through a target has not reached it.

**Start**: every joint uniform within `start_spread` of home, at rest.

**Target**: tip position of a random configuration, every joint uniform within `target_spread` of
home (and inside its limits), at least 0.25 m from the base axis and 0.15 m above ground.

**Success**: tip within `success_radius` of the target and slower than `success_speed` for
`success_time`, at any time in the episode.

**End**: never terminated by success, for a reward that is earned per step must not end what earns
it.  Truncated after `max_episode_steps` control periods.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import ClassVar

import numpy as np
from rl_robot_ros.core.config import option
from rl_robot_ros.core.dwell import Dwell
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Tip
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import MujocoKinematics

MIN_RADIUS = 0.25  # [m] from the base axis
MIN_HEIGHT = 0.15  # [m] above ground
TIPS = 32  # joint states whose tips are kept; one decision of the robots here has at most 11


@dataclass(frozen=True)
class ReachConfig:
    """Scales and figures of the task."""

    distance: float = option(1.0, 'scale of the distance term', low=0.0)
    velocity: float = option(0.1, 'scale of the tip speed term', low=0.0)
    energy: float = option(0.01, 'scale of the energy term', low=0.0)
    smoothness: float = option(0.05, 'scale of the smoothness term', low=0.0)
    bonus: float = option(1.0, 'reward at the target', low=0.0)
    bonus_radius: float = option(0.1, 'where the bonus begins', unit='m', low=1e-3, high=2.0)
    bonus_shape: str = option('cone', 'step: all inside the radius; cone: grows to the target; '
                              'miss: 0 where radius and speed are those of success, else -1',
                              choices=('step', 'cone', 'miss'))
    success_radius: float = option(0.05, 'success within this distance', unit='m', low=1e-4)
    success_speed: float = option(0.1, 'success below this tip speed', unit='m/s', low=1e-4)
    success_time: float = option(0.2, 'success when held this long', unit='s', low=0.0)
    max_episode_steps: int = option(1000, 'length of an episode', unit='control periods', low=1)
    train_episode_steps: int = option(400, 'length of an episode in training',
                                      unit='control periods', low=1)
    start_spread: float = option(0.1, 'start within this of home', unit='rad', low=0.0)
    target_spread: float = option(1.0, 'targets from configurations within this of home',
                                  unit='rad', low=0.0)
    fixed_target: tuple[float, ...] = option((), 'x, y, z of the only target; empty: random ones',
                                             unit='m')
    observe_task: bool = option(True, 'observe tip, error, target and the previous action too')


class Reach:
    """See the module docstring."""

    Config = ReachConfig
    PRESETS: ClassVar[dict[str, dict[str, object]]] = {
        # The manipulation environment of the founding documents: 7 positions + 7 velocities.
        's1_reach': {'observe_task': False, 'fixed_target': (0.5, 0.2, 0.4), 'distance': 1.0,
                     'velocity': 0.0, 'energy': 0.0, 'smoothness': 0.0, 'bonus': 10.0,
                     'bonus_radius': 0.1, 'bonus_shape': 'step', 'max_episode_steps': 1000,
                     'train_episode_steps': 1000},
        'sparse': {'distance': 0.0, 'velocity': 0.0, 'energy': 0.0, 'smoothness': 0.0,
                   'bonus': 1.0, 'bonus_shape': 'miss', 'success_speed': 100.0},
    }
    goal = Goal(size=3, kind='position')
    terminates = False
    reward_terms = ('distance', 'velocity', 'energy', 'smoothness', 'bonus')

    def __init__(self, robot: RobotSpec, config: ReachConfig = ReachConfig()) -> None:
        if len(config.fixed_target) not in (0, 3):
            raise ValueError(f'task.fixed_target: got {len(config.fixed_target)} numbers, '
                             'allowed are none or x, y, z')
        self.robot = robot
        self.config = config
        self.kinematics = MujocoKinematics(robot)
        n, motors = len(robot.joint_names), len(robot.actuated)
        terms = [Term('position', n, 'rad'), Term('velocity', n, 'rad/s')]
        if config.observe_task:
            terms += [Term('previous_action', motors), Term('tip', 3, 'm'),
                      Term('tip_velocity', 3, 'm/s'), Term('error', 3, 'm'),
                      Term('target', 3, 'm'), Term('pull', n, 'm^2')]
        self.observation_terms = tuple(terms)
        self.max_episode_steps = config.max_episode_steps
        self.train_episode_steps = config.train_episode_steps
        self.target: Vector = np.zeros(3)
        self._scales = np.array([-config.distance, -config.velocity, -config.energy,
                                 -config.smoothness, config.bonus])
        self._there = Dwell(config.success_time, robot.control_period)
        # The same joint state is observed and judged, in hindsight for several targets: compute
        # its tip once.
        self._tips: dict[bytes, Tip] = {}

    def initial_state(self, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Draw a configuration near home, at rest."""
        return self._near_home(rng, self.config.start_spread), np.zeros(len(self.robot.home))

    def _near_home(self, rng: np.random.Generator, spread: float) -> Vector:
        home = np.array(self.robot.home)
        position = home + rng.uniform(-spread, spread, home.shape)
        index = self.robot.actuated_index
        # 5 % of the range away from each limit, so that no start is already in the safety margin.
        lower, upper = np.array(self.robot.position_lower), np.array(self.robot.position_upper)
        margin = 0.05 * np.where(np.isfinite(upper - lower), upper - lower, 0.0)
        position[index] = np.clip(position[index], lower + margin, upper - margin)
        return position

    def sample_goal(self, rng: np.random.Generator) -> Vector:
        """Draw a target [m], shape (3,)."""
        if self.config.fixed_target:
            return np.array(self.config.fixed_target)
        still = np.zeros(len(self.robot.home))
        for _ in range(10_000):
            position = self._near_home(rng, self.config.target_spread)
            tip = self.kinematics.tip(position, still).position
            if math.hypot(tip[0], tip[1]) >= MIN_RADIUS and tip[2] >= MIN_HEIGHT:
                return tip
        raise ValueError(f'task.target_spread: no target of {self.robot.name} within '
                         f'{self.config.target_spread} rad of home is {MIN_RADIUS} m from the '
                         f'base axis and {MIN_HEIGHT} m above ground')

    def begin(self, goal: Vector) -> None:
        """Start an episode with a target, or change it."""
        self.target = np.array(goal, dtype=np.float64)
        self._there.begin()

    def _tip(self, position: Vector, velocity: Vector) -> Tip:
        key = position.tobytes() + velocity.tobytes()
        tip = self._tips.get(key)
        if tip is None:
            if len(self._tips) >= TIPS:
                del self._tips[next(iter(self._tips))]
            tip = self._tips[key] = self.kinematics.tip(position, velocity)
        return tip

    def achieved_goal(self, position: Vector, velocity: Vector) -> Vector:
        """Return the target that this state is at [m], shape (3,)."""
        return self._tip(position, velocity).position

    def observe(self, position: Vector, velocity: Vector, previous_action: Vector) -> Vector:
        """Return the observation, see the module docstring."""
        if not self.config.observe_task:
            return np.concatenate((position, velocity))
        tip, tip_velocity, jacobian = self._tip(position, velocity)
        error = self.target - tip
        return np.concatenate((position, velocity, previous_action, tip, tip_velocity, error,
                               self.target, error @ jacobian))

    def evaluate(self, position: Vector, velocity: Vector, action: Vector,
                 previous_action: Vector) -> Outcome:
        """Judge one control state, see the module docstring."""
        config = self.config
        tip, tip_velocity, _ = self._tip(position, velocity)
        error = self.target - tip
        distance = math.sqrt(error @ error)
        speed = math.sqrt(tip_velocity @ tip_velocity)
        change = action - previous_action
        near = distance <= config.success_radius and speed <= config.success_speed
        if config.bonus_shape == 'step':
            bonus = 1.0 if distance < config.bonus_radius else 0.0
        elif config.bonus_shape == 'miss':
            bonus = 0.0 if near else -1.0
        else:
            bonus = max(0.0, 1.0 - distance / config.bonus_radius)
        terms = self._scales * (distance, speed, action @ action, math.sqrt(change @ change),
                                bonus)
        return Outcome(float(terms.sum()), terms, self._there.held(near), False)


TASK = Reach
