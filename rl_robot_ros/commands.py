"""What ``rl-robot train`` and ``play`` do: start a graph, watch it, report."""

from __future__ import annotations

import argparse
from pathlib import Path
import tempfile
from typing import Any

from rl_robot_ros.bringup import ctrl_c
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.resolve import is_file
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.evaluation import evaluate_run
from rl_robot_ros.evaluation import EVALUATION
from rl_robot_ros.evaluation import open_for
from rl_robot_ros.learning.pictures import learning_curve
from rl_robot_ros.progress import ProgressView
from rl_robot_ros.robots.keeping import changes
from rl_robot_ros.robots.keeping import keep_robot
from rl_robot_ros.runs import CONFIG
from rl_robot_ros.runs import create_run
from rl_robot_ros.runs import find_config
from rl_robot_ros.runs import find_policy
from rl_robot_ros.runs import POLICY
from rl_robot_ros.settings import read_parameters
from rl_robot_ros.settings import Settings
from rl_robot_ros.share import share_directory
from rl_robot_ros.sim.video import check_video
from rl_robot_ros.sim.video import CLOSE_TIMEOUT


def base_parameters(path: Path | None, algorithm: str | None) -> dict[str, Any]:
    """Read config/train.yaml, what the algorithm needs of the graph, and the user's own file."""
    config = share_directory() / 'config'
    given = {} if path is None else read_parameters(path)
    name = algorithm or given.get('algorithm', 'sac')
    special = config / 'algorithms' / f'{name}.yaml'
    return {**read_parameters(config / 'train.yaml'),
            **(read_parameters(special) if special.is_file() else {}), **given}


def training_parameters(options: argparse.Namespace, values: dict[str, str]) -> dict[str, Any]:
    """
    Put together what the command line of ``train`` asks for.

    :raises ValueError: a bad value.
    """
    if options.resume:
        parameters: dict[str, Any] = {**find_config(options.resume), 'learner.resume': True}
        if not list(options.resume.glob('checkpoints/*.pt')):
            raise ValueError(f'{options.resume} has no checkpoint to go on from: start a new run')
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
    return {**parameters, **values, 'use_sim_time': True}


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


def _demonstrations(settings: Settings) -> dict[str, str]:
    """
    Try demonstrations before anything starts.

    :returns: where they are, for a ``--resume`` from any folder.
    :raises OSError: there is no such file.
    :raises ValueError: the algorithm can't learn from it, or from nothing.
    """
    name = 'algorithm.demonstrations'
    path, algorithm = settings.values.get(name), resolve('algorithm', settings.graph.algorithm)
    if not path and not algorithm.needs_demonstrations:
        return {}
    from rl_robot_ros.demonstrate import rows_of
    algorithm(*rows_of(settings), settings.algorithm, 0)
    return {name: str(Path(path).resolve())} if path else {}


def _check_resumed(run: Path, settings: Settings) -> None:
    """
    Say what became of the robot's files; refuse another robot than the policy was trained for.

    :raises ValueError: names every difference, by joint.
    """
    if note := changes(run):
        print(f'note: {note}')
    if is_file('robot', settings.graph.robot) and (run / POLICY).is_file():
        open_for(settings, run / POLICY)


