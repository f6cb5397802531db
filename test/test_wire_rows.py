"""Rows from bytes: what `wire.read_rows` reads or refuses, with the same words."""

import array

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from rl_robot_ros import wire
from rl_robot_ros import wire_rows
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import HEAD
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.wire_rows import RowsReader
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import MultiArrayDimension

LAYOUT = RowLayout(3, 2, ('distance',), (Term('log_prob', 1),))


def make_message(count, layout=LAYOUT):
    rows = np.random.default_rng(count).normal(size=(count, layout.width))
    rows[:, :len(HEAD)] = 1.0
    return wire.rows_message(rows, layout.schema)


def read_one_by_one(data, layout=LAYOUT):
    return np.concatenate([wire.read_rows(deserialize_message(each, Float64MultiArray), layout)
                           for each in data])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=5), st.integers(1, 9))
def test_many_messages_are_read_at_once(counts, letters):
    layout = RowLayout(3, 2, ('d' * letters,))  # schemas of all lengths: CDR aligns what follows
    data = [serialize_message(make_message(count, layout)) for count in counts]
    rows = RowsReader(layout).read(data)
    assert rows.shape == (sum(counts), layout.width) and rows.flags.writeable
    assert np.array_equal(rows, read_one_by_one(data, layout))


@pytest.mark.parametrize('letters', range(1, 9))
def test_what_policies_send_is_not_built(letters, monkeypatch):
    monkeypatch.setattr(wire_rows, 'deserialize_message', None)
    layout = RowLayout(3, 2, ('d' * letters,))
    data = bytearray(serialize_message(make_message(2, layout)))
    for skipped in (2, 3, 12 + len('transition\0')):  # CDR leaves there what was there before
        data[skipped] = 77
    assert len(RowsReader(layout).read([bytes(data)])) == 2


@given(st.data())
def test_any_bytes_are_read_or_refused(data):
    """Damage anywhere: the same rows as from the message, or the same refusal."""
    message = make_message(data.draw(st.integers(0, 3)))
    if data.draw(st.booleans()):
        message.data = array.array('d', [1.0] * data.draw(st.integers(0, 3 * LAYOUT.width)))
    if data.draw(st.booleans()):
        message.layout.dim.append(MultiArrayDimension())
    content = bytearray(serialize_message(message))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, min(len(content), 160) - 1))] = data.draw(
            st.integers(0, 255))
    content = bytes(content[:data.draw(st.integers(0, 2 * len(content)))])
    try:
        rows, refused = RowsReader(LAYOUT).read([content]), ''
    except wire.WireError as error:
        rows, refused = None, error.kind
    try:
        wanted = read_one_by_one([content])
    except wire.WireError as error:
        assert refused == error.kind
    except Exception:
        assert refused == 'bytes'
    else:
        assert np.array_equal(rows, wanted)


def test_one_bad_message_spoils_them_all():
    good, bad = make_message(2), make_message(2)
    bad.data[3] = np.nan
    with pytest.raises(wire.WireError, match='values: column stamp_nanosec is not finite'):
        RowsReader(LAYOUT).read([serialize_message(good), serialize_message(bad)])
