"""The side of Stable-Baselines3 and sb3-contrib of learning.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from learning_setups import LINEAR
from learning_setups import Setup
from learning_setups import ZOO
import numpy as np
from results import peer

CLASSES = {'crossq': ('sb3_contrib', 'CrossQ'), 'tqc': ('sb3_contrib', 'TQC')}
Act = Callable[[Any], Any]


def make_model(setup: Setup, zoo: str,
               seed: int) -> tuple[Any, Act, Callable[[Callable[[int], None]], Any]]:
    """
    Return a model with the zoo's hyperparameters.

    :param zoo: its name in ZOO.
    :returns: the model, its best actions by observations, what makes a callback of a function.
    """
    options = dict(ZOO[zoo])
    short = zoo.split()[1]
    module, cls = CLASSES.get(short, ('stable_baselines3', short.upper()))
    env = peer('stable_baselines3.common.env_util').make_vec_env(
        setup.env, n_envs=options.pop('envs', 1), seed=seed)
    scaled = options.pop('normalize', False)
    if scaled:
        env = peer('stable_baselines3.common.vec_env').VecNormalize(env, gamma=options['gamma'])
    networks = options.get('policy_kwargs', {})
    if 'activation_fn' in networks:
        options['policy_kwargs'] = {
            **networks, 'activation_fn': getattr(peer('torch.nn'), networks['activation_fn'])}
    if 'noise' in options:
        size = setup.make().action_space.shape
        scale = np.full(size, options.pop('noise'))
        options['action_noise'] = peer('stable_baselines3.common.noise').NormalActionNoise(
            np.zeros(size), scale)
    for name, value in options.items():
        if isinstance(value, tuple) and value[0] == LINEAR:
            options[name] = (lambda left, start=value[1]: left * start)
    model = getattr(peer(module), cls)('MlpPolicy', env, seed=seed, device='cpu', **options)
    model.set_logger(peer('stable_baselines3.common.logger').Logger(None, []))

    class Watch(peer('stable_baselines3.common.callbacks').BaseCallback):
        """Tells a function how many steps there were."""

        def __init__(self, tell: Callable[[int], None]) -> None:
            super().__init__()
            self._tell = tell

        def _on_step(self) -> bool:
            self._tell(self.num_timesteps)
            return True

    def best(observations: Any) -> Any:
        if scaled:
            observations = env.normalize_obs(observations)
        return model.predict(observations, deterministic=True)[0]

    return model, best, Watch
