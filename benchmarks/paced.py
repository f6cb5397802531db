"""
How punctual the graph is at the pace of life: simulated robot, safety filter, policy and watchdog.

The real processes in paced mode, one rate after another, without a learner.  The figures are those
of `/diagnostics`, once a second over the newest 1024 control periods:

================ ================================================================================
figure           meaning
================ ================================================================================
jitter           of the control period: how far robot and policy are from its nominal value
observation age  from the publication of a state by the robot until the command for it is back
missed deadlines states whose command was not back before the next: the old effort acts again
unpunctual       control periods that the robot itself left out, because its process came too late
unanswered       states that the filter answered alone, because no request came in 0.4 periods
bare sleeper     how late a loop is that only sleeps, alone, before the graph starts; and the share
                 of its periods in which that was more than half a period: the machine's own part
================ ================================================================================

    python benchmarks/paced.py [--seconds 30] [--rates 100 250 500] [--awake] [--priority 50]
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
import statistics
import tempfile
import time
from typing import Any

from awake import awake
from awake import bare_lateness
from machine import machine
import numpy as np
from paced_robots import RATES
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.settings import Settings

PATIENCE = 60.0  # [s] for a graph to act
WARM = 150  # decisions
BARE = 10.0  # [s] the bare sleeper
COUNTS = {'mujoco_sim': ('steps', 'answers_missed', 'deadlines_missed'),
          'safety_filter': ('unanswered',)}
TITLES = ('| rate | control periods | bare sleeper p50 / p99 ms | jitter of the robot p50 / p99 '
          'ms | jitter of the policy p50 / p99 ms | observation age p50 / p99 ms | missed '
          'deadlines | unpunctual | unanswered |\n|---|---|---|---|---|---|---|---|---|')
TIMES = {'mujoco_sim': ('jitter_p50_ms', 'jitter_p99_ms', 'observation_age_p50_ms',
                        'observation_age_p99_ms'),
         'policy': ('jitter_p50_ms', 'jitter_p99_ms')}


def write_policy(path: Path, robot: Any) -> None:
    """Write an untrained policy with inference of the usual size."""
    task = resolve('task', 'reach')(robot)
    size, motors = sum(term.size for term in task.observation_terms), len(robot.actuated)
    network = f'squashed_gaussian {size}-128-128-{2 * motors} relu'
    contract = PolicyContract(network, robot.actuated, task.observation_terms)
    weights = initial_weights(network, np.random.default_rng(0))
    save_policy(path, WeightSet.make(1, 1, contract.schema, weights, 'policy'))


Report = dict[str, dict[str, Any]]  # of diagnostics, by node


def measure(rate: int, seconds: float, priority: int,
            folder: Path) -> tuple[dict[str, float], Report]:
    """
    Run one graph; returns what the table needs, and the last report of every node.

    :raises TimeoutError: it does not act.
    """
    name = f'paced_robots:ARM7_{rate}'
    write_policy(folder / 'policy.safetensors', resolve('robot', name))
    settings = Settings.resolve({
        'robot': name, 'task': 'reach', 'mode': 'evaluate', 'use_sim_time': True,
        'realtime_priority': priority, 'sim.mode': PACED, 'sync.enabled': False,
        'task.max_episode_steps': 10 * rate,
        'policy.checkpoint': str(folder / 'policy.safetensors')})
    (folder / 'config.yaml').write_text(settings.yaml())
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent),
                                         os.environ.get('PYTHONPATH')]))
    with Graph(folder / 'config.yaml', graph_nodes(PACED, learner=False), log=folder / 'log',
               environment={**os.environ, 'PYTHONPATH': path}) as graph, \
            Monitor(graph.environment) as monitor:
        end = time.monotonic() + PATIENCE
        while monitor.values('policy').get('decisions', 0) < WARM or any(
                name not in monitor.values(node)
                for figures in (TIMES, COUNTS) for node in figures for name in figures[node]):
            monitor.spin(0.5)
            if graph.poll() or time.monotonic() > end:
                raise TimeoutError(f'nobody acts: {monitor.warnings()}')
        first = {node: dict(monitor.values(node)) for node in COUNTS}
        times: dict[str, list[float]] = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            monitor.spin(0.5)  # returns with each message, four a second
            for node, names in TIMES.items():
                for figure in names:
                    times.setdefault(f'{node} {figure}', []).append(
                        float(monitor.values(node)[figure]))
        return (summarise(first, {node: monitor.values(node) for node in COUNTS}, times),
                {node: monitor.values(node) for node in sorted(monitor.status)})


def summarise(first: dict[str, dict[str, Any]], last: dict[str, dict[str, Any]],
              times: dict[str, list[float]]) -> dict[str, float]:
    """Return medians of the times, and shares of what was counted between `first` and `last`."""
    counted = {name: last[node][name] - first[node][name]
               for node, names in COUNTS.items() for name in names}
    periods = counted['steps'] + counted['deadlines_missed']
    return {**{name: statistics.median(values) for name, values in times.items()},
            'periods': periods, 'missed': counted['answers_missed'] / counted['steps'],
            'unpunctual': counted['deadlines_missed'] / periods,
            'unanswered': counted['unanswered'] / counted['steps']}


def row(rate: int, bare: np.ndarray, found: dict[str, float]) -> str:
    """Return one line of the table."""
    pairs = [f'{found[f"{what}_p50_ms"]:.2f} / {found[f"{what}_p99_ms"]:.2f}'
             for what in ('mujoco_sim jitter', 'policy jitter', 'mujoco_sim observation_age')]
    shares = [f'{100.0 * found[name]:.2f} %' for name in ('missed', 'unpunctual', 'unanswered')]
    half, tail = np.quantile(bare, (0.5, 0.99)) * 1e3
    alone = f'{half:.2f} / {tail:.2f} ({100.0 * np.mean(bare > 0.5 / rate):.2f} %)'
    return f'| {rate} Hz | {found["periods"]:.0f} | ' + ' | '.join([alone, *pairs, *shares]) + ' |'


def main() -> None:
    """Measure rate after rate, print the table."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=30.0, help='at each rate')
    parser.add_argument('--rates', type=int, nargs='+', default=RATES, metavar='HZ')
    parser.add_argument('--awake', action='store_true',
                        help='keep every core awake by a process that runs only where it is idle')
    parser.add_argument('--priority', type=int, default=0,
                        help='realtime_priority of the nodes; 0: none')
    parser.add_argument('--verbose', action='store_true', help='every time that a node reports')
    options = parser.parse_args()
    load = ', '.join(f'{value:.1f}' for value in os.getloadavg())
    print(TITLES)
    with awake(options.awake):
        for rate in options.rates:
            bare = bare_lateness(1.0 / rate, BARE)
            with tempfile.TemporaryDirectory() as folder:
                found, reports = measure(rate, options.seconds, options.priority,
                                         Path(folder))
            print(row(rate, bare, found), flush=True)
            for node, values in reports.items() if options.verbose else ():
                print(f'  {node}:', ', '.join(f'{name} {value}' for name, value in values.items()
                                              if isinstance(value, (int, float))))
    print(f'\n{machine()}, load average before {load}'
          f'{", cores kept awake" if options.awake else ""}'
          f'{f", realtime_priority {options.priority}" if options.priority else ""}')


if __name__ == '__main__':
    main()
