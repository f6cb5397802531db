"""Where in the log of rows the memory of an algorithm begins."""

from __future__ import annotations

from collections import deque


class Window:
    """
    The newest rows that were learned from, by the positions of their records.

    :param rows: how many are of interest.
    """

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.count = 0  # rows ever learned from
        self._records: deque[tuple[int, int]] = deque()  # position, rows in front of it

    def add(self, position: int, count: int) -> None:
        """Note a record of which `count` rows were learned from."""
        if count:
            self._records.append((position, self.count))
            self.count += count
        while len(self._records) > 1 and self.count - self._records[1][1] >= self.rows:
            self._records.popleft()

    def start(self, end: int) -> int:
        """
        Return the position of the oldest record of interest.

        :param end: position behind the newest row, returned where no record is.
        """
        return self._records[0][0] if self._records and self.rows else end
