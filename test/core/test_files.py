import json

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.files import Reservation
from rl_robot_ros.core.files import write_atomically

SPANS = {'stamp': 100, 'episode': 10}
IN_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_write(tmp_path):
    path = tmp_path / 'new' / 'folder' / 'file'
    write_atomically(path, 'ä')
    assert path.read_bytes() == 'ä'.encode()
    write_atomically(path, b'\0\xff')
    assert path.read_bytes() == b'\0\xff'
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'file'
    write_atomically(path, 'old')

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr('os.replace', fail)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, 'new')
    assert path.read_text() == 'old' and list(tmp_path.iterdir()) == [path]


def test_data_is_on_disk_before_the_name(tmp_path, monkeypatch):
    import os
    done = []
    for name in ('fsync', 'replace'):
        def note(*arguments, name=name, original=getattr(os, name)):
            done.append(name)
            return original(*arguments)
        monkeypatch.setattr(f'os.{name}', note)
    write_atomically(tmp_path / 'file', 'x')
    assert done == ['fsync', 'replace']


def test_without_a_file_it_begins_at_zero():
    made = Reservation(None, SPANS)
    assert made.first == {'stamp': 0, 'episode': 0}
    made.use(stamp=10**6)
    assert Reservation(None, SPANS).first == made.first


def test_the_file_is_written_once_per_span(tmp_path, monkeypatch):
    writes = []
    monkeypatch.setattr('rl_robot_ros.core.files.write_atomically',
                        lambda path, text: writes.append(json.loads(text)))
    made = Reservation(tmp_path / 'file', SPANS)
    for stamp in range(1, 250):
        made.use(stamp=stamp)
        assert writes[-1]['stamp'] > stamp
    assert len(writes) == 3


@IN_FOLDER
@given(lives=st.lists(st.lists(st.tuples(st.sampled_from(sorted(SPANS)), st.integers(0, 130)),
                               max_size=12), min_size=1, max_size=5))
def test_no_number_is_used_twice_whatever_the_crashes(tmp_path, lives):
    """Each life begins at `first` and counts up; it may end at any moment, without a word."""
    path = tmp_path / 'file'
    path.unlink(missing_ok=True)
    used = {name: [-1] for name in SPANS}
    for life in lives:
        made = Reservation(path, SPANS)
        now = dict(made.first)
        assert all(now[name] > used[name][-1] for name in SPANS)
        for name, further in life:
            now[name] += further
            made.use(**{name: now[name]})
            used[name].append(now[name])
    assert all(numbers == sorted(numbers) for numbers in used.values())


@IN_FOLDER
@given(content=st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(('stamp', 'episode', 'x')), inner, max_size=3),
    max_leaves=6).map(lambda value: json.dumps(value).encode()))
def test_any_content_is_read_or_refused(tmp_path, content):
    path = tmp_path / 'clock'
    path.write_bytes(content)
    try:
        first = Reservation(path, SPANS).first
    except ValueError as error:
        assert 'holds no reservation of stamp, episode' in str(error) and str(path) in str(error)
        assert path.read_bytes() == content
        return
    assert all(isinstance(n, int) and 0 <= n < 2**60 for n in first.values())


@pytest.mark.parametrize('text', [
    '', '{}', '[]', '{"stamp": 1}', '{"stamp": -1, "episode": 0}', '{"stamp": NaN, "episode": 0}',
    '{"stamp": Infinity, "episode": 0}', '{"stamp": 1e300, "episode": 0}', '[' * 100_000])
def test_refusals(tmp_path, text):
    path = tmp_path / 'clock'
    path.write_text(text)
    with pytest.raises(ValueError, match='delete it or name another'):
        Reservation(path, SPANS)
