"""
What a mapping file says: which number of a foreign policy is which of ours.

A YAML file; docs/policy_contract.md walks through two of them.  Numbers of joints are one for all,
a list in the order of `joints`, or named: ``{joint1: 0.25, joint2: 0.5}``.  What it leaves out is
taken from the metadata of the model where it is there (`interchange.metadata`).
"""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from rl_robot_ros.core.records import read
from rl_robot_ros.core.records import shown
import yaml

MOST_LETTERS = 1_000_000
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class TermMapping:
    """One observation term, see `core.description`: quantity - offset, clipped, times scale."""

    quantity: str
    name: str = ''  # what its trainer calls it
    joints: tuple[str, ...] = ()
    offset: Any = None
    scale: Any = None
    clip: Numbers = ()
    history: int = 1


@dataclass(frozen=True)
class ActionMapping:
    """What the output means, see `core.description`."""

    kind: str
    joints: tuple[str, ...] = ()
    scale: Any = None
    offset: Any = None
    clip: Numbers = ()
    stiffness: Any = None
    damping: Any = None
    effort_limit: Any = None


@dataclass(frozen=True)
class Mapping:
    """
    The whole file.

    :param robot: datasheet.
    :param task: gives the goal, judges, and has observation terms of its own.
    :param dt: [s] between two actions in training.
    :param gravity_compensated: whether efforts were on top of gravity compensation in training.
    :param output: of a model with several outputs, the one that is the action.
    """

    robot: str
    task: str
    dt: float
    gravity_compensated: bool
    observation: tuple[TermMapping, ...]
    action: ActionMapping
    output: str = ''


def parse_mapping(text: str) -> Mapping:
    """
    Read a mapping.

    :raises ValueError: says what is wrong, and where.
    """
    if len(text) > MOST_LETTERS:
        raise ValueError(f'mapping: {len(text)} letters, allowed are {MOST_LETTERS}')
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f'mapping is not YAML: {error}') from None
    try:
        return read(Mapping, content)
    except ValueError as error:
        raise ValueError(f'mapping: {error}') from None


def read_mapping(path: Path) -> Mapping:
    """
    Read a mapping file.

    :raises OSError: there is none.
    :raises ValueError: says what is wrong, and where.
    """
    try:
        return parse_mapping(path.read_text())
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def numbers_of(value: Any, names: Sequence[str], where: str) -> Numbers:
    """
    Return one number per name.

    :param value: a number for all, a list in the order of `names`, or numbers by name.
    :raises ValueError: one is missing, unknown or no finite number; names it.
    """
    if isinstance(value, AnyMapping):
        unknown = [str(key)[:100] for key in value if key not in names]
        if unknown:
            raise ValueError(f'{where}: {unknown[0]} is not one of {", ".join(names)[:500]}')
        missing = [name for name in names if name not in value]
        if missing:
            raise ValueError(f'{where}: {missing[0]} is missing')
        values = [value[name] for name in names]
    elif isinstance(value, list):
        if len(value) != len(names):
            raise ValueError(f'{where}: {len(value)} numbers for {len(names)}: '
                             f'{", ".join(names)[:500]}')
        values = value
    else:
        values = [value] * len(names)
    for name, number in zip(names, values):
        if isinstance(number, bool) or not isinstance(number, (int, float)) \
                or not abs(number) <= 1e300 or not math.isfinite(number):
            raise ValueError(f'{where}: {name} needs a finite number, got {shown(number)}')
    return tuple(float(number) for number in values)
