"""The keys of a terminal, one at a time, and the terminal as it was when that is over."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty

from rl_robot_ros.core.keys import KeyDecoder

MOST_BYTES = 1024  # read at once


class Keyboard:
    """
    A context in which a terminal gives every key at once and does not show it.

    Ctrl-C still sends SIGINT.  The terminal gets its modes back however the context is left.

    :param file: descriptor of the terminal; standard input by default.
    """

    def __init__(self, file: int | None = None) -> None:
        self._file = sys.stdin.fileno() if file is None else file
        self._decoder = KeyDecoder()
        self._before: list[object] = []
        self.closed = False  # whether the terminal is gone

    def __enter__(self) -> Keyboard:
        """
        Take the terminal over.

        :raises ValueError: it is none.
        """
        if not os.isatty(self._file):
            raise ValueError('keys come from a terminal, and standard input is none: start it in '
                             'a terminal, or use a gamepad (--joy, teleop.device=joy)')
        self._before = termios.tcgetattr(self._file)
        tty.setcbreak(self._file, termios.TCSANOW)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the terminal back."""
        try:
            # At once: waiting for what was written would hang with somebody who does not read.
            termios.tcsetattr(self._file, termios.TCSANOW, self._before)
        except termios.error:
            self.closed = True  # nobody is left to give it back to

    def keys(self) -> list[str]:
        """Return the keys that were pressed since the last call, without waiting."""
        if self.closed or not select.select([self._file], [], [], 0.0)[0]:
            return []
        try:
            data = os.read(self._file, MOST_BYTES)
        except OSError:
            data = b''
        self.closed = not data
        return self._decoder.feed(data)
