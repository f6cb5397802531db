"""Where a learner can be killed: calls that are counted, and at one of which a process dies."""

from __future__ import annotations

from collections.abc import Callable
import os
import signal
import threading
from typing import Any

from rl_robot_ros.learning.session import Session
from rl_robot_ros.learning.trainer import Trainer

# Name: where the function is, its name, whether the thread that writes rows calls it, and when
# the process dies: before the call, after it, or after half of what it was to write.
POINTS: dict[str, tuple[Any, str, bool, str]] = {
    'rows half written': (os, 'writev', True, 'half'),
    'rows written, not synced': (os, 'fsync', True, 'before'),
    'rows synced': (os, 'fsync', True, 'after'),
    'file written, not synced': (os, 'fsync', False, 'before'),
    'file synced, not renamed': (os, 'replace', False, 'before'),
    'file renamed': (os, 'replace', False, 'after'),
    'push stamped': (Session, '_stamp', False, 'after'),
    'rows learned from': (Trainer, 'work', False, 'after'),
}


def die() -> None:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class KillPoint:
    """
    Die at one of these calls.

    :param name: which; empty: never.
    :param number: at the how many-th call.
    """

    def __init__(self, name: str = '', number: int = 0) -> None:
        self.name, self.number = name, number
        self.calls = dict.fromkeys(POINTS, 0)

    def arm(self) -> None:
        """Put ourselves around the functions, for the rest of this process."""
        for name, (owner, function, writing, when) in POINTS.items():
            setattr(owner, function, self._around(name, getattr(owner, function), writing, when))

    def _around(self, name: str, inner: Callable[..., Any], writing: bool,
                when: str) -> Callable[..., Any]:
        def around(*args: Any, **options: Any) -> Any:
            if (threading.current_thread().name == 'row_log') != writing:
                return inner(*args, **options)
            self.calls[name] += 1
            now = name == self.name and self.calls[name] == self.number
            if now and when == 'half':
                data = b''.join(args[1])
                inner(args[0], [data[:len(data) // 2]])
            if now and when != 'after':
                die()
            result = inner(*args, **options)
            if now:
                die()
            return result

        return around
