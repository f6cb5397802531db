"""Where and when figures were measured."""

import os
import platform
import time


def machine() -> str:
    """Return processor, cores, Python and date in one line."""
    return (f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, '
            f'{time.strftime("%Y-%m-%d")}')
