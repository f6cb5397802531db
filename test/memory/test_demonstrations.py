"""Files of demonstrations: what goes in comes out, everything else is refused."""

import struct

from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import FLAGS
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.memory.demonstrations import save_demonstrations
from rl_robot_ros.memory.demonstrations import whole_episodes
from safetensors.numpy import save

IN_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
LAYOUT = RowLayout(2, 1, ('term',))
ENDED = LAYOUT.column('truncated')


def rows_of(count, seed=0):
    """Return finite rows, the last of which ends an episode."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, LAYOUT.width)) * 10.0**rng.integers(-9, 9)
    for name in FLAGS:
        rows[:, LAYOUT.column(name)] = rng.integers(2, size=(count, 1))
    for i in range(5):
        rows[:, i] = rng.integers(2**53, size=count)
    rows[-1, ENDED] = 1.0
    return rows


@IN_FOLDER
@given(count=st.integers(1, 20), seed=st.integers(0, 10**6))
def test_round_trip(tmp_path, count, seed):
    rows = rows_of(count, seed)
    kept = rows.copy()
    path = tmp_path / 'new' / 'shown.safetensors'
    written = save_demonstrations(path, LAYOUT, rows)
    read = load_demonstrations(path, LAYOUT)
    assert np.array_equal(rows, kept), 'what was given is not written to'
    kept[:, LAYOUT.column('evaluation')] = 0.0
    assert np.array_equal(read.rows, kept) and read.digest == written.digest
    ends = rows[:, LAYOUT.column('terminated')] + rows[:, ENDED]
    assert read.episodes == written.episodes == np.count_nonzero(ends) > 0
    assert list(path.parent.iterdir()) == [path]


@IN_FOLDER
@given(data=st.data())
def test_damage_is_noticed(tmp_path, data):
    """A cut file, a changed byte: an error that names file and parameter, or no change at all."""
    path = tmp_path / 'shown.safetensors'
    rows = rows_of(5)
    rows[:, LAYOUT.column('evaluation')] = 0.0
    save_demonstrations(path, LAYOUT, rows)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read = load_demonstrations(path, LAYOUT)
    except ValueError as error:
        assert str(path) in str(error) and 'algorithm.demonstrations: ' in str(error)
        return
    assert read.rows.tobytes() == rows.tobytes()


@IN_FOLDER
@given(content=st.binary(max_size=100) | st.binary(max_size=60).map(
    lambda text: struct.pack('<Q', len(text)) + text))
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'other'
    path.write_bytes(content)
    with pytest.raises(ValueError, match='other is no intact file of demonstrations'):
        load_demonstrations(path, LAYOUT)


def test_a_missing_file(tmp_path):
    for path in (tmp_path / 'nowhere', tmp_path):
        with pytest.raises(FileNotFoundError, match='there is no file .*rl-robot demonstrate'):
            load_demonstrations(path, LAYOUT)


def test_another_schema_is_refused_and_both_are_named(tmp_path):
    path = tmp_path / 'shown'
    save_demonstrations(path, LAYOUT, rows_of(3))
    other = RowLayout(3, 1, ('term',))
    with pytest.raises(ValueError) as caught:
        load_demonstrations(path, other)
    assert LAYOUT.schema in str(caught.value) and other.schema in str(caught.value)


def test_columns_that_an_algorithm_asked_for_do_not_matter(tmp_path):
    path, rows = tmp_path / 'shown', rows_of(3)
    digest = save_demonstrations(path, LAYOUT, rows).digest
    more = RowLayout(2, 1, ('term',), (Term('trace', 4), Term('log_prob', 1)))
    read = load_demonstrations(path, more)
    assert read.digest == digest and read.rows.shape == (3, more.width)
    after = LAYOUT.column('next_obs')
    assert np.array_equal(read.rows[:, more.column('next_obs')], rows[:, after])
    assert not read.rows[:, more.column('trace')].any()
    save_demonstrations(path, more, read.rows)
    assert np.array_equal(load_demonstrations(path, LAYOUT).rows[:, 10:], rows[:, 10:])
    with pytest.raises(ValueError, match='the same robot, task and kind of actions'):
        load_demonstrations(path, RowLayout(2, 1, ('term',), (Term('effort', 1),)))


@pytest.mark.parametrize('change, says', [
    (lambda rows: rows * np.nan, 'column epoch is not finite'),
    (lambda rows: np.where(np.arange(LAYOUT.width) == LAYOUT.column('obs').start, np.inf, rows),
     'column obs is not finite'),
    (lambda rows: rows[:0], '0 rows hold no whole episode'),
    (lambda rows: np.where(np.isin(np.arange(LAYOUT.width), (5, 6)), 0.0, rows),
     '3 rows hold no whole episode: none is terminated or truncated'),
    (lambda rows: rows[:, 1:], r'rows have shape \(3, 18\), the schema needs \(N, 19\)'),
    (lambda rows: rows[0], r'rows have shape \(19,\)'),
    (lambda rows: rows + 0.5, 'neither 0 nor 1'),
    (lambda rows: rows.astype(np.float32), 'rows are float32'),
    (lambda rows: np.where(np.arange(LAYOUT.width) == 9, 1.0, rows), 'rows of an evaluation'),
    (lambda rows: np.where(np.arange(LAYOUT.width) == 11, 7.0, rows), 'do not hash to')])
def test_rows_that_are_wrong(tmp_path, change, says):
    rows = rows_of(3)
    rows[:, LAYOUT.column('evaluation')] = 0.0
    path = tmp_path / 'shown'
    digest = save_demonstrations(path, LAYOUT, rows).digest
    bad = np.ascontiguousarray(change(rows))
    path.write_bytes(save({'rows': bad}, {'schema': LAYOUT.schema, 'digest': digest}))
    with pytest.raises(ValueError, match=says):
        load_demonstrations(path, LAYOUT)
    if 'hash' not in says and 'evaluation' not in says and 'float32' not in says:
        with pytest.raises(ValueError, match=says):
            save_demonstrations(tmp_path / 'never', LAYOUT, bad)
        assert not (tmp_path / 'never').exists()


@given(lost=st.sets(st.integers(0, 39)), mixed=st.randoms(use_true_random=False))
def test_whole_episodes_lack_no_row(lost, mixed):
    """Two policies with episodes of five rows, some rows lost, the two streams shuffled."""
    streams = []
    for epoch in (1, 2):
        rows = np.zeros((20, LAYOUT.width))
        rows[:, 0], rows[:, 1] = epoch, np.arange(20)
        rows[4::5, ENDED] = 1.0
        streams.append([row for i, row in enumerate(rows) if 20 * (epoch - 1) + i not in lost])
    order = [0] * len(streams[0]) + [1] * len(streams[1])
    mixed.shuffle(order)
    rows = np.array([streams[i].pop(0) for i in order]).reshape(-1, LAYOUT.width)
    found = {(int(episode[0, 0]), int(episode[0, 1])) for episode in whole_episodes(rows, LAYOUT)}
    assert all(len(episode) == 5 for episode in whole_episodes(rows, LAYOUT))
    # The row before an episode tells that it begins there.
    assert found == {(1 + number // 20, number % 20) for number in range(0, 40, 5)
                     if not lost & set(range(number, number + 5))
                     and (number % 20 == 0 or number - 1 not in lost)}
