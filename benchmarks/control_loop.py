"""
What a learner thread costs a control loop in the same process: 500 Hz, from deadline to action.

One thread sleeps until each deadline and asks a policy for an action, as the policy node does on a
robot; a second one updates SAC, with the settings that the learner has.  Windows with and without
updates take turns, and so do windows in which another process makes these updates, as it is in the
graph: what they cost is the machine's, what a thread costs beyond is Python's lock.  A core that
fell asleep takes as long to wake up as everything else here together, on a virtual machine longer;
so by default every core is kept awake by a process that runs only where nobody else wants to
(SCHED_IDLE), in all arms.  `--asleep` measures without.

    python benchmarks/control_loop.py [--windows 10] [--seconds 4]
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

from awake import awake
from beside import busy_learner
from busy_learner import make_learner
from machine import machine
import numpy as np
from numpy.typing import NDArray
from results import print_table
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.policy import Policy

PERIOD = 0.002  # [s]
SWITCH_INTERVAL = 5e-4  # [s] as in the learner node
GOAL = 50.0  # [us]
ARMS = ('none', 'in a thread', 'in a process')


class Beside(threading.Thread):
    """Updates while `on` is set; `updates` counts them."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.on, self.ready = threading.Event(), threading.Event()
        self.updates = 0

    def run(self) -> None:
        """Update for ever."""
        prepare_torch()
        learner = make_learner()
        self.policy = Policy(learner.network_name, learner.actor_weights())
        for _ in range(20):
            learner.update()
        self.ready.set()
        while True:
            self.on.wait()
            learner.update()
            self.updates += 1


def window(policy: Policy, seconds: float) -> NDArray[np.float64]:
    """Control for a while; returns [s] from each deadline to its action."""
    rng = np.random.default_rng(0)
    observation = np.zeros(policy.spec.observation_size)
    late = np.empty(round(seconds / PERIOD))
    deadline = time.monotonic()
    for i in range(len(late)):
        deadline += PERIOD
        time.sleep(max(0.0, deadline - time.monotonic()))
        policy.act(observation, rng, 'policy')
        late[i] = time.monotonic() - deadline
        if late[i] > PERIOD:  # missed: begin anew, do not catch up
            deadline = time.monotonic()
    return late * 1e6


def main() -> None:
    """Measure in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--windows', type=int, default=10, help='of each arm')
    parser.add_argument('--seconds', type=float, default=4.0, help='length of a window')
    parser.add_argument('--asleep', action='store_true', help='let cores fall asleep')
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_INTERVAL)
    beside = Beside()
    beside.start()
    beside.ready.wait()
    found: dict[str, list[NDArray[np.float64]]] = {arm: [] for arm in ARMS}
    with awake(not options.asleep), busy_learner() as other:
        other.send_signal(signal.SIGSTOP)
        window(beside.policy, 1.0)
        for _ in range(options.windows):
            for name, windows in found.items():
                (beside.on.set if name == ARMS[1] else beside.on.clear)()
                other.send_signal(signal.SIGCONT if name == ARMS[2] else signal.SIGSTOP)
                time.sleep(0.1)  # an update that has begun is to be over
                windows.append(window(beside.policy, options.seconds))
    beside.on.clear()
    pooled = {name: np.concatenate(windows) for name, windows in found.items()}
    print_table(['learner', 'ticks', 'p50 [us]', 'p90', 'p99', 'p99.9', 'longest'],
                [[name, str(len(late)), *(f'{np.percentile(late, part):.0f}'
                                          for part in (50.0, 90.0, 99.0, 99.9, 100.0))]
                 for name, late in pooled.items()], [{'machine': machine()}])
    for name in ARMS[1:]:
        pairs = [float(np.percentile(a, 99.0) - np.percentile(b, 99.0))
                 for a, b in zip(found[name], found[ARMS[0]])]
        whole = np.percentile(pooled[name], 99.0) - np.percentile(pooled[ARMS[0]], 99.0)
        print(f'p99 with a learner {name} - without: {whole:.0f} us, windows in pairs '
              f'{min(pairs):.0f} to {max(pairs):.0f} us')
    print(f'goal <= {GOAL:.0f} us; '
          f'{beside.updates / (options.windows * options.seconds):.0f} updates/s in the thread')


if __name__ == '__main__':
    main()
