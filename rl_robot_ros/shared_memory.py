"""
What dead processes left in the shared memory of Fast DDS: found, and removed; and made passable.

A participant keeps its messages in a segment ``fastrtps_<id>`` and listens at ports
``fastrtps_port<number>`` (``fastdds_...`` since Fast DDS 3).  Beside them are lock files (``_el``,
``_sl``) that it holds as long as it lives, and for a port a semaphore.  A process that is killed
leaves all of them, half a megabyte and more each time.  (`fastdds shm clean` goes by the locks
alone.)

A process that is killed between making a port and giving it its size and state leaves worse:
whoever opens the port waits for that, for ever, inside `publish` and with Python's lock held, so
that neither a thread nor a signal handler of that process gets another turn.  Only somebody
outside can help: `watch` marks such a port as one that could not be made, in Boost's own way, and
all go on.

    python -m rl_robot_ros.shared_memory            removes what is left
    python -m rl_robot_ros.shared_memory --watch    makes ports passable until it is ended
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
import fcntl
import os
from pathlib import Path
import re
import struct
import sys
import time
from typing import NamedTuple

FOLDER = Path('/dev/shm')
NAME = re.compile(r'(?:sem\.)?(fast(?:rtps|dds)_(?:port\d+|[0-9a-f]{16}))(_el|_sl|_mutex)?')
LOCKS = ('_el', '_sl')
# The first word of a segment, as Boost.Interprocess has it; 0 and 1 are waited for.
STATE = struct.Struct('=I')
INITIALIZED, CORRUPTED = 2, 3
NEVER_MADE = 1  # size [bytes] of a segment that its maker gave up
STILLBORN = 2.0  # [s] a living process needs some microseconds
LOOK = 0.5  # [s] between two looks


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
    pattern = re.compile(f'{re.escape(str(folder))}/(fast(?:rtps|dds)_\\w+)$', re.MULTILINE)
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


def release(folder: Path = FOLDER) -> list[str]:
    """Mark what its maker left half made, so that nobody waits for it; returns the names."""
    found = []
    for path in folder.glob('fast*_*'):
        name = NAME.fullmatch(path.name)
        if name is None or name[2]:
            continue
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if time.time() - path.stat().st_mtime > STILLBORN and _mark(path):
                found.append(path.name)
    return found


def _mark(path: Path) -> bool:
    """Mark a segment as one that could not be made, unless it is whole or marked."""
    file = os.open(path, os.O_RDWR)
    try:
        size = os.fstat(file).st_size
        if not size:
            os.ftruncate(file, NEVER_MADE)
            return True
        word = os.pread(file, STATE.size, 0)
        if len(word) < STATE.size or STATE.unpack(word)[0] >= INITIALIZED:
            return False
        os.pwrite(file, STATE.pack(CORRUPTED), 0)
        return True
    finally:
        os.close(file)


def watch(folder: Path = FOLDER) -> None:
    """Call `release` until this process is ended; speaks no DDS, so nothing can hold it."""
    while True:
        for name in release(folder):
            print(f'{name} was left half made by a process that was killed: released', flush=True)
        time.sleep(LOOK)


def main() -> int:
    """Remove what dead processes left, and say what it was; or watch."""
    if '--watch' in sys.argv[1:]:
        with suppress(KeyboardInterrupt):
            watch()
        return 0
    gone = remove_leftovers()
    for left in gone:
        print(left.name)
    print(f'{len(gone)} segments and ports of dead processes removed, '
          f'{sum(left.size for left in gone) / 1e6:.1f} MB')
    return 0


if __name__ == '__main__':
    sys.exit(main())
