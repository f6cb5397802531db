"""
Messages to arrays and back: the only file, beside `wire_rows`, that knows their layouts.

Why stock types: an ament_python package cannot generate interfaces, pip users could not build
them, and every bag, Foxglove, PlotJuggler and ``ros2 topic echo`` already reads these.  The
``*MultiArray`` messages are marked deprecated upstream in favour of custom types; this file is
what would change.  Everything that comes from outside is checked here; a :class:`WireError` says
what was wrong.  Arrays go out as ``array.array`` and come in through ``np.frombuffer``: one copy
each way, where ``byte[]`` or lists would cost one Python object per element.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
import math
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_msgs.msg import KeyValue
import numpy as np
from numpy.typing import NDArray
from rcl_interfaces.msg import Parameter
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightSet
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import MultiArrayDimension
from std_msgs.msg import MultiArrayLayout

MAX_ROWS = 100_000
MAX_WEIGHTS = 50_000_000
NANOSECONDS = 1_000_000_000


class WireError(ValueError):
    """A message that cannot be used; `kind` is a short name to count it under."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f'{kind}: {message}')
        self.kind = kind


def floats(values: Any) -> array[float]:
    """Return values as the array type that rclpy copies in one piece."""
    return array('d', np.ascontiguousarray(values, dtype=np.float64).tobytes())


def stamp_of(stamp: Time) -> int:
    """Return a message stamp as [ns]."""
    return stamp.sec * NANOSECONDS + stamp.nanosec


def time_of(stamp: int) -> Time:
    """Return [ns] as a message stamp."""
    sec, nanosec = divmod(stamp, NANOSECONDS)
    return Time(sec=sec, nanosec=nanosec)


def episode_mark(mode: str, episode: int) -> str:
    """Return the `frame_id` by which a simulator names its mode and episode."""
    return f'{mode}/{episode}'


def parse_mark(frame_id: str) -> tuple[str, int]:
    """Read mode and episode; anything that is no mark is hardware, episode 0."""
    mode, _, episode = frame_id.partition('/')
    if mode in (LOCKSTEP, PACED) and episode.isdecimal() and len(episode) <= 15:
        return mode, int(episode)
    return HARDWARE, 0


class JointReader:
    """
    Read the joints we know, by name, from messages in any order with any others beside them.

    :param names: the joints to read, in the order of the result.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._order_of: list[str] | None = None
        self._index: NDArray[np.intp] | None = None  # None: the message's order is ours

    def read(self, message: JointState, *fields: str) -> list[Vector]:
        """
        Return one array per field (position, velocity, effort), each in the order of `names`.

        :raises WireError: a joint is missing or twice, a length differs, a value is not finite.
        """
        names = message.name
        if names != self._order_of:
            index = self._find(names)
            self._index = None if tuple(names) == self.names else index
            self._order_of = list(names)
        result = []
        for field in fields:
            raw = getattr(message, field)
            if len(raw) != len(names):
                raise WireError('length', f'{len(names)} names but {len(raw)} values of {field}')
            values = np.frombuffer(raw) if len(raw) else np.zeros(0)
            values = values.copy() if self._index is None else values[self._index]
            # One addition each finds nearly every message good; what is not finite stays so.
            if not math.isfinite(sum(raw)) and not np.isfinite(values).all():
                raise WireError('finite', f'{field} is {values.tolist()} for {self.names}')
            result.append(values)
        return result

    def _find(self, names: Sequence[str]) -> NDArray[np.intp]:
        where: dict[str, int] = {}
        for i, name in enumerate(names):
            if name in where and name in self.names:
                raise WireError('names', f'joint {name[:100]} is there twice')
            where[name] = i
        missing = [name for name in self.names if name not in where]
        if missing:
            raise WireError('names', f'joints {missing} are missing, got {list(names)[:20]}')
        return np.array([where[name] for name in self.names], dtype=np.intp)


class JointWriter:
    """
    Write one JointState again and again: building the message anew costs more than sending it.

    :param names: joints, in the order of the values.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.message = JointState(name=list(names))
        self._header = self.message.header
        self._stamp = self.message.header.stamp

    def write(self, stamp: int, frame_id: str = '', **values: Vector) -> JointState:
        """Return the one message, filled in; it is valid until the next call."""
        self._stamp.sec, self._stamp.nanosec = divmod(stamp, NANOSECONDS)
        self._header.frame_id = frame_id
        message = self.message
        for field, value in values.items():
            setattr(message, field, array('d', value.tobytes()))
        return message


def joint_state(names: Sequence[str], stamp: int, frame_id: str = '', *,
                position: Any = (), velocity: Any = (), effort: Any = ()) -> JointState:
    """Build a JointState; fields that are not given stay empty."""
    message = JointState()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, NANOSECONDS)
    message.header.frame_id = frame_id
    message.name = list(names)
    for field, values in (('position', position), ('velocity', velocity), ('effort', effort)):
        if len(values):
            setattr(message, field, floats(values))
    return message


class EffortsWriter:
    """Write one effort command again and again, as :class:`JointWriter` does with joint states."""

    def __init__(self) -> None:
        self.message = Float64MultiArray()

    def write(self, effort: Vector) -> Float64MultiArray:
        """Return the one message, filled in; it is valid until the next call."""
        self.message.data = array('d', effort.tobytes())
        return self.message


def efforts_message(effort: Vector) -> Float64MultiArray:
    """Build the command of an effort controller, in its joint order."""
    return Float64MultiArray(data=floats(effort))


