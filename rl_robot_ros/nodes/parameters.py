"""Configuration dataclasses as ROS parameters: descriptors with unit and range, atomic changes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
import dataclasses
from typing import Any
from typing import get_type_hints
from typing import TypeVar

from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
from rcl_interfaces.msg import SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters

C = TypeVar('C')
KINDS = {bool: Parameter.Type.BOOL, int: Parameter.Type.INTEGER, float: Parameter.Type.DOUBLE,
         str: Parameter.Type.STRING}
ARRAYS = {tuple[int, ...]: Parameter.Type.INTEGER_ARRAY,
          tuple[str, ...]: Parameter.Type.STRING_ARRAY}
HUGE = {float: 1.7e308, int: 2**62}


def descriptor(field: dataclasses.Field[Any], kind: Any, read_only: bool) -> ParameterDescriptor:
    """Describe one field for ``ros2 param describe``: sentence, unit, range."""
    metadata = field.metadata
    text = metadata['doc']
    if metadata['unit'] != '1':
        text += f' [{metadata["unit"]}]'
    if metadata['choices']:
        text += f'; one of {", ".join(metadata["choices"])}'
    result = ParameterDescriptor(description=text, read_only=read_only)
    low, high = metadata['low'], metadata['high']
    if kind in HUGE and (low is not None or high is not None):
        low = kind(-HUGE[kind] if low is None else low)
        high = kind(HUGE[kind] if high is None else high)
        if kind is float:
            result.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        else:
            result.integer_range = [IntegerRange(from_value=low, to_value=high)]
    return result


def declare_config(node: Node, cls: type[C], prefix: str,
                   presets: Mapping[str, Mapping[str, Any]], chosen: tuple[str, ...],
                   change: Callable[[C], str] | None) -> C:
    """
    Declare every field of `cls` below `prefix` and return the configuration the user asked for.

    :raises ValueError: unknown parameter below `prefix`, wrong type, or out of range.
    """
    # An empty list in a parameter file arrives without a value.
    given = {name: [] if parameter.value is None else parameter.value
             for name, parameter in node._parameter_overrides.items() if name.startswith(prefix)}
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if not prefix:
        given = {name: value for name, value in given.items() if name in names}
    config = resolve_config(cls, given, prefix, presets, chosen)
    kinds = get_type_hints(cls)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        kind = kinds[field.name]
        value = getattr(config, field.name)
        array = ARRAYS.get(kind, Parameter.Type.DOUBLE_ARRAY)
        if kind not in KINDS:
            value = list(value)
        # rclpy checks an override before our resolved value: hand it the resolved one instead.
        node._parameter_overrides.pop(prefix + field.name, None)
        node.declare_parameter(
            prefix + field.name,
            Parameter(prefix + field.name, KINDS.get(kind, array), value).value,
            descriptor(field, kind, change is None))
    if change is not None:
        node.add_on_set_parameters_callback(_checker(config, cls, prefix, change))
    return config


def _checker(config: C, cls: type[C], prefix: str,
             change: Callable[[C], str]) -> Callable[[list[Parameter]], SetParametersResult]:
    current = [config]

    def check(parameters: list[Parameter]) -> SetParametersResult:
        names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        ours = {p.name: p.value for p in parameters
                if p.name.startswith(prefix) and p.name[len(prefix):] in names}
        if not ours:
            return SetParametersResult(successful=True)
        try:
            new = resolve_config(cls, {**to_parameters(current[0], prefix), **ours}, prefix)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        reason = change(new)
        if not reason:
            current[0] = new
        return SetParametersResult(successful=not reason, reason=reason)

    return check
