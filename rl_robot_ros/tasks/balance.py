r"""
Balance and swing-up of a pole on a cart, with forces.

**Action space** (`Box(-1, 1, (1,))`): normalised force on the cart; 1 means 10 N.

**Observation space** (5 numbers)

=============== ==== ===== =============================
term            size unit  meaning
=============== ==== ===== =============================
cart_position   1    m     along the rail, 0 in the middle
cart_velocity   1    m/s
pole_direction  2    1     cosine and sine of the angle, (1, 0) is upright
pole_velocity   1    rad/s
=============== ==== ===== =============================

**Reward**, per control state, the sum of

======== =============================================================== ==========
term     value                                                           scale
======== =============================================================== ==========
upright  :math:`(1 + \cos\theta) / 2`                                    `upright`
centre   :math:`-x^2` in m^2                                             `centre`
spin     :math:`-\dot\theta^2` in (rad/s)^2                              `spin`
energy   :math:`-a^2`, applied normalised force                          `energy`
======== =============================================================== ==========

**Start**: the cart within `start_position` of the middle, the pole within 0.05 rad of upright
(`balance`) or hanging (`swing_up`), velocities within 0.05 (m/s, rad/s).

**Success**: upright within 12 degrees for the last `success_time`.

**End**: `balance` terminates when the pole is more than `fall_angle` off or the cart more than
`rail` away (Barto, Sutton and Anderson 1983: 12 degrees, 2.4 m); `swing_up` never terminates.
Truncated after `max_episode_steps` control periods.
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
class BalanceConfig:
    """Scales and figures of `balance`."""

    upright: float = option(1.0, 'scale of the upright term', low=0.0)
    centre: float = option(0.3, 'scale of the centre term', low=0.0)
    spin: float = option(0.0, 'scale of the spin term', low=0.0)
    energy: float = option(0.01, 'scale of the energy term', low=0.0)
    fall_angle: float = option(UPRIGHT, 'terminate beyond this angle', unit='rad', low=0.01,
                               high=math.pi)
    rail: float = option(2.2, 'terminate beyond this cart position', unit='m', low=0.01)
    start_position: float = option(1.0, 'start with the cart within this of the middle',
                                   unit='m', low=0.0, high=2.0)
    success_time: float = option(4.0, 'success when upright this long', unit='s', low=0.0)
    max_episode_steps: int = option(1000, 'length of an episode', unit='control periods', low=1)
    train_episode_steps: int = option(1000, 'length of an episode in training',
                                      unit='control periods', low=1)


class Balance:
    """Keep the pole up, see the module docstring."""

    Config: type = BalanceConfig
    PRESETS: ClassVar[dict[str, dict[str, object]]] = {}
    goal = Goal()
    reward_terms = ('upright', 'centre', 'spin', 'energy')
    observation_terms = (Term('cart_position', 1, 'm'), Term('cart_velocity', 1, 'm/s'),
                         Term('pole_direction', 2), Term('pole_velocity', 1, 'rad/s'))
    start_angle = 0.0
    terminates = True

    def __init__(self, robot: RobotSpec, config: Any = None) -> None:
        if robot.joint_names != ('slider', 'hinge'):
            raise ValueError(f'this task needs a robot with joints slider and hinge, {robot.name} '
                             f'has {", ".join(robot.joint_names)}; use robot:=cartpole')
        self.robot = robot
        self.config = self.Config() if config is None else config
        self.max_episode_steps = self.config.max_episode_steps
        self.train_episode_steps = self.config.train_episode_steps
        self._upright = Dwell(self.config.success_time, robot.control_period)

    def initial_state(self, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Draw a state near the start."""
        position = np.array([rng.uniform(-1.0, 1.0) * self.config.start_position,
                             self.start_angle + rng.uniform(-0.05, 0.05)])
        return position, rng.uniform(-0.05, 0.05, 2)

    def sample_goal(self, rng: np.random.Generator) -> Vector:
        """Return the empty goal."""
        return np.zeros(0)

    def begin(self, goal: Vector) -> None:
        """Start an episode."""
        self._upright.begin()

    def observe(self, position: Vector, velocity: Vector, previous_action: Vector) -> Vector:
        """Return the observation, see the module docstring."""
        return np.array([position[0], velocity[0], math.cos(position[1]), math.sin(position[1]),
                         velocity[1]])

    def evaluate(self, position: Vector, velocity: Vector, action: Vector,
                 previous_action: Vector) -> Outcome:
        """Judge one control state, see the module docstring."""
        config, x = self.config, float(position[0])
        angle = math.remainder(float(position[1]), 2.0 * math.pi)
        terms = np.array([config.upright * 0.5 * (1.0 + math.cos(angle)), -config.centre * x * x,
                          -config.spin * float(velocity[1]) ** 2,
                          -config.energy * float(action @ action)])
        success = self._upright.held(abs(angle) <= UPRIGHT)
        fallen = self.terminates and not (abs(angle) <= config.fall_angle
                                          and abs(x) <= config.rail)
        return Outcome(float(terms.sum()), terms, success, fallen)


TASK = Balance
