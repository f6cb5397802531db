"""
Frozen dataclasses as plain JSON or YAML values, read strictly.

Every key must be known, every value of the type of its field, every number finite: a file that
somebody else wrote is refused by the name of the value that is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses
import json
import math
from typing import Any
from typing import get_args
from typing import get_origin
from typing import get_type_hints
from typing import TypeVar

R = TypeVar('R')
MOST_ITEMS = 100_000  # in one list
MOST_LETTERS = 10_000  # in one string


def to_plain(value: Any) -> Any:
    """Return a dataclass as dicts, lists, strings and numbers."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name))
                for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    return value


def to_json(value: Any) -> str:
    """
    Return a dataclass as one line of JSON.

    :raises ValueError: a number is not finite.
    """
    return json.dumps(to_plain(value), allow_nan=False)


def from_json(cls: type[R], text: str) -> R:
    """
    Read what :func:`to_json` wrote.

    :raises ValueError: says what is wrong with it, and where.
    """
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'not JSON: {error}') from None
    return read(cls, plain)


def read(cls: type[R], value: Any, where: str = '') -> R:
    """
    Build a dataclass from plain values.

    :param where: name of the value, for errors.
    :raises ValueError: says what was given, what is allowed, and where.
    """
    result: R = _convert(cls, value, where)
    return result


def _convert(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)) or len(value) > MOST_ITEMS:
            raise ValueError(f'{where}: expected a list of at most {MOST_ITEMS}, '
                             f'got {shown(value)}')
        item = get_args(kind)[0]
        return tuple(_convert(item, each, f'{where}[{i}]') for i, each in enumerate(value))
    if kind is Any:
        return value
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 2**1023 else math.inf
    if type(value) is not kind or (kind is float and not math.isfinite(value)) \
            or (kind is str and len(value) > MOST_LETTERS):
        words = {float: 'a finite number', int: 'a whole number', bool: 'true or false',
                 str: f'text of at most {MOST_LETTERS} letters'}
        raise ValueError(f'{where}: expected {words[kind]}, got {shown(value)}')
    return value


def _record(cls: Any, value: Any, where: str) -> Any:
    name = where or 'the whole'
    if not isinstance(value, Mapping):
        raise ValueError(f'{name}: expected named values, got {shown(value)}')
    fields = {field.name: field for field in dataclasses.fields(cls)}
    unknown = sorted(str(key) for key in value if key not in fields)
    if unknown:
        raise ValueError(f'{name}: unknown {unknown[0][:100]!r}, there are {", ".join(fields)}')
    missing = [field.name for field in fields.values()
               if field.name not in value and field.default is dataclasses.MISSING]
    if missing:
        raise ValueError(f'{name}: {missing[0]!r} is missing')
    hints = get_type_hints(cls)
    return cls(**{key: _convert(hints[key], each, f'{where}.{key}' if where else key)
                  for key, each in value.items()})


def shown(value: Any) -> str:
    """Return a value for an error, short; never what is inside a list, which may have no end."""
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) \
        else type(value).__name__
    return text[:100]
