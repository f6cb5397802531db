"""What dead processes left is found and removed; what lives is left alone."""

import fcntl
import mmap

import pytest
from rl_robot_ros import shared_memory

DEAD, LOCKED, MAPPED = (f'fastrtps_{number:016x}' for number in range(3))
PORT = 'fastrtps_port7411'
FILES = {DEAD: 4096, f'{DEAD}_el': 0, LOCKED: 10, f'{LOCKED}_el': 0, MAPPED: 4096,
         PORT: 5000, f'{PORT}_el': 0, f'{PORT}_sl': 0, f'sem.{PORT}_mutex': 32,
         'fastrtps_of_mine': 1, 'sem.other': 1, f'{DEAD}.txt': 1}


@pytest.fixture
def folder(tmp_path):
    for name, size in FILES.items():
        (tmp_path / name).write_bytes(bytes(size))
    with (tmp_path / f'{LOCKED}_el').open('rb') as lock, (tmp_path / MAPPED).open('r+b') as file:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with mmap.mmap(file.fileno(), 0):
            yield tmp_path


def test_found(folder):
    found = {left.name: left for left in shared_memory.leftovers(folder)}
    assert set(found) == {DEAD, PORT}
    assert {path.name for path in found[PORT].files} == {
        PORT, f'{PORT}_el', f'{PORT}_sl', f'sem.{PORT}_mutex'}
    assert found[DEAD].size >= 4096


@pytest.mark.parametrize('lock', ['_el', '_sl'])
def test_either_lock_will_do(folder, lock):
    with (folder / f'{PORT}{lock}').open('rb') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert [left.name for left in shared_memory.leftovers(folder)] == [DEAD]


def test_removed(folder):
    gone = {left.name for left in shared_memory.remove_leftovers(folder)}
    assert gone == {DEAD, PORT}
    assert {path.name for path in folder.iterdir()} == {
        LOCKED, f'{LOCKED}_el', MAPPED, 'fastrtps_of_mine', 'sem.other', f'{DEAD}.txt'}
    assert shared_memory.leftovers(folder) == []


def test_from_the_command_line(folder, monkeypatch, capsys):
    monkeypatch.setattr(shared_memory, 'FOLDER', folder)
    monkeypatch.setattr(shared_memory.remove_leftovers, '__defaults__', (folder,))
    assert shared_memory.main() == 0
    said = capsys.readouterr().out
    assert DEAD in said and '2 segments and ports of dead processes removed' in said
