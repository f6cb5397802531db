"""
What the safety filter costs a policy that was trained behind it, in the same episodes.

Without a filter means that efforts are held within the motors' limits of effort and effort rate,
as a drive does, and nothing else.  `--clip` leaves the rate out as well: a policy that learned
behind a rate limit leans on it.  Same policy, targets and start states, in process, without
exploration.

    python benchmarks/trained_policy.py runs/seed1 runs/seed2 runs/seed3 [--episodes 200]
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
import os
from pathlib import Path

from machine import machine
import numpy as np
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.in_process import make_evaluation_env
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.runs import find_config
from rl_robot_ros.runs import find_policy
from rl_robot_ros.safety.verdict import Verdict
from rl_robot_ros.settings import Settings

SEED = 20_000  # no seed of training or of `rl-robot evaluate`


class Motors:
    """Stands where the filter was, and does what motors can do."""

    latched = False

    def __init__(self, env: RobotEnv, clip: bool) -> None:
        self._most = np.array(env.robot.effort_limit)
        rate = np.array(env.robot.effort_rate_limit) * env.robot.control_period
        self._step = np.full_like(self._most, np.inf) if clip else rate
        self.begin_episode()

    def begin_episode(self) -> None:
        """Forget the last effort."""
        self._last = np.zeros_like(self._most)

    def step(self, position: np.ndarray, velocity: np.ndarray, effort: np.ndarray) -> Verdict:
        """Return what a motor can do."""
        effort = np.clip(effort, self._last - self._step, self._last + self._step)
        self._last = effort = np.clip(effort, -self._most, self._most)
        return Verdict(effort, 'policy', False, '', effort)


def evaluate(run: Path, filtered: bool, clip: bool, episodes: int) -> EvaluationReport:
    """Report one policy, with the filter or with motors alone."""
    weights = load_policy(find_policy(run))
    env = make_evaluation_env(Settings.resolve(find_config(run)), weights)
    if not filtered:
        if not env.robot.gravity_compensated:
            raise ValueError(f'{env.robot.name} needs a filter that carries it')
        env.filter = Motors(env, clip)
    return EvaluationReport.of(run_episodes(env, weights, episodes, SEED), episodes)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('runs', type=Path, nargs='+', help='folders of runs, or policy files')
    parser.add_argument('--episodes', type=int, default=200)
    parser.add_argument('--clip', action='store_true', help='no limit of the effort rate either')
    options = parser.parse_args()
    print('| run | success with the filter | without | return with | without | decisions changed |'
          '\n|---|---|---|---|---|---|')
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [(run, [pool.submit(evaluate, run, filtered, options.clip, options.episodes)
                       for filtered in (True, False)]) for run in options.runs]
        for run, pair in jobs:
            with_filter, without = (job.result() for job in pair)
            print(f'| {run.name} | {with_filter.success_rate:.1%} | {without.success_rate:.1%} | '
                  f'{with_filter.return_mean:.1f} | {without.return_mean:.1f} | '
                  f'{with_filter.filtered:.1%} |', flush=True)
    print(f'\n{options.episodes} episodes each; {machine()}')


if __name__ == '__main__':
    main()
