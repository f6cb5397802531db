"""A terminal of its own: keys come at once, and its modes come back however it ends."""

import os
import termios

import pytest
from rl_robot_ros.nodes.keyboard import Keyboard


@pytest.fixture
def terminal():
    """Both ends of a pseudo terminal: the person's, the program's."""
    ends = os.openpty()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # a test has closed it


def local_modes(terminal):
    return termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)


def test_keys_come_one_by_one(terminal):
    person, program = terminal
    with Keyboard(program) as keyboard:
        assert keyboard.keys() == []
        os.write(person, b'w\x1b[')
        assert keyboard.keys() == ['w']
        os.write(person, b'Aq')
        assert keyboard.keys() == ['up', 'q']
        assert local_modes(program) == termios.ISIG, 'Ctrl-C is still a signal'


def test_modes_come_back_after_an_exception(terminal):
    _, program = terminal
    before = termios.tcgetattr(program)
    with pytest.raises(RuntimeError):
        with Keyboard(program):
            assert termios.tcgetattr(program) != before
            raise RuntimeError
    assert termios.tcgetattr(program) == before


def test_a_terminal_that_is_closed(terminal):
    person, program = terminal
    with Keyboard(program) as keyboard:
        os.close(person)
        assert keyboard.keys() == [] and keyboard.closed
        assert keyboard.keys() == []


def test_what_is_no_terminal(tmp_path):
    with open(tmp_path / 'file', 'w') as file, \
            pytest.raises(ValueError, match=r'standard input is none.*--joy'):
        Keyboard(file.fileno()).__enter__()
