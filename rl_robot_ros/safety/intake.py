"""Which effort was asked for, by whom, and how long ago."""

from __future__ import annotations

from collections.abc import MutableMapping
import math

import numpy as np
from numpy.typing import ArrayLike

COUNTERS = ('rejected_requests', 'rejected_size', 'rejected_not_numbers', 'rejected_not_finite',
            'repeated_requests')


class RequestIntake:
    """
    Accepts complete and finite requests, and repeats the last one for a while.

    A bad request is refused as a whole: there is no such thing as half a request.

    :param size: number of motors.
    :param timeout: [s] after the last accepted request it is no longer repeated.
    :param period: [s] control period.
    :param most_invalid: this many invalid requests in a row are a loss.
    :param counters: where to count, see `COUNTERS`.
    """

    def __init__(self, size: int, timeout: float, period: float, most_invalid: int,
                 counters: MutableMapping[str, int]) -> None:
        self._timeout = timeout
        self._most_stale = math.ceil(timeout / period - 1e-9)
        self._most_invalid = most_invalid
        self._counters = counters
        self._finite = np.ones(size, dtype=np.bool_)
        self._all_finite = self._finite.tobytes()
        self.effort = np.zeros(size)  # [N m or N] the last accepted request
        self.rejection = ''  # why the newest request was refused
        self.loss = ''  # why there is nothing left to follow
        self.begin()

    def begin(self) -> None:
        """Forget the last request."""
        self._source = ''
        self._invalid = 0
        self._stale = 0

    def take_over(self, old: RequestIntake) -> None:
        """Go on with the request of another intake, as old as it is."""
        self.effort[:] = old.effort
        self._source, self._invalid, self._stale = old._source, old._invalid, old._stale

    def take(self, request: ArrayLike | None, teleop: ArrayLike | None, active: bool,
             periods: int) -> str:
        """
        Return whose request stands in `effort`; empty where nobody's may be followed.

        :param request: [N m or N] of the policy, None where nothing came.
        :param teleop: [N m or N] of a person, who comes first; None where nothing came.
        :param active: whether an old request may be repeated; motion starts with a fresh one.
        :param periods: control periods since the last call.
        """
        given, source = (request, 'policy') if teleop is None else (teleop, 'teleop')
        self.rejection = self.loss = ''
        if given is not None:
            self.rejection = self._refuse(given)
            if not self.rejection:
                self._source = source
                self._invalid = self._stale = 0
                return source
            self._counters['rejected_requests'] += 1
            self._invalid += 1
        if not active:
            return ''
        self._stale += periods
        if self._invalid >= self._most_invalid:
            self.loss = f'{self._invalid} invalid requests in a row, the last: {self.rejection}'
        elif self._stale >= self._most_stale:
            self.loss = f'no valid request for {self._timeout:g} s'
        if self.loss or not self._source:
            return ''
        self._counters['repeated_requests'] += 1
        return self._source

    def _refuse(self, given: ArrayLike) -> str:
        """Copy a complete and finite request; return why it is refused otherwise."""
        try:
            effort = np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            self._counters['rejected_not_numbers'] += 1
            return 'request is not made of numbers'
        if effort.shape != self.effort.shape:
            self._counters['rejected_size'] += 1
            return f'request has {effort.size} efforts, needs {self.effort.size}'
        if np.isfinite(effort, out=self._finite).tobytes() != self._all_finite:
            self._counters['rejected_not_finite'] += 1
            return 'request is not finite'
        self.effort[:] = effort
        return ''
