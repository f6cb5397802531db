"""A thread that looks after deadlines on the steady clock, whatever the executor is doing."""

from __future__ import annotations

from collections.abc import Callable
import threading


class SteadyWatchdog(threading.Thread):
    """
    Call `look` again and again, each time after as many seconds as it said, until closed.

    A callback that hangs, a service that takes its time or a logger that blocks keeps an executor
    from its timers, but not this thread.  What holds the interpreter lock keeps it too: that, and
    a killed process, is what a second process is for.

    :param look: returns after how many seconds [s] it wants to look again; runs in this thread.
    :param on_error: told of an exception in `look`; the thread goes on.
    :param retry: [s] after which it looks again then.
    """

    def __init__(self, look: Callable[[], float], on_error: Callable[[Exception], None],
                 retry: float) -> None:
        super().__init__(name='steady watchdog', daemon=True)
        self._look = look
        self._on_error = on_error
        self._retry = retry
        self._closing = threading.Event()

    def run(self) -> None:
        """Look until closed."""
        wait = 0.0
        while not self._closing.wait(wait):
            try:
                wait = self._look()
            except Exception as error:  # the last one that watches must not die of anything
                wait = self._retry
                self._on_error(error)

    def close(self, patience: float = 1.0) -> None:
        """Return when it no longer looks, or after `patience` seconds."""
        self._closing.set()
        if self.is_alive():
            self.join(patience)
