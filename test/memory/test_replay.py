from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.replay import Replay

LAYOUT = RowLayout(2, 2, ('term',))


def make_rows(flags):
    """Rows whose every number is different; flags are (evaluation, intervened, filtered)."""
    rows = np.zeros((len(flags), LAYOUT.width))
    for i, (evaluation, intervened, filtered) in enumerate(flags):
        rows[i] = LAYOUT.pack({
            'obs': np.array([i, 0.1]), 'next_obs': np.array([i + 1, 0.2]), 'reward': 10.0 * i,
            'request': np.array([i, -0.5]), 'action': np.array([i, 0.5]),
            'terminated': float(i % 3 == 0), 'truncated': 1.0, 'evaluation': evaluation,
            'intervened': intervened, 'filtered': filtered})
    return rows


def expected(flags, learn_from):
    """Say what each row becomes, slowly: (number of the row, what was done instead of asked)."""
    result = []
    for i, (evaluation, intervened, filtered) in enumerate(flags):
        if evaluation:
            continue
        if intervened:
            result.append((i, 0.5))
        elif not filtered:
            result.append((i, -0.5))
        else:
            result += {'request': [(i, -0.5)], 'action': [(i, 0.5)],
                       'both': [(i, -0.5), (i, 0.5)]}[learn_from]
    return result


def contents(replay):
    action = replay.columns['action']
    return [(int(row[0]), float(row[action][1])) for row in replay.data[:replay.size]]


def in_ring(items, capacity):
    ring = [None] * min(capacity, len(items))
    for place, item in enumerate(items):
        ring[place % capacity] = item
    return ring


FLAGS = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=40)
MODES = st.sampled_from(('request', 'action', 'both'))


@given(FLAGS, MODES, st.integers(1, 15), st.lists(st.integers(1, 12), max_size=12))
def test_holds_the_newest_in_ring_order(flags, mode, capacity, cuts):
    replay = Replay(LAYOUT, capacity, mode)
    rows = make_rows(flags)
    added = sum(replay.add(part) for part in np.split(rows, np.cumsum(cuts))) \
        if len(rows) else 0
    wanted = expected(flags, mode)
    assert added == replay.total == len(wanted)
    assert replay.size == min(capacity, len(wanted))
    assert contents(replay) == in_ring(wanted, capacity)


@given(FLAGS, MODES, st.integers(1, 15))
def test_refill_restores_every_place(flags, mode, capacity):
    flags = [(False, *rest) for _, *rest in flags]  # a row log holds no evaluation rows
    before = Replay(LAYOUT, capacity, mode)
    rows = make_rows(flags)
    before.add(rows)
    after = Replay(LAYOUT, capacity, mode)
    after.add(make_rows([(0, 0, 0)] * 3))  # whatever was in there
    after.refill(rows[-capacity:], before.total)
    assert after.total == before.total
    assert np.array_equal(after.data[:after.size], before.data[:before.size])
    more = make_rows([(0, 0, 1)] * 4)
    before.add(more)
    after.add(more)
    assert np.array_equal(after.data[:after.size], before.data[:before.size])


def test_refill_with_rows_missing_holds_those_there_are():
    replay = Replay(LAYOUT, 10)
    replay.refill(make_rows([(0, 0, 0)] * 3), 27)
    assert replay.size == 3
    assert contents(replay) == [(0, -0.5), (1, -0.5), (2, -0.5)]
    replay.refill(make_rows([]), 27)
    assert replay.size == 0


def test_a_row_keeps_every_number():
    replay = Replay(LAYOUT, 4)
    replay.add(make_rows([(0, 0, 0)] * 2))
    row = {name: replay.data[1, column].tolist() for name, column in replay.columns.items()}
    assert row == {'obs': [1.0, pytest.approx(0.1)], 'next_obs': [2.0, pytest.approx(0.2)],
                   'action': [1.0, -0.5], 'reward': [10.0], 'terminated': [0.0]}
    assert replay.data.dtype == np.float32 and replay.data.flags.c_contiguous
    assert replay.data[0, replay.columns['terminated']] == 1.0


@pytest.mark.parametrize(('capacity', 'mode', 'reason'), [
    (0, 'request', 'capacity: got 0'), (5, 'executed', 'allowed are request, action, both')])
def test_bad_settings_are_refused(capacity, mode, reason):
    with pytest.raises(ValueError, match=reason):
        Replay(LAYOUT, capacity, mode)
