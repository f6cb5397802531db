"""
What demonstrations are worth: arm7 learns to reach from 50 and from 5 of them.

A scripted expert (`tasks.reach_expert`) demonstrates; every learner below is trained in process
and then evaluated without exploration on targets that none of them has seen.  A result that stands
in the JSON file is not measured again, so an interrupted benchmark goes on where it ended.

    python benchmarks/demonstrations.py --seeds 1 2 3 --output demonstrations.json

cloning    behaviour cloning, no rows from the robot
dagger     5 demonstrations, then rows of the policy, labelled by the expert
sac        no demonstrations
sac rlpd   5 demonstrations, which make half of each batch
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import time
from typing import Any

from machine import machine
import numpy as np
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.demonstrate import record
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.memory.demonstrations import save_demonstrations
from rl_robot_ros.tasks.reach_expert import ReachExpert

BLOCK = 64  # rows between two pushes
UNSEEN = 20_240  # seed of the targets in evaluation; demonstrations are made with others


def main() -> None:
    """Measure what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seeds', type=int, nargs='+', default=[1])
    parser.add_argument('--output', type=Path, default=Path('demonstrations.json'))
    parser.add_argument('--updates', type=int, default=10_000, help='of behaviour cloning')
    parser.add_argument('--dagger-rows', type=int, default=5000)
    parser.add_argument('--sac-rows', type=int, default=20_000)
    parser.add_argument('--episodes', type=int, default=100, help='in evaluation')
    parser.add_argument('--only', help='the rows of the table that begin with this')
    options = parser.parse_args()
    # Name: algorithm, demonstrations, rows from the robot, options.
    table: dict[str, tuple[str, int, int, dict[str, Any]]] = {
        'cloning 50': ('behavior_cloning', 50, 0, {}),
        'cloning 5': ('behavior_cloning', 5, 0, {}),
        'dagger 5': ('dagger', 5, options.dagger_rows, {'utd': 2.0}),
        'sac 0': ('sac', 0, options.sac_rows, {'hindsight': 'off'}),
        'sac rlpd 5': ('sac', 5, options.sac_rows, {'hindsight': 'off'})}
    prepare_torch()
    done = json.loads(options.output.read_text()) if options.output.exists() else {}
    print('| learner and demonstrations | seed | rows | updates | seconds | success over unseen '
          'targets | at the end |\n|---|---|---|---|---|---|---|')
    for name, (algorithm, count, rows, values) in {'expert': ('', 0, 0, {}), **table}.items():
        for seed in options.seeds if algorithm else [0]:
            effort = f'{rows} rows' if rows or not algorithm else f'{options.updates} updates'
            key = f'{name}, seed {seed}, {effort}, {options.episodes} targets'
            if name.startswith(options.only or '') and key not in done:
                done[key] = measure(algorithm, count, rows, values, seed, options)
                write_atomically(options.output, json.dumps(done, indent=1))
            if key in done:
                one = done[key]
                print(f'| {name} | {seed} | {one["rows"]} | {one["updates"]} | '
                      f'{one["seconds"]:.0f} | {one["success"]:.0%} | {one["success_end"]:.0%} |',
                      flush=True)
    print(f'\n{options.episodes} targets a row; {machine()}')


def measure(name: str, demonstrations: int, rows: int, values: dict[str, Any], seed: int,
            options: argparse.Namespace) -> dict[str, Any]:
    """Train one learner, or take the expert where `name` is empty, and evaluate it."""
    judge = RobotEnv.make('arm7', 'reach', evaluation=True)
    if not name:
        return judged_expert(judge, options.episodes)
    env = RobotEnv.make('arm7', 'reach')
    expert = ReachExpert(env.task)
    if demonstrations:
        path = options.output.with_name(f'demonstrations_{demonstrations}_seed{seed}.safetensors')
        if not path.exists():
            save_demonstrations(path, env.layout, record(env, expert, demonstrations, 1000 + seed))
        values = {**values, 'demonstrations': str(path)}
    cls = resolve('algorithm', name)
    config = resolve_config(cls.Config, values)
    contract = make_contract(env.robot, env.task, cls, config, 'continuous')
    algorithm = cls(contract, env.layout, config, seed)
    if name == 'dagger':
        algorithm.take_expert(expert)
    started = time.monotonic()
    if rows:
        learn(algorithm, contract.network, env, rows, seed)
    else:
        for _ in range(options.updates):
            algorithm.update()
    seconds = time.monotonic() - started
    weights = WeightSet.make(1, 1, contract.schema, algorithm.actor_weights())
    episodes = run_episodes(judge, weights, options.episodes, UNSEEN).episodes
    counts = algorithm.state_dict()
    return {'rows': counts['rows'], 'updates': counts['updates'], 'seconds': seconds,
            'success': float(np.mean([episode.success for episode in episodes])),
            'success_end': float(np.mean([episode.success_end for episode in episodes])),
            'machine': machine()}


def learn(algorithm: Algorithm, network: str, env: RobotEnv, rows: int, seed: int) -> None:
    """Act and learn in turn, as `in_process.train_in_process` does, without a run directory."""
    explorer = Explorer(np.random.default_rng(seed))
    observation, _ = env.reset(seed=seed)
    owed = 0.0
    for _ in range(0, rows, BLOCK):
        policy, block = Policy(network, algorithm.actor_weights()), []
        for _ in range(BLOCK):
            decision = explorer.act(policy, observation, *algorithm.exploration())
            observation, _, terminated, truncated, _ = env.step(decision.action)
            block.append(env.row)
            if terminated or truncated:
                observation, _ = env.reset()
                explorer.begin()
        algorithm.add(np.array(block))
        owed += BLOCK * algorithm.utd if algorithm.ready else 0.0
        while owed >= 1.0:
            algorithm.update()
            owed -= 1.0


def judged_expert(env: RobotEnv, count: int) -> dict[str, Any]:
    """Evaluate the expert itself."""
    expert, started = ReachExpert(env.task), time.monotonic()
    success, end = [], []
    observation, _ = env.reset(seed=UNSEEN)
    for _ in range(count):
        ever = ended = False
        while not ended:
            observation, _, terminated, truncated, info = env.step(expert(observation))
            ever, ended = ever or info['success'], terminated or truncated
        success.append(ever)
        end.append(info['success'])
        observation, _ = env.reset()
    return {'rows': 0, 'updates': 0, 'seconds': time.monotonic() - started,
            'success': float(np.mean(success)), 'success_end': float(np.mean(end)),
            'machine': machine()}


if __name__ == '__main__':
    main()
