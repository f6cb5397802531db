"""Stable-Baselines3's side of learning.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learning_setups import LINEAR
from learning_setups import Setup
from learning_setups import ZOO
import numpy as np
from results import peer


def make_model(setup: Setup, seed: int) -> tuple[Any, Callable[[Callable[[int], None]], Any]]:
    """Return a model with the zoo's hyperparameters, and what makes a callback of a function."""
    sb3 = peer('stable_baselines3')
    options = dict(ZOO[setup.zoo])
    env = peer('stable_baselines3.common.env_util').make_vec_env(
        setup.env, n_envs=options.pop('envs', 1), seed=seed)
    if 'noise' in options:
        size = setup.make().action_space.shape
        scale = np.full(size, options.pop('noise'))
        options['action_noise'] = peer('stable_baselines3.common.noise').NormalActionNoise(
            np.zeros(size), scale)
    for name, value in options.items():
        if isinstance(value, tuple) and value[0] == LINEAR:
            options[name] = (lambda left, start=value[1]: left * start)
    model = getattr(sb3, setup.algorithm.upper())('MlpPolicy', env, seed=seed, device='cpu',
                                                  **options)
    model.set_logger(peer('stable_baselines3.common.logger').Logger(None, []))

    class Watch(peer('stable_baselines3.common.callbacks').BaseCallback):
        """Tells a function how many steps there were."""

        def __init__(self, tell: Callable[[int], None]) -> None:
            super().__init__()
            self._tell = tell

        def _on_step(self) -> bool:
            self._tell(self.num_timesteps)
            return True

    return model, Watch
