"""A learner's load in a process of its own, for as long as something beside it is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys

from rl_robot_ros.bringup import die_with_parent
from rl_robot_ros.bringup import graph_environment


@contextmanager
def busy_learner() -> Iterator[subprocess.Popen[bytes]]:
    """Keep a core as busy as a learner does; gives the process, once compilation is over."""
    command = [sys.executable, str(Path(__file__).with_name('busy_learner.py'))]
    process = subprocess.Popen(command, env=graph_environment(), stdout=subprocess.PIPE,
                               preexec_fn=die_with_parent)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()
