"""
What a control period costs while weights of 75 000 parameters are pushed, against without pushes.

The real processes at the pace of life (simulated `arm7`, watchdog, safety filter, policy), and the
learner's pusher and reader of rows here.  Windows with a push every `learner.push_period` and
windows without any take turns.  A control tick is as long as a state waits for its answer: for the
request of the policy, which takes the pushes, and for the command of the filter, which does not
wait for a policy that is late.  A state that is never answered waits until a later one is.  Ratios
are medians, over pairs of windows, of the ratios of their percentiles.

    OMP_NUM_THREADS=1 python benchmarks/ticks.py [--pairs 24] [--seconds 5] [--awake]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import statistics
import sys
import tempfile
import time
from typing import Any

from awake import awake
import numpy as np
from pushes import Client
import rclpy
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.bringup import without_shared_memory
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import Settings
from std_msgs.msg import Float64MultiArray
from ticking_sim import Ages
from ticking_sim import ANSWERS

PERIOD = LearnerConfig().push_period
WARM = 500  # control periods
PARTS = 50, 99  # percentiles
PATIENCE = 60.0  # [s] for the graph to act
TARGET = '<= 1.2'


@contextmanager
def running(folder: Path) -> Iterator[Graph]:
    """Run the graph, with a simulator that writes down how long its states wait."""
    settings = Settings.resolve({
        'robot': 'arm7', 'task': 'reach', 'mode': 'evaluate', 'use_sim_time': True,
        'sim.mode': PACED, 'sync.enabled': False, 'task.max_episode_steps': 1_000_000})
    parameters = folder / 'config.yaml'
    parameters.write_text(settings.yaml())
    graph = Graph(parameters, graph_nodes(PACED, learner=False), log=folder / 'log')
    simulator = Path(__file__).with_name('ticking_sim.py')
    graph.processes['mujoco_sim'].command = [
        sys.executable, str(simulator), str(folder), '--ros-args',
        '--params-file', str(parameters)]
    os.environ.update(without_shared_memory(graph.environment))  # as its learner would have
    with graph:
        yield graph


def window(client: Client, ages: dict[str, Ages], seconds: float,
           pushes: bool) -> dict[str, float]:
    """Watch the graph for a while; returns percentiles of its ticks [s]."""
    start = {name: len(each) for name, each in ages.items()}
    now, pushed = time.monotonic(), 0
    end = now + seconds
    while now < end:
        if pushes:
            client.push()
            pushed += 1
        now = min(end, now + PERIOD)
        client.spin(now)
    found = {name: each.since(start[name]) for name, each in ages.items()}
    return {'pushes': pushed, 'ticks': len(found['filter']),
            **{f'{name} p{part}': float(np.quantile(ticks, part / 100))
               for name, ticks in found.items() for part in PARTS}}


def measure(pairs: int, seconds: float) -> dict[str, Any]:
    """Let windows with and without pushes take turns; returns what they found, in order."""
    found: dict[str, Any] = {'with': [], 'without': []}
    with tempfile.TemporaryDirectory() as folder:
        ages = {name: Ages(Path(folder) / name, new=True) for name in ANSWERS}
        with running(Path(folder)) as graph:
            client = Client([''], 0, lambda: not graph.poll())
            client.node.create_subscription(Float64MultiArray, 'experience', lambda _: None,
                                            EXPERIENCE_QOS, raw=True)
            latest = time.monotonic() + PATIENCE
            while len(ages['policy']) < WARM:
                client.spin(time.monotonic() + 0.2)
                if time.monotonic() > latest:
                    raise TimeoutError(f'nobody acts: {graph.output("policy")}')
            for pair in range(pairs + 1):
                for name in sorted(found, reverse=bool(pair % 2)):
                    figures = window(client, ages, seconds, name == 'with')
                    if pair:  # the first pair warms up
                        found[name].append(figures)
            rclpy.try_shutdown()
    found['parameters'] = NetworkSpec.parse(client.network).parameters
    return found


def lines_of(found: dict[str, Any]) -> list[list[str]]:
    """Return the lines of the table."""
    lines = []
    for answer in ANSWERS:
        for name in ('without', 'with'):
            windows, names = found[name], [f'{answer} p{part}' for part in PARTS]
            ratios = [statistics.median(each[part] / other[part] for each, other in
                                        zip(windows, found['without'])) for part in names]
            lines.append([
                answer, name, f'{len(windows)}',
                *(f'{sum(each[what] for each in windows)}' for what in ('pushes', 'ticks')),
                *(f'{1e3 * statistics.median(each[part] for each in windows):.2f}'
                  for part in names),
                *(f'{ratio:.2f}' for ratio in ratios), TARGET if name == 'with' else ''])
    return lines


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--pairs', type=int, default=24, help='of windows (default %(default)s)')
    parser.add_argument('--seconds', type=float, default=5.0, help='length of a window '
                        '(default %(default)s)')
    parser.add_argument('--awake', action='store_true',
                        help='keep every core awake by a process that runs only where it is idle')
    options = parser.parse_args()
    rows = Rows(options.results / 'ticks', options)
    with awake(options.awake):
        found = rows.get('awake' if options.awake else 'paced',
                         lambda: measure(options.pairs, options.seconds))
    print_table(['answer of the', 'pushes', 'windows', 'pushed', 'ticks', 'p50 ms', 'p99 ms',
                 'ratio p50', 'ratio p99', 'target'], lines_of(found), [found])
    print(f'{found["parameters"]} parameters')


if __name__ == '__main__':
    main()
