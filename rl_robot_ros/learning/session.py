"""
One training session without ROS: algorithm, trainer, run directory, weights with identity.

The learner node and in-process training drive the same session.  One thread calls `prepare`,
`work` and (in the end) `close`; any thread may call the rest.
"""

from __future__ import annotations

from dataclasses import asdict
import logging
import math
from pathlib import Path
import secrets
import threading
import time
from typing import Any

from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.effort_sets import CONTINUOUS
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.gate import Gate
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.learning.metrics_log import MetricsLog
from rl_robot_ros.learning.store import Store
from rl_robot_ros.learning.trainer import Push
from rl_robot_ros.learning.trainer import Trainer
from rl_robot_ros.learning.versions import Versions
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.runs import create_run
from rl_robot_ros.runs import POLICY
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import StopConfig

logger = logging.getLogger(__name__)


class Session:
    """
    See the module docstring.

    :param algorithm_class: what learns.
    :param algorithm_config: its configuration.
    :param stop: when training is over.
    :param actions: ``continuous`` or the name of an effort set, see `core.effort_sets`.
    :raises FileExistsError: the run exists and `config.resume` is not set.
    :raises ValueError: algorithm, robot and task do not fit.
    """

    def __init__(self, robot: RobotSpec, task: Task, algorithm_class: type[Algorithm],
                 algorithm_config: Any, flow: FlowConfig, config: LearnerConfig,
                 stop: StopConfig, seed: int, actions: str = CONTINUOUS) -> None:
        self.robot, self.config, self.stop, self.seed = robot, config, stop, seed
        self.contract = make_contract(robot, task, algorithm_class, algorithm_config, actions)
        self.layout = RowLayout(self.contract.observation_size, self.contract.action_size,
                                task.reward_terms, self.contract.extra)
        algorithm = algorithm_class(self.contract, self.layout, algorithm_config, seed)
        if algorithm_class.relabels(algorithm_config, task):
            # One of its own: the one that was given may be in the middle of an episode.
            kind: Any = type(task)
            algorithm.take_task(kind(robot, task.config))
        self.trainer = Trainer(algorithm, self.layout, flow, config.push_period)
        self.run = self._open_run(config, robot.name, type(task).__name__.lower(),
                                  algorithm_class.__name__.lower())
        self.epoch = secrets.randbits(53)
        self.resumed = False
        self.failure = ''
        self.finished = ''
        self.paused = False
        self.last: WeightSet | None = None
        self.gate: Gate | None = None
        self.description: PolicyDescription | None = None  # goes into policy files, where known
        self._pushes: list[WeightSet] = []
        self._lock = threading.Lock()
        self._save_requested = False
        self._saved_at = self._started = self._rate_at = time.monotonic()
        self._wall_before = 0.0
        self._rates = (0, 0)
        self._rate_values: dict[str, float] = {}
        self._metrics = MetricsLog(self.run)
        self._config = {'algorithm': asdict(algorithm_config), 'sync': asdict(flow), 'seed': seed}
        self.versions = self.trainer.versions = Versions(self.run / 'versions.json')
        self.store = Store(self.run, self.layout, config, self.trainer)
        if config.resume:
            self._resume()
        self.store.begin()

    @staticmethod
    def _open_run(config: LearnerConfig, robot: str, task: str, algorithm: str) -> Path:
        if not config.run:
            return create_run(Path('runs'), robot, task, algorithm)
        run = Path(config.run)
        if Store.occupied(run) and not config.resume:
            raise FileExistsError(f'{run} holds a trained run: set learner.resume to go on with '
                                  'it, or another learner.run')
        run.mkdir(parents=True, exist_ok=True)
        return run

    def _resume(self) -> None:
        state = self.store.load()
        if state is None:
            logger.warning('no checkpoint in %s, beginning anew', self.run)
        elif state['schema'] != self.contract.schema:
            raise ValueError(f'the checkpoint is for {state["schema"]!r}, this run asks for '
                             f'{self.contract.schema!r}: give the parameters it was made with')
        else:
            changed = [f'{section}.{name}' for section in ('algorithm', 'sync')
                       for name, value in self._config[section].items()
                       if state['config'][section].get(name) != value]
            if changed:
                logger.warning('the run goes on with another %s', ', '.join(changed))
            self.epoch, self._wall_before = state['epoch'], state['wall_s']
            self.resumed = True
        self.store.restore(state)

    @property
    def version(self) -> int:
        """Version of the weights that were put out last."""
        return self.versions.version

    # -- weights ------------------------------------------------------------------------------

    def _stamp(self, push: Push, again: bool = False) -> None:
        """
        Give weights their identity and put them out for pushing.

        :param again: they were put out before, under another version.
        """
        with self._lock:
            version = self.versions.issue(again)
            self.last = WeightSet.make(self.epoch, version, self.contract.schema,
                                       push.weights, push.exploration, push.scale)
            self.trainer.algorithm.policy_version = self.versions.pushes
            self._pushes.append(self.last)

    def take_pushes(self) -> list[WeightSet]:
        """Return the weights to push, oldest first."""
        with self._lock:
            pushes, self._pushes = self._pushes, []
            return pushes

    def continue_above(self, version: int) -> None:
        """Go on above a version that a policy holds already, and push again."""
        logger.warning('a policy holds version %d already, going on above it', version)
        with self._lock:
            self.versions.rise_to(version)
            last = self.last
        if last is not None:
            self._stamp(Push(last.weights, last.exploration, last.exploration_scale), again=True)

    # -- work ---------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Do what takes time before the robot moves: compile, put out first weights, save them."""
        self._metrics.open_board()
        self.trainer.algorithm.prepare()
        push = self.trainer.first_push()
        if self.gate is not None and self.resumed and (self.run / POLICY).exists():
            # What the robot has is what was promoted last, not what was learned last.
            held = load_policy(self.run / POLICY)
            self.gate.allows(held.weights)
            if not self._passes(push):
                push = Push(held.weights, held.exploration, held.exploration_scale)
        elif not self._passes(push):
            raise ValueError(f'the first weights: {self.gate.reason if self.gate else ""}')
        self._stamp(push, again=self.resumed)
        if not self.resumed:
            self.save()

    def work(self, timeout: float) -> bool:
        """Learn for a while; returns whether there is something to push."""
        due = time.monotonic() - self._saved_at > self.config.checkpoint_period
        if due or self._save_requested or self.store.due:
            self.save()
        if 0.0 < self.stop.minutes * 60.0 <= self.wall:
            self.finished = f'{self.stop.minutes:g} minutes'
            return False
        if self.paused or self.failure:
            time.sleep(timeout)
            return False
        try:
            push = self.trainer.work(timeout)
        except NonFiniteLoss as error:
            self.failure = f'learning has failed, the last good weights stay: {error}'
            logger.error(self.failure)
            return False
        rows, self.trainer.newest = self.trainer.newest, None
        if self.gate is not None and rows is not None:
            self.gate.saw(rows[:, self.layout.column('obs')])
        if push is not None and not self._passes(push):
            push = None
        if push is not None:
            self._stamp(push)
        if push is not None or not self.trainer.flow.enabled:
            self._check_end()  # in sync at the end of a block, so that runs end alike
        return push is not None

    def _passes(self, push: Push) -> bool:
        """Tell whether the gate, if there is one, promotes these weights."""
        if self.gate is None or self.gate.allows(push.weights):
            return True
        logger.warning('new weights are not promoted: %s', self.gate.reason)
        return False

    def _check_end(self) -> None:
        steps = self.trainer.rows * self.robot.decision_periods
        if 0.0 < self.stop.success <= self.trainer.statistics.success_rate:
            self.finished = f'{self.trainer.statistics.success_rate:.0%} success'
        elif 0 < self.stop.steps <= steps:
            self.finished = f'{steps} control periods'

    @property
    def wall(self) -> float:
        """Seconds of training, those before a resume included."""
        return self._wall_before + time.monotonic() - self._started

    # -- run directory ------------------------------------------------------------------------

    def request_save(self) -> bool:
        """Ask for a checkpoint soon; False where learning has failed."""
        self._save_requested = not self.failure
        return self._save_requested

    def save(self) -> None:
        """Write a checkpoint and the policy; training goes on where that fails."""
        self._saved_at, self._save_requested = time.monotonic(), False
        if self.failure:
            return  # what failed may have left NaN anywhere: the last checkpoint is the good one
        try:
            self.store.save({'schema': self.contract.schema, 'epoch': self.epoch,
                             'version': self.version, 'config': self._config,
                             'wall_s': self.wall})
            if self.last is not None:
                described = self.description
                save_policy(self.run / POLICY, self.last, described
                            and described.with_normaliser(self.last.weights))
        except OSError as error:
            logger.error('no checkpoint could be written, the last one stays: %s', error)

    def snapshot(self) -> dict[str, Any]:
        """Return how training goes, by name; see `progress.ProgressView`."""
        trainer, now = self.trainer, time.monotonic()
        seconds = now - self._rate_at
        # Rows come block by block: a window without any says nothing, unless it is long.
        if seconds > 0.5 and (trainer.rows != self._rates[0] or seconds > 5.0):
            self._rate_values = {
                'rows_per_s': (trainer.rows - self._rates[0]) / seconds,
                'updates_per_s': (trainer.updates - self._rates[1]) / seconds}
            self._rates, self._rate_at = (trainer.rows, trainer.updates), now
        periods = self.robot.decision_periods
        return {
            'elapsed_s': self.wall, 'eta_s': self._eta(), 'steps': trainer.rows * periods,
            'rows': trainer.rows,
            'steps_per_s': self._rate_values.get('rows_per_s', 0.0) * periods,
            'updates': trainer.updates, 'version': self.version, **self._rate_values,
            **trainer.statistics.report(), **trainer.inbox.counts, **trainer.details,
            **self.store.log.report(), **(self.gate.report() if self.gate else {}),
            'lag': trainer.lag, 'evaluation_rows': trainer.evaluation_rows,
            'stage': self.finished or ('paused' if self.paused else
                                       'learning' if trainer.updates else 'collecting')}

    def _eta(self) -> float:
        """Return seconds until a limit of time or steps ends training; NaN without one."""
        left = []
        if self.stop.minutes:
            left.append(self.stop.minutes * 60.0 - self.wall)
        rate = self._rate_values.get('rows_per_s', 0.0) * self.robot.decision_periods
        if self.stop.steps and rate:
            left.append((self.stop.steps - self.trainer.rows * self.robot.decision_periods) / rate)
        return max(0.0, min(left)) if left else math.nan

    def log(self) -> None:
        """Append one line to metrics.csv and TensorBoard."""
        self._metrics.append({'wall_s': round(self.wall, 3), **self.snapshot()})

    def close(self) -> None:
        """Save everything."""
        self.save()
        self.log()
        self.store.log.close()
        self._metrics.close()
