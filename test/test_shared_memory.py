"""What dead processes left is found and removed; what lives is left alone."""

import fcntl
import mmap
import os
import secrets
import select
import struct
import subprocess
import sys
import time

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


@pytest.fixture
def half_made(tmp_path):
    """Return a folder of ports: without a size, without a state, whole, and as Fast DDS 3 does."""
    state = {'fastrtps_port1': b'', 'fastrtps_port3': struct.pack('=I', 1) + bytes(100),
             'fastdds_port5': bytes(100), 'fastrtps_port7': struct.pack('=I', 2) + bytes(100),
             'fastrtps_port7_el': b'', 'sem.fastrtps_port7_mutex': bytes(32), 'fast_car': b''}
    for name, data in state.items():
        (tmp_path / name).write_bytes(data)
        os.utime(tmp_path / name, (time.time() - 60.0,) * 2)
    return tmp_path


def test_what_is_half_made_is_marked_as_never_made(half_made):
    (half_made / 'fastrtps_port9').write_bytes(b'')  # its maker may live
    before = (half_made / 'fastrtps_port7').read_bytes()
    assert sorted(shared_memory.release(half_made)) == ['fastdds_port5', 'fastrtps_port1',
                                                        'fastrtps_port3']
    assert (half_made / 'fastrtps_port1').stat().st_size == 1
    for name in ('fastrtps_port3', 'fastdds_port5'):
        assert struct.unpack('=I', (half_made / name).read_bytes()[:4]) == (3,)
    assert (half_made / 'fastrtps_port7').read_bytes() == before
    assert not (half_made / 'fastrtps_port9').stat().st_size
    assert shared_memory.release(half_made) == []


@pytest.mark.parametrize('size', [0, 52396])
def test_a_participant_that_waits_at_a_half_made_port_goes_on(size):
    """Whoever is killed when it makes a port leaves it so; without help this waits for ever."""
    pytest.importorskip('rclpy')
    domain = 150 + secrets.randbelow(70)
    port = f'port{7400 + 250 * domain + 11}'  # where the first participant of a domain listens
    paths = [shared_memory.FOLDER / f'{kind}_{port}' for kind in ('fastrtps', 'fastdds')]
    for path in paths:
        path.write_bytes(struct.pack('=I', 1) + bytes(size) if size else b'')
    program = 'import rclpy; rclpy.init(); rclpy.create_node("late"); print("made", flush=True)'
    process = subprocess.Popen(
        [sys.executable, '-c', program], stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'ROS_DOMAIN_ID': str(domain),
             'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'})
    try:
        assert process.stdout is not None
        for _ in range(12):
            for path in paths:
                path.touch()  # or whoever watches over another graph lets it go on
            assert not select.select([process.stdout], [], [], 0.25)[0]
        for path in paths:
            os.utime(path, (time.time() - 60.0,) * 2)
        shared_memory.release()
        assert select.select([process.stdout], [], [], 30.0)[0]
        assert process.stdout.readline() == 'made\n'
    finally:
        process.kill()
        process.communicate()
        for path in shared_memory.FOLDER.glob(f'*_{port}*'):
            path.unlink()
