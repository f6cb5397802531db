"""
One experience row: a decision, what came of it, and where it came from (schema v1).

A row is a flat float64 vector so that a batch of rows is one typed array on the wire, in replay
and on disk.  Integers up to 2^53 are exact.  The schema string names every column; two sides that
hold the same string mean the same thing.  See DESIGN in ARCHITECTURE.md for what each flag says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector

VERSION = 'v1'
HEAD = ('epoch', 'seq', 'stamp_sec', 'stamp_nanosec', 'policy_version', 'terminated', 'truncated',
        'intervened', 'filtered', 'evaluation', 'success', 'reward')
FLAGS = ('terminated', 'truncated', 'intervened', 'filtered', 'evaluation', 'success')
MAX_WIDTH = 100_000  # a schema wider than this is a mistake or an attack


class RowLayout:
    """
    Which column of a row holds what.

    :param observation_size: numbers in `obs` and `next_obs`.
    :param action_size: numbers in `action` and `request`.
    :param terms: names of the reward terms.
    :param extra: further columns the algorithm asked for, such as ``Term('log_prob', 1)``.
    """

    def __init__(self, observation_size: int, action_size: int, terms: tuple[str, ...] = (),
                 extra: tuple[Term, ...] = ()) -> None:
        self.observation_size = observation_size
        self.action_size = action_size
        self.terms = terms
        self.extra = extra
        columns = [Term(name, 1) for name in HEAD]
        columns += [Term('obs', observation_size), Term('action', action_size),
                    Term('request', action_size), Term('next_obs', observation_size)]
        columns += [Term(f'terms.{name}', 1) for name in terms]
        columns += [Term(term.name, term.size) for term in extra]
        self.columns = tuple(columns)
        self._slices: dict[str, slice] = {}
        start = 0
        for name, size, _ in columns:
            self._slices[name] = slice(start, start + size)
            start += size
        self.width = start
        if len(self._slices) != len(columns) or min(term.size for term in columns) < 1 \
                or any(term.name.startswith('terms.') for term in extra) or start > MAX_WIDTH:
            raise ValueError(f'row columns {self.schema[:500]!r}: names must differ, sizes must '
                             f'be positive and sum up to at most {MAX_WIDTH}')

    def column(self, name: str) -> slice:
        """Return where the column `name` stands; raises KeyError for a name it does not have."""
        return self._slices[name]

    def __contains__(self, name: str) -> bool:
        """Tell whether there is such a column."""
        return name in self._slices

    def __eq__(self, other: object) -> bool:
        """Layouts are equal where their schema strings are."""
        return isinstance(other, RowLayout) and self.schema == other.schema

    def __hash__(self) -> int:
        """Hash of the schema string."""
        return hash(self.schema)

    @cached_property
    def schema(self) -> str:
        """Return the schema string, compared letter by letter between policy and learner."""
        always = {'obs', 'action', 'request', 'next_obs', *(term.name for term in self.extra)}
        names = [f'{name}:{size}' if name in always else name for name, size, _ in self.columns]
        return ' '.join([VERSION, *names])

    @classmethod
    def parse(cls, schema: str) -> RowLayout:
        """
        Rebuild the layout from a schema string.

        :raises ValueError: where it is no schema of this version.
        """
        version, _, rest = schema.partition(' ')
        columns = []
        for word in rest.split():
            name, colon, size = word.partition(':')
            if colon and not (size.isdecimal() and len(size) <= 6 and int(size) > 0):
                raise ValueError(f'schema column {word!r}: the size must be a positive number')
            columns.append(Term(name, int(size) if colon else 1))
        names = [term.name for term in columns]
        fixed = [*HEAD, 'obs', 'action', 'request', 'next_obs']
        if version != VERSION or names[:len(fixed)] != fixed or len(set(names)) != len(names):
            raise ValueError(f'not a {VERSION} experience schema: {schema[:200]!r}')
        if sum(term.size for term in columns) > MAX_WIDTH:
            raise ValueError(f'schema is wider than {MAX_WIDTH} columns')
        tail = columns[len(fixed):]
        terms = tuple(t.name[len('terms.'):] for t in tail if t.name.startswith('terms.'))
        extra = tuple(t for t in tail if not t.name.startswith('terms.'))
        layout = cls(columns[len(HEAD)].size, columns[len(HEAD) + 1].size, terms, extra)
        if layout.schema != schema:
            raise ValueError(f'columns out of order: got {schema[:200]!r}')
        return layout

    def pack(self, values: Mapping[str, float | Vector]) -> Vector:
        """
        Write named values into one row; columns that are not named are zero.

        :raises KeyError: for a name that is no column.
        """
        row = np.zeros(self.width)
        for name, value in values.items():
            row[self._slices[name]] = value
        return row

    def check(self, rows: NDArray[np.float64]) -> str:
        """Say what is wrong with rows of shape (N, width), or return an empty string."""
        if rows.ndim != 2 or rows.shape[1] != self.width:
            return f'rows have shape {rows.shape}, the schema needs (N, {self.width})'
        if not np.isfinite(rows).all():
            column = int(np.argwhere(~np.isfinite(rows))[0, 1])
            name = next(n for n, s in self._slices.items() if s.start <= column < s.stop)
            return f'column {name} is not finite'
        flags = rows[:, HEAD.index('terminated'):HEAD.index('success') + 1]
        if not ((flags == 0.0) | (flags == 1.0)).all():
            return 'a flag is neither 0 nor 1'
        counters = rows[:, :HEAD.index('policy_version') + 1]
        if not ((counters >= 0.0) & (counters < 2.0**53) & (counters % 1.0 == 0.0)).all():
            return 'epoch, seq, stamp or version is no whole number in [0, 2^53)'
        return ''
