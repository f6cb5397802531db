"""
Configuration as frozen dataclasses whose fields know their unit, range and meaning.

One field serves three readers: the command line (``task.bonus=2``), the ROS parameter server
(descriptor with range) and the documentation.  Parameters are flat dotted names everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
import dataclasses
import math
from typing import Any
from typing import get_type_hints
from typing import TypeVar

C = TypeVar('C')


def option(default: Any, doc: str, *, unit: str = '1', low: float | None = None,
           high: float | None = None, choices: tuple[str, ...] | None = None) -> Any:
    """
    Declare one documented configuration value.

    :param default: the value when nothing else is said; lists are given as tuples.
    :param doc: one sentence for people.
    :param unit: SI unit, ``1`` where there is none.
    :param low: smallest allowed value.
    :param high: largest allowed value.
    :param choices: allowed strings.
    """
    metadata = {'doc': doc, 'unit': unit, 'low': low, 'high': high, 'choices': choices}
    return dataclasses.field(default=default, metadata=metadata)


def parse(text: str, name: str, kind: Any) -> Any:
    """
    Read a command line value as the type of the field it is meant for.

    :raises ValueError: where the text is no such value.
    """
    text = text.strip()
    if kind is str:
        return text
    try:
        if kind is bool:
            return {'true': True, '1': True, 'yes': True,
                    'false': False, '0': False, 'no': False}[text.lower()]
        if kind is int:
            return int(text)
        if kind is float:
            return float(text)
        return tuple(float(part) for part in text.strip('[]()').split(',') if part.strip())
    except (ValueError, KeyError):
        kind_name = getattr(kind, '__name__', 'list of numbers')
        raise ValueError(f'{name}={text}: expected a {kind_name}') from None


def convert(value: Any, name: str, field: dataclasses.Field[Any], kind: Any) -> Any:
    """
    Bring a value to the type of its field and check range and choices.

    :raises ValueError: says what was given and what is allowed.
    """
    if isinstance(value, str) and kind is not str:
        value = parse(value, name, kind)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if kind in (bool, int, float, str):
        if type(value) is not kind:
            raise ValueError(f'{name}: expected {kind.__name__}, got {value!r}')
        numbers = [value] if kind in (int, float) else []
    else:
        default: tuple[Any, ...] = field.default  # type: ignore[assignment]
        item = type(default[0]) if default else float
        try:
            value = tuple(item(v) for v in value)
        except (TypeError, ValueError):
            raise ValueError(f'{name}: expected a list of {item.__name__}, '
                             f'got {value!r}') from None
        numbers = [v for v in value if not isinstance(v, str)]
    _check_range(numbers, name, field.metadata)
    choices = field.metadata.get('choices')
    if choices and value not in choices:
        raise ValueError(f'{name}: got {value!r}, allowed are {", ".join(choices)}')
    return value


def _check_range(numbers: Iterable[float], name: str, metadata: Mapping[str, Any]) -> None:
    low = -math.inf if metadata.get('low') is None else metadata['low']
    high = math.inf if metadata.get('high') is None else metadata['high']
    for number in numbers:
        # Written so that NaN is refused too.
        if not low <= number <= high:
            raise ValueError(f'{name}: got {number}, allowed is [{low}, {high}] '
                             f'{metadata.get("unit", "1")}')


def resolve_config(cls: type[C], values: Mapping[str, Any], prefix: str = '',
                   presets: Mapping[str, Mapping[str, Any]] | None = None,
                   chosen: Iterable[str] = ()) -> C:
    """
    Build a configuration: defaults, then the chosen presets in order, then `values`.

    :param cls: a dataclass whose fields were made by :func:`option`.
    :param values: full dotted names to values; names without `prefix` are other people's.
    :param prefix: such as ``task.``.
    :param presets: named sets of values (without prefix).
    :param chosen: names of presets to apply; names unknown here are other people's.
    :raises ValueError: unknown name, wrong type, or out of range.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    kinds = get_type_hints(cls)
    given: dict[str, Any] = {}
    for preset in chosen:
        given.update((presets or {}).get(preset, {}))
    given.update({key[len(prefix):]: value for key, value in values.items()
                  if key.startswith(prefix)})
    unknown = sorted(set(given) - set(fields))
    if unknown:
        raise ValueError(f'unknown parameter {prefix}{unknown[0]}; allowed are '
                         + ', '.join(prefix + name for name in fields))
    return cls(**{name: convert(value, prefix + name, fields[name], kinds[name])
                  for name, value in given.items()})


def to_parameters(config: Any, prefix: str = '') -> dict[str, Any]:
    """Flatten a configuration into dotted names; tuples become lists."""
    return {prefix + f.name: list(v) if isinstance(v := getattr(config, f.name), tuple) else v
            for f in dataclasses.fields(config)}
