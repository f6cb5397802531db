"""
How fast a robot is stopped: time from each cause to its effect, as the robot sees it.

One set of real processes, `safety_filter` and `safety_watchdog`; robot and policy are played by
this process at the control rate of `arm7` (200 Hz).

============ =====================================================================================
part         from, and to
============ =====================================================================================
kill         SIGKILL of the filter, to the call that engages the simulator's brakes
stop         the call of `safety_filter/stop`, to the first output that is not what was asked for
policy       the last request of a policy that ceases, to the first braking output
state        the last joint state of a robot that ceases, to the first output of blind braking
============ =====================================================================================

    python benchmarks/reaction.py [--trials 200] [--parts kill stop policy state]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import random
import signal
import sys
import tempfile
import time

from machine import machine
import numpy as np
from rl_robot_ros.bringup import Graph
from rl_robot_ros.settings import Settings
from stand_in import StandIn
from stand_in import wait

NODES = ('safety_watchdog', 'safety_filter')
PATIENCE = 30.0  # [s] until a trial is given up
ENOUGH = 20  # outputs in a row, then the filter is there or does what the policy asks for
PARAMETERS = {'use_sim_time': True, 'sim.mode': 'paced', 'sync.enabled': False,
              'safety.start_hold': 0.0, 'safety.fade_in': 0.0}


class Bench:
    """The running processes and what a trial does with them."""

    def __init__(self, graph: Graph, robot: StandIn) -> None:
        self.graph, self.robot = graph, robot

    def ready(self, follow: bool) -> None:
        """
        Bring everything back to where a trial begins.

        :param follow: wait until the filter does what the policy asks for.  One that replaces a
            killed one does not before DDS has forgotten that, 20 s later, but it speaks at once.
        :raises TimeoutError: it cannot be done.
        """
        robot, heard = self.robot, self.robot.heard
        robot.states_on = robot.requests_on = True
        end = time.monotonic() + PATIENCE
        while robot.brakes or robot.watchdog != 'watches' or robot.heard < heard + ENOUGH \
                or (follow and robot.following < ENOUGH):
            if time.monotonic() > end:
                raise TimeoutError(f'{robot.heard - heard} outputs came, {robot.following} as the '
                                   f'policy wants; the watchdog says {robot.watchdog!r}, the '
                                   f'filter {self.graph.output("safety_filter")!r}')
            for process in self.graph.processes.values():
                process.deaths.clear()  # dying often is what it is here for
            self.graph.poll()
            if robot.brakes:
                robot.call('release')
            elif follow and robot.following == 0:
                robot.call('stop', data=False)
                robot.call('reset')
            time.sleep(0.05)
        time.sleep(random.uniform(0.05, 0.06))  # any moment of a control period

    def kill(self) -> tuple[float, float]:
        """Kill the filter."""
        child = self.graph.processes['safety_filter'].child
        assert child is not None
        start = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        braked = wait(lambda: self.robot.brakes, PATIENCE)
        return start, self.robot.braked if braked else 0.0

    def stop(self) -> tuple[float, float]:
        """Call the stop service."""
        start = time.monotonic()
        self.robot.call('stop', data=True)
        return start, self._braking()

    def policy(self) -> tuple[float, float]:
        """Let the policy cease."""
        self.robot.requests_on = False
        braking = self._braking()
        return self.robot.requested, braking

    def state(self) -> tuple[float, float]:
        """Let the robot cease."""
        self.robot.states_on = False
        braking = self._braking()
        return self.robot.stated, braking

    def _braking(self) -> float:
        wait(lambda: self.robot.braking, PATIENCE)
        return self.robot.braking


def measure(bench: Bench, trial: Callable[[], tuple[float, float]],
            trials: int) -> tuple[list[float], int]:
    """
    Return [ms] of each trial, and how many were void.

    A trial is void where the filter, on a machine that stalled, had braked before there was a
    cause.

    :raises TimeoutError: an effect did not come.
    """
    times: list[float] = []
    void = 0
    while len(times) < trials:
        bench.ready(trial != bench.kill)
        start, end = trial()
        if not end:
            raise TimeoutError(f'no effect within {PATIENCE} s')
        if end < start:
            void += 1
        else:
            times.append(1e3 * (end - start))
    return times, void


def tell(found: dict[str, tuple[list[float], int]], values: dict[str, object]) -> None:
    """Print machine, options and table."""
    load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
    print(f'\n{machine()}, load average {load}')
    print(', '.join(f'{name} {values[name]}' for name in (
        'watchdog.periods', 'watchdog.min_silence', 'safety.command_timeout',
        'safety.state_timeout')))
    print('\n| part | trials | void | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|')
    for part, (times, void) in found.items():
        p50, p99 = np.percentile(times, [50.0, 99.0], method='higher')
        print(f'| {part} | {len(times)} | {void} | {p50:.1f} | {p99:.1f} | {max(times):.1f} |')


def main() -> None:
    """Measure part after part, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ('kill', 'stop', 'policy', 'state')
    parser.add_argument('--trials', type=int, default=200, help='of each part')
    parser.add_argument('--parts', nargs='+', choices=parts, default=parts)
    options = parser.parse_args()
    found: dict[str, tuple[list[float], int]] = {}
    sys.setswitchinterval(5e-4)  # what comes is stamped at once, whatever else goes out
    with tempfile.TemporaryDirectory() as folder:
        values = Settings.resolve(PARAMETERS).values
        path = Path(folder) / 'config.yaml'
        path.write_text(Settings.resolve(PARAMETERS).yaml())
        with Graph(path, NODES, log=Path(folder), tell=lambda _: None) as graph:
            robot = StandIn(graph.environment)
            try:
                for part in options.parts:
                    bench = Bench(graph, robot)
                    found[part] = measure(bench, getattr(bench, part), options.trials)
                    print(f'{part}: done', flush=True)
            finally:
                robot.close()
    tell(found, values)


if __name__ == '__main__':
    main()
