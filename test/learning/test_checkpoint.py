from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.learning import checkpoint as module
from rl_robot_ros.learning.checkpoint import Checkpoints
from rl_robot_ros.learning.checkpoint import RowLog
import torch

WIDTH = 3


@pytest.fixture
def told():
    return []


def numbered(first, count):
    return np.arange(first * WIDTH, (first + count) * WIDTH, dtype=np.float64).reshape(-1, WIDTH)


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

    monkeypatch.setattr(module.os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        checkpoints.save(2, {'number': 2})
    monkeypatch.undo()
    assert checkpoints.load(told.append) == {'number': 1}
    assert len(list(tmp_path.iterdir())) == 1


# -- rows --------------------------------------------------------------------------------------


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=10),
       capacity=st.integers(1, 30), segment=st.integers(1, 8))
def test_rows_come_back_in_order(tmp_path_factory, parts, capacity, segment):
    """Append, flush here and there, restore at the last flush, go on: nothing is lost or twice."""
    folder = tmp_path_factory.mktemp('rows')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'SEGMENT_ROWS', segment)
        log = RowLog(folder, WIDTH, capacity)
        appended = flushed = 0
        for count, flush in parts:
            log.append(numbered(appended, count))
            appended += count
            if flush:
                flushed = log.flush()
                assert flushed == appended
        again = RowLog(folder, WIDTH, capacity)
        newest = min(flushed, capacity)
        assert np.array_equal(again.restore(flushed), numbered(flushed - newest, newest))
        again.append(numbered(flushed, 5))
        total = again.flush()
        newest = min(total, capacity)
        assert np.array_equal(RowLog(folder, WIDTH, capacity).restore(total),
                              numbered(total - newest, newest))
        kept = len(list(folder.glob('*.rows')))
        assert kept <= capacity // segment + 3  # disk is bounded too


def test_rows_behind_the_checkpoint_are_overwritten(tmp_path):
    log = RowLog(tmp_path, WIDTH, 100)
    log.append(numbered(0, 10))
    log.flush()
    again = RowLog(tmp_path, WIDTH, 100)
    again.restore(4)
    again.append(numbered(50, 3))
    assert again.flush() == 7
    assert np.array_equal(RowLog(tmp_path, WIDTH, 100).restore(7),
                          np.concatenate((numbered(0, 4), numbered(50, 3))))


def test_an_older_checkpoint_finds_its_rows_too(tmp_path, monkeypatch):
    """Where the newest checkpoint is damaged the one before it is used, with fewer rows."""
    monkeypatch.setattr(module, 'SEGMENT_ROWS', 4)
    log = RowLog(tmp_path, WIDTH, 8)
    counts = []
    for i in range(10):
        log.append(numbered(4 * i, 4))
        counts.append(log.flush())
    rows = RowLog(tmp_path, WIDTH, 8).restore(counts[-2])
    assert np.array_equal(rows[-4:], numbered(counts[-2] - 4, 4))


@pytest.mark.parametrize('cut', [1, 8 * WIDTH, 10**9])
def test_missing_rows_are_named(tmp_path, cut):
    log = RowLog(tmp_path, WIDTH, 100)
    log.append(numbered(0, 10))
    log.flush()
    path = next(tmp_path.glob('*.rows'))
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=rf'{path.name} holds .* the checkpoint needs 10'):
        RowLog(tmp_path, WIDTH, 100).restore(10)


def test_no_capacity_writes_nothing(tmp_path):
    log = RowLog(tmp_path, WIDTH, 0)
    log.append(numbered(0, 10))
    count = log.flush()
    assert list(tmp_path.glob('*.rows')) == []
    assert RowLog(tmp_path, WIDTH, 0).restore(count).shape == (0, WIDTH)


def test_a_failed_write_is_made_up_for(tmp_path, monkeypatch):
    log = RowLog(tmp_path, WIDTH, 100)
    log.append(numbered(0, 5))

    def full(*_):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(module.os, 'fsync', full)
    with pytest.raises(OSError, match='No space'):
        log.flush()
    monkeypatch.undo()
    log.append(numbered(5, 2))
    assert log.flush() == 7
    assert np.array_equal(RowLog(tmp_path, WIDTH, 100).restore(7), numbered(0, 7))
