"""
Every parameter of every node, in one place, without ROS.

Parameters are flat dotted names.  A parameter file gives them for all nodes below ``/**``; the
command line (``rl-robot train task.bonus=2``), launch files and ``ros2 param`` use the same names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
import math
from pathlib import Path
from typing import Any

from rl_robot_ros.core.config import option
from rl_robot_ros.core.config import parse
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.dialogue import ActorConfig
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.effort_sets import CONTINUOUS
from rl_robot_ros.core.effort_sets import effort_set
from rl_robot_ros.core.effort_sets import EFFORT_SETS
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.gate import GateConfig
from rl_robot_ros.core.homing import HomingConfig
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.watchdog_config import WatchdogConfig
import yaml


@dataclass(frozen=True)
class GraphConfig:
    """Which robot does what; the same for every node of a graph."""

    robot: str = option('arm7', 'name of a datasheet, my_package.my_module:ROBOT, or the path of '
                        'a YAML datasheet')
    task: str = option('reach', 'name of a task, or my_package.my_module:TASK')
    algorithm: str = option('sac', 'name of an algorithm, or my_package.my_module:ALGORITHM')
    preset: str = option('', 'names of presets of task and algorithm, separated by commas')
    actions: str = option(CONTINUOUS, 'numbers per motor, or an effort set: see '
                          'core.effort_sets', choices=EFFORT_SETS)
    seed: int = option(-1, 'seed of everything random; -1 draws one', low=-1)

    @property
    def presets(self) -> tuple[str, ...]:
        """Return the names in `preset`."""
        return tuple(name.strip() for name in self.preset.split(',') if name.strip())


@dataclass(frozen=True)
class SimConfig:
    """How simulated time runs."""

    mode: str = option(LOCKSTEP, 'lockstep waits for every answer; paced never waits',
                       choices=(LOCKSTEP, PACED))
    real_time_factor: float = option(1.0, 'speed of paced mode; deadlines are divided by it',
                                     low=0.01, high=100.0)
    answer_timeout: float = option(5.0, 'report who is missing after this long', unit='s',
                                   low=0.1, high=3600.0)
    delay: float = option(0.0, 'delay before a command acts, paced mode', unit='s', low=0.0,
                          high=1.0)
    delay_jitter: float = option(0.0, 'standard deviation of that delay', unit='s', low=0.0,
                                 high=1.0)
    clock_file: str = option('', 'keeps simulated time rising over restarts; empty: do not')
    view: bool = option(False, "show MuJoCo's viewer")
    video: str = option('', 'GIF or MP4 file to write when the node ends; empty: none')
    video_seconds: float = option(12.0, 'length of the video in simulated time', unit='s', low=0.1,
                                  high=600.0)


@dataclass(frozen=True)
class PolicyConfig:
    """What the policy holds and how long it trusts it."""

    checkpoint: str = option('', 'policy file to start with; empty: wait for a learner')
    learner_timeout: float = option(10.0, 'a second learner is refused this long after the first '
                                    'pushed', unit='s', low=0.1, high=3600.0)
    weights_timeout: float = option(30.0, 'weights older than this are stale', unit='s', low=0.1,
                                    high=1e6)
    on_stale_weights: str = option('warn', 'what to do with stale weights: warn, or stop asking '
                                   'for effort so that the filter holds', choices=('warn', 'hold'))
    key_file: str = option('', 'file with a key shared with the learner; empty: no signatures')
    tally_file: str = option('', 'keeps how many rows were made and which version was held, for '
                             'the process after this one; empty: do not')


@dataclass(frozen=True)
class ExperienceConfig:
    """How rows are sent."""

    batch_rows: int = option(16, 'rows in one message', unit='rows', low=1, high=1000)
    batch_period: float = option(0.2, 'send a smaller message after this long', unit='s', low=0.01,
                                 high=10.0)
    keep_rows: int = option(10_000, 'newest rows kept for policy/resend', unit='rows', low=0,
                            high=1_000_000)


@dataclass(frozen=True)
class FilterConfig:
    """Where limits come from, and what the filter node watches beside the joints."""

    joint_limits_file: str = option('', 'YAML with joint_limits in ros2_control keys; it can only '
                                    'tighten the limits of the datasheet')
    certificate_file: str = option('', 'JSON file in which the certificate of the limits is kept; '
                                   'empty: none')
    require_description: bool = option(False, 'wait for robot_description before anything is sent '
                                       'to the motors')
    joint_state_parts: int = option(1, 'messages in which the robot publishes one joint state, '
                                    'for instance by two drivers', unit='messages', low=1,
                                    high=64)
    start_stopped: bool = option(False, 'stop, latched, with the first joint state: a person lets '
                                 'the robot go, also after a crash of the filter')
    allow_multiple_publishers: bool = option(False, 'follow effort_request although several nodes '
                                             'publish it, outside lockstep')
    enable_timeout: float = option(0.0, 'stop, latched, when safety_filter/enable (std_msgs/Bool) '
                                   'was not true for this long; 0: nobody has to say so',
                                   unit='s', low=0.0, high=10.0)
    overrun: float = option(1.0, 'an answer that comes later than this after its state is late',
                            unit='control periods', low=0.1, high=1000.0)
    max_overruns: int = option(20, 'brake at this many late answers in a row, outside lockstep',
                               low=1, high=100_000)
    measured_effort: str = option(
        'off', 'what effort in joint_states is, to compare it with what was commanded: command '
        '(like the command), total (with a gravity compensation that the command does not hold), '
        'or off', choices=('off', 'command', 'total'))
    effort_tolerance: float = option(
        0.2, 'fault when measured and commanded effort differ by this part of the effort limit; a '
        'robot that stands may not start then', low=0.01, high=10.0)
    effort_window: int = option(40, 'memory of that comparison', unit='control periods', low=1,
                                high=10_000)


@dataclass(frozen=True)
class StartConfig:
    """How `start_robot` lets a real robot go."""

    activate: bool = option(True, 'activate the effort controller; false: a person has done it')
    timeout: float = option(60.0, 'give up when something is still wrong after this long',
                            unit='s', low=1.0, high=3600.0)


@dataclass(frozen=True)
class LearnerConfig:
    """How the learner keeps its run and serves its policies."""

    run: str = option('', 'directory of the run: checkpoints, metrics, TensorBoard; empty: a '
                      'new one below ./runs')
    resume: bool = option(False, 'go on from the newest intact checkpoint of the run')
    policies: str = option('', 'set_weights services to serve, separated by commas; empty: every '
                           'service named */policy/set_weights')
    push_period: float = option(0.5, 'between two pushes where sync is off', unit='s', low=0.05,
                                high=60.0)
    push_timeout: float = option(2.0, 'a push that is not answered by then has failed', unit='s',
                                 low=0.1, high=60.0)
    checkpoint_period: float = option(60.0, 'between two checkpoints', unit='s', low=1.0,
                                      high=86_400.0)
    checkpoints: int = option(3, 'checkpoints kept', low=1, high=1000)
    log_period: float = option(0.2, 'until rows are on disk', unit='s', low=1e-3, high=10.0)
    log_gigabytes: float = option(20.0, 'rows on disk, at most', unit='GB', low=0.1, high=1e5)
    key_file: str = option('', 'file with a key shared with the policies; empty: no signatures')


@dataclass(frozen=True)
class StopConfig:
    """When training is over; 0 means never."""

    success: float = option(0.0, 'at this success rate over 100 training episodes', low=0.0,
                            high=1.0)
    minutes: float = option(0.0, 'after this long', unit='min', low=0.0)
    steps: int = option(0, 'after this many control periods', unit='control periods', low=0)


@dataclass(frozen=True)
class InProcessConfig:
    """Who acts where there is no graph."""

    actors: int = option(0, 'policies that act at the same time, each in a process and a world of '
                         'its own; 0: one that acts and learns in turn', low=0, high=256)


SECTIONS: dict[str, type] = {
    '': GraphConfig, 'sync.': FlowConfig, 'sim.': SimConfig, 'policy.': PolicyConfig,
    'experience.': ExperienceConfig, 'filter.': FilterConfig, 'safety.': SafetyConfig,
    'collision.': CollisionConfig, 'watchdog.': WatchdogConfig, 'gate.': GateConfig,
    'homing.': HomingConfig, 'start.': StartConfig,
    'learner.': LearnerConfig, 'stop.': StopConfig, 'in_process.': InProcessConfig,
}
EXTRA = {'use_sim_time': bool, 'mode': str, 'executor': str, 'diagnostics_period': float,
         'realtime_priority': int}


@dataclass(frozen=True)
class Settings:
    """
    All parameters of one graph, resolved and checked.

    :param values: flat names to values, everything explicit.
    """

    graph: GraphConfig
    task: Any
    algorithm: Any
    values: dict[str, Any]

    @classmethod
    def resolve(cls, given: Mapping[str, Any]) -> Settings:
        """
        Fill in defaults and presets; refuse what does not exist.

        :raises ValueError: unknown parameter, robot, task, algorithm or preset, or a bad value.
        """
        names = {f.name for f in fields(GraphConfig)}
        graph = resolve_config(GraphConfig, {k: v for k, v in given.items() if k in names})
        resolve('robot', graph.robot)
        task_class = resolve('task', graph.task)
        algorithm_class = resolve('algorithm', graph.algorithm)
        known = {*task_class.PRESETS, *algorithm_class.PRESETS}
        for name in graph.presets:
            if name not in known:
                raise ValueError(f'preset {name!r}: task {graph.task} and algorithm '
                                 f'{graph.algorithm} have {", ".join(sorted(known)) or "none"}')
        task = resolve_config(task_class.Config, given, 'task.', task_class.PRESETS,
                              graph.presets)
        algorithm = resolve_config(algorithm_class.Config, given, 'algorithm.',
                                   algorithm_class.PRESETS, graph.presets)
        values = {**to_parameters(graph), **to_parameters(task, 'task.'),
                  **to_parameters(algorithm, 'algorithm.')}
        for prefix, section in SECTIONS.items():
            if prefix:
                values |= to_parameters(resolve_config(section, given, prefix), prefix)
        values |= {name: parse(str(given[name]), name, kind) for name, kind in EXTRA.items()
                   if name in given}
        if values['sim.mode'] == PACED and values['sync.enabled']:
            raise ValueError('sync.enabled is true and sim.mode is paced: a robot never waits for '
                             'its learner, set sync.enabled=false')
        resolve_config(GateConfig, given, 'gate.').check(values['sync.enabled'])
        resolve_config(ActorConfig, {k: v for k, v in given.items() if k == 'mode'})
        unknown = sorted(set(given) - set(values))
        if unknown:
            raise ValueError(f'unknown parameter {unknown[0]!r}; the first part of a name is one '
                             f'of task, algorithm, {", ".join(p[:-1] for p in SECTIONS if p)}, or '
                             f'the whole is one of {", ".join([*names, *EXTRA])}')
        return cls(graph, task, algorithm, values)

    def make_task(self) -> Any:
        """Build the task, on the robot that is its `robot`."""
        return resolve('task', self.graph.task)(resolve('robot', self.graph.robot), self.task)

    def check_fit(self) -> None:
        """
        Put robot, task and algorithm together once, before anything is started.

        :raises ValueError: they do not fit; says why.
        """
        task = self.make_task()
        robot = task.robot
        size = sum(term.size for term in task.observation_terms)
        efforts = effort_set(self.graph.actions, len(robot.actuated))
        algorithm = resolve('algorithm', self.graph.algorithm)
        algorithm.network(self.algorithm, size, 1 if efforts else len(robot.actuated),
                          len(efforts))
        algorithm.relabels(self.algorithm, task)

    def yaml(self) -> str:
        """Return a ROS parameter file with unit and meaning beside every value."""
        lines = ['/**:', '  ros__parameters:']
        for name, value in self.values.items():
            comment = self._comment(name)
            # Quoted, because ROS and YAML disagree about what else is a word; never wrapped.
            style = '"' if isinstance(value, str) else None
            text = yaml.safe_dump(value, default_flow_style=True, default_style=style,
                                  width=math.inf).splitlines()[0]
            lines.append(f'    {name}: {text}' + (f'  # {comment}' if comment else ''))
        return '\n'.join(lines) + '\n'

    def _comment(self, name: str) -> str:
        prefix, dot, last = name.rpartition('.')
        section: Any = {'task': type(self.task), 'algorithm': type(self.algorithm)}.get(
            prefix, SECTIONS.get(prefix + dot))
        field = getattr(section, '__dataclass_fields__', {}).get(last)
        if field is None:
            return ''
        return f'[{field.metadata["unit"]}] {field.metadata["doc"]}'


def read_parameters(path: Path) -> dict[str, Any]:
    """
    Read the ``/**`` section of a ROS parameter file into flat names.

    :raises ValueError: it is no parameter file.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    section = content.get('/**', {}) if isinstance(content, dict) else {}
    parameters = section.get('ros__parameters') if isinstance(section, dict) else None
    if not isinstance(parameters, dict):
        raise ValueError(f'{path} has no section /**: ros__parameters:')
    return _flatten(parameters)


def _flatten(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f'{prefix}{name}.')
        else:
            flat[f'{prefix}{name}'] = value
    return flat
