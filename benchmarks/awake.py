"""
What the machine alone does to punctuality: cores that fall asleep, and a loop that only sleeps.

A core with nothing to do is halted, and a virtual one given back to its host; to come back takes
up to milliseconds.  Processes of the policy `SCHED_IDLE` run only where nobody else wants to, so
they take nothing from the others and keep every core awake, as `idle=poll` does on a computer of
one's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
import subprocess
import sys
import time

import numpy as np
from rl_robot_ros.bringup import die_with_parent


def _only_when_idle() -> None:
    """Run in the child: give way to everybody, die with the parent."""
    die_with_parent()
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


@contextmanager
def awake(wanted: bool = True) -> Iterator[list[int]]:
    """Keep every core that we may use awake; gives the ids of the processes that do it."""
    spinners = []
    try:
        for core in sorted(os.sched_getaffinity(0)) if wanted else ():
            spinner = subprocess.Popen([sys.executable, '-SEc', 'while True: pass'],
                                       stdin=subprocess.DEVNULL, preexec_fn=_only_when_idle)
            spinners.append(spinner)
            os.sched_setaffinity(spinner.pid, {core})
        yield [spinner.pid for spinner in spinners]
    finally:
        for spinner in spinners:
            spinner.kill()
        for spinner in spinners:
            spinner.wait()


def bare_lateness(period: float, seconds: float) -> np.ndarray:
    """
    Sleep until one deadline after another, as the simulator does, and do nothing else.

    :param period: [s] between two deadlines.
    :returns: [s] how late each wake-up was; deadlines slept through count once each, as late as
        the wake-up after them.
    """
    late: list[float] = []
    deadline = time.monotonic() + period
    for _ in range(round(seconds / period)):
        ahead = deadline - time.monotonic()
        if ahead > 0.0:
            time.sleep(ahead)
        late.append(time.monotonic() - deadline)
        deadline += period
    return np.array(late)
