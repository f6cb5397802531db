"""Real-time priority: for every thread, and a refusal that says what to do."""

import os
from pathlib import Path
import subprocess
import sys

from rl_robot_ros.nodes import priority
from rl_robot_ros.nodes.priority import take_priority

ROOT = Path(__file__).parents[2]
# In a process of its own: whoever runs tests may not be allowed to go back.
TAKE = """
import os, threading, time
from rl_robot_ros.nodes.priority import take_priority
threading.Thread(target=time.sleep, args=(0.5,)).start()
print(take_priority(5))
threads = [int(name) for name in os.listdir('/proc/self/task')]
print(len(threads), {(os.sched_getscheduler(thread) == os.SCHED_RR,
                      os.sched_getparam(thread).sched_priority) for thread in threads})
"""


def test_every_thread_gets_it():
    found = subprocess.run([sys.executable, '-c', TAKE], text=True, capture_output=True,
                           env={**os.environ, 'PYTHONPATH': str(ROOT)}, timeout=60.0, check=True)
    refused, threads = found.stdout.splitlines()
    if refused:  # as for most people
        assert 'realtime_priority 5 is refused' in refused
    else:
        assert threads == '2 {(True, 5)}'


def test_a_refusal_says_what_to_do(monkeypatch):
    def refuse(*_):
        raise PermissionError(1, 'Operation not permitted')

    monkeypatch.setattr(priority.os, 'sched_setscheduler', refuse)
    assert 'rtprio' in take_priority(50)
    assert take_priority(0) == ''
