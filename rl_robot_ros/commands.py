"""What ``rl-robot train``, ``play`` and ``evaluate`` do: start a graph, watch it, report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import signal
import tempfile
import time
from typing import Any

from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import NODES
from rl_robot_ros.learning.report import EpisodeCollector
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.learning.report import learning_curve
from rl_robot_ros.progress import ProgressView
from rl_robot_ros.runs import CONFIG
from rl_robot_ros.runs import create_run
from rl_robot_ros.runs import find_config
from rl_robot_ros.runs import find_policy
from rl_robot_ros.settings import read_parameters
from rl_robot_ros.settings import Settings
from rl_robot_ros.share import share_directory

EVALUATION_SEED = 20_240  # its goals and starts are none of any training seed's
WITHOUT_LEARNER = tuple(name for name in NODES if name != 'learner')
STALLED = 60.0  # [s] without a row in evaluation: something is broken


def base_parameters(path: Path | None, algorithm: str | None) -> dict[str, Any]:
    """Read the parameter file to begin with, and what its algorithm needs of the graph."""
    config = share_directory() / 'config'
    parameters = read_parameters(path or config / 'train.yaml')
    name = algorithm or parameters.get('algorithm', 'sac')
    special = config / 'algorithms' / f'{name}.yaml'
    if special.is_file():
        parameters |= read_parameters(special)
    return parameters


def training_parameters(options: argparse.Namespace, values: dict[str, str]) -> dict[str, Any]:
    """
    Put together what the command line of ``train`` asks for.

    :raises ValueError: a bad value.
    """
    if options.resume:
        parameters: dict[str, Any] = {**find_config(options.resume), 'learner.resume': True}
        parameters |= dict.fromkeys(('stop.success', 'stop.minutes', 'stop.steps'), 0)
    else:
        parameters = base_parameters(options.params_file, options.algorithm)
    for name in ('robot', 'task', 'algorithm', 'preset', 'seed'):
        if getattr(options, name) is not None:
            parameters[name] = getattr(options, name)
    if options.until:
        what, _, value = options.until.partition('=')
        if what != 'success':
            raise ValueError(f'--until {options.until}: expected success=0.95')
        parameters['stop.success'] = value
    for name in ('minutes', 'steps'):
        if getattr(options, name) is not None:
            parameters[f'stop.{name}'] = getattr(options, name)
    return {**parameters, **values}


def stop_text(values: dict[str, Any]) -> str:
    """Say in words when training will stop."""
    parts = []
    if values['stop.success']:
        parts.append(f'{values["stop.success"]:.0%} success')
    if values['stop.minutes']:
        parts.append(f'{values["stop.minutes"]:g} min')
    if values['stop.steps']:
        parts.append(f'{values["stop.steps"]} control periods')
    return ' or '.join(parts) or 'Ctrl-C'


@contextmanager
def ctrl_c() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying from them."""
    received: list[int] = []
    old = {number: signal.signal(number, lambda n, _: received.append(n))
           for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


def train(options: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    settings = Settings.resolve(training_parameters(options, parse_values(options.values)))
    if options.list:
        print(settings.yaml(), end='')
        return 0
    settings.check_fit()
    graph = settings.graph
    run = options.resume or create_run(options.runs, graph.robot, graph.task, graph.algorithm,
                                       options.name)
    settings = Settings.resolve({**settings.values, 'learner.run': str(run.resolve()),
                                 'sim.clock_file': str(run.resolve() / 'sim_clock.json')})
    (run / CONFIG).write_text(settings.yaml())
    print(f'{graph.robot} learns {graph.task} with {graph.algorithm} until '
          f'{stop_text(settings.values)}; everything goes to {run}')
    status = _train_in_process(settings) if options.in_process else _train_graph(settings, run)
    curve = learning_curve([run / 'metrics.csv'], run / 'learning_curve.png')
    if curve is not None:
        print(f'learning curve: {curve}')
    if status == 0 and options.episodes and (run / 'policy.safetensors').exists():
        status = evaluate_policy(settings.values, run / 'policy.safetensors', options.episodes,
                                 run / 'evaluation.json')
    print(f'watch it:    rl-robot play {run}\ngo on with:  rl-robot train --resume {run}')
    return status


def _train_in_process(settings: Settings) -> int:
    from rl_robot_ros.in_process import train_in_process
    with ctrl_c() as stop, ProgressView(stop_text(settings.values)) as view:
        train_in_process(settings, stop, view.update)
    return 0


def _train_graph(settings: Settings, run: Path) -> int:
    from rl_robot_ros.monitor import Monitor
    with ctrl_c() as stop, ProgressView(stop_text(settings.values)) as view, \
            Graph(run / CONFIG, log=run / 'log', tell=view.message) as graph, \
            Monitor(graph.environment) as monitor:
        view.message(f'ROS_DOMAIN_ID={graph.environment["ROS_DOMAIN_ID"]} '
                     'ROS_AUTOMATIC_DISCOVERY_RANGE='
                     f'{graph.environment["ROS_AUTOMATIC_DISCOVERY_RANGE"]}')
        while not stop:
            for _ in range(5):
                monitor.spin(0.1)
            view.update({**monitor.values('learner'), 'warnings': monitor.warnings()})
            ended = graph.poll()
            if ended:
                failed = {name: status for name, status in ended.items() if status != 0}
                for name in failed:
                    view.message(f'{name} ended:\n{graph.output(name)}')
                return 1 if failed else 0
        view.message('stopping: the learner saves a checkpoint')
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate a policy through the graph; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    if options.episodes < 1:
        raise ValueError(f'--episodes {options.episodes}: at least 1')
    policy = find_policy(options.source)
    parameters = {**find_config(options.source), **parse_values(options.values)}
    return evaluate_policy(Settings.resolve(parameters).values, policy, options.episodes,
                           options.output or policy.parent / 'evaluation.json')


def evaluate_policy(values: dict[str, Any], policy: Path, episodes: int, output: Path) -> int:
    """Run `episodes` through simulator, filter and policy, print and write the report."""
    from rl_robot_ros.monitor import Monitor
    settings = Settings.resolve({
        **values, 'mode': 'evaluate', 'policy.checkpoint': str(policy.resolve()),
        'sync.enabled': False, 'sim.mode': 'lockstep', 'seed': EVALUATION_SEED,
        'sim.clock_file': ''})
    collector: EpisodeCollector | None = None
    with tempfile.TemporaryDirectory() as folder, ctrl_c() as stop:
        parameters = Path(folder) / CONFIG
        parameters.write_text(settings.yaml())
        with Graph(parameters, WITHOUT_LEARNER, log=Path(folder)) as graph, \
                Monitor(graph.environment, rows=True) as monitor:
            last = time.monotonic()
            while not stop and (collector is None or len(collector.episodes) < episodes):
                monitor.spin(0.1)
                for rows in monitor.take_rows():
                    assert monitor.layout is not None
                    collector = collector or EpisodeCollector(
                        monitor.layout, settings_period(settings), evaluation_only=True)
                    collector.add(rows)
                    last = time.monotonic()
                if graph.poll() or time.monotonic() - last > STALLED:
                    print('evaluation stalled; the nodes said:')
                    for name in WITHOUT_LEARNER:
                        print(graph.output(name))
                    return 1
    if collector is None or not collector.episodes:
        return 1
    report = EvaluationReport.of(collector, episodes)
    report.to_json(output)
    print('\n'.join(report.lines()))
    print(f'report: {output}')
    return 0


def settings_period(settings: Settings) -> float:
    """Return the decision period [s] of the robot."""
    from rl_robot_ros.core.resolve import resolve
    return float(resolve('robot', settings.graph.robot).decision_period)


def play(options: argparse.Namespace) -> int:
    """Run a policy at the pace of life; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    policy = find_policy(options.source)
    seconds = options.seconds or (12.0 if options.video else 0.0)
    if options.video:
        from rl_robot_ros.sim.video import check_video
        check_video(options.video, seconds)
        options.video.unlink(missing_ok=True)
    parameters: dict[str, Any] = {
        **find_config(options.source), 'mode': 'evaluate',
        'policy.checkpoint': str(policy.resolve()), 'sync.enabled': False, 'sim.mode': 'paced',
        'sim.clock_file': '', 'sim.view': options.view,
        'sim.video': str(options.video.resolve()) if options.video else ''}
    if seconds:
        parameters['sim.video_seconds'] = seconds
    settings = Settings.resolve({**parameters, **parse_values(options.values)})
    with tempfile.TemporaryDirectory() as folder, ctrl_c() as stop:
        path = Path(folder) / CONFIG
        path.write_text(settings.yaml())
        with Graph(path, WITHOUT_LEARNER) as graph:
            from rl_robot_ros.monitor import Monitor
            with Monitor(graph.environment) as monitor:
                print('Ctrl-C stops; ROS_DOMAIN_ID=' + graph.environment['ROS_DOMAIN_ID'])
                played = False
                while not (stop or graph.poll() or (played and not options.video)
                           or (options.video and options.video.exists())):
                    monitor.spin(0.1)
                    if seconds and not played \
                            and monitor.values('mujoco_sim').get('sim_time_s', 0.0) > seconds:
                        played = True
                        if options.video:
                            print('writing the video')
    if options.video:
        print(f'video: {options.video}' if options.video.exists() else 'there is no video')
    return 0
