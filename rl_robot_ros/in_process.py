"""Training without ROS: the same session, fed by `env.py` instead of by topics."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace
import secrets
import time
from typing import Any

import numpy as np
from rl_robot_ros.acting import ActorDied
from rl_robot_ros.acting import Beside
from rl_robot_ros.acting import Here
from rl_robot_ros.acting import make_env
from rl_robot_ros.acting import make_gate
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.decider import Decider
from rl_robot_ros.core.decider import Maker
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.gate import GateConfig
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.interchange.opening import describe
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.session import Session
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import Settings
from rl_robot_ros.settings import StopConfig


def make_session(settings: Settings) -> Session:
    """Build a session from resolved settings, with the blocks of one of its policies."""
    values, graph = settings.values, settings.graph
    task = settings.make_task()
    policies = max(1, values['in_process.actors'])
    flow = resolve_config(FlowConfig, values, 'sync.')
    session = Session(task.robot, task, resolve('algorithm', graph.algorithm), settings.algorithm,
                      replace(flow, rows=-(-flow.rows // policies)),
                      resolve_config(LearnerConfig, values, 'learner.'),
                      resolve_config(StopConfig, values, 'stop.'),
                      secrets.randbits(32) if graph.seed < 0 else graph.seed, graph.actions)
    session.trainer.policies = policies
    gate = resolve_config(GateConfig, values, 'gate.')
    if gate.enabled:
        session.gate = make_gate(gate, values, session.contract.schema)
    session.description = describe(session.contract, task.robot, task,
                                   resolve_config(SafetyConfig, values, 'safety.'))
    return session


def train_in_process(settings: Settings, stop: list[int],
                     tell: Callable[[dict[str, Any]], None]) -> str:
    """
    Act and learn until the settings or a signal say stop.

    :param stop: becomes non-empty when a person wants to stop.
    :param tell: called with a snapshot about twice a second, and at the end.
    :returns: why learning failed, empty where it did not.
    """
    prepare_torch()
    session = make_session(settings)
    reporter = _Reporter(session, tell, stop)
    # A resumed run in the same stream of numbers would repeat its first episodes.
    world = (settings.values, session.contract.schema,
             (session.seed, session.trainer.inbox.position))
    actors = settings.values['in_process.actors']
    with Beside(actors, *world, reporter) if actors else Here(*world, reporter) as policies:
        session.prepare()
        died = ''
        try:
            _train(session, policies, actors > 0 and settings.values['sync.lag'] > 0, reporter)
        except ActorDied as error:
            died = str(error)  # what was learned is as good as before
    tell(session.snapshot())  # how it ended
    session.close()
    return session.failure or died


def _train(session: Session, policies: Here | Beside, ahead: bool, over: _Reporter) -> None:
    """
    Let policies act and learn from what they did.

    :param ahead: they act on the next block while this one is learned from.
    """
    trainer = session.trainer

    def begin() -> None:
        pushes = session.take_pushes()
        policies.begin(pushes[-1] if pushes else None, trainer.flow.rows)

    begin()
    while not over():
        blocks = policies.take()
        if ahead:
            begin()
        for number, rows in enumerate(blocks):
            trainer.ingest(rows, f'actor_{number}')
        while not over() and (trainer.inbox.waiting or trainer.owed >= 1.0):
            session.work(0.0)
        if not ahead:
            begin()


class _Reporter:
    """Tells how it goes about twice a second, and whether it is over, whenever it is called."""

    def __init__(self, session: Session, tell: Callable[[dict[str, Any]], None],
                 stop: list[int]) -> None:
        self._session, self._tell, self._stop = session, tell, stop
        self._told = 0.0

    def __call__(self) -> bool:
        session = self._session
        if time.monotonic() - self._told > 0.5:
            self._told = time.monotonic()
            self._tell(session.snapshot())
            session.log()
        return bool(self._stop or session.finished or session.failure)


def make_evaluation_env(settings: Settings, weights: WeightSet) -> RobotEnv:
    """Build the environment that these weights were made for, with episodes of full length."""
    return make_env(settings.values, weights.schema, evaluation=True)


def run_episodes(env: RobotEnv, weights: WeightSet, episodes: int, seed: int,
                 stop: Sequence[int] = (), make: Maker = Policy) -> EpisodeCollector:
    """
    Run whole episodes without exploration; returns what they brought.

    :param make: builds the policy, see `interchange.opening`.
    """
    decider = Decider(PolicyContract.parse(weights.schema), env.robot,
                      np.random.default_rng(seed), make)
    decider.use(weights)
    collector = EpisodeCollector(env.layout, env.robot.decision_period)
    observation, _ = env.reset(seed=seed)
    while not stop and len(collector.episodes) < episodes:
        decision = decider.decide(observation, env.world.position, env.world.velocity, False)
        observation, _, terminated, truncated, _ = env.step_with(
            decision.action, {}, weights.version, decider.follow)
        collector.add(env.row[None])
        if terminated or truncated:
            observation, _ = env.reset()
            decider.begin()
    return collector
