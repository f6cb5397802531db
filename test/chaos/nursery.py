"""
A process that has imported everything and forks a node of the graph in no time when it is told to.

Each node is a process of its own, as in `bringup`; only its imports are spared, which on a busy
machine take longer than all the faults.  Requests are lines of JSON on the standard input,
answers on the standard output::

    {"start": ["policy", "/folder/of/witness", "--ros-args", ...], "log": "/path"}  ->  pid
    {"ended": true}  ->  {pid: exit status, ...} of those that ended since the last time

    python -m chaos.nursery
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
from typing import Any

from chaos import witness
from rl_robot_ros.bringup import die_with_parent
from rl_robot_ros.nodes import learner
from rl_robot_ros.nodes import mujoco_sim
from rl_robot_ros.nodes import policy
from rl_robot_ros.nodes import safety_filter
import torch._dynamo  # noqa: F401  what optimisers import when the first one is made

NODES = {module.__name__.rpartition('.')[2]: module
         for module in (learner, mujoco_sim, policy, safety_filter)}


class Nursery:
    """
    The other side: start nodes, hear how they ended; a context manager.

    :param environment: of all nodes.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, '-m', 'chaos.nursery'], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            preexec_fn=die_with_parent)

    def ask(self, **request: Any) -> Any:
        """Return the answer to a request."""
        channel = self._process
        assert channel.stdin is not None and channel.stdout is not None
        channel.stdin.write(json.dumps(request) + '\n')
        channel.stdin.flush()
        return json.loads(channel.stdout.readline())

    def close(self) -> None:
        """End it, and with it whoever lives."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def start(arguments: list[str], log: Path) -> int:
    """Fork a node; returns its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        die_with_parent()
        os.setsid()
        sys.stdin.close()
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        name, folder, *rest = arguments
        witness.watch(name, Path(folder))
        status = NODES[name].main([name, *rest])
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended() -> dict[int, int]:
    """Return who ended, and how."""
    found = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found[pid] = os.waitstatus_to_exitcode(status)


def main() -> None:
    """Do what is asked for until there is nobody to ask."""
    for line in sys.stdin:
        request = json.loads(line)
        answer = start(request['start'], Path(request['log'])) if 'start' in request else ended()
        print(json.dumps(answer), flush=True)


if __name__ == '__main__':
    main()
