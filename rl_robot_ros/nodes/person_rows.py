"""Rows in which a person was in command, from `experience` into a file of demonstrations."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
import threading

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros import wire
from rl_robot_ros.core.teleop import TeleopConfig
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import save_demonstrations
from rl_robot_ros.memory.interventions import Interventions
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from std_msgs.msg import Float64MultiArray

SAVE_TIMEOUT = 60.0  # [s] for the last write


class PersonRows:
    """
    Listens to rows, and writes now and then, in a thread: a disk must not hold the person up.

    :param node: subscribes, and is told of the period.
    :raises ValueError: the file exists.
    """

    def __init__(self, node: RobotNode, config: TeleopConfig) -> None:
        self.path = Path(config.demonstrations)
        if self.path.exists():
            raise ValueError(f'teleop.demonstrations: {self.path} exists, name a new file')
        self.complaint = ''
        self.saved = 0  # rows in the file
        self._node, self._most = node, config.max_rows
        self._kept: Interventions | None = None
        self._refused = 0
        self._writing: threading.Thread | None = None
        node.create_subscription(Float64MultiArray, 'experience', self._on_rows, EXPERIENCE_QOS)
        node.every(config.save_period, self._save_changes)

    def _on_rows(self, message: Float64MultiArray) -> None:
        try:
            if self._kept is None and len(message.layout.dim) == 2:
                self._kept = Interventions(RowLayout.parse(message.layout.dim[1].label),
                                           self._most)
            layout = RowLayout(1, 1) if self._kept is None else self._kept.layout
            rows = wire.read_rows(message, layout)
        except ValueError as error:
            self._refused += 1
            self._node.warn('rows', f'experience refused: {error}')
            return
        if self._kept is not None:
            self._kept.add(rows)
            if self._kept.counts['left_out']:
                self._node.warn('full', f'{self._most} rows are kept, later ones are not '
                                        '(parameter teleop.max_rows)', 60.0)

    @property
    def counts(self) -> dict[str, int]:
        """Return what was taken, refused and written."""
        kept = {} if self._kept is None else self._kept.counts
        return {**kept, 'rows_refused': self._refused, 'rows_saved': self.saved}

    def summary(self) -> str:
        """Say in a few words what was shown."""
        counts = self.counts
        return (f'{counts.get("rows", 0)} rows, {counts.get("episodes", 0)} ends, '
                f'{counts.get("successes", 0)} successes')

    def _save_changes(self) -> None:
        kept, busy = self._kept, self._writing is not None and self._writing.is_alive()
        if kept is None or busy or kept.refusal or kept.counts['rows'] == self.saved:
            return
        self._writing = threading.Thread(target=self._save, name='demonstrations', daemon=True,
                                         args=(kept.layout, kept.collected()))
        self._writing.start()

    def _save(self, layout: RowLayout, rows: NDArray[np.float64]) -> None:
        try:
            save_demonstrations(self.path, layout, rows)
        except OSError as error:
            self.complaint = f'{self.path} was not written: {error}'
        else:
            self.complaint = ''
            self.saved = len(rows)

    def close(self) -> int:
        """Write the rest and say what there is; returns the exit status."""
        if self._writing is not None:
            self._writing.join(SAVE_TIMEOUT)
        kept = self._kept
        refusal = 'no experience was heard' if kept is None else kept.refusal
        if kept is not None and not refusal:
            self._save(kept.layout, kept.collected())
        with suppress(OSError):  # the terminal may be gone
            print(f'\nno demonstrations: {refusal}' if refusal else
                  f'\n{self.complaint or f"{self.summary()}: {self.path}"}', flush=True)
        return int(bool(self.complaint))
