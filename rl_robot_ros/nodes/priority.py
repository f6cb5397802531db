"""Real-time priority for the processes between a robot's state and its motors."""

from __future__ import annotations

import os


def take_priority(priority: int) -> str:
    """
    Give every thread of this process that real-time priority; returns why not, or nothing.

    `SCHED_RR`, not `SCHED_FIFO`: processes of one priority take turns, so that one which hangs in
    a loop does not keep the watchdog from its core.  Threads that are started later inherit it.

    :param priority: 1 to 99; 0 changes nothing.
    """
    if not priority:
        return ''
    try:
        for thread in os.listdir('/proc/self/task'):
            os.sched_setscheduler(int(thread), os.SCHED_RR, os.sched_param(priority))
    except (AttributeError, OSError) as error:
        return (f'realtime_priority {priority} is refused: {error}. Allow it with rtprio in '
                '/etc/security/limits.conf, or set it to 0')
    return ''
