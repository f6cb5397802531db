"""Small learners, and the messages that one of them took while it was trained without ROS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.acting import Here
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.in_process import make_session
from rl_robot_ros.learning.session import Session
from rl_robot_ros.settings import Settings

R = 32
SMALL = {'robot': 'cartpole', 'task': 'balance', 'seed': 1, 'sync.rows': R, 'sync.lag': 0,
         'algorithm.hidden': (16, 16), 'algorithm.batch': 32, 'algorithm.learning_starts': 64,
         'algorithm.compile': 'off', 'algorithm.capacity': 5000, 'learner.log_period': 0.005,
         'learner.checkpoints': 1000}
CASES: dict[str, dict[str, Any]] = {
    'sac': {'algorithm': 'sac'},
    'sac_hindsight': {'algorithm': 'sac', 'robot': 'planar2', 'task': 'reach', 'preset': 'sparse',
                      'algorithm.hindsight': 'on', 'task.train_episode_steps': 200},
    'dqn': {'algorithm': 'dqn', 'actions': 'push'},
    'q_learning': {'algorithm': 'q_learning', 'actions': 'push', 'preset': 'cartpole'},
    'ppo': {'algorithm': 'ppo', 'algorithm.batch': 80, 'algorithm.minibatch': 16},
    'reinforce': {'algorithm': 'reinforce'}}
Messages = list[NDArray[np.float64]]


def settings(case: str, run: Path, resume: bool = False) -> Settings:
    """Return the parameters of a small learner."""
    known = resolve('algorithm', CASES[case]['algorithm']).Config.__dataclass_fields__
    small = {name: value for name, value in SMALL.items()
             if not name.startswith('algorithm.') or name.removeprefix('algorithm.') in known}
    return Settings.resolve({**small, **CASES[case], 'learner.run': str(run),
                             'learner.resume': resume})


def record(given: Settings, blocks: int, path: Path) -> None:
    """Train for twice as many blocks, and save what the learner took."""
    session, taken = make_session(given), []
    session.prepare()
    for number in range(2):
        with Here(given.values, session.contract.schema, (number,)) as policy:
            for block in range(blocks):
                policy.begin(session.last, R)
                rows, = policy.take()
                if block == 2:
                    rows[3:10, session.layout.column('evaluation')] = 1.0
                # The second policy loses rows on the way, and nobody has them any more.
                taken.append(rows[:R // 2] if number and not block else rows)
                session.trainer.ingest(taken[-1], '/')
                drain(session)
            if not number:  # dies in the middle of its last block
                policy.begin(session.last, R // 2)
                taken += policy.take()
                session.trainer.ingest(taken[-1], '/')
                drain(session)
    session.close()
    np.savez(path, *taken)


def messages_of(path: Path, seed: int) -> Messages:
    """Cut what was recorded into messages, some of which come twice."""
    rng, messages = np.random.default_rng(seed), []
    with np.load(path) as taken:
        for name in taken.files:
            rows = taken[name]
            cuts = np.flatnonzero(rng.random(len(rows)) < 0.2)[1:]
            messages += [part for part in np.split(rows, cuts) if len(part)]
            if rng.random() < 0.3:
                messages.append(messages[rng.integers(len(messages))])
    return messages


def drain(session: Session) -> None:
    while session.trainer.inbox.waiting:
        session.work(0.0)
