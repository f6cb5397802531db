"""Where the figures of training go: one line of ``metrics.csv`` at a time, and TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
import csv
import logging
from pathlib import Path
from typing import Any

COLUMNS = ('wall_s', 'steps', 'rows', 'episodes', 'updates', 'return_mean', 'success_rate',
           'success_end_rate', 'length_mean', 'version', 'lag', 'interventions', 'filtered',
           'steps_per_s', 'updates_per_s')

logger = logging.getLogger(__name__)


class MetricsLog:
    """
    Append to the figures of a run.

    :param run: the run directory.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._board: Any = None

    def open_board(self) -> None:
        """
        Open TensorBoard, if it is installed and works.

        To import it takes a second: that is for before the robot moves.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
            self._board = SummaryWriter(str(self._run / 'tensorboard'))
        except Exception as error:  # not installed, at odds with NumPy or protobuf, a full disk
            logger.warning('no TensorBoard, metrics.csv alone: %s: %s', type(error).__name__,
                           error)

    def append(self, values: Mapping[str, Any]) -> None:
        """Append one line; figures without a column are for TensorBoard alone."""
        path = self._run / 'metrics.csv'
        try:
            new = not path.exists()
            with open(path, 'a', newline='') as file:
                writer = csv.writer(file)
                if new:
                    writer.writerow(COLUMNS)
                writer.writerow([values.get(name, '') for name in COLUMNS])
            if self._board is not None:
                for name, value in values.items():
                    if isinstance(value, (int, float)):
                        self._board.add_scalar(name.replace('.', '/'), value, values['rows'])
        except OSError as error:
            logger.error('metrics could not be written: %s', error)

    def close(self) -> None:
        """Write what TensorBoard still holds."""
        if self._board is not None:
            self._board.close()
