"""
DDPG, deep deterministic policy gradient (Lillicrap et al. 2015, arXiv 1509.02971).

Off-policy, continuous actions: TD3 without its three ideas, which came later.  One critic, target
actions as they are, and the actor moves with every critic update.  `algorithms.td3` has the losses
and the update, read it first; here stands what differs.

Noise: the paper's is Ornstein-Uhlenbeck (theta 0.15, sigma 0.2, preset ``s1_ou``), others found
white noise as good (Fujimoto et al. 2018), which is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from typing import ClassVar

from rl_robot_ros.algorithms.td3 import DeterministicConfig
from rl_robot_ros.algorithms.td3 import Td3
from rl_robot_ros.core.config import option
from torch import Tensor

S1: Mapping[str, Any] = {
    'hidden': (256, 256), 'lr_actor': 1e-4, 'lr_critic': 1e-3, 'tau': 0.005, 'gamma': 0.99,
    'noise': 'gaussian', 'noise_start': 0.1, 'noise_end': 0.1, 'critic_layer_norm': False}


@dataclass(frozen=True)
class DdpgConfig(DeterministicConfig):
    """What there is to choose in DDPG."""

    actor_every: int = option(1, 'critic updates per actor update', low=1, high=100)


class Ddpg(Td3):
    """DDPG, see the module; parameters as in `algorithms.base.Algorithm`."""

    Config = DdpgConfig
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        's1_ddpg': S1,
        's1_gaussian': {**S1, 'noise_start': 1.0, 'noise_end': 0.1, 'noise_unit': 'episode',
                        'noise_over': 720},  # max(0.1, 1 - episode / (0.8 N)), N = 1000
        's1_ou': {**S1, 'noise': 'ornstein_uhlenbeck', 'noise_theta': 0.15, 'noise_dt': 1.0,
                  'noise_start': 0.2, 'noise_end': 0.2}}
    name = 'ddpg'
    critics = 1

    def smooth(self, action: Tensor, noise: Tensor) -> Tensor:
        """Leave target actions as they are."""
        return action


ALGORITHM = Ddpg
