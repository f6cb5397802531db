"""Rows on disk: whatever a file went through, what is read was written, in that order."""

import os
from pathlib import Path
import subprocess
import sys

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from learning.recorder import SEQ
import numpy as np
import pytest
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning import row_log as module
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.row_log import RowLog
from rl_robot_ros.learning.row_log import segments
from rl_robot_ros.learning.segments import head
from rl_robot_ros.learning.segments import pack
from rl_robot_ros.learning.segments import Record
from rl_robot_ros.learning.segments import Segment

ROW = 8 * LAYOUT.width  # bytes
IN_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=6)


def record(position, count, source='arm'):
    """Return a record whose rows are numbered by their positions."""
    return Record(position, source, make_rows(range(position, position + count), reward=0.5))


def records(sizes, start=0):
    ends = start + np.cumsum(sizes)
    return [record(int(end) - size, size) for size, end in zip(sizes, ends)]


def numbers(found):
    return [int(row[SEQ]) for each in found for row in each.rows]


def equal(found, wanted):
    return len(found) == len(wanted) and all(
        a.position == b.position and a.source == b.source and np.array_equal(a.rows, b.rows)
        for a, b in zip(found, wanted))


def fill(folder, *parts):
    """Write records by a log for each part, as processes would, one after another."""
    for part in parts:
        log = RowLog(folder, LAYOUT)
        for each in part:
            log.append(each)
        log.flush()
        log.close()


def read(folder, start=0):
    """Return records, rows lost, and what was told."""
    told = []
    reader = Reader(folder, LAYOUT, told.append)
    found = list(reader.read(start))
    return found, reader.lost, told


# -- one file ----------------------------------------------------------------------------------


def damaged(path, written, content):
    """Read a file with this content; what is found must be the beginning of what was written."""
    path.write_bytes(content)
    segment = Segment(path, LAYOUT)
    found = list(segment)
    assert equal(found, written[:len(found)])
    intact = len(head(LAYOUT)) + sum(len(pack(each)) for each in written[:len(found)])
    assert segment.torn == len(content) - intact * bool(found or segment.torn < len(content))
    return found


@IN_FOLDER
@given(sizes=SIZES, cut=st.floats(0.0, 1.0))
def test_a_file_that_ends_anywhere_is_a_prefix(tmp_path, sizes, cut):
    written = records(sizes)
    content = head(LAYOUT) + b''.join(map(pack, written))
    content = content[:int(cut * len(content))]
    found = damaged(tmp_path / '0.rows', written, content)
    whole = [len(head(LAYOUT)) + sum(len(pack(w)) for w in written[:n + 1])
             for n in range(len(written))]
    assert len(found) == sum(end <= len(content) for end in whole)


@IN_FOLDER
@given(sizes=SIZES, where=st.floats(0.0, 1.0, exclude_max=True), bits=st.integers(1, 255))
def test_a_byte_that_changed_ends_it_there(tmp_path, sizes, where, bits):
    written = records(sizes)
    content = bytearray(head(LAYOUT) + b''.join(map(pack, written)))
    place = int(where * len(content))
    content[place] ^= bits
    found = damaged(tmp_path / '0.rows', written, bytes(content))
    start = len(head(LAYOUT))
    before = sum(start + sum(len(pack(w)) for w in written[:n + 1]) <= place
                 for n in range(len(written)))
    assert len(found) == before * (place >= start)


@IN_FOLDER
@given(content=st.binary(max_size=200), real_head=st.booleans())
def test_any_file_is_read(tmp_path, content, real_head):
    path = tmp_path / '0.rows'
    path.write_bytes(head(LAYOUT) * real_head + content)
    assert list(Segment(path, LAYOUT)) == []


def test_rows_of_another_layout_are_refused(tmp_path):
    fill(tmp_path, records([2]))
    with pytest.raises(ValueError, match='give the parameters it was made with'):
        list(Reader(tmp_path, RowLayout(2, 1)).read())


# -- many files --------------------------------------------------------------------------------


@IN_FOLDER
@given(lives=st.lists(SIZES, min_size=1, max_size=4), segment=st.integers(1, 6 * ROW),
       start=st.integers(0, 60), torn=st.integers(1, 40))
def test_lives_and_torn_ends(tmp_path_factory, lives, segment, start, torn):
    """Each life goes on behind what the one before left intact; reading starts anywhere."""
    folder, written = tmp_path_factory.mktemp('log'), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'SEGMENT_BYTES', segment)
        for sizes in lives:
            end = written[-1].end if written else 0
            fill(folder, records(sizes, end))
            written += records(sizes, end)
            with open(segments(folder)[-1][1], 'ab') as file:  # and died in the next record
                file.write(pack(record(written[-1].end, 3))[:torn])
    found, lost, told = read(folder, start)
    assert numbers(found) == list(range(start, written[-1].end))
    assert lost == 0 and len(told) == 1 and f'ends in {torn} torn bytes' in told[0]


def test_damage_in_the_middle_is_named_and_costs_its_segment(tmp_path):
    fill(tmp_path, *([each] for each in records([2] * 10)))
    fill(tmp_path, records([2] * 10, 20), records([2], 40))
    path = tmp_path / f'{20:015d}.rows'
    content = bytearray(path.read_bytes())
    content[len(head(LAYOUT)) + 2 * len(pack(record(0, 2))) + 30] ^= 4
    path.write_bytes(content)
    found, lost, told = read(tmp_path)
    assert numbers(found) == [*range(24), 40, 41]
    assert lost == 16 and len(told) == 1
    assert '16 rows (from 24) are missing' in told[0] and str(path) in told[0]
    path.unlink()
    found, lost, told = read(tmp_path)
    assert lost == 20 and 'no segment holds them' in told[0]


