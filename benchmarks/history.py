"""
What Fast DDS keeps in memory of messages on a topic with two writers, at a history of one place.

Bare processes of rclpy, over UDP on loopback as in a graph at the pace of life: one writer sends
joint states of a robot's size, the other one, where there is one, messages of the named size.
Subscribers with a history of one and of two places throw everything away.  Nothing of ours is
between, so what grows is the middleware's.

    python benchmarks/history.py [--seconds 20]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import multiprocessing
import os
import time
from typing import Any

from bare_node import make_node
from machine import resident
import numpy as np
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros import wire
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.bringup import without_shared_memory
from rl_robot_ros.nodes.runtime import make_executor
from sensor_msgs.msg import JointState

NAMES = [f'joint{number}' for number in range(7)]
PERIOD = 0.004  # [s] between two messages of a writer
DEPTHS = (1, 2)
WARM = 4.0  # [s] in which memory is taken once
RELIABILITIES = (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT)
CASES = {'robot alone': 0, 'robot and another like it': 7,
         'robot and up to 20 000 numbers': 20_000}


def write(most: int, reliability: ReliabilityPolicy) -> None:
    """Send messages of 7 to `most` numbers, until we are ended."""
    node, rng = make_node(f'writer{os.getpid()}'), np.random.default_rng(0)
    publisher = node.create_publisher(JointState, 'joint_states',
                                      QoSProfile(depth=1, reliability=reliability))
    while True:
        values = np.zeros(int(rng.integers(7, most + 1)))
        publisher.publish(wire.joint_state(NAMES, 1, position=values, velocity=values,
                                           effort=values))
        time.sleep(PERIOD)


def read(depth: int, reliability: ReliabilityPolicy) -> None:
    """Take messages and forget them, until we are ended."""
    node, executor = make_node(f'reader{os.getpid()}'), make_executor()
    executor.add_node(node)
    node.create_subscription(JointState, 'joint_states', lambda message: None,
                             QoSProfile(depth=depth, reliability=reliability))
    while True:
        executor.spin_once(0.1)


def measure(most: int, reliability: ReliabilityPolicy, seconds: float) -> dict[str, Any]:
    """Let all run; returns the memory [MB] of each reader when it is warm, and at the end."""
    os.environ.update(without_shared_memory(graph_environment()))
    context = multiprocessing.get_context('spawn')
    jobs: list[Callable[[], None]] = [partial(read, depth, reliability) for depth in DEPTHS]
    jobs += [partial(write, size, reliability) for size in (7, most) if size]
    processes = [context.Process(target=job, daemon=True) for job in jobs]
    try:
        for process in processes:
            process.start()
        time.sleep(WARM)
        readers = [int(process.pid or 0) for process in processes[:len(DEPTHS)]]
        before = [resident(pid) for pid in readers]
        time.sleep(seconds)
        return {'before': before, 'after': [resident(pid) for pid in readers]}
    finally:
        for process in processes:
            process.kill()
            process.join()


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--seconds', type=float, default=20.0, help='(default %(default)s)')
    options = parser.parse_args()
    rows, lines, measured = Rows(options.results / 'history', options), [], []
    for case, most in CASES.items():
        for reliability in RELIABILITIES:
            name = f'{case}, {reliability.name.lower().replace("_", " ")}'
            if not rows.wants(name):
                continue
            found = rows.get(f'{name}, {options.seconds:g} s',
                             partial(measure, most, reliability, options.seconds))
            measured.append(found)
            lines += [[name, str(depth), f'{before:.1f}', f'{after:.1f}'] for depth, before, after
                      in zip(DEPTHS, found['before'], found['after'])]
    print_table(['writers', 'places', 'MB when warm', f'MB {options.seconds:g} s later'], lines,
                measured)


if __name__ == '__main__':
    main()