def read_efforts(message: Float64MultiArray, size: int) -> Vector:
    """
    Read a command as an effort controller does.

    :raises WireError: wrong length, a layout, or not finite.
    """
    if message.layout.dim or message.layout.data_offset:
        raise WireError('layout', 'an effort command has no layout')
    if len(message.data) != size:
        raise WireError('length', f'got {len(message.data)} efforts, need {size}')
    values = np.frombuffer(message.data)
    if not np.isfinite(values).all():
        raise WireError('finite', f'efforts are {values.tolist()}')
    return values


def rows_message(rows: NDArray[np.float64], schema: str) -> Float64MultiArray:
    """Build an `experience` message from rows of shape (N, width)."""
    count, width = rows.shape
    layout = MultiArrayLayout(dim=[
        MultiArrayDimension(label='transition', size=count, stride=count * width),
        MultiArrayDimension(label=schema, size=width, stride=width)])
    return Float64MultiArray(layout=layout, data=floats(rows))


def read_rows(message: Float64MultiArray, layout: RowLayout) -> NDArray[np.float64]:
    """
    Read an `experience` message; returns a copy of shape (N, layout.width).

    :raises WireError: another schema, sizes that disagree, too many rows, or bad values.
    """
    dims = message.layout.dim
    if len(dims) != 2 or dims[0].label != 'transition' or message.layout.data_offset != 0:
        raise WireError('layout', f'needs dimensions "transition" and the schema without offset, '
                                  f'got {[dim.label[:100] for dim in dims[:4]]}')
    if dims[1].label != layout.schema:
        raise WireError('schema', f'have {layout.schema!r}, got {dims[1].label[:2000]!r}')
    count = dims[0].size
    if count > MAX_ROWS or dims[1].size != layout.width \
            or len(message.data) != count * layout.width:
        raise WireError('length', f'{count} rows of {dims[1].size} and {len(message.data)} values '
                                  f'do not fit width {layout.width} (at most {MAX_ROWS} rows)')
    rows = np.frombuffer(message.data).reshape(count, layout.width).copy() if count \
        else np.zeros((0, layout.width))
    reason = layout.check(rows)
    if reason:
        raise WireError('values', reason)
    return rows


WEIGHT_KEYS = {'epoch': ParameterType.PARAMETER_INTEGER,
               'version': ParameterType.PARAMETER_INTEGER,
               'schema': ParameterType.PARAMETER_STRING,
               'digest': ParameterType.PARAMETER_STRING,
               'weights': ParameterType.PARAMETER_DOUBLE_ARRAY,
               'exploration': ParameterType.PARAMETER_STRING,
               'exploration_scale': ParameterType.PARAMETER_DOUBLE}
VALUE_FIELD = {ParameterType.PARAMETER_INTEGER: 'integer_value',
               ParameterType.PARAMETER_STRING: 'string_value',
               ParameterType.PARAMETER_DOUBLE_ARRAY: 'double_array_value',
               ParameterType.PARAMETER_DOUBLE: 'double_value'}


def weights_request(weights: WeightSet, key: bytes = b'') -> SetParametersAtomically.Request:
    """Put weights into the envelope of `policy/set_weights`, signed where there is a key."""
    request = SetParametersAtomically.Request()
    for name, kind in WEIGHT_KEYS.items():
        value = getattr(weights, name)
        if name == 'weights':
            value = floats(value)
        request.parameters.append(Parameter(
            name=name, value=ParameterValue(type=kind, **{VALUE_FIELD[kind]: value})))
    if key:
        request.parameters.append(Parameter(name='hmac', value=ParameterValue(
            type=ParameterType.PARAMETER_STRING, string_value=weights.sign(key))))
    return request


def read_weights(request: SetParametersAtomically.Request) -> tuple[WeightSet, str]:
    """
    Read weights and their HMAC (empty where there is none).

    :raises WireError: a key is missing, unknown, twice, or of the wrong type; a size is absurd.
    """
    kinds = {**WEIGHT_KEYS, 'hmac': ParameterType.PARAMETER_STRING}
    if len(request.parameters) > len(kinds):
        raise WireError('keys', f'{len(request.parameters)} keys, allowed are {sorted(kinds)}')
    values: dict[str, Any] = {}
    for parameter in request.parameters:
        name, kind = parameter.name, parameter.value.type
        if name not in kinds or name in values:
            raise WireError('keys', f'{name[:100]!r} is unknown or there twice, '
                                    f'allowed are {sorted(kinds)}')
        if kind != kinds[name]:
            raise WireError('keys', f'{name} has parameter type {kind}, needs {kinds[name]}')
        values[name] = getattr(parameter.value, VALUE_FIELD[kind])
    missing = sorted(set(WEIGHT_KEYS) - set(values))
    if missing:
        raise WireError('keys', f'missing {missing}')
    if not 0 <= values['epoch'] < 2**53 or not 0 <= values['version'] < 2**53:
        raise WireError('keys', 'epoch and version must lie in [0, 2^53)')
    if not 0 < len(values['weights']) <= MAX_WEIGHTS:
        raise WireError('length', f'{len(values["weights"])} weights, allowed are 1 to '
                                  f'{MAX_WEIGHTS}')
    signature = values.pop('hmac', '')
    values['weights'] = np.frombuffer(values['weights']).copy()
    return WeightSet(**values), signature


def status(name: str, level: bytes, message: str, values: dict[str, Any],
           hardware_id: str = '') -> DiagnosticStatus:
    """Build one diagnostic status; floats are shortened for people."""
    pairs = [KeyValue(key=key, value=f'{value:.6g}' if isinstance(value, float) else str(value))
             for key, value in values.items()]
    return DiagnosticStatus(level=level, name=name, message=message, hardware_id=hardware_id,
                            values=pairs)
