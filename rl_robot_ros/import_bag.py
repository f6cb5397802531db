"""What ``rl-robot import-bag`` does: make a file of demonstrations from a bag."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.bag_streams import find_namespace
from rl_robot_ros.bag_streams import GraphStreams
from rl_robot_ros.bags import BagReader
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.rejoin import HeardGoal
from rl_robot_ros.core.rejoin import Notes
from rl_robot_ros.core.rejoin import Rejoiner
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import save_demonstrations

FLAGS = ('success', 'intervened', 'filtered', 'evaluation')


def main(options: argparse.Namespace) -> int:
    """Write the file, say what it holds and what could not be used; returns the exit status."""
    if options.output.exists():
        raise ValueError(f'{options.output} exists already: name a new file')
    task, notes = _task(options), Notes()
    with BagReader(options.bag) as bag:
        streams = GraphStreams(bag, find_namespace(bag, options.namespace), notes)
        if streams.has('experience') and not options.join:
            layout, rows = _recorded(streams, task)
            source = 'recorded rows'
        else:
            layout, rows = _joined(streams, task, options)
            source = 'rows joined from joint_states'
    _report(notes)
    if options.only == 'person':
        rows = rows[rows[:, layout.column('intervened').start] == 1.0]
        source += ' in which a person was in command'
    if not len(rows):
        raise ValueError(f'{options.bag}: no {source}')
    made = save_demonstrations(options.output, layout, rows)
    flags = ', '.join(f'{int(rows[:, layout.column(name)].sum())} {name}' for name in FLAGS)
    print(f'{len(rows)} {source}, {made.episodes} ends of episodes ({flags}): {options.output}')
    return 0


def _task(options: argparse.Namespace) -> Task | None:
    """Build the task where one was named."""
    from rl_robot_ros.cli import parse_values
    values = parse_values(options.values)
    strange = [name for name in values if not name.startswith('task.')]
    if strange:
        raise ValueError(f'{strange[0]}: only parameters that begin with task. matter here')
    if options.robot is None and options.task is None:
        if values:
            raise ValueError(f'{next(iter(values))}: say --robot and --task too')
        return None
    if options.robot is None or options.task is None:
        raise ValueError('--robot and --task go together')
    kind = resolve('task', options.task)
    task: Task = kind(resolve('robot', options.robot),
                      resolve_config(kind.Config, values, 'task.', kind.PRESETS))
    return task


def _layout(task: Task) -> RowLayout:
    """Return the layout of rows with continuous actions and without extra columns."""
    size = sum(term.size for term in task.observation_terms)
    return RowLayout(size, len(task.robot.actuated), task.reward_terms)


def _recorded(streams: GraphStreams, task: Task | None) -> tuple[RowLayout, NDArray[np.float64]]:
    """
    Return the rows of `experience`.

    :raises ValueError: they are not of this robot and task.
    """
    layout, rows = streams.rows()
    if task is not None:
        wanted = _layout(task)
        size = 1 if 'effort' in layout else wanted.action_size
        if (layout.observation_size, layout.terms, layout.action_size) != \
                (wanted.observation_size, wanted.terms, size):
            raise ValueError(f'experience is {layout.schema!r}, rows of {task.robot.name} and '
                             f'this task are {wanted.schema!r}')
    return layout, rows


def _joined(streams: GraphStreams, task: Task | None,
            options: argparse.Namespace) -> tuple[RowLayout, NDArray[np.float64]]:
    """
    Return rows from states, commands and goals.

    :raises ValueError: robot and task were not named, or something is missing altogether.
    """
    if task is None:
        raise ValueError('rows are joined from joint_states, and that takes a robot that they '
                         'are of and a task that judges them: say --robot and --task')
    states = streams.states(task.robot)
    commands = streams.commands(task.robot, states)
    requests = streams.requests(task.robot)
    goals, announced = streams.goals(task)
    if options.goal is not None:
        goals, announced = [_given_goal(options.goal, task.goal.size)], False
    layout = _layout(task)
    rejoiner = Rejoiner(task, layout, commands, requests, goals, announced, options.evaluation)
    rows = rejoiner.rows(states)
    _merge(streams.notes, rejoiner.notes)
    return layout, rows


def _given_goal(text: str, size: int) -> HeardGoal:
    try:
        goal = np.array([float(word) for word in text.split(',')])
    except ValueError:
        goal = np.zeros(0)
    if len(goal) != size or not size or not np.isfinite(goal).all():
        raise ValueError(f'--goal {text}: the task takes {size or "no"} numbers, separated by '
                         'commas')
    return HeardGoal(-1, goal)


def _merge(notes: Notes, more: Notes) -> None:
    for reason, number in more.counts.items():
        notes.note(reason, more.first[reason], number)


def _report(notes: Notes) -> None:
    """Say what could not be used, and where that began."""
    counts: Mapping[str, int] = notes.counts
    if counts:
        print('not used:')
    for reason, number in counts.items():
        when = notes.first[reason]
        print(f'{number:9d}  {reason}' + (f', first at {when * 1e-9:.3f} s' if when else ''))
