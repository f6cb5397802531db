"""Training without ROS: the same session, fed by `env.py` instead of by topics."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import secrets
import time
from typing import Any

import numpy as np
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.session import Session
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import Settings
from rl_robot_ros.settings import StopConfig


def make_session(settings: Settings) -> tuple[RobotEnv, Session]:
    """Build environment and session from resolved settings."""
    values, graph = settings.values, settings.graph
    seed = secrets.randbits(32) if graph.seed < 0 else graph.seed
    robot, task = _robot_and_task(settings)
    session = Session(robot, task, resolve('algorithm', graph.algorithm), settings.algorithm,
                      resolve_config(FlowConfig, values, 'sync.'),
                      resolve_config(LearnerConfig, values, 'learner.'),
                      resolve_config(StopConfig, values, 'stop.'), seed, graph.actions)
    env = _make_env(settings, robot, task, session.contract)
    # A resumed run in the same stream of numbers would repeat its first episodes.
    stream = np.random.default_rng([seed, session.trainer.rows])
    env.epoch = int(stream.integers(2**53))
    env.reset(seed=int(stream.integers(2**32)))
    return env, session


def make_evaluation_env(settings: Settings, weights: WeightSet) -> RobotEnv:
    """Build the environment that these weights were made for, with episodes of full length."""
    return _make_env(settings, *_robot_and_task(settings), PolicyContract.parse(weights.schema),
                     evaluation=True)


def _robot_and_task(settings: Settings) -> tuple[RobotSpec, Task]:
    robot = resolve('robot', settings.graph.robot)
    return robot, resolve('task', settings.graph.task)(robot, settings.task)


def _make_env(settings: Settings, robot: RobotSpec, task: Task, contract: PolicyContract,
              evaluation: bool = False) -> RobotEnv:
    values = settings.values
    return RobotEnv(robot, task, extra=contract.extra, efforts=contract.efforts,
                    safety=resolve_config(SafetyConfig, values, 'safety.'),
                    collision=resolve_config(CollisionConfig, values, 'collision.'),
                    evaluation=evaluation)


def train_in_process(settings: Settings, stop: list[int],
                     tell: Callable[[dict[str, Any]], None]) -> str:
    """
    Act and learn in turn until the settings or a signal say stop.

    :param stop: becomes non-empty when a person wants to stop.
    :param tell: called with a snapshot about twice a second.
    :returns: why learning failed, empty where it did not.
    """
    prepare_torch()
    env, session = make_session(settings)
    explorer = Explorer(np.random.default_rng(env.epoch))
    session.prepare()
    block = resolve_config(FlowConfig, settings.values, 'sync.').rows
    batch: list[Any] = []
    told = 0.0
    policy: Policy | None = None
    observation, _ = env.reset()
    while not stop and not session.finished and not session.failure:
        for weights in session.take_pushes():
            policy, held = Policy(weights.schema.split(' | ')[0][3:], weights.weights), weights
        assert policy is not None
        observation = _act(env, policy, held, explorer, observation)
        batch.append(env.row)
        if len(batch) == block:
            session.trainer.ingest(np.array(batch))
            batch = []
            while not (stop or session.failure or session.finished) and (
                    session.trainer.inbox.waiting or session.trainer.owed >= 1.0):
                session.work(0.0)
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            tell(session.snapshot())
            session.log()
    session.close()
    return session.failure


def run_episodes(env: RobotEnv, weights: WeightSet, episodes: int, seed: int,
                 stop: Sequence[int] = ()) -> EpisodeCollector:
    """Run whole episodes without exploration; returns what they brought."""
    contract = PolicyContract.parse(weights.schema)
    policy, rng = Policy(contract.network, weights.weights), np.random.default_rng(seed)
    collector = EpisodeCollector(env.layout, env.robot.decision_period)
    observation, _ = env.reset(seed=seed)
    while not stop and len(collector.episodes) < episodes:
        action = policy.act(observation, rng).action
        observation, _, terminated, truncated, _ = env.step_with(action, {}, weights.version)
        collector.add(env.row[None])
        if terminated or truncated:
            observation, _ = env.reset()
    return collector


def _act(env: RobotEnv, policy: Policy, held: WeightSet, explorer: Explorer,
         observation: Any) -> Any:
    decision = explorer.act(policy, observation, held.exploration, held.exploration_scale)
    extra = {'log_prob': decision.log_prob} if 'log_prob' in env.layout else {}
    observation, _, terminated, truncated, _ = env.step_with(decision.action, extra, held.version)
    if terminated or truncated:
        observation, _ = env.reset()
        explorer.begin()
    return observation
