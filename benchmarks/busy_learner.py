"""
A learner's load and nothing else: SAC updates on rows of zeros, for ever.

See beside.py (as a process) and control_loop.py (as a thread).
"""

from __future__ import annotations

import numpy as np
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.algorithms.sac import Sac
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.env import RobotEnv


def make_learner() -> Sac:
    """Return SAC as `rl-robot train` has it, compiled, with rows to learn from."""
    env = RobotEnv.make('arm7', 'reach')
    config = Sac.Config(learning_starts=256, capacity=10_000)
    network = Sac.network(config, env.layout.observation_size, env.layout.action_size)
    contract = PolicyContract(network, env.robot.actuated, env.task.observation_terms)
    sac = Sac(contract, env.layout, config, seed=0)
    sac.add(np.zeros((2000, env.layout.width)))
    sac.prepare()
    return sac


def main() -> None:
    """Update until somebody ends the process; says `ready` when compilation is over."""
    prepare_torch()
    sac = make_learner()
    print('ready', flush=True)
    while True:
        sac.update()


if __name__ == '__main__':
    main()
