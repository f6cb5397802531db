"""Files that are whole or not there, and numbers that are never used twice."""

from __future__ import annotations

import json
import os
from pathlib import Path
import tempfile


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write to a temporary name, sync, and rename: readers see the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)  # mkstemp lets nobody else read it
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


class Reservation:
    """
    Numbers that only rise, also over restarts and crashes.

    Numbers are reserved ahead of use in a small file, as a database reserves key ranges: who
    starts again begins at the end of what was reserved, so no number is used twice, and the file
    is written once per `span` and not once per number.

    :param path: where reservations are kept; None begins at zero and remembers nothing.
    :param spans: per name, how many numbers are reserved at once.
    :raises ValueError: the file holds something else.
    """

    def __init__(self, path: Path | None, spans: dict[str, int]) -> None:
        self._path = path
        self._spans = spans
        self._reserved = dict.fromkeys(spans, 0)
        if path is not None and path.exists():
            text = path.read_text(errors='replace')
            try:
                stored = json.loads(text)
                self._reserved = {name: int(stored[name]) for name in spans}
                if not all(0 <= number < 2**60 for number in self._reserved.values()):
                    raise ValueError
            except (ArithmeticError, ValueError, KeyError, TypeError, RecursionError):
                raise ValueError(f'{path} holds no reservation of {", ".join(spans)}, got '
                                 f'{text[:100]!r}; delete it or name another') from None
        self.first = dict(self._reserved)
        self.use(**self.first)

    def use(self, **numbers: int) -> None:
        """
        Make sure that these numbers are reserved, before they are used.

        :raises OSError: the file can't be written; the next call tries again.
        """
        if all(number < self._reserved[name] for name, number in numbers.items()):
            return
        reserved = {name: max(self._reserved[name], numbers.get(name, 0) + span)
                    for name, span in self._spans.items()}
        if self._path is not None:
            write_atomically(self._path, json.dumps(reserved))
        self._reserved = reserved
