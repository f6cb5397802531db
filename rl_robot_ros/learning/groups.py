"""Which runs are seeds of one set-up, and what sets two set-ups apart."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rl_robot_ros.runs import robot_label

# What may differ between two seeds of one set-up: names, paths, where training stops (a resumed
# run has other limits than a new one), and what is only there to be looked at.
OF_THE_RUN = frozenset((
    'seed', 'learner.run', 'learner.resume', 'learner.key_file', 'policy.key_file',
    'policy.checkpoint', 'policy.tally_file', 'sim.clock_file', 'filter.certificate_file',
    'sim.view', 'sim.video', 'sim.video_seconds', 'stop.success', 'stop.minutes', 'stop.steps'))
MOST = 4  # parameters in a label
MAIN = ('robot', 'task', 'algorithm', 'preset', 'actions')
# Which parameters come with a choice: those of one algorithm differ from another's anyway, and a
# label does not repeat them.
BROUGHT_BY = {'algorithm.': ('algorithm', 'preset'), 'sync.': ('algorithm',),
              'task.': ('task', 'preset')}


def unique(paths: Iterable[Path]) -> list[Path]:
    """Return the paths without repetitions: the same run twice is not two seeds."""
    return list({path.resolve(): path for path in paths}.values())


def group_runs(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """
    Put together the runs that have the same configuration except for the seed.

    :param configs: name of each run to its parameters.
    :return: what sets a set-up apart from the others, such as ``algorithm=td3``, to the names of
        its runs, in the order given.
    """
    setups: list[dict[str, str]] = []
    members: list[list[str]] = []
    for name, config in configs.items():
        setup = {key: str(value) for key, value in config.items() if key not in OF_THE_RUN}
        if 'robot' in setup:
            setup['robot'] = robot_label(setup['robot'])
        if setup not in setups:
            setups.append(setup)
            members.append([])
        members[setups.index(setup)].append(name)
    labels: list[str] = []
    for label, names in zip(_labels(setups), members):
        labels.append(f'{label} ({names[0]})' if label in labels else label)
    return dict(zip(labels, members))


def _labels(setups: list[dict[str, str]]) -> list[str]:
    if len(setups) == 1:
        return [' '.join(setups[0][name] for name in MAIN[:3] if name in setups[0]) or 'all runs']
    labels = []
    for setup in setups:
        names = [name for name in MAIN if _differs(name, setups)]
        for name in sorted({key for other in setups for key in other} - set(MAIN)):
            choices = BROUGHT_BY.get(name.partition('.')[0] + '.', ())
            alike = [other for other in setups
                     if all(other.get(choice) == setup.get(choice) for choice in choices)]
            if _differs(name, alike):
                names.append(name)
        # Runs of two versions of the program differ in what only one of them has: that comes last.
        names.sort(key=lambda name: not all(name in other for other in setups))
        more = [f'{len(names) - MOST} more'] if len(names) > MOST else []
        labels.append(', '.join([f'{name}={setup.get(name, "(not set)") or "(none)"}'
                                 for name in names[:MOST]] + more))
    return labels


def _differs(name: str, setups: Collection[Mapping[str, str]]) -> bool:
    return len({setup.get(name) for setup in setups}) > 1
