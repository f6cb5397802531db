"""
How fast the lockstep ring turns, and where the time goes.

Side by side in one run: (1) a bare ring of processes that pass the same messages and compute
nothing, (2) what each node computes per control period, measured alone with its publishers
unplugged, (3) the real ring, (1) once more; then all of that beside a learner (for 1 and 2 a
process that makes the same updates and nothing else).  The figure is::

    real round time / (bare round time + computes)        target <= 1.25

    python benchmarks/ring.py [--rounds 5] [--seconds 4]
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from pathlib import Path
import statistics
import subprocess
import sys
import tempfile
import time

from beside import busy_learner
from machine import machine
import numpy as np
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.settings import Settings

PATIENCE = 120.0  # [s] for a ring to warm up
RING = ('mujoco_sim', 'safety_filter', 'policy')


def write_policy(path: Path) -> None:
    """Write an untrained policy that acts uniformly, with inference of the usual size."""
    env = RobotEnv.make('arm7', 'reach')
    network = f'squashed_gaussian {env.layout.observation_size}-128-128-14 relu'
    contract = PolicyContract(network, env.robot.actuated, env.task.observation_terms)
    weights = initial_weights(network, np.random.default_rng(0))
    save_policy(path, WeightSet.make(1, 1, contract.schema, weights, 'policy'))


def bare_rate(seconds: float) -> float:
    """Return rounds per second of the bare ring."""
    environment = {**graph_environment(), 'RING_SECONDS': str(seconds)}
    command = [sys.executable, str(Path(__file__).with_name('bare_ring.py'))]
    others = [subprocess.Popen([*command, role], env=environment) for role in ('filter', 'policy')]
    try:
        output = subprocess.run([*command, 'sim'], env=environment, capture_output=True, text=True,
                                timeout=seconds + 60.0, check=True).stdout
    finally:
        for process in others:
            process.kill()
            process.wait()
    return float(output.split()[-1])


def compute_times() -> dict[str, float]:
    """Return seconds per control period that each node computes, without any transport."""
    command = [sys.executable, str(Path(__file__).with_name('node_compute.py'))]
    output = subprocess.run(command, env=graph_environment(), capture_output=True, text=True,
                            timeout=120.0, check=True).stdout
    return {name: float(value) for name, value in (line.split() for line in output.splitlines())}


def real_rate(seconds: float, learner: bool) -> float:
    """Return control periods per second of the real ring, `sync: off`."""
    from rl_robot_ros.monitor import Monitor
    nodes = (*RING, 'learner') if learner else RING
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / 'policy.safetensors'
        write_policy(policy)
        settings = Settings.resolve({
            'use_sim_time': True, 'seed': 1, 'sync.enabled': False, 'learner.run': folder + '/run',
            'policy.checkpoint': '' if learner else str(policy)})
        parameters = Path(folder) / 'config.yaml'
        parameters.write_text(settings.yaml())
        with Graph(parameters, nodes, log=Path(folder)) as graph, \
                Monitor(graph.environment) as monitor:
            def steps() -> int:
                return int(monitor.values('mujoco_sim').get('steps', 0))

            deadline = time.monotonic() + PATIENCE + seconds
            warm = 6000 if learner else 1000
            first = last = 0
            start = end = time.monotonic()
            while end - start < seconds or not first:
                monitor.spin(0.5)  # returns with each message: few wake-ups, exact times
                if steps() != last:  # diagnostics come once a second: count between them
                    last, end = steps(), time.monotonic()
                    if last >= warm and not first:
                        first, start = last, end
                if time.monotonic() > deadline:
                    raise RuntimeError(f'the ring did not turn: {last} control periods, '
                                       f'{graph.output("policy", 5)}')
            return (last - first) / (end - start)


def tell(title: str, bare: list[float], computes: list[dict[str, float]],
         real: list[float]) -> None:
    """Print the table of one situation."""
    total = [1.0 / b + sum(c.values()) for b, c in zip(bare, computes)]
    ratio = statistics.median(1.0 / r / t for r, t in zip(real, total))
    print(f'\n| {title} | us per control period |\n|---|---|')
    print(f'| bare ring of the same messages | {1e6 / statistics.median(bare):.0f} |')
    for name in computes[0]:
        print(f'| {name} computes | {statistics.median(c[name] for c in computes) * 1e6:.0f} |')
    print(f'| sum of these | {statistics.median(total) * 1e6:.0f} |')
    print(f'| real ring ({statistics.median(real):.0f} control periods/s) | '
          f'{1e6 / statistics.median(real):.0f} = {ratio:.2f} x the sum |')


def main() -> None:
    """Measure in turn, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=5, help='times each contender is measured')
    parser.add_argument('--seconds', type=float, default=4.0, help='length of one measurement')
    options = parser.parse_args()
    situations = {'without a learner': nullcontext, 'beside a learner': busy_learner}
    found: dict[str, list[tuple[float, dict[str, float], float]]] = {t: [] for t in situations}
    for number in range(options.rounds):
        for title, beside in situations.items():
            with beside():
                before, computes = bare_rate(options.seconds), compute_times()
            real = real_rate(options.seconds, learner=beside is busy_learner)
            with beside():
                after = bare_rate(options.seconds)
            bare = 2.0 / (1.0 / before + 1.0 / after)  # the machine's speed drifts
            found[title].append((bare, computes, real))
            print(f'round {number + 1} {title}: bare {bare:.0f}/s, real {real:.0f}/s', flush=True)
    print(f'\n{machine()}; medians of {options.rounds}')
    for title, rounds in found.items():
        tell(title, *map(list, zip(*rounds)))


if __name__ == '__main__':
    main()
