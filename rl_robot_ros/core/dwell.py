"""How long something has held without a break, as success often asks for."""

from __future__ import annotations

import math


class Dwell:
    """
    Count control states in a row.

    :param seconds: how long it must hold [s]; one state at least.
    :param period: [s] of a control state.
    """

    def __init__(self, seconds: float, period: float) -> None:
        self._wanted = max(1, math.ceil(seconds / period - 1e-9))
        self.begin()

    def begin(self) -> None:
        """Forget: an episode starts."""
        self._held = 0

    def held(self, good: bool) -> bool:
        """Take one state; say whether it has been good for long enough."""
        self._held = self._held + 1 if good else 0
        return self._held >= self._wanted
