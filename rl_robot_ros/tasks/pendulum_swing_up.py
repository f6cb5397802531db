r"""
Swing-up of a pendulum whose motor is too weak to lift it in one go.

Reward and observation are those of Gymnasium's Pendulum-v1, whose returns can be compared; its
torque is 2 N m, so :math:`0.001\,\tau^2` is 0.004 times the squared action.

**Action space** (`Box(-1, 1, (1,))`): normalised torque; 1 means 2 N m.

**Observation space** (3 numbers)

========= ==== ===== ======================================================
term      size unit  meaning
========= ==== ===== ======================================================
direction 2    1     cosine and sine of the angle, (1, 0) is upright
velocity  1    rad/s
========= ==== ===== ======================================================

**Reward**, per control state, the sum of

====== ========================================== ========
term   value                                      scale
====== ========================================== ========
angle  :math:`-\theta^2` in rad^2, within a turn  `angle`
spin   :math:`-\dot\theta^2` in (rad/s)^2         `spin`
energy :math:`-a^2`, applied normalised torque    `energy`
====== ========================================== ========

**Start**: within `start_angle` of hanging (pi: anywhere), velocity within `start_velocity`.

**Success**: upright within 12 degrees for the last `success_time`.

**End**: never terminates; truncated after `max_episode_steps` control periods.
"""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import Any
from typing import ClassVar

import numpy as np
from rl_robot_ros.core.config import option
from rl_robot_ros.core.dwell import Dwell
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector

UPRIGHT = math.radians(12.0)


@dataclass(frozen=True)
class PendulumSwingUpConfig:
    """Scales and figures of `pendulum_swing_up`."""

    angle: float = option(1.0, 'scale of the angle term', low=0.0)
    spin: float = option(0.1, 'scale of the spin term', low=0.0)
    energy: float = option(0.004, 'scale of the energy term', low=0.0)
    start_angle: float = option(math.pi, 'start within this of hanging', unit='rad', low=0.0,
                                high=math.pi)
    start_velocity: float = option(1.0, 'start with a velocity within this', unit='rad/s',
                                   low=0.0, high=5.0)
    success_time: float = option(1.0, 'success when upright this long', unit='s', low=0.0)
    max_episode_steps: int = option(1000, 'length of an episode', unit='control periods', low=1)
    train_episode_steps: int = option(1000, 'length of an episode in training',
                                      unit='control periods', low=1)


class PendulumSwingUp:
    """Bring the pendulum up and keep it there, see the module docstring."""

    Config: type = PendulumSwingUpConfig
    PRESETS: ClassVar[dict[str, dict[str, object]]] = {}
    goal = Goal()
    reward_terms = ('angle', 'spin', 'energy')
    observation_terms = (Term('direction', 2), Term('velocity', 1, 'rad/s'))
    terminates = False

    def __init__(self, robot: RobotSpec, config: Any = None) -> None:
        if robot.joint_names != ('hinge',) or robot.actuated != ('hinge',):
            raise ValueError(f'this task needs a robot with one joint, hinge, and a motor on it; '
                             f'{robot.name} has {", ".join(robot.joint_names)}; use '
                             'robot:=pendulum')
        self.robot = robot
        self.config = self.Config() if config is None else config
        self.max_episode_steps = self.config.max_episode_steps
        self.train_episode_steps = self.config.train_episode_steps
        self._upright = Dwell(self.config.success_time, robot.control_period)

    def initial_state(self, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Draw a state near the start."""
        return (np.array([math.pi + rng.uniform(-1.0, 1.0) * self.config.start_angle]),
                np.array([rng.uniform(-1.0, 1.0) * self.config.start_velocity]))

    def sample_goal(self, rng: np.random.Generator) -> Vector:
        """Return the empty goal."""
        return np.zeros(0)

    def begin(self, goal: Vector) -> None:
        """Start an episode."""
        self._upright.begin()

    def observe(self, position: Vector, velocity: Vector, previous_action: Vector) -> Vector:
        """Return the observation, see the module docstring."""
        return np.array([math.cos(position[0]), math.sin(position[0]), velocity[0]])

    def evaluate(self, position: Vector, velocity: Vector, action: Vector,
                 previous_action: Vector) -> Outcome:
        """Judge one control state, see the module docstring."""
        config = self.config
        angle = math.remainder(float(position[0]), 2.0 * math.pi)
        terms = np.array([-config.angle * angle * angle, -config.spin * float(velocity[0])**2,
                          -config.energy * float(action @ action)])
        success = self._upright.held(abs(angle) <= UPRIGHT)
        return Outcome(float(terms.sum()), terms, success, False)


TASK = PendulumSwingUp
