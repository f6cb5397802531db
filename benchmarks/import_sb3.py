"""
A policy of Stable-Baselines3 on our robot: trained there, imported here, measured in both places.

SAC learns on `env.py` as on any Gymnasium environment, its actor is saved as ONNX, imported with a
mapping file, and run by `rl-robot evaluate` in process and through the graph.  In process it sees
the very episodes that it was evaluated on before, in the graph as many others: a policy that
succeeds in about half of its episodes needs thousands of them for a comparison to 3 points.

    python benchmarks/import_sb3.py [--steps 5000] [--episodes 100] [--folder runs/sb3]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

from machine import machine
import numpy as np
from results import peer
from rl_robot_ros.cli import parse_values
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.evaluation import EVALUATION_SEED
from rl_robot_ros.interchange.model import require
import torch

MAPPING = """
robot: {robot}
task: {task}
dt: {dt}  # s
gravity_compensated: {compensated}
observation:
{terms}
action: {{kind: effort, clip: [-1, 1], scale: {scale}}}  # N m or N at an output of 1
"""


LENGTH = ('task.max_episode_steps=500',)  # of an episode in evaluation


def train(env: RobotEnv, steps: int, seed: int) -> Any:
    """Return a model of Stable-Baselines3 that has learned for so many decisions."""
    model = peer('stable_baselines3').SAC('MlpPolicy', env, seed=seed, device='cpu',
                                          learning_rate=1e-3, learning_starts=500,
                                          policy_kwargs={'net_arch': [64, 64]})
    return model.learn(steps)


def own_success(model: Any, env: RobotEnv, episodes: int) -> float:
    """Return the success rate that its own `predict` reaches."""
    successes = 0
    observation, _ = env.reset(seed=EVALUATION_SEED)
    for _ in range(episodes):
        success = ended = False
        while not ended:
            action, _ = model.predict(observation, deterministic=True)
            observation, _, terminated, truncated, info = env.step(action)
            success, ended = success or info['success'], terminated or truncated
        successes += success
        observation, _ = env.reset()
    return successes / episodes


def write_onnx(model: Any, env: RobotEnv, path: Path) -> None:
    """Write the actor with the names of its joints and its period."""
    onnx = require('onnx')

    class Actor(torch.nn.Module):
        """The most likely action."""

        def __init__(self) -> None:
            super().__init__()
            self.policy = model.policy

        def forward(self, observation: torch.Tensor) -> torch.Tensor:
            return self.policy._predict(observation, deterministic=True)

    size = env.observation_space.shape[0]
    torch.onnx.export(Actor().eval(), (torch.zeros(1, size),), str(path), dynamo=False,
                      input_names=['obs'], output_names=['actions'], opset_version=17)
    stored = onnx.load(str(path))
    onnx.helper.set_model_props(stored, {'joint_names': ','.join(env.robot.actuated),
                                         'dt': repr(env.robot.decision_period)})
    onnx.save(stored, str(path))


def write_mapping(env: RobotEnv, task: str, path: Path) -> None:
    """Write the mapping: the observation of `env.py` is that of the task."""
    robot = env.robot
    terms = [f'- {{quantity: task.{term.name}}}' for term in env.task.observation_terms]
    path.write_text(MAPPING.format(
        robot=robot.name, task=task, dt=robot.decision_period,
        compensated=str(robot.gravity_compensated).lower(), terms='\n'.join(terms),
        scale=np.round(robot.action_to_effort, 9).tolist()))


def rl_robot(*words: object) -> None:
    """Run one command of ours; ends the program where it fails."""
    subprocess.run([sys.executable, '-m', 'rl_robot_ros.cli', *map(str, words)], check=True)


def imported_success(folder: Path, episodes: int, *words: str) -> float:
    """Return the success rate of the imported policy."""
    report = folder / f'{"in_process" if words else "graph"}.json'
    rl_robot('evaluate', folder, *LENGTH, '--episodes', episodes, '--output', report, *words)
    return float(json.loads(report.read_text())['success_rate'])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--robot', default='pendulum')
    parser.add_argument('--task', default='pendulum_swing_up')
    parser.add_argument('--steps', type=int, default=5000, help='decisions (default %(default)s)')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--episodes', type=int, default=100)
    parser.add_argument('--folder', type=Path, default=Path('runs/sb3'),
                        help='to make; the imported policy lies in it (default %(default)s)')
    options = parser.parse_args()
    options.folder.mkdir(parents=True)
    started = time.monotonic()
    model = train(RobotEnv.make(options.robot, options.task), options.steps, options.seed)
    seconds = time.monotonic() - started
    env = RobotEnv.make(options.robot, options.task, parse_values(LENGTH), evaluation=True)
    rates = {'its own predict, on env.py': own_success(model, env, options.episodes)}
    onnx, mapping = options.folder / 'actor.onnx', options.folder / 'mapping.yaml'
    write_onnx(model, env, onnx)
    write_mapping(env, options.task, mapping)
    folder = options.folder / 'imported'
    rl_robot('import', onnx, '--mapping', mapping, '--output', folder)
    rates['imported, in process'] = imported_success(folder, options.episodes, '--in-process')
    rates['imported, in the graph'] = imported_success(folder, options.episodes)
    print(f'\n{options.robot} {options.task}, SAC, {options.steps} decisions in {seconds:.0f} s, '
          f'seed {options.seed}\n\n| success of {options.episodes} episodes | |\n|---|---|')
    for name, rate in rates.items():
        print(f'| {name} | {rate:.1%} |')
    print(f'\n{machine()}')


if __name__ == '__main__':
    main()
