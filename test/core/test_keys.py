"""Bytes of a terminal, in any pieces."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.keys import KeyDecoder
from rl_robot_ros.core.keys import LONGEST

PIECES = st.lists(st.binary(max_size=5) | st.sampled_from(
    [b'\x1b', b'\x1b[', b'\x1bO', b'A', b'B', b'\x1b[A', b'\x1b[1;5', b'w', b'\x1b[' + b'0' * 40]))


@pytest.mark.parametrize('data, keys', [
    (b'w1 +y', ['w', '1', ' ', '+', 'y']),
    (b'\x1b[A\x1b[B\x1bOA\x1bOB', ['up', 'down', 'up', 'down']),
    (b'\t\r\n\x04', ['tab', 'enter', 'enter', 'end']),
    (b'\x1b[3~\x1b[1;5Aq', ['q']),
    (b'\x1bw\x1b\x1b[A\x1b[\x1b[B', ['w', 'up', 'down']),
    ('ä€'.encode() + b'\x00\x7fs', ['s']),
    (b'\x1b[' + b'0' * 2 * LONGEST + b'w', ['0'] * (LONGEST + 1) + ['w']),
])
def test_keys(data, keys):
    assert KeyDecoder().feed(data) == keys


@given(PIECES)
def test_pieces_do_not_matter(pieces):
    decoder = KeyDecoder()
    found = [key for piece in pieces for key in decoder.feed(piece)]
    assert found == KeyDecoder().feed(b''.join(pieces))
    assert all(len(key) == 1 or key in ('up', 'down', 'tab', 'enter', 'end') for key in found)
