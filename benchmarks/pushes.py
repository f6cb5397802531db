"""
How long weights need to their policies, against a bare service that takes the same bytes.

N policy nodes of `arm7` in processes of their own, and the learner's pusher here: a push is over
for a policy when its answer is there, that is when schema, sizes, digest and values have been
checked and the weights wait to be swapped in.  The bare services take the same request type with
the same 600 kB from the same client process and say yes.  Both take turns; the figures are over
all pushes to all policies, the ratio is the median of the ratios inside each round.

    python benchmarks/pushes.py [--rounds 9] [--policies 1 4 16]
"""

from __future__ import annotations

from collections.abc import Callable
import multiprocessing
import os
import statistics
import time
from typing import Any

from bare_node import make_node
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
import rclpy
from rclpy.signals import SignalHandlerOptions
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros import wire
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.nodes.pusher import Pusher
from rl_robot_ros.nodes.pusher import SERVICE
from rl_robot_ros.nodes.runtime import make_executor
from rl_robot_ros.nodes.runtime import RobotNode

PATIENCE = 180.0  # [s] for processes to be found, and for a push
BARE = '/bare'
TARGET = '<= 1.5'
PRELOADED = ['rl_robot_ros.nodes.policy', 'rclpy']


def serve_policy(number: int) -> None:
    """Be a policy that has no robot yet."""
    from rl_robot_ros.nodes.policy import main
    main(['policy', '--ros-args', '-r', f'__ns:=/policy{number}', '--log-level', 'warn',
          '-p', 'robot:=arm7', '-p', 'task:=reach'])


def serve_bare(number: int) -> None:
    """Say yes to everything."""
    def answer(_: Any, response: Any) -> Any:
        response.result.successful = True
        return response
    node = make_node('bare', f'/bare{number}')
    node.create_service(SetParametersAtomically, BARE[1:], answer)
    executor = make_executor()
    executor.add_node(node)
    while True:
        executor.spin_once(1.0)


class Client:
    """
    The process that pushes: the learner's pusher, and bare clients beside it.

    :param namespaces: of the policies.
    :param bare: number of bare services.
    :param alive: tells whether all others live.
    """

    def __init__(self, namespaces: list[str], bare: int, alive: Callable[[], bool]) -> None:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node, self._alive = RobotNode('pushes'), alive
        self._executor = make_executor()
        self._executor.add_node(self.node)
        arm = resolve('robot', 'arm7')
        task = resolve('task', 'reach')(arm)
        size, motors = sum(term.size for term in task.observation_terms), len(arm.actuated)
        self.network = f'squashed_gaussian {size}-250-250-{2 * motors} relu'
        self.schema = PolicyContract(self.network, arm.actuated, task.observation_terms).schema
        self.weights = initial_weights(self.network, np.random.default_rng(0))
        self.version = 0
        self.pusher = Pusher(self.node, [f'{name}{SERVICE}' for name in namespaces], False,
                             PATIENCE, b'', lambda version: None, lambda namespace: None)
        self._bare = [self.node.create_client(SetParametersAtomically, f'/bare{n}{BARE}')
                      for n in range(bare)]
        self.pusher.current = self._next()
        self._until(lambda: self._look() and all(
            link.acknowledged for link in self.pusher.links.values()) and all(
            client.service_is_ready() for client in self._bare))

    def _look(self) -> bool:
        self.pusher.discover()
        return True

    def _next(self) -> WeightSet:
        self.version += 1
        return WeightSet.make(1, self.version, self.schema, self.weights)

    def _until(self, condition: Callable[[], bool]) -> None:
        latest = time.monotonic() + PATIENCE
        while not condition():
            self._executor.spin_once(0.05)
            if time.monotonic() > latest or not self._alive():
                raise TimeoutError('a push was not answered, or somebody has died')

    def spin(self, until: float) -> None:
        """Take what comes until a time of the steady clock [s]."""
        while (left := until - time.monotonic()) > 0.0:
            self._executor.spin_once(left)

    def push(self) -> list[float]:
        """Push new weights; returns seconds until each policy has answered."""
        weights = self._next()
        start = time.monotonic()
        self.pusher.push(weights)
        self._until(lambda: all(link.acknowledged == weights.version
                                for link in self.pusher.links.values()))
        return [link.acknowledged_at - start for link in self.pusher.links.values()]

    def push_bare(self) -> list[float]:
        """Send the same bytes to the bare services."""
        weights, times = self._next(), []
        start = time.monotonic()
        request = wire.weights_request(weights)
        for client in self._bare:
            client.call_async(request).add_done_callback(
                lambda _: times.append(time.monotonic() - start))
        self._until(lambda: len(times) == len(self._bare))
        return times


def measure(policies: int, rounds: int, pushes: int) -> dict[str, Any]:
    """Let both take turns; returns seconds, per round."""
    os.environ.update(graph_environment())
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOADED)
    servers = [context.Process(target=serve, args=(number,), daemon=True)
               for serve in (serve_policy, serve_bare) for number in range(policies)]
    for server in servers:
        server.start()
    try:
        client = Client([f'/policy{n}' for n in range(policies)], policies,
                        lambda: all(each.is_alive() for each in servers))
        ways = {'ours': client.push, 'bare': client.push_bare}
        found: dict[str, list[list[float]]] = {name: [] for name in ways}
        for number in range(rounds + 1):
            for name in sorted(ways, reverse=bool(number % 2)):
                times = [each for _ in range(pushes) for each in ways[name]()]
                if number:  # the first round warms up
                    found[name].append(times)
        return {**found, 'parameters': NetworkSpec.parse(client.network).parameters}
    finally:
        for server in servers:
            server.kill()
            server.join()
        rclpy.try_shutdown()


def line_of(policies: int, found: dict[str, Any]) -> list[str]:
    """Return one line of the table."""
    cells, ratios = [str(policies)], []
    for name in ('bare', 'ours'):
        times = 1e3 * np.concatenate(found[name])
        cells += [f'{np.quantile(times, 0.5):.1f}', f'{np.quantile(times, 0.99):.1f}']
    for part in (0.5, 0.99):
        ratios.append(statistics.median(np.quantile(ours, part) / np.quantile(bare, part)
                                        for ours, bare in zip(found['ours'], found['bare'])))
    return [*cells, *(f'{ratio:.2f}' for ratio in ratios), TARGET]


def main() -> None:
    """Measure, print the table."""
    parser = make_parser(__doc__, rounds=9)
    parser.add_argument('--policies', type=int, nargs='+', default=(1, 4, 16))
    parser.add_argument('--pushes', type=int, default=20, help='in a round (default %(default)s)')
    options = parser.parse_args()
    rows = Rows(options.results / 'pushes', options)
    results = [rows.get(f'{policies}', lambda policies=policies: measure(
        policies, options.rounds, options.pushes)) for policies in options.policies]
    print_table(['policies', 'bare p50 ms', 'p99', 'push p50 ms', 'p99', 'ratio p50', 'ratio p99',
                 'target'], [line_of(*each) for each in zip(options.policies, results)], results)
    print(f'{results[0]["parameters"]} parameters')


if __name__ == '__main__':
    main()
