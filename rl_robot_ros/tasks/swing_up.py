"""
Swing-up: bring a hanging pole up and keep it there.

Observation, reward, success and end are those of :mod:`rl_robot_ros.tasks.balance`; the episode
starts with the pole hanging and never terminates.
"""

from __future__ import annotations

from dataclasses import dataclass
import math

from rl_robot_ros.core.config import option
from rl_robot_ros.tasks.balance import Balance
from rl_robot_ros.tasks.balance import BalanceConfig


@dataclass(frozen=True)
class SwingUpConfig(BalanceConfig):
    """Scales and figures of `swing_up`."""

    centre: float = option(0.1, 'scale of the centre term', low=0.0)
    start_position: float = option(0.2, 'start with the cart within this of the middle',
                                   unit='m', low=0.0, high=2.0)
    spin: float = option(0.002, 'scale of the spin term', low=0.0)
    success_time: float = option(1.0, 'success when upright this long', unit='s', low=0.0)
    max_episode_steps: int = option(1000, 'length of an episode', unit='control periods', low=1)
    train_episode_steps: int = option(500, 'length of an episode in training',
                                      unit='control periods', low=1)


class SwingUp(Balance):
    """See the module docstring."""

    Config = SwingUpConfig
    start_angle = math.pi
    terminates = False


TASK = SwingUp
