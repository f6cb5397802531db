"""A simulator that waits for the answer to a state, while somebody else has sent a newer one."""

from __future__ import annotations

TIMES = 3  # in a row that an older state comes before it is believed


class Insistence:
    """
    Counts how often in a row the same older state comes.

    In lockstep a simulator sends a state again until it is answered, and nothing newer before
    that.  A message with a stamp of the future would make everybody deaf to it for good; who
    insists on an older state is the one that is still there.
    """

    def __init__(self) -> None:
        self._stamp, self._times = -1, 0

    def newer(self) -> None:
        """Note a newer state: whoever insisted on an older one is not the only one there."""
        self._times = 0

    def older(self, stamp: int, newest: int) -> bool:
        """
        Say whether to believe a state in lockstep that is not newer than the newest so far.

        :param stamp: [ns] of the state.
        :param newest: [ns] of the newest one; the same again is a repetition and no more.
        """
        if stamp == newest:
            return False
        self._times = self._times + 1 if stamp == self._stamp else 1
        self._stamp = stamp
        return self._times >= TIMES