def train(options: argparse.Namespace) -> int:
    """Train; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    settings = Settings.resolve(training_parameters(options, parse_values(options.values)))
    if options.list:
        print(settings.yaml(), end='')
        return 0
    settings.check_fit()
    graph = settings.graph
    shown = _demonstrations(settings)
    if options.resume:
        _check_resumed(options.resume, settings)
    run = options.resume or create_run(options.runs, graph.robot, graph.task, graph.algorithm,
                                       options.name)
    settings = Settings.resolve({**settings.values, 'learner.run': str(run.resolve()),
                                 'robot': keep_robot(run, graph.robot),
                                 'sim.clock_file': str(run.resolve() / 'sim_clock.json'),
                                 'policy.tally_file': str(run.resolve() / 'policy.tally'),
                                 'filter.certificate_file':
                                     str(run.resolve() / 'certificate.json'), **shown})
    (run / CONFIG).write_text(settings.yaml())
    print(f'{graph.robot} learns {graph.task} with {graph.algorithm} until '
          f'{stop_text(settings.values)}; everything goes to {run}')
    if options.in_process:
        status, interrupted = _train_in_process(settings)
    else:
        status, interrupted = _train_graph(settings, run)
    if list(run.glob('checkpoints/*.pt')):
        print(f'watch it:    rl-robot play {run}\ngo on with:  rl-robot train --resume {run}')
    curve = learning_curve([run / 'metrics.csv'], run / 'learning_curve.png')
    if curve is not None:
        print(f'learning curve: {curve}')
    if status == 0 and not interrupted and options.episodes and (run / POLICY).exists():
        print(f'evaluating {options.episodes} episodes (Ctrl-C skips)')
        with ctrl_c() as stop:
            status = int(evaluate_run(settings.values, run / POLICY, options.episodes,
                                      run / EVALUATION, stop, options.in_process) is None)
    return status


def _train_in_process(settings: Settings) -> tuple[int, bool]:
    """Return exit status, and whether a person stopped it."""
    from rl_robot_ros.in_process import train_in_process
    with ctrl_c() as stop, ProgressView(stop_text(settings.values)) as view:
        failure = train_in_process(settings, stop, view.update)
        if failure:
            view.message(failure)
    return int(bool(failure)), bool(stop)


def _train_graph(settings: Settings, run: Path) -> tuple[int, bool]:
    """Return exit status, and whether a person stopped it."""
    from rl_robot_ros.monitor import Monitor
    with ctrl_c() as stop, ProgressView(stop_text(settings.values)) as view, \
            Graph(run / CONFIG, graph_nodes(settings.values['sim.mode'], learner=True),
                  log=run / 'log', tell=view.message) as graph, \
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
                return int(bool(failed)), False
        view.message('stopping: the learner saves a checkpoint')
    return 0, True


def play(options: argparse.Namespace) -> int:
    """Run a policy at the pace of life; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    policy = find_policy(options.source)
    if note := changes(policy.parent):
        print(f'note: {note}')
    seconds = options.seconds or (12.0 if options.video else 0.0)
    if options.video:
        check_video(options.video, seconds)
        options.video.unlink(missing_ok=True)
    parameters: dict[str, Any] = {
        **find_config(options.source), 'mode': 'evaluate',
        'policy.checkpoint': str(policy.resolve()), 'sync.enabled': False, 'sim.mode': 'paced',
        'use_sim_time': True, 'sim.view': options.view,
        'sim.video': str(options.video.resolve()) if options.video else ''}
    if seconds:
        parameters['sim.video_seconds'] = seconds
    status = 0
    with tempfile.TemporaryDirectory() as folder, ctrl_c() as stop:
        parameters['sim.clock_file'] = str(Path(folder) / 'sim_clock.json')
        settings = Settings.resolve({**parameters, **parse_values(options.values)})
        open_for(settings, policy)  # refuses what does not fit, before anything starts
        path = Path(folder) / CONFIG
        path.write_text(settings.yaml())
        with Graph(path, graph_nodes(settings.values['sim.mode'], learner=False)) as graph:
            from rl_robot_ros.monitor import Monitor
            with Monitor(graph.environment) as monitor:
                print('Ctrl-C stops; ROS_DOMAIN_ID=' + graph.environment['ROS_DOMAIN_ID'])
                while not stop:
                    monitor.spin(0.1)
                    ended = graph.poll()
                    status = int(any(ended.values()))
                    if ended or seconds and monitor.values('mujoco_sim').get(
                            'sim_time_s', 0.0) > seconds:
                        break
            if options.video:
                print('writing the video')
                graph.stop(CLOSE_TIMEOUT)
    if options.video and not options.video.exists():
        print(f'there is no video at {options.video}, see what mujoco_sim said')
        return 1
    return status
