"""
Find a robot, a task or an algorithm by name, without a registry.

``reach`` means ``rl_robot_ros.tasks.reach:TASK``; ``my_package.my_module:MY_TASK`` means itself.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

KINDS = {'robot': ('rl_robot_ros.robots', 'ROBOT'),
         'task': ('rl_robot_ros.tasks', 'TASK'),
         'algorithm': ('rl_robot_ros.algorithms', 'ALGORITHM')}


def names(kind: str) -> list[str]:
    """List the names that ship with this package; `kind` is robot, task or algorithm."""
    package, attribute = KINDS[kind]
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path)
                  if hasattr(importlib.import_module(f'{package}.{m.name}'), attribute))


def resolve(kind: str, name: str) -> Any:
    """
    Return the object called `name`.

    :param kind: robot, task or algorithm.
    :param name: a short name of this package, or ``module:attribute`` of any other.
    :raises ValueError: says what was given and what there is.
    """
    package, attribute = KINDS[kind]
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
    raise ValueError(f'no {kind} {name!r}: there are {", ".join(names(kind))}; '
                     'yours is named as my_package.my_module:ATTRIBUTE') from missing
