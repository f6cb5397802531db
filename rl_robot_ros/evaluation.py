"""What ``rl-robot evaluate`` does: run episodes without exploration, report and draw them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys
import tempfile
import time
from typing import Any

from rl_robot_ros.bringup import ctrl_c
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.interchange.opening import open_policy
from rl_robot_ros.interchange.opening import Opened
from rl_robot_ros.learning.aggregate import Aggregate
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.groups import group_runs
from rl_robot_ros.learning.groups import unique
from rl_robot_ros.learning.pictures import evaluation_picture
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.learning.report import FIGURES
from rl_robot_ros.robots.keeping import changes
from rl_robot_ros.runs import CONFIG
from rl_robot_ros.runs import find_config
from rl_robot_ros.runs import find_policy
from rl_robot_ros.runs import POLICY
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import Settings

EVALUATION = 'evaluation.json'
EVALUATION_SEED = 20_240  # its goals and starts are none of any training seed's
STALLED = 60.0  # [s] without a row in evaluation: something is broken


def evaluate(options: argparse.Namespace) -> int:
    """Evaluate one run or several; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    # A word is a run where it can be one; names of parameters have no slash.
    words = [word for word in options.runs if '=' in word and not Path(word).exists()]
    sources = unique(Path(word) for word in options.runs if word not in words)
    values = parse_values([*words, *options.values])
    if options.episodes < 1:
        raise ValueError(f'--episodes {options.episodes}: at least 1')
    if options.output and options.output.suffix == '.png':
        raise ValueError(f'--output {options.output}: name the JSON report, the picture goes '
                         'beside it')
    if not sources:
        raise ValueError('give a run directory or a policy file')
    with ctrl_c() as stop:
        if len(sources) == 1:
            policy, parameters = _prepare(sources[0], values)
            output = options.output or policy.parent / EVALUATION
            return int(evaluate_run(parameters, policy, options.episodes, output, stop,
                                    options.in_process) is None)
        return _evaluate_several(sources, values, options, stop)


def _prepare(source: Path, values: dict[str, str]) -> tuple[Path, dict[str, Any]]:
    """Return the policy of a run and all of its parameters; refuse one that does not fit."""
    policy = find_policy(source)
    if note := changes(policy.parent):
        print(f'note: {note}')
    settings = Settings.resolve({**find_config(source), **values})
    open_for(settings, policy)
    return policy, settings.values


def open_for(settings: Settings, policy: Path) -> Opened:
    """
    Open a policy on the robot and task of these settings.

    :raises ValueError: it does not fit; names every difference.
    """
    task = settings.make_task()
    return open_policy(policy, task.robot, task,
                       resolve_config(SafetyConfig, settings.values, 'safety.'))


def _evaluate_several(sources: Sequence[Path], values: dict[str, str],
                      options: argparse.Namespace, stop: list[int]) -> int:
    """Evaluate each run that can be, then all of them together."""
    reports: dict[str, EvaluationReport] = {}
    configs: dict[str, dict[str, Any]] = {}
    failed: dict[str, str] = {}
    for source in sources:
        name = str(source)
        if stop:
            failed[name] = 'not begun, a person stopped it'
            continue
        print(f'{name}:')
        try:
            policy, parameters = _prepare(source, values)
            beside = EVALUATION if policy.name == POLICY else f'{policy.stem}.{EVALUATION}'
            report = evaluate_run(parameters, policy, options.episodes, policy.with_name(beside),
                                  stop, options.in_process)
        except (OSError, ValueError) as error:
            report, failed[name] = None, str(error)
            print(f'rl-robot evaluate: {name}: {error}', file=sys.stderr)
        if report is not None:
            reports[name], configs[name] = report, parameters
        else:
            failed.setdefault(name, 'there was no whole episode')
    if not reports:
        raise ValueError('none of the runs could be evaluated')
    aggregate = Aggregate.of(reports, group_runs(configs))
    output = options.output or Path(EVALUATION)
    aggregate.to_json(output, failed)
    print('\n'.join(['', *aggregate.lines()]))
    rows = {name: {figure: report.figure(figure) for figure in FIGURES}
            for name, report in reports.items()}
    rows['IQM over runs'] = aggregate.iqm
    evaluation_picture(rows, output.with_suffix('.png'))
    print(f'report of all: {output}')
    return int(bool(failed))


def evaluate_run(values: dict[str, Any], policy: Path, episodes: int, output: Path,
                 stop: list[int], in_process: bool = False) -> EvaluationReport | None:
    """
    Evaluate one policy; print, write and draw the report.

    :param values: every parameter of the run.
    :param stop: becomes non-empty when a person wants to stop.
    :param in_process: without ROS.
    :return: None where there was no whole episode.
    """
    collect = _collect_in_process if in_process else _collect
    collector = collect(values, policy, episodes, stop)
    if collector is None or not collector.episodes:
        return None
    report = EvaluationReport.of(collector, episodes)
    report.to_json(output)
    rows = {policy.resolve().parent.name: {name: report.figure(name) for name in FIGURES}}
    picture = evaluation_picture(rows, output.with_suffix('.png'))
    print('\n'.join(report.lines()))
    print(f'report: {output}' + (f', picture: {picture}' if picture else ''))
    return report


def _collect(values: dict[str, Any], policy: Path, episodes: int,
             stop: list[int]) -> EpisodeCollector | None:
    """Run episodes through simulator, filter and policy; None where that does not work."""
    from rl_robot_ros.monitor import Monitor
    collector: EpisodeCollector | None = None
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.resolve({
            **values, 'mode': 'evaluate', 'policy.checkpoint': str(policy.resolve()),
            'sync.enabled': False, 'sim.mode': 'lockstep', 'seed': EVALUATION_SEED,
            'use_sim_time': True, 'sim.clock_file': str(Path(folder) / 'sim_clock.json')})
        parameters = Path(folder) / CONFIG
        parameters.write_text(settings.yaml())
        nodes = graph_nodes(settings.values['sim.mode'], learner=False)
        with Graph(parameters, nodes, log=Path(folder)) as graph, \
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
                    for name in nodes:
                        print(graph.output(name))
                    return None
    return collector


def _collect_in_process(values: dict[str, Any], policy: Path, episodes: int,
                        stop: list[int]) -> EpisodeCollector:
    """Do the same without ROS."""
    from rl_robot_ros.in_process import make_evaluation_env
    from rl_robot_ros.in_process import run_episodes
    settings = Settings.resolve(values)
    opened = open_for(settings, policy)
    env = make_evaluation_env(settings, opened.weights)
    return run_episodes(env, opened.weights, episodes, EVALUATION_SEED, stop, opened.make)


def settings_period(settings: Settings) -> float:
    """Return the decision period [s] of the robot."""
    from rl_robot_ros.core.resolve import resolve
    return float(resolve('robot', settings.graph.robot).decision_period)
