"""
Find a robot, a task or an algorithm by name, without a registry.

``reach`` means ``rl_robot_ros.tasks.reach:TASK``; ``my_package.my_module:MY_TASK`` means itself; a
robot may also be the path of a datasheet, ``my_arm.yaml`` (`robots.datasheet`).
"""

from __future__ import annotations

import importlib
from pathlib import Path
import pkgutil
from typing import Any

KINDS = {'robot': ('rl_robot_ros.robots', 'ROBOT'),
         'task': ('rl_robot_ros.tasks', 'TASK'),
         'algorithm': ('rl_robot_ros.algorithms', 'ALGORITHM')}
# Kinds that a file can describe as well: suffixes, and who reads it.
FILES = {'robot': (('.yaml', '.yml'), 'rl_robot_ros.robots.datasheet', 'load_datasheet')}


def names(kind: str) -> list[str]:
    """List the names that ship with this package; `kind` is robot, task or algorithm."""
    package, attribute = KINDS[kind]
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path)
                  if hasattr(importlib.import_module(f'{package}.{m.name}'), attribute))


def is_file(kind: str, name: str) -> bool:
    """Tell whether `name` is the path of a file that describes one."""
    # my_package.my_module:/path/my_arm.yaml is an attribute, see `robots.gazebo`.
    module, colon, _ = name.partition(':')
    attribute = colon and '.' in module and all(p.isidentifier() for p in module.split('.'))
    return kind in FILES and name.endswith(FILES[kind][0]) and not attribute and '\0' not in name


def resolve(kind: str, name: str) -> Any:
    """
    Return the object called `name`.

    :param kind: robot, task or algorithm.
    :param name: a short name of this package, ``module:attribute`` of any other, or a file.
    :raises ValueError: says what was given and what there is.
    :raises FileNotFoundError: there is no such file.
    """
    package, attribute = KINDS[kind]
    if is_file(kind, name):
        _, module, function = FILES[kind]
        return getattr(importlib.import_module(module), function)(Path(name))
    module, colon, other = name.partition(':')
    path = module if colon else f'{package}.{name}'
    missing: Exception | None = None
    if all(part.isidentifier() for part in path.split('.')):
        try:
            return getattr(importlib.import_module(path), other if colon else attribute)
        except (ImportError, AttributeError) as error:
            # A module that exists but fails to import one of its own needs says so itself.
            if isinstance(error, ImportError) and error.name not in (path, package, None) \
                    and not path.startswith(f'{error.name}.'):
                raise
            missing = error
    file = ', or the path of its datasheet, my_arm.yaml' if kind in FILES else ''
    raise ValueError(f'no {kind} {name!r}: there are {", ".join(names(kind))}; '
                     f'yours is named as my_package.my_module:ATTRIBUTE{file}') from missing
