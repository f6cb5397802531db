import os

import pytest
from rl_robot_ros.learning.checkpoint import Checkpoints
import torch


@pytest.fixture
def told():
    return []


def test_round_trip_keeps_every_type(tmp_path, told):
    state = {'tensor': torch.arange(3.0), 'list': [1, 2.5, 'x'], 'nested': {1: {'a': True}},
             'generator': torch.Generator().get_state()}
    Checkpoints(tmp_path).save(5, state)
    loaded = Checkpoints(tmp_path).load(told.append)
    assert torch.equal(loaded.pop('tensor'), state.pop('tensor'))
    assert torch.equal(loaded.pop('generator'), state.pop('generator'))
    assert loaded == state and told == []


def test_newest_wins_and_old_ones_go(tmp_path, told):
    checkpoints = Checkpoints(tmp_path, keep=2)
    for number in (9, 10, 100, 1000):
        checkpoints.save(number, {'number': number})
    assert len(checkpoints.files()) == 2
    assert checkpoints.load(told.append) == {'number': 1000}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        path.name for path in checkpoints.files()]  # no temporary file is left


@pytest.mark.parametrize('damage', [
    lambda data: data[:len(data) // 2], lambda data: b'', lambda data: data[:10],
    lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: b'\0' * len(data)])
def test_a_damaged_one_is_named_and_skipped(tmp_path, told, damage):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {'number': 1})
    newest = checkpoints.save(2, {'number': 2})
    newest.write_bytes(damage(newest.read_bytes()))
    assert checkpoints.load(told.append) == {'number': 1}
    assert len(told) == 1 and str(newest) in told[0]


def test_nothing_there_is_none(tmp_path, told):
    assert Checkpoints(tmp_path / 'new').load(told.append) is None


def test_nothing_but_damaged_ones_is_refused(tmp_path, told):
    """Beginning again from random weights, as if nothing had happened, would be worse."""
    path = Checkpoints(tmp_path).save(1, {})
    path.write_bytes(b'x')
    with pytest.raises(ValueError, match='no intact checkpoint'):
        Checkpoints(tmp_path).load(told.append)


class Evil:
    def __reduce__(self):
        return print, ('unpickled',)


def test_objects_are_not_unpickled(tmp_path, told, capsys):
    Checkpoints(tmp_path).save(1, {'evil': Evil()})
    with pytest.raises(Exception, match='(?i)weights.only|unsupported'):
        Checkpoints(tmp_path).load(told.append)
    assert 'unpickled' not in capsys.readouterr().out


def test_a_full_disk_leaves_the_old_one(tmp_path, told, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {'number': 1})

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        checkpoints.save(2, {'number': 2})
    monkeypatch.undo()
    assert checkpoints.load(told.append) == {'number': 1}
    assert len(list(tmp_path.iterdir())) == 1


def test_one_that_cannot_be_read_is_named_and_skipped(tmp_path, told, monkeypatch):
    """As root every mode can be read, so the error is made."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, {'number': 1})
    newest = checkpoints.save(2, {'number': 2})
    read = type(newest).read_bytes

    def refuse(path):
        if path == newest:
            raise PermissionError(13, 'Permission denied', str(path))
        return read(path)

    monkeypatch.setattr(type(newest), 'read_bytes', refuse)
    assert checkpoints.load(told.append) == {'number': 1}
    assert len(told) == 1 and str(newest) in told[0] and 'Permission denied' in told[0]


def test_what_a_killed_process_left_is_swept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    path = checkpoints.save(1, {})
    (tmp_path / f'.{path.name}.x7k2').write_bytes(b'half')
    checkpoints.sweep()
    assert list(tmp_path.iterdir()) == [path]
