"""
Whether memory stays flat: simulated robots at the pace of life and their learner, for an hour.

The real processes: for each robot simulator, watchdog, safety filter and policy, and one learner
that learns from all of them.  Every five seconds the resident memory of each process is read; a
line through what comes after the warm-up gives its growth.  Buffers are small enough to be full
by then (replay 20 000 rows, 2000 rows kept by each policy).

================ ================================================================================
figure           meaning
================ ================================================================================
growth           of resident memory, slope of the line [MB/h]; target: at most 5
missed deadlines states whose command was not back before the next: the old effort acts again
unpunctual       control periods that a simulated robot left out, because its process was late
trips            stops by a watchdog, each followed by a reset
gaps, lost       rows that did not come yet, rows that nobody has any more
================ ================================================================================

    python benchmarks/soak.py [--minutes 60] [--robots 4] [--rate 200]
                              [--robot arm7] [--priority 50]
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from contextlib import ExitStack
import os
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from machine import resident
import numpy as np
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.settings import Settings
from std_srvs.srv import Trigger

START = 300.0  # [s] until all policies act
STANDSTILL = 120.0  # [s] without a row
PERIOD = 5.0  # [s] between two looks
COUNTS = {'mujoco_sim': ('steps', 'answers_missed', 'deadlines_missed'),
          'safety_watchdog': ('trips',), 'policy': ('rows', 'rows_incomplete', 'rows_resent')}
LEARNER = ('rows', 'updates', 'gaps', 'lost', 'duplicates', 'dropped')


class Fleet(Monitor):
    """Tell nodes apart by their full names, and let robots go on that a watchdog has stopped."""

    def __init__(self, environment: Mapping[str, str], robots: list[str]) -> None:
        super().__init__(environment)
        watchdogs = [f'/{robot}/safety_watchdog' for robot in robots]
        self._resets = {name: self._node.create_client(Trigger, f'{name}/reset')
                        for name in watchdogs}

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status[status.name] = status
            client = self._resets.get(status.name)
            if client is not None and self.values(status.name).get('reason'):
                # What a person does behind a stop; again each time it is told, until it is heard.
                client.remove_pending_request(client.call_async(Trigger.Request()))


def settings_of(folder: Path, robot: str, options: Namespace) -> Path:
    """Write the parameters of one robot, or of the learner; returns the file."""
    settings = Settings.resolve({
        'robot': f'paced_robots:{options.robot.upper()}_{options.rate}', 'task': 'reach',
        'algorithm': 'sac', 'use_sim_time': True, 'realtime_priority': options.priority,
        'sim.mode': PACED, 'sync.enabled': False,
        'algorithm.hidden': (64, 64), 'algorithm.batch': 64, 'algorithm.utd': 0.1,
        'algorithm.capacity': 20_000, 'algorithm.hindsight': 'off', 'algorithm.compile': 'off',
        'experience.keep_rows': 2000, 'learner.run': str(folder / 'run'),
        'learner.push_period': 1.0, 'sim.clock_file': str(folder / f'{robot}.clock'),
        'policy.tally_file': str(folder / f'{robot}.tally')})
    path = folder / f'{robot}.yaml'
    path.write_text(settings.yaml())
    return path


def look(graphs: Mapping[str, Graph]) -> dict[str, float]:
    """Return the memory of every process that lives."""
    found = {}
    for robot, graph in graphs.items():
        graph.poll()
        for name, process in graph.processes.items():
            if process.child is not None and process.child.poll() is None:
                found[f'{robot}/{name}'.strip('/')] = resident(process.child.pid)
    return found


def counts(monitor: Monitor, robots: list[str]) -> dict[str, int]:
    """Return the sums of what the robots count, and what the learner counts."""
    sums = {name: sum(monitor.values(f'/{robot}/{node}').get(name, 0) for robot in robots)
            for node, names in COUNTS.items() for name in names}
    return {**sums, **{f'learner {name}': monitor.values('/learner').get(name, 0)
                       for name in LEARNER}}


def start(stack: ExitStack, folder: Path, robots: list[str],
          options: Namespace) -> dict[str, Graph]:
    """Start everything in one domain; every robot has a time of its own."""
    here = os.pathsep.join(filter(None, [str(Path(__file__).parent),
                                         os.environ.get('PYTHONPATH')]))
    environment = graph_environment({**os.environ, 'PYTHONPATH': here})
    graphs = {}
    for robot in ('', *robots):
        nodes = graph_nodes(PACED, learner=False) if robot else ('learner',)
        graph = Graph(settings_of(folder, robot, options), nodes, folder / 'log' / robot, robot,
                      environment)
        for process in graph.processes.values():
            process.command += ['-r', f'/clock:=/{robot}/clock'] if robot else []
        graphs[robot] = stack.enter_context(graph)
    return graphs


def rows_of(monitor: Monitor, robots: list[str]) -> dict[str, int]:
    """Return how many rows each policy has made."""
    return {name: monitor.values(f'/{name}/policy').get('rows', 0) for name in robots}


def wait_for(monitor: Monitor, rows: Mapping[str, int], patience: float) -> None:
    """
    Wait until each policy has made so many rows.

    :raises TimeoutError: one has not.
    """
    latest = time.monotonic() + patience
    while any(made < rows[name] for name, made in rows_of(monitor, list(rows)).items()):
        if time.monotonic() > latest:
            raise TimeoutError(f'a robot does not move: {monitor.warnings()}')
        monitor.spin(0.5)


def measure(options: Namespace) -> dict[str, Any]:
    """
    Run, and return memory over time and what was counted behind the warm-up.

    :raises TimeoutError: a policy does not begin to act.
    """
    names, ended = [f'robot{number}' for number in range(1, options.robots + 1)], ''
    times: list[float] = []
    memory: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        graphs = start(stack, Path(folder), names, options)
        monitor = stack.enter_context(Fleet(graphs[''].environment, names))
        wait_for(monitor, dict.fromkeys(names, 50), START)
        began, first, made = time.monotonic(), counts(monitor, names), rows_of(monitor, names)
        while (now := time.monotonic() - began) < 60.0 * options.minutes:
            if now < 60.0 * options.warm:
                first = counts(monitor, names)
            for name, size in look(graphs).items():
                memory.setdefault(name, []).append(size)
            times.append(now)
            latest = began + now + PERIOD
            while (left := latest - time.monotonic()) > 0.0:
                monitor.spin(left)
            try:
                wait_for(monitor, {name: count + 1 for name, count in made.items()}, STANDSTILL)
            except TimeoutError as error:
                ended = str(error)
                break
            made = rows_of(monitor, names)
        last = counts(monitor, names)
        deaths = sum(len(process.deaths) for graph in graphs.values()
                     for process in graph.processes.values())
    return {'times': times, 'memory': memory, 'deaths': deaths, 'ended': ended,
            'load': os.getloadavg()[2],
            'counts': {name: last[name] - first[name] for name in last}}


def growth(times: list[float], sizes: list[float], warm: float) -> float:
    """Return the slope of a line behind the warm-up [s], in MB/h."""
    behind = np.array(times) >= warm
    return float(np.polyfit(np.array(times)[behind] / 3600.0, np.array(sizes)[behind], 1)[0])


def lines_of(found: dict[str, Any], warm: float) -> list[list[str]]:
    """Return one line for each process."""
    lines = []
    for name, sizes in sorted(found['memory'].items()):
        slope = growth(found['times'], sizes, 60.0 * warm) \
            if len(sizes) == len(found['times']) else float('nan')  # was not there all the time
        lines.append([name, f'{sizes[0]:.1f}', f'{sizes[-1]:.1f}', f'{slope:+.2f}', '<= 5'])
    return lines


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--minutes', type=float, default=60.0, help='(default %(default)s)')
    parser.add_argument('--warm', type=float, default=5.0, metavar='MINUTES',
                        help='of these at the start (default %(default)s)')
    parser.add_argument('--robots', type=int, default=4, help='(default %(default)s)')
    parser.add_argument('--robot', default='arm7', help='(default %(default)s)')
    parser.add_argument('--rate', type=int, default=200, metavar='HZ',
                        help='of the control loops (default %(default)s)')
    parser.add_argument('--priority', type=int, default=0,
                        help='realtime_priority of the nodes; 0: none')
    options = parser.parse_args()
    if not 0.0 <= options.warm < 0.9 * options.minutes:
        parser.error(f'--warm {options.warm:g} leaves too little of --minutes '
                     f'{options.minutes:g}')
    rows = Rows(options.results / 'soak', options)
    name = '-'.join(str(getattr(options, each)) for each in (
        'robots', 'robot', 'rate', 'priority', 'minutes'))
    found = rows.get(name, lambda: measure(options))
    print_table(['process', 'MB at the start', 'MB at the end', 'growth MB/h', 'target'],
                lines_of(found, options.warm), [found])
    counted = found['counts']
    periods = counted['steps'] + counted['deadlines_missed']
    print(f'{counted["steps"]} control periods, missed deadlines '
          f'{100.0 * counted["answers_missed"] / counted["steps"]:.2f} %, unpunctual '
          f'{100.0 * counted["deadlines_missed"] / periods:.2f} %; {counted["rows"]} rows made, '
          f'{counted["rows_incomplete"]} incomplete, {counted["rows_resent"]} sent again, '
          f'{counted["learner rows"]} learned from, '
          f'{counted["learner gaps"]} gaps, {counted["learner lost"]} lost, '
          f'{counted["learner dropped"]} dropped, {counted["learner updates"]} updates; '
          f'{counted["trips"]} trips of the watchdogs, {found["deaths"]} deaths; '
          f'{found["times"][-1] / 60.0:.0f} minutes, load average {found["load"]:.1f}')
    if found['ended']:
        sys.exit(f'it ended too early: {found["ended"]}')


if __name__ == '__main__':
    main()
