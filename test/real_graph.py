"""Real processes over real DDS, for tests: start a graph, listen, call services."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
import os
from pathlib import Path
import time
from typing import Any

import numpy as np
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.demonstrate import rows_of
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.store import ROWS
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.runs import find_config
from rl_robot_ros.settings import Settings

PATIENCE = 90.0  # [s] on a busy machine; only a hang takes this long

SMALL_SAC = {
    'use_sim_time': True, 'robot': 'cartpole', 'task': 'balance', 'algorithm': 'sac',
    'algorithm.hidden': (16, 16), 'algorithm.batch': 32, 'algorithm.learning_starts': 128,
    'algorithm.compile': 'off', 'algorithm.capacity': 20_000, 'task.train_episode_steps': 200,
    'diagnostics_period': 0.2, 'sync.rows': 32, 'learner.push_period': 0.2,
    'learner.checkpoint_period': 2.0,
}


def wait_until(what: str, condition: Callable[[], Any], step: Callable[[], None],
               patience: float = PATIENCE) -> Any:
    """Call `step` until `condition` holds; fails with `what` after `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        step()
    raise AssertionError(f'waited {patience} s for: {what}')


def rows_on_disk(run: Path) -> np.ndarray:
    """Return the rows that the learner of a run has taken, in order."""
    layout = rows_of(Settings.resolve(find_config(run)))[1]
    return np.concatenate([record.rows for record in Reader(run / ROWS, layout).read()])


class Running:
    """A running graph and somebody who listens to it."""

    def __init__(self, graph: Graph, monitor: Monitor, folder: Path) -> None:
        self.graph, self.monitor, self.folder = graph, monitor, folder

    def value(self, node: str, name: str, default: Any = 0) -> Any:
        """Return a diagnostic value of a node."""
        return self.monitor.values(node).get(name, default)

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Listen until something holds; a dead node is started again meanwhile."""
        def step() -> None:
            self.monitor.spin(0.05)
            ended = self.graph.poll()
            bad = {name: status for name, status in ended.items() if status != 0}
            assert not bad, '\n'.join(f'{n}: {self.graph.output(n, 40)}' for n in bad)
        try:
            return wait_until(what, condition, step)
        except AssertionError as error:
            states = {name: (status.message, self.monitor.values(name))
                      for name, status in self.monitor.status.items()}
            raise AssertionError(f'{error}\n{states}') from None

    def call(self, kind: Any, name: str, **values: Any) -> Any:
        """Call a service and return its answer."""
        client = self.monitor._node.create_client(kind, name)
        self.until(f'{name} is there', client.service_is_ready)
        future = client.call_async(kind.Request(**values))
        self.until(f'{name} answers', future.done)
        return future.result()

    def pid(self, node: str) -> int:
        """Return the process id of a node."""
        child = self.graph.processes[node].child
        assert child is not None
        return child.pid

    def kill(self, node: str, number: int) -> None:
        """Send a signal to a node."""
        os.kill(self.pid(node), number)


@contextmanager
def running(folder: Path, parameters: dict[str, Any], nodes: tuple[str, ...] = (),
            rows: bool = False):
    """Run a graph in `folder`, with a domain of its own; `nodes` empty: those of its mode."""
    base = dict(SMALL_SAC)
    if parameters.get('algorithm', 'sac') != 'sac':
        base = {name: value for name, value in base.items() if not name.startswith('algorithm.')}
    settings = Settings.resolve({**base, 'learner.run': str(folder / 'run'),
                                 'sim.clock_file': str(folder / 'clock.json'), **parameters})
    path = folder / 'config.yaml'
    path.write_text(settings.yaml())
    nodes = nodes or graph_nodes(settings.values['sim.mode'], learner=True)
    with Graph(path, nodes, log=folder / 'log') as graph, \
            Monitor(graph.environment, rows=rows) as monitor:
        yield Running(graph, monitor, folder)
