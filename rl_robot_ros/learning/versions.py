"""
Version numbers of weights: each goes out once, and they only rise, also over crashes.

They jump where a learner comes back, because nobody knows what the one before had sent.  What is
learned must not depend on that: it counts pushes, which go on where a checkpoint left them, and
reads the versions in rows as pushes too.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from rl_robot_ros.core.files import Reservation
from rl_robot_ros.core.spec import Vector

SPAN = 1000  # versions reserved at once
MOST_JUMPS = 1000  # that are remembered
logger = logging.getLogger(__name__)


class Versions:
    """
    The versions of one run.

    :param path: file of the reservation; None begins at zero and remembers nothing.
    :raises ValueError: the file holds something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._reserved = Reservation(path, {'version': SPAN})
        self.version = self._reserved.first['version']  # the newest that went out
        self.pushes = 0  # that learning counts
        self._jumps = ((0, 0),)  # first version and its push, wherever they began to differ anew
        self._told = False

    def issue(self, again: bool = False) -> int:
        """
        Return the next version.

        :param again: for weights that had one before: that is no further push.
        """
        self.version += 1
        self.pushes += not again
        try:
            self._reserved.use(version=self.version)
            self._told = False
        except OSError as error:
            # After a crash a policy may hold this version already; then we go on above it.
            if not self._told:
                logger.error('versions cannot be reserved, training goes on: %s', error)
            self._told = True
        first, push = self._jumps[-1]
        if self.version - first != self.pushes - push:
            self._jumps = (*self._jumps[-MOST_JUMPS:], (self.version, self.pushes))
        return self.version

    def rise_to(self, version: int) -> None:
        """Go on above a version that somebody holds already."""
        self.version = max(self.version, version)

    def pushes_of(self, versions: Vector) -> Vector:
        """Return for each version in rows which push it was."""
        if len(self._jumps) == 1:
            (begin, pushes), = self._jumps
            return versions - begin + pushes
        jumps = np.array(self._jumps, dtype=np.float64)
        index = np.searchsorted(jumps[:, 0], versions, side='right') - 1
        first, push = jumps[np.maximum(index, 0)].T
        counted: Vector = versions - first + push
        return counted

    def state_dict(self) -> dict[str, Any]:
        """Return what learning counts."""
        return {'pushes': self.pushes, 'jumps': [list(jump) for jump in self._jumps]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state; versions do not go back."""
        self.pushes = state['pushes']
        self._jumps = tuple((first, push) for first, push in state['jumps'])
