"""What every node inherits, in a process of its own, because what is tested here killed it."""

import os
import subprocess
import sys

from rl_robot_ros.bringup import graph_environment

NODE = """
import sys
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run

class Failing(RobotNode):
    def __init__(self):
        super().__init__('failing')
        self.timer = self.every(0.05, self.begin)

    def begin(self):
        self.timer.cancel()
        self.soon(self.fail)
        self.soon(self.end)

    def fail(self):
        raise KeyError('a bug')

    def end(self):
        print('errors', self.errors, self.last_error.strip().split('\\n')[-1])
        self.stop_requested.append(0)

sys.exit(run(Failing))
"""


def test_a_task_that_raises_is_reported_and_the_node_lives():
    """The events executor ends the process with a segmentation fault where a task raises."""
    done = subprocess.run([sys.executable, '-c', NODE], text=True, timeout=50, capture_output=True,
                          env=graph_environment(os.environ))
    assert done.returncode == 0, done.stderr
    assert "errors 1 KeyError: 'a bug'" in done.stdout
