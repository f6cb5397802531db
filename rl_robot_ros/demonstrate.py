"""What ``rl-robot demonstrate`` does: make a file of demonstrations, from a run or by a script."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.store import ROWS
from rl_robot_ros.memory.demonstrations import save_demonstrations
from rl_robot_ros.memory.demonstrations import whole_episodes
from rl_robot_ros.runs import find_config
from rl_robot_ros.settings import Settings
from rl_robot_ros.tasks.reach_expert import ReachExpert

MOST_TRIES = 20  # episodes per demonstration, before the expert is believed not to be one


def main(options: argparse.Namespace) -> int:
    """Write the file, say what it holds; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    if options.episodes < 1:
        raise ValueError(f'--episodes {options.episodes}: at least 1')
    if options.run is None:
        env = RobotEnv.make(options.expert, 'reach', parse_values(options.values))
        layout = env.layout
        rows = record(env, ReachExpert(env.task), options.episodes, options.seed)
    else:
        if options.values:
            raise ValueError(f'{options.values[0]}: a run has its parameters already')
        layout, rows = of_run(options.run, options.episodes)
    made = save_demonstrations(options.output, layout, rows)
    print(f'{made.episodes} demonstrations, {len(rows)} rows: {options.output}\n'
          f'learn from it: rl-robot train --algorithm behavior_cloning '
          f'algorithm.demonstrations={options.output}')
    return 0


def record(env: RobotEnv, expert: Callable[[Vector], Vector], episodes: int,
           seed: int) -> NDArray[np.float64]:
    """
    Let an expert act until it has succeeded in so many episodes; the others are left out.

    :param expert: raw observation to action.
    :returns: rows of whole episodes, shape (N, env.layout.width).
    :raises ValueError: it succeeds too rarely.
    """
    found: list[NDArray[np.float64]] = []
    observation, _ = env.reset(seed=seed)
    success = env.layout.column('success')
    for _ in range(MOST_TRIES * episodes):
        rows, ended = [], False
        while not ended:
            observation, _, terminated, truncated, _ = env.step(expert(observation))
            rows.append(env.row)
            ended = terminated or truncated
        observation, _ = env.reset()
        if np.array(rows)[:, success].any():
            found.append(np.array(rows))
        if len(found) == episodes:
            return np.concatenate(found)
    raise ValueError(f'{env.robot.name}: the expert succeeded in {len(found)} of '
                     f'{MOST_TRIES * episodes} episodes, {episodes} were asked for; longer '
                     'episodes may help: task.train_episode_steps')


def rows_of(settings: Settings) -> tuple[PolicyContract, RowLayout]:
    """Return the contract of a run and the layout of its rows."""
    graph = settings.graph
    task = settings.make_task()
    contract = make_contract(task.robot, task, resolve('algorithm', graph.algorithm),
                             settings.algorithm, graph.actions)
    return contract, RowLayout(contract.observation_size, contract.action_size, task.reward_terms,
                               contract.extra)


def of_run(run: Path, episodes: int) -> tuple[RowLayout, NDArray[np.float64]]:
    """
    Return the newest episodes of a run in which a person made every decision.

    :raises ValueError: the run keeps no rows, or there is no such episode.
    """
    settings = Settings.resolve(find_config(run))
    _, layout = rows_of(settings)
    parts = [record.rows for record in Reader(run / ROWS, layout, print).read()]
    if not parts:
        raise ValueError(f'{run} keeps no rows: none has come yet, or the run is of a version '
                         f'before {ROWS}/')
    rows = np.concatenate(parts)
    rows = rows[rows[:, layout.column('evaluation').start] == 0.0]
    whole = whole_episodes(rows, layout)
    person = layout.column('intervened')
    shown = [episode for episode in whole if episode[:, person].all()]
    if not shown:
        raise ValueError(f'{run} has {len(whole)} whole episodes, a person made every decision in '
                         f'none of them ({int(rows[:, person].sum())} of {len(rows)} decisions '
                         'were): keep publishing teleop_effort from one episode to the '
                         'next')
    return layout, np.concatenate(shown[-episodes:])
