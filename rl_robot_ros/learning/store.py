"""
What a learner needs to go on: checkpoints, and the log of rows that they refer to.

A checkpoint holds the position in the log up to which it has learned.  After a restart the rows
in front of it fill replay again, and all behind it are learned from as if they came now; what the
log does not hold is asked for again from the policies.
"""

from __future__ import annotations

from collections import deque
import logging
from pathlib import Path
from typing import Any

from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.checkpoint import Checkpoints
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.row_log import RowLog
from rl_robot_ros.learning.trainer import Trainer
from rl_robot_ros.settings import LearnerConfig

ROWS = 'rows'
MOST_UNSAVED = 100_000  # rows behind a checkpoint before there is another
logger = logging.getLogger(__name__)


class Store:
    """
    Checkpoints and rows of one run, for one trainer.

    :param run: the run directory.
    :param layout: layout of the rows.
    """

    def __init__(self, run: Path, layout: RowLayout, config: LearnerConfig,
                 trainer: Trainer) -> None:
        self.run, self.layout, self.trainer = run, layout, trainer
        self.checkpoints = Checkpoints(run / 'checkpoints', config.checkpoints)
        self.log = RowLog(run / ROWS, layout, config.log_period, config.log_gigabytes * 1e9)
        # Where the rows begin that each checkpoint needs; those of before a restart count as
        # beginning at zero.
        self._starts: deque[int] = deque(maxlen=config.checkpoints)
        self._saved = 0  # position of the newest checkpoint
        needed = trainer.window.rows * layout.width * 8
        if needed > self.log.limit:
            logger.warning('replay of %d rows takes %.1f GB on disk: a resumed learner will have '
                           'fewer, raise learner.log_gigabytes = %g', trainer.window.rows,
                           needed / 1e9, config.log_gigabytes)

    @staticmethod
    def occupied(run: Path) -> bool:
        """Tell whether a learner has left something to go on with."""
        return any(list(run.glob(files)) for files in (
            'checkpoints/*.pt', f'{ROWS}/*.rows', 'replay/*.rows'))

    @property
    def due(self) -> bool:
        """Whether there are so many rows that a restart would take long."""
        return self.trainer.inbox.taken - self._saved > MOST_UNSAVED

    def load(self) -> dict[str, Any] | None:
        """
        Return the newest intact checkpoint, or None where there is none.

        :raises ValueError: there is one, but it can't be used.
        """
        self.checkpoints.sweep()
        state = self.checkpoints.load(logger.warning)
        if list(self.run.glob('replay/*.rows')) or (state and 'replay_start' not in state):
            raise ValueError(f'{self.run} was written before rows were kept in {ROWS}/ and cannot '
                             'be resumed; its weights can be played (policy.checkpoint), to '
                             'train choose a new learner.run')
        return state

    def restore(self, state: dict[str, Any] | None) -> None:
        """Bring the trainer to where the log ends; without a state from its very beginning."""
        trainer, start = self.trainer, 0
        if state is not None:
            trainer.load_state_dict(state['trainer'])
            start, self._saved = state['replay_start'], trainer.inbox.position
        reader = Reader(self.run / ROWS, self.layout)
        trainer.restore(reader.read(start))
        if state is not None and reader.end < self._saved:
            # Learned from, so they are not asked for again, but replay begins without them.
            logger.warning('%d rows (from %d) in front of the checkpoint are missing at the end '
                           'of %s', self._saved - reader.end, reader.end, reader.folder)
            reader.lost += self._saved - reader.end
        self.log.counts['log_lost'] += reader.lost
        if state is not None or trainer.inbox.waiting:
            logger.info('resumed at %d rows, %d updates; %d rows behind that are learned from now',
                        trainer.rows, trainer.updates, trainer.inbox.waiting)

    def begin(self) -> None:
        """Write from now on what the trainer takes."""
        self.trainer.inbox.journal = self.log.append

    def save(self, state: dict[str, Any]) -> None:
        """
        Write a checkpoint: `state`, the trainer, and where its rows are.

        :raises OSError: the disk refuses it, or the rows; older checkpoints are untouched.
        """
        trainer = self.trainer
        learned = trainer.state_dict()
        position = learned['inbox']['position']
        start = trainer.window.start(position)
        self._saved = position  # also where it fails: the next one is due as if it had not
        self.log.flush()
        self.checkpoints.save(trainer.rows, {**state, 'trainer': learned, 'replay_start': start})
        self._starts.append(start)
        if len(self._starts) == self._starts.maxlen:
            self.log.forget(self._starts[0])
