"""Small run directories as training leaves them, made up."""

import numpy as np
import yaml

CONFIG = {'robot': 'cartpole', 'task': 'balance', 'algorithm': 'sac', 'preset': '', 'actions':
          'continuous', 'seed': 1, 'algorithm.lr_actor': 3e-4, 'algorithm.hidden': [16, 16],
          'stop.minutes': 0.0}
HEADER = 'wall_s,steps,rows,episodes,updates,return_mean,success_rate\n'


def make_run(folder, name, success, metrics=None, **config):
    """
    Make a run directory.

    :param success: success rate in each line; lines are 2 s, 400 steps and 50 episodes apart, the
        return is 100 times the rate.
    :param metrics: what stands in metrics.csv instead; '' leaves the file out.
    """
    run = folder / name
    run.mkdir()
    values = {**CONFIG, 'learner.run': str(run),
              **{key.replace('__', '.'): value for key, value in config.items()}}
    (run / 'config.yaml').write_text(yaml.safe_dump({'/**': {'ros__parameters': values}}))
    if metrics is None:
        metrics = HEADER + ''.join(f'{2 * k},{400 * k},{100 * k},{50 * k},{90 * k},{100 * rate},'
                                   f'{rate}\n' for k, rate in enumerate(success))
    if metrics:
        (run / 'metrics.csv').write_text(metrics)
    return run


def seeds(folder, prefix, count, final, lines=11, **config):
    """Make runs of one set-up that end at about this success rate."""
    rng = np.random.default_rng(count)
    ends = final - 0.1 * rng.random(count)
    return [make_run(folder, f'{prefix}{seed}', np.linspace(0.0, end, lines), seed=seed, **config)
            for seed, end in enumerate(ends)]
