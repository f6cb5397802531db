"""
Rows from `experience` messages as they come from the network, many messages at once.

A learner of many policies gets thousands of messages a second.  To build each of them as a Python
object costs more than all that is done with its rows, so the learner takes bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.wire import MAX_ROWS
from rl_robot_ros.wire import read_rows
from rl_robot_ros.wire import WireError
from std_msgs.msg import Float64MultiArray

LITTLE_ENDIAN = b'\x00\x01'  # CDR, what every ROS 2 middleware writes on this kind of processor
TRANSITION = b'transition\0'


def _padding(front: str, alignment: int) -> int:
    """Return how many bytes CDR skips behind a structure; it does not count the first four."""
    return -(Struct(front).size - 4) % alignment


class RowsReader:
    """
    Read serialised `experience` messages.

    What stands in front of the rows is compared as it is, but for strides and padding, which mean
    nothing; where it is not what policies write,
    :func:`rl_robot_ros.wire.read_rows` has the last word.

    :param layout: layout of the rows.
    """

    def __init__(self, layout: RowLayout) -> None:
        self.layout = layout
        schema = layout.schema.encode() + b'\0'
        # Encapsulation, dimensions; label, size and stride of each; offset, numbers.
        front = f'<2s2xII{len(TRANSITION)}sxI4xI{len(schema)}s'
        front += f'{_padding(front, 4)}xI4xII'
        self._front = Struct(f'{front}{_padding(front, 8)}x')
        self._expected = (LITTLE_ENDIAN, 2, len(TRANSITION), TRANSITION, len(schema), schema,
                          layout.width, 0)

    def read(self, messages: Sequence[bytes]) -> NDArray[np.float64]:
        """
        Return the rows of some messages, one after another, shape (N, layout.width).

        :raises WireError: one of them cannot be used.
        """
        rows = np.frombuffer(bytearray().join(map(self._rows, messages)))
        rows = rows.reshape(-1, self.layout.width)
        reason = self.layout.check(rows)
        if reason:
            raise WireError('values', reason)
        return rows

    def _rows(self, message: bytes) -> memoryview:
        """Return the bytes of the rows of one message; their values are not checked."""
        start = self._front.size
        if len(message) > start:
            *labels, count, length, schema, width, offset, size = self._front.unpack_from(message)
            if (*labels, length, schema, width, offset) == self._expected and count <= MAX_ROWS \
                    and size == count * width and len(message) == start + 8 * size:
                return memoryview(message)[start:]
        try:
            known = deserialize_message(message, Float64MultiArray)
        except Exception as error:  # of a class that rclpy keeps to itself
            raise WireError('bytes', f'{len(message)} bytes are no message: {error}') from None
        return memoryview(read_rows(known, self.layout).ravel()).cast('B')
