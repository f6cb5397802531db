"""
What is learned in equally many steps of Gymnasium environments, next to tuned Stable-Baselines3.

One row per set-up, library and seed; a row that was measured already is not repeated, so an
interrupted benchmark goes on where it ended.  The return of a seed is that of its last weights,
over fresh episodes without exploration; evaluations on the way say after how many steps the mean
of 20 episodes first reached the threshold.  Returns of different seeds are summed up by their
interquartile mean.  Since returns may be negative, what is compared is the gain over a random
policy: ratio = (IQM ours - random) / (IQM SB3 - random), with a 95 % bootstrap interval over the
seeds.  CPU seconds are those of acting and learning on one thread, without evaluation and
compilation.

    pip install stable-baselines3==2.9.2 sb3-contrib==2.9.2 'gymnasium[mujoco]' imageio
    OMP_NUM_THREADS=1 python benchmarks/learning.py --only pendulum --seeds 1 2 3 4 5

`learning_setups.py` has every hyperparameter of both.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from functools import partial
import statistics
import time
from typing import Any

from gym_rows import Learner
from gym_rows import mean_return
from learning_setups import Setup
from learning_setups import SETUPS
import numpy as np
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.learning.intervals import interquartile_mean
from rl_robot_ros.learning.intervals import stratified_bootstrap

EPISODES = 20  # of an evaluation on the way
LAST_EPISODES = {'FrozenLake-v1': 2000, 'Taxi-v4': 2000}  # of the last one, 100 elsewhere
SEED = 10_000  # of the first episode of an evaluation


class Curve:
    """
    Evaluations on the way, and the CPU time of everything else.

    :param best: what a library would do now, for observations of shape (N, size).
    """

    def __init__(self, setup: Setup, best: Callable[[Any], Any]) -> None:
        self.setup, self.best = setup, best
        self.points: list[tuple[int, float]] = []
        self.seconds = 0.0
        self._since = time.process_time()

    def reached(self, steps: int) -> None:
        """Evaluate where it is time to."""
        if steps < (len(self.points) + 1) * self.setup.evaluate:
            return
        self.seconds += time.process_time() - self._since
        self.points.append((steps, mean_return(self.setup.make, self.best, EPISODES, SEED)))
        self._since = time.process_time()

    def row(self) -> dict[str, Any]:
        """Return what is kept of a run that has ended."""
        self.seconds += time.process_time() - self._since
        episodes = LAST_EPISODES.get(self.setup.env, 100)
        return {'return': mean_return(self.setup.make, self.best, episodes, 2 * SEED),
                'cpu_s': self.seconds, 'curve': self.points}


def run_ours(setup: Setup, seed: int) -> dict[str, Any]:
    """Let ours learn."""
    cls = resolve('algorithm', setup.algorithm)
    presets = [setup.preset] if setup.preset else []
    config = resolve_config(cls.Config, setup.ours, '', cls.PRESETS, presets)
    learner = Learner(setup.make, cls, config, seed, setup.copies, setup.block)
    learner.algorithm.prepare()
    curve = Curve(setup, learner.best)
    while learner.steps < setup.steps:
        learner.advance()
        curve.reached(learner.steps)
    return curve.row()


def run_theirs(setup: Setup, zoo: str, seed: int) -> dict[str, Any]:
    """Let a peer learn."""
    from learning_sb3 import make_model  # an optional peer
    model, best, watch = make_model(setup, zoo, seed)
    curve = Curve(setup, best)
    model.learn(setup.steps, callback=watch(curve.reached))
    return curve.row()


def run_random(setup: Setup) -> dict[str, Any]:
    """Let chance act."""
    space = setup.make().action_space
    space.seed(0)
    return {'return': mean_return(setup.make, lambda seen: [space.sample() for _ in seen], 100,
                                  SEED)}


def gain_ratio(ours: Sequence[float], theirs: Sequence[float], chance: float) -> str:
    """Return the ratio of the gains over chance; its interval, where both have several seeds."""
    count = len(ours)

    def statistic(values: Any) -> Any:
        with np.errstate(divide='ignore'):  # a peer that gains nothing is beaten without bound
            return (interquartile_mean(values[..., :count]) - chance) / (
                interquartile_mean(values[..., count:]) - chance)

    found = stratified_bootstrap([np.array(ours), np.array(theirs)], statistic)
    interval = f' [{float(found.low):.2f}, {float(found.high):.2f}]'
    return f'{float(found.point):.2f}' + interval * (min(count, len(theirs)) > 1)


def steps_to(setup: Setup, runs: Sequence[dict[str, Any]]) -> str:
    """Return the median of the steps to the threshold; a run that never got there counts last."""
    first = [next((steps for steps, value in run['curve'] if value >= setup.threshold), np.inf)
             for run in runs]
    median = statistics.median(first)
    return f'{median:.0f}' if np.isfinite(median) else f'> {setup.steps}'


def line_of(name: str, peer: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]],
            chance: float) -> list[str]:
    """Return the table's line of one set-up and one peer, if any."""
    setup, cells = SETUPS[name], [name, str(SETUPS[name].steps)]
    returns = [[run['return'] for run in runs] for runs in (ours, theirs)]
    means = [f'{float(interquartile_mean(np.array(values))):.4g} ({len(values)})' if values
             else '' for values in returns]
    cells += [means[0], peer.split()[-1] if theirs else '', means[1]]
    cells.append(gain_ratio(*returns, chance) if ours and theirs else '')
    for runs in (ours, theirs):
        cells.append(steps_to(setup, runs) if runs and np.isfinite(setup.threshold) else '')
    for runs in (ours, theirs):
        cells.append(f'{statistics.median(run["cpu_s"] for run in runs):.1f}' if runs else '')
    return [*cells, setup.target]


def main() -> None:
    """Measure what is missing, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1, 2, 3, 4, 5])
    parser.add_argument('--who', default='all', choices=('all', 'ours', 'peers', 'nobody'),
                        help='whose missing rows are measured; of the others those are shown '
                        'that there are (default %(default)s)')
    options = parser.parse_args()
    prepare_torch()
    rows = Rows(options.results / 'learning', options)

    def all_of(name: str, run: Callable[[int], dict[str, Any]], measured: bool) -> list[Any]:
        """Return the rows of all seeds."""
        return rows.all_of({f'{name}_seed{seed}': partial(run, seed) for seed in options.seeds},
                           measured)

    lines, measured = [], []
    for name, setup in SETUPS.items():
        if not rows.wants(name):
            continue
        ours = all_of(f'{name}_ours', partial(run_ours, setup),
                      options.who in ('ours', 'all'))
        chance = rows.get(f'{setup.env}_random', partial(run_random, setup))['return']
        peers = {peer: all_of(f'{peer.replace(" ", "_")}_sb3_{setup.steps}',
                              partial(run_theirs, setup, peer), options.who in ('peers', 'all'))
                 for peer in setup.zoo}
        found = {peer: theirs for peer, theirs in peers.items() if theirs} or {'': []}
        for peer, theirs in found.items():
            if ours:
                lines.append(line_of(name, peer, ours, theirs, chance))
            measured += theirs
        measured += ours
    print_table(['set-up', 'steps', 'return ours (seeds)', 'peer', 'its return (seeds)',
                 'ratio of gains', 'steps to solve, ours', 'peer', 'CPU s, ours', 'peer',
                 'target'], lines, measured)


if __name__ == '__main__':
    main()
