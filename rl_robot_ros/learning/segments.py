r"""
Files of rows: records with checksums, appended and never changed.

A log of rows (`row_log`) is a folder of such files, each named by the position of its first row::

    head     20 bytes  b'rl_robot_ros rows 1\n'
             <II       bytes of the schema, its crc32
             ...       schema of the rows, see `core.transition`
    record   <4sI      b'ROWS', crc32 of all that follows
             <QIH      position of the first row, rows, bytes of the source
             ...       source, then the rows as little-endian float64
    record   ...

A process may die inside a record, and a disk may return other bytes than it was given: what is
read ends in front of the first record whose checksum does not hold.
"""

from __future__ import annotations

from collections.abc import Iterator
import mmap
import os
from pathlib import Path
from struct import Struct
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.transition import RowLayout

MAGIC = b'rl_robot_ros rows 1\n'
HEAD = Struct('<II')
MARK = b'ROWS'
FRONT = Struct('<4sI')
BODY = Struct('<QIH')
LONGEST_SOURCE = 1000  # bytes


class Record(NamedTuple):
    """Rows that came together: in the inbox, and on disk."""

    position: int  # of the first row among all that were ever taken
    source: str  # such as the namespace of the policy
    rows: NDArray[np.float64]  # shape (N, layout.width)

    @property
    def end(self) -> int:
        """Position behind the last row."""
        return self.position + len(self.rows)

    def split(self, position: int) -> tuple[Record, Record]:
        """Return the rows in front of a position, and the others; either may have none."""
        cut = min(max(position - self.position, 0), len(self.rows))
        return (self._replace(rows=self.rows[:cut]),
                self._replace(position=self.position + cut, rows=self.rows[cut:]))


def head(layout: RowLayout) -> bytes:
    """Return what a file begins with."""
    schema = layout.schema.encode()
    return MAGIC + HEAD.pack(len(schema), crc32(schema)) + schema


def parts(record: Record) -> tuple[bytes, memoryview]:
    """Return the two parts of a record as it stands in a file; the rows are not copied."""
    source = record.source.encode()[:LONGEST_SOURCE]
    rows = memoryview(np.ascontiguousarray(record.rows, dtype='<f8')).cast('B')
    body = BODY.pack(record.position, len(record.rows), len(source)) + source
    return FRONT.pack(MARK, crc32(rows, crc32(body))) + body, rows


def pack(record: Record) -> bytes:
    """Return a record as it stands in a file."""
    return b''.join(parts(record))


class Segment:
    """
    One file, mapped into memory; iterating returns its intact records.

    :param path: the file.
    :param layout: layout of the rows.
    """

    def __init__(self, path: Path, layout: RowLayout) -> None:
        self.path, self.layout = path, layout
        self.torn = 0  # bytes behind the last intact record, known when all were read

    @property
    def lost(self) -> int:
        """Return how many rows the torn bytes may have been, at most."""
        return -(-self.torn // (8 * self.layout.width))

    def __iter__(self) -> Iterator[Record]:
        """
        Read the records, oldest first.

        :raises OSError: the file can't be read.
        :raises ValueError: it holds rows of another layout.
        """
        with open(self.path, 'rb') as file:
            size = os.fstat(file.fileno()).st_size
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
                              if size else b'')
        offset = self._read_head(data)
        self.torn = size - offset
        least = 0  # positions only rise
        while offset and (found := self._read_record(data, offset)) is not None:
            record, offset = found
            if record.position < least:
                return
            least, self.torn = record.end, size - offset
            yield record

    def _read_head(self, data: memoryview) -> int:
        """Return where the records begin, 0 where the head is damaged."""
        start = len(MAGIC) + HEAD.size
        if len(data) < start or data[:len(MAGIC)] != MAGIC:
            return 0
        length, checksum = HEAD.unpack_from(data, len(MAGIC))
        schema = data[start:start + length]
        if len(schema) < length or crc32(schema) != checksum:
            return 0
        if bytes(schema).decode() != self.layout.schema:
            raise ValueError(f'{self.path} holds rows {bytes(schema[:500]).decode()!r}, this run '
                             f'has rows {self.layout.schema[:500]!r}: give the parameters it was '
                             'made with')
        return start + length

    def _read_record(self, data: memoryview, offset: int) -> tuple[Record, int] | None:
        """Return a record and where it ends, or None where there is no intact one."""
        begin = offset + FRONT.size
        if len(data) < begin + BODY.size:
            return None
        mark, checksum = FRONT.unpack_from(data, offset)
        position, count, source = BODY.unpack_from(data, begin)
        start = begin + BODY.size + source
        end = start + 8 * count * self.layout.width
        if mark != MARK or not count or end > len(data) or crc32(data[begin:end]) != checksum:
            return None
        rows = np.frombuffer(data[start:end], dtype='<f8').astype(np.float64)
        name = bytes(data[start - source:start]).decode(errors='replace')
        return Record(position, name, rows.reshape(count, self.layout.width)), end
