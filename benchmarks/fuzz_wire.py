"""
Throw damaged messages at everything that reads messages, a million of them.

Each is a good message of its kind, as bytes, with a few faults: bits that are turned, words that
are NaN, infinity, 0 or as large as can be, a piece that is missing, there twice or exchanged.
What the middleware still takes for a message (it complains of the others on stderr) goes to
`wire`, which must return what its docstrings say, or refuse: anything else that it raises is an
error.  Rows are also read as the learner does it, from the bytes.

    python benchmarks/fuzz_wire.py [--count 1000000] 2>/dev/null
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
import os
import struct
import sys
import traceback
from typing import Any

from geometry_msgs.msg import PoseStamped
from machine import machine
from machine import resident
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from results import print_table
from rl_robot_ros import wire
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import digest_of
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.wire_goals import read_goal
from rl_robot_ros.wire_rows import RowsReader
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

JOINTS = resolve('robot', 'arm7').actuated
LAYOUT = RowLayout(3, 2, ('distance',))
GOAL, JOINT_GOAL = Goal(3, 'position', 'world'), Goal(len(JOINTS), 'joint')
WORDS = [struct.pack('<I', word) for word in (0, 1, 2**31 - 1, 2**31, 2**32 - 1)]
WORDS += [struct.pack('<d', word) for word in (
    np.nan, np.inf, -np.inf, 1.7e308, 5e-324, -0.0, 2.0**53, -1.0, 0.5)]


@dataclass(frozen=True)
class Reader:
    """One function that reads messages."""

    good: bytes  # a message, serialised
    kind: type[Any] | None  # what it is built as; None where bytes are read
    read: Callable[[Any], Any]
    right: Callable[[Any], bool]  # whether what was read is as documented


def finite(*sizes: int) -> Callable[[Any], bool]:
    """Return a judge of arrays of these sizes."""
    return lambda found: tuple(map(len, found)) == sizes and all(
        np.isfinite(values).all() for values in found)


def weights() -> WeightSet:
    """Return some weights."""
    values = np.linspace(-1.0, 1.0, 20)
    return WeightSet(epoch=1, version=2, schema='v1 some', digest=digest_of(values),
                     weights=values, exploration='none', exploration_scale=1.0)


def readers() -> dict[str, Reader]:
    """Return who reads what."""
    ones, joints = np.ones(len(JOINTS)), wire.JointReader(JOINTS)
    state = wire.joint_state(JOINTS, 10**18, 'lockstep/3', position=ones, velocity=ones,
                             effort=ones)
    rows = serialize_message(wire.rows_message(np.ones((3, LAYOUT.width)), LAYOUT.schema))
    pose = PoseStamped()
    pose.header.frame_id = GOAL.frame_id
    request = serialize_message(wire.weights_request(weights(), b'a key'))

    def right_rows(found: Any) -> bool:
        return (found.dtype == np.float64 and len(found) <= wire.MAX_ROWS
                and not LAYOUT.check(found))

    return {
        'joint state': Reader(
            serialize_message(state), JointState,
            lambda message: joints.read(message, 'position', 'velocity', 'effort'),
            finite(*[len(JOINTS)] * 3)),
        'mark of an episode': Reader(
            serialize_message(state), JointState,
            lambda message: wire.parse_mark(message.header.frame_id),
            lambda found: found[0] in (LOCKSTEP, PACED, HARDWARE) and 0 <= found[1] < 10**15),
        'efforts': Reader(
            serialize_message(wire.efforts_message(ones)), Float64MultiArray,
            lambda message: [wire.read_efforts(message, len(JOINTS))], finite(len(JOINTS))),
        'rows': Reader(rows, Float64MultiArray,
                       lambda message: wire.read_rows(message, LAYOUT), right_rows),
        'rows as bytes': Reader(rows, None,
                                lambda data: RowsReader(LAYOUT).read([data]), right_rows),
        'weights': Reader(
            request, SetParametersAtomically.Request, wire.read_weights,
            lambda found: 0 < len(found[0].weights) <= wire.MAX_WEIGHTS
            and 0 <= found[0].version < 2**53 and isinstance(found[1], str)),
        'goal in space': Reader(serialize_message(pose), PoseStamped,
                                lambda message: [read_goal(GOAL, message)], finite(3)),
        'goal of joints': Reader(
            serialize_message(state), JointState,
            lambda message: [read_goal(JOINT_GOAL, message, JOINTS)], finite(len(JOINTS)))}


def damage(good: bytes, rng: np.random.Generator) -> bytes:
    """Return a message with one to four faults."""
    data = bytearray(good)
    for fault in rng.integers(0, 6, rng.integers(1, 5)):
        at = int(rng.integers(0, len(data))) if data else 0
        size = int(rng.integers(1, 17))
        if fault == 0 and data:
            data[at] ^= 1 << int(rng.integers(0, 8))
        elif fault in (1, 2):  # CDR aligns words to 4 or 8 bytes, behind its own 4
            word = WORDS[rng.integers(0, len(WORDS))]
            at -= (at - 4) % len(word)
            data[max(at, 0):max(at, 0) + len(word)] = word
        elif fault == 3:
            del data[at:at + size]
        elif fault == 4:
            data[at:at] = data[at:at + size]
        else:
            other = int(rng.integers(0, len(data))) if data else 0
            data[at:at + size], data[other:other + size] = (
                data[other:other + size], data[at:at + size])
    return bytes(data)


def attack(reader: Reader, count: int, seed: int) -> Counter[str]:
    """Return what became of so many messages, beside those that are none any more."""
    rng, found = np.random.default_rng(seed), Counter[str]()
    while found.total() - found['no message'] < count:
        data: Any = damage(reader.good, rng)
        if reader.kind is not None:
            try:
                data = deserialize_message(data, reader.kind)
            except Exception:  # of a class that rclpy keeps to itself
                found['no message'] += 1
                continue
        try:
            result = reader.read(data)
        except wire.WireError as error:
            found[f'refused: {error.kind}'] += 1
        except Exception:
            found['raised'] += 1
            if found['raised'] == 1:
                traceback.print_exc()
        else:
            found['read' if reader.right(result) else 'wrong'] += 1
    return found


def main() -> int:
    """Attack all, print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=1_000_000, help='messages, of all readers '
                        'together (default %(default)s)')
    parser.add_argument('--seed', type=int, default=1, help='(default %(default)s)')
    options = parser.parse_args()
    lines, bad = [], 0
    everything = readers()
    for number, (name, reader) in enumerate(everything.items()):
        share = -(-options.count // len(everything))
        attack(reader, share // 100, options.seed + 100 + number)  # memory that is taken once
        before = resident(os.getpid())
        found = attack(reader, share, options.seed + number)
        growth = resident(os.getpid()) - before
        refused = ', '.join(f'{kind.partition(": ")[2]} {count}' for kind, count
                            in sorted(found.items()) if kind.startswith('refused'))
        lines.append([name, str(share), str(found['no message']), str(found['read']), refused,
                      str(found['wrong']), str(found['raised']), f'{growth:+.1f}'])
        bad += found['wrong'] + found['raised']
    print_table(['reader', 'messages', 'others, no message any more', 'read', 'refused', 'wrong',
                 'raised', 'memory MB'], lines, [{'machine': machine()}])
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(main())
