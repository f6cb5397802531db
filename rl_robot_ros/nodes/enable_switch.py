"""The heartbeat of a stop button: silence means stop."""

from __future__ import annotations


class EnableSwitch:
    """
    Whether somebody says, often enough, that the robot may move.

    :param timeout: [s] for which one `true` lasts, on the steady clock; 0 asks nobody.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._said = float('-inf')
        self._enabled = False

    def say(self, enabled: bool, now: float) -> None:
        """Take one message."""
        self._enabled, self._said = enabled, now

    def refusal(self, now: float) -> str:
        """Return why the robot must stop, empty where it need not."""
        if not self._timeout:
            return ''
        if now - self._said > self._timeout:
            return f'safety_filter/enable was silent for more than {self._timeout:g} s'
        return '' if self._enabled else 'safety_filter/enable says no'