def test_disk_use_is_bounded(tmp_path, monkeypatch):
    """Segments go that nobody needs, and the oldest go beyond the limit."""
    monkeypatch.setattr(module, 'SEGMENT_BYTES', 4 * ROW)
    log = RowLog(tmp_path, LAYOUT, limit=100 * ROW)
    for each in records([2] * 100):
        log.append(each)
        log.flush()
        if each.position == 60:
            assert segments(tmp_path)[0][0] == 0
            log.forget(41)
        if each.position == 70:
            assert segments(tmp_path)[0][0] <= 41 < segments(tmp_path)[1][0]
            assert numbers(read(tmp_path, 41)[0]) == list(range(41, 72))
    log.close()
    assert log.counts['log_expired'] > 60 and log.counts['log_rows'] == 200
    assert sum(path.stat().st_size for _, path in segments(tmp_path)) < 110 * ROW
    found, lost, _ = read(tmp_path, 100)
    assert numbers(found)[-1] == 199 and lost == numbers(found)[0] - 100 > 0


@given(sizes=st.lists(st.integers(0, 9), max_size=9), most=st.integers(1, 4),
       room=st.integers(1, 40))
def test_parts_are_written_whole_however_little_is_taken_at_once(sizes, most, room):
    parts = [bytes([number]) * size for number, size in enumerate(sizes)]
    reading, writing = os.pipe()
    writev = os.writev
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, 'MOST_PARTS', most)
        patch.setattr(module.os, 'writev',
                      lambda file, some: writev(file, [b''.join(some)[:room]]))
        module.write_all(writing, parts)
    os.close(writing)
    with open(reading, 'rb') as file:
        assert file.read() == b''.join(parts)


# -- a disk that refuses -----------------------------------------------------------------------


def refuse(*_):
    raise OSError(28, 'No space left on device')


def flush_at_last(log):
    """Flush; an attempt that was under way when the disk recovered may fail once more."""
    for _ in range(100):
        try:
            return log.flush()
        except OSError:
            pass
    raise AssertionError(log.error)


@pytest.mark.parametrize('call', ['writev', 'fsync', 'open', 'ftruncate'])
def test_a_disk_that_refuses_for_a_while(tmp_path, monkeypatch, caplog, call):
    """Rows wait and are written once it takes them again, each once."""
    log = RowLog(tmp_path, LAYOUT, period=0.01)
    for each in records([2, 2]):
        log.append(each)
    log.flush()
    if call == 'ftruncate':  # the half of a record stays there
        write = os.write
        monkeypatch.setattr(module.os, 'writev', lambda handle, data:
                            refuse() if write(handle, data[0][:9]) else 0)
    if call == 'open':
        monkeypatch.setattr(module, 'SEGMENT_BYTES', 1)
    monkeypatch.setattr(module.os, call, refuse)
    for each in records([1] * 20, 4):
        log.append(each)
    with pytest.raises(OSError, match='No space left'):
        log.flush()
    assert 'No space left' in log.error
    monkeypatch.undo()
    log.append(record(24, 1))
    flush_at_last(log)
    log.close()
    assert log.error == '' and log.counts['log_lost'] == 0
    assert caplog.text.count('the disk refuses rows') == 1
    found, lost, _ = read(tmp_path)
    assert numbers(found) == list(range(25)) and lost == 0


def test_what_waits_is_bounded_and_the_rest_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'QUEUE_BYTES', 10 * ROW)
    monkeypatch.setattr(module.os, 'fsync', refuse)
    log = RowLog(tmp_path, LAYOUT, period=0.01)
    for each in records([2] * 21):
        log.append(each)
    with pytest.raises(OSError, match='No space left'):
        log.flush()
    monkeypatch.undo()
    flush_at_last(log)
    log.append(record(42, 2))
    log.close()
    assert log.counts['log_lost'] == 32 and log.counts['log_rows'] == 12
    found, lost, told = read(tmp_path)
    assert numbers(found) == [*range(10), 42, 43]
    assert lost == 32 and 'no segment holds them' in told[0]


LIMITED = """
from pathlib import Path
import resource
import sys
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from rl_robot_ros.learning.row_log import RowLog
from rl_robot_ros.learning.segments import Record
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
log = RowLog(Path(sys.argv[1]), LAYOUT, period=0.01)
for position in range(0, 40, 2):
    log.append(Record(position, 'arm', make_rows([position, position + 1])))
try:
    log.flush()
except OSError as error:
    print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
for _ in range(100):
    try:
        log.flush()
    except OSError:
        pass
log.close()
"""


def test_a_limit_of_the_kernel(tmp_path):
    """The real thing, in a process of its own: a write that stops in the middle of a record."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    done = subprocess.run([sys.executable, '-c', LIMITED, str(tmp_path)], text=True, timeout=50,
                          capture_output=True, env={**os.environ, 'PYTHONPATH': path})
    assert done.returncode == 0, done.stderr
    assert 'File too large' in done.stdout
    found, lost, told = read(tmp_path)
    assert numbers(found) == list(range(40)) and lost == 0 and told == []
