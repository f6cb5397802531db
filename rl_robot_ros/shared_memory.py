"""
What dead processes left in the shared memory of Fast DDS: found, and removed.

A participant keeps its messages in a segment ``fastrtps_<id>`` and listens at ports
``fastrtps_port<number>``.  Beside them are lock files (``_el``, ``_sl``) that it holds as long as
it lives, and for a port a semaphore.  A process that is killed leaves all of them, half a megabyte
and more each time.  (`fastdds shm clean` goes by the locks alone.)

    python -m rl_robot_ros.shared_memory        removes them
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
import fcntl
from pathlib import Path
import re
import sys
from typing import NamedTuple

FOLDER = Path('/dev/shm')
NAME = re.compile(r'(?:sem\.)?(fastrtps_(?:port\d+|[0-9a-f]{16}))(_el|_sl|_mutex)?')
LOCKS = ('_el', '_sl')


class Leftover(NamedTuple):
    """One segment or port that nobody uses."""

    name: str
    files: tuple[Path, ...]
    size: int  # [bytes]


def leftovers(folder: Path = FOLDER) -> list[Leftover]:
    """Return what nobody holds and nobody has mapped; others' processes show by their locks."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.iterdir()):
        if found := NAME.fullmatch(path.name):
            groups[found[1]].append(path)
    mapped = _mapped(folder)
    result = []
    for name, files in groups.items():
        locks = [path for path in files if path.name.endswith(LOCKS)]
        if name not in mapped and not any(map(_held, locks)):
            size = 0
            for path in files:
                with suppress(OSError):
                    size += path.stat().st_blocks * 512  # what it takes: ports are sparse
            result.append(Leftover(name, tuple(files), size))
    return result


def _held(lock: Path) -> bool:
    """Tell whether the process that holds this lock as long as it lives is there."""
    try:
        with lock.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except OSError:
        return True  # also where we may not look


def _mapped(folder: Path) -> set[str]:
    """Return the names of files in a folder that some process has mapped into its memory."""
    found: set[str] = set()
    pattern = re.compile(f'{re.escape(str(folder))}/(fastrtps_\\w+)$', re.MULTILINE)
    for maps in Path('/proc').glob('[0-9]*/maps'):
        with suppress(OSError):  # ended meanwhile, or somebody else's
            found.update(pattern.findall(maps.read_text(errors='replace')))
    return found


def remove_leftovers(folder: Path = FOLDER) -> list[Leftover]:
    """Remove them; returns what is gone."""
    gone = leftovers(folder)
    return [left for left in gone if _remove(left.files)]


def _remove(files: Iterable[Path]) -> bool:
    try:
        for path in files:
            path.unlink(missing_ok=True)
    except OSError:
        return False  # somebody else's
    return True


def main() -> int:
    """Remove what dead processes left, and say what it was."""
    gone = remove_leftovers()
    for left in gone:
        print(left.name)
    print(f'{len(gone)} segments and ports of dead processes removed, '
          f'{sum(left.size for left in gone) / 1e6:.1f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
