"""
What an ONNX file says about itself.

The keys are those that mjlab attaches to the policies of rsl_rl, and that ROS controllers for
Isaac policies read: comma-separated lists, numbers often cut to three decimals.

===================== ============================================================
key                   meaning
===================== ============================================================
``joint_names``       joints, in the order of positions, velocities and actions
``default_joint_pos`` pose that positions are relative to [rad or m]
``action_scale``      one number, or one per action
``joint_stiffness``   of the position controller, one per action
``joint_damping``     the same
``observation_names`` observation terms, in order
``dt``                [s] between two actions; ours
===================== ============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math

ROUNDED = 5.1e-4  # half of the third decimal
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Metadata:
    """The keys above; empty where the file does not say."""

    joint_names: tuple[str, ...] = ()
    default_joint_pos: Numbers = ()
    action_scale: Numbers = ()
    joint_stiffness: Numbers = ()
    joint_damping: Numbers = ()
    observation_names: tuple[str, ...] = ()
    dt: Numbers = ()

    def of_joints(self, name: str, joints: Sequence[str]) -> Numbers:
        """
        Return the values of some joints, or nothing where the file does not give them.

        Lists for actions are in the order of the joints that act, so that is what a list as long
        as `joints` is taken for.
        """
        values: Numbers = getattr(self, name)
        if len(values) == 1 and name == 'action_scale':
            return values * len(joints)
        if len(values) == len(self.joint_names) and set(joints) <= set(self.joint_names):
            return tuple(values[self.joint_names.index(joint)] for joint in joints)
        return values if len(values) == len(joints) else ()


def read_metadata(entries: Mapping[str, str]) -> Metadata:
    """
    Read the known keys, ignore the others.

    :raises ValueError: a value is no such list.
    """
    found = {}
    for name, field in Metadata.__dataclass_fields__.items():
        text = entries.get(name, '')
        if not text:
            continue
        words = [word.strip() for word in text.split(',')]
        if 'str' in str(field.type):
            found[name] = tuple(words)
            continue
        try:
            found[name] = tuple(float(word) for word in words)
            if not all(map(math.isfinite, found[name])):
                raise ValueError
        except ValueError:
            raise ValueError(f'metadata {name}: expected numbers with commas between them, got '
                             f'{text[:100]!r}') from None
    result = Metadata(**found)
    if len(set(result.joint_names)) != len(result.joint_names):
        raise ValueError('metadata joint_names: a name is there twice')
    return result


def order_problem(joints: Sequence[str], metadata: Metadata, where: str) -> str:
    """Say where joints of a mapping stand in another order than in the file's own list."""
    names = [name for name in metadata.joint_names if name in joints]
    unknown = [joint for joint in joints if joint not in metadata.joint_names]
    if not metadata.joint_names:
        return ''
    if unknown:
        return (f'{where}: joint {unknown[0]} is in the mapping, and not in the joint_names of '
                f'the model: {", ".join(metadata.joint_names)[:500]}')
    for i, (mine, its) in enumerate(zip(joints, names)):
        if mine != its:
            return (f'{where}: joint order: number {i + 1} is {mine} in the mapping and {its} in '
                    'the joint_names of the model')
    return ''


def contradiction(joints: Sequence[str], given: Numbers, stored: Numbers, where: str) -> str:
    """Say where numbers of a mapping are not those of the file, to three decimals."""
    for joint, mine, its in zip(joints, given, stored):
        if not abs(mine - its) <= ROUNDED + 1e-3 * abs(its):
            return (f'{where}: {joint} has {mine:g} in the mapping and {its:g} in the metadata of '
                    'the model')
    return ''
