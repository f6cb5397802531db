"""Where and when figures were measured; the memory of a process."""

import os
from pathlib import Path
import platform
import time

# Peers are told to learn on the CPU; ours would take a GPU that it finds.
os.environ['CUDA_VISIBLE_DEVICES'] = ''


def machine() -> str:
    """Return processor, cores, Python and date in one line."""
    return (f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, '
            f'{time.strftime("%Y-%m-%d")}')


def resident(pid: int) -> float:
    """Return the resident memory of a process [MB]."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6
