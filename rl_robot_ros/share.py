"""
Find the files that come with the package, however it was installed.

========================== ================================ =====================================
installed by               code                             share directory
========================== ================================ =====================================
``colcon build``, apt      ``<prefix>/lib/python3.x/...``   ``<prefix>/share/rl_robot_ros``
``pip install .``          ``<venv>/lib/python3.x/...``     ``<venv>/share/rl_robot_ros``
``pip install --target t`` ``t/rl_robot_ros``               ``t/share/rl_robot_ros``
``pip install -e .``       the source tree                  the source tree
========================== ================================ =====================================

The search starts at the code, so launch files and parameters always belong to the code that runs:
a venv beside a sourced workspace finds its own, and AMENT_PREFIX_PATH need not be set (the wheels
do not set it).  The ament index is asked last, for layouts that keep code and share apart.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

PACKAGE = 'rl_robot_ros'


def share_directory() -> Path:
    """
    Return the directory that holds package.xml, launch/ and config/.

    :raises FileNotFoundError: if the installation has no such directory; says how to repair it.
    """
    code = Path(__file__).absolute().parent
    candidates = [code.parent, *(parent / 'share' / PACKAGE for parent in code.parents)]
    for candidate in (*candidates, _indexed()):
        if candidate is not None and _is_share(candidate):
            return candidate
    raise FileNotFoundError(
        f'No share directory of {PACKAGE} belongs to {code}: package.xml is neither beside it, '
        f'nor in share/{PACKAGE} of a directory above it, nor in the ament index.  Install the '
        "package with 'pip install .', 'pip install -e .' or 'colcon build'.")


def data_file(name: str | Path) -> Path:
    """
    Return the path of a file of the package's own data (`rl_robot_ros/data`), such as a URDF.

    :param name: file name below `data`, or an absolute path, which is only checked.
    :raises FileNotFoundError: if it is no file; lists what there is.
    """
    folder = Path(str(files(PACKAGE))) / 'data'
    path = folder / name
    if path.is_file():
        return path
    known = sorted(str(item.relative_to(folder)) for item in folder.rglob('*') if item.is_file())
    raise FileNotFoundError(f'No file {name!s} in the data of {PACKAGE} ({folder}).  There are: '
                            f'{", ".join(known)}; a file elsewhere needs its absolute path.')


def _is_share(folder: Path) -> bool:
    manifest = folder / 'package.xml'
    return manifest.is_file() and f'<name>{PACKAGE}</name>' in manifest.read_text(encoding='utf-8')


def _indexed() -> Path | None:
    """Ask the ament index; it raises OSError where AMENT_PREFIX_PATH is not set."""
    try:
        from ament_index_python.packages import get_package_share_directory
        return Path(get_package_share_directory(PACKAGE))
    except (ImportError, KeyError, OSError):  # PackageNotFoundError is a KeyError
        return None
