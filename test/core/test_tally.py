"""What a policy process leaves to the next one, however it ends."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from rl_robot_ros.core.tally import FORMER
from rl_robot_ros.core.tally import Made
from rl_robot_ros.core.tally import made_before
from rl_robot_ros.core.tally import Tally

DYING = """
import os, sys
from pathlib import Path
from rl_robot_ros.core.tally import Tally
tally = Tally(Path(sys.argv[1]))
tally.accepted(41, 99)
tally.begin(5)
for rows in range(1, 1001):
    tally.made(rows)
os.kill(os.getpid(), 9)
"""


def test_a_kill_undoes_nothing(tmp_path):
    path = tmp_path / 'tally'
    done = subprocess.run([sys.executable, '-c', DYING, path])
    assert done.returncode == -signal.SIGKILL
    tally = Tally(path)
    assert tally.former == [Made(5, 1000, 99)] and tally.floor == 41
    assert made_before(tally.accepts(1)) == tally.former


def test_every_process_adds_itself_and_the_oldest_are_forgotten(tmp_path):
    path = tmp_path / 'new' / 'tally'
    for number in range(FORMER + 10):
        tally = Tally(path)
        tally.begin(number)
        tally.accepted(10 * number, 1)
        tally.made(number + 1)
    former = Tally(path).former
    assert [made.epoch for made in former] == list(range(10, FORMER + 10))
    assert all(made == (made.epoch, made.epoch + 1, 1) for made in former)
    assert made_before(Tally(path).accepts(1)) == former
    assert Tally(path).floor == 10 * (FORMER + 9)


def test_one_that_made_nothing_is_nobody(tmp_path):
    path = tmp_path / 'tally'
    Tally(path).begin(3)
    assert Tally(path).former == [] and Tally(path).accepts(1) == 'accepted version 1'


def test_without_a_file_nothing_is_kept():
    tally = Tally()
    tally.begin(1)
    tally.made(5)
    tally.accepted(7, 1)
    assert Tally().former == [] and Tally().floor == 0


@pytest.mark.parametrize('content', [b'', b'something else', bytes(range(256)) * 8,
                                     np.full(500, -1).tobytes()],
                         ids=['empty', 'short', 'bytes', 'ones'])
def test_something_else_is_refused(tmp_path, content):
    path = tmp_path / 'tally'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'holds no tally.*policy\.tally_file'):
        Tally(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize('text', ['', 'epoch made for', 'epoch -1 made 2 for 3',
                                  f'epoch {10**20} made {10**20} for 1'])
def test_nothing_is_read_from_nonsense(text):
    assert made_before(text) == []


def test_what_is_read_is_bounded():
    assert len(made_before('epoch 1 made 2 for 3, ' * 10_000)) == FORMER
