import sys
import threading
import time

from hypothesis import given
from hypothesis import strategies as st
from learning.recorder import LAYOUT
from learning.recorder import make_rows
import numpy as np
import pytest
from rl_robot_ros.learning.statistics import Statistics
from rl_robot_ros.learning.statistics import WINDOW


def episode(start, rewards, success=(), end='terminated', epoch=1, **values):
    """Rows of one episode."""
    count = len(rewards)
    last = [0.0] * (count - 1) + [1.0]
    return make_rows(range(start, start + count), epoch, reward=rewards,
                     success=[float(i in success) for i in range(count)], **{end: last}, **values)


def test_one_episode():
    statistics = Statistics(LAYOUT)
    rows = episode(0, [1.0, 2.0, 3.0, 4.0], success={1}, filtered=[1, 0, 0, 0],
                   intervened=[0, 1, 1, 0])
    statistics.add(rows[:1])
    assert statistics.report()['episodes'] == 0
    statistics.add(rows[1:])
    report = statistics.report()
    assert report['episodes'] == 1
    assert report['return_mean'] == 10.0
    assert report['length_mean'] == 4.0
    assert report['success_rate'] == 1.0 and report['success_end_rate'] == 0.0
    assert report['filtered'] == 0.25 and report['interventions'] == 0.5


@pytest.mark.parametrize('end', ['terminated', 'truncated'])
def test_both_ends_end_an_episode(end):
    statistics = Statistics(LAYOUT)
    statistics.add(episode(0, [1.0], success={0}, end=end))
    assert statistics.report()['success_end_rate'] == 1.0


def test_policies_are_kept_apart():
    statistics = Statistics(LAYOUT)
    a, b = episode(0, [1.0, 1.0], epoch=1), episode(0, [10.0, 10.0], epoch=2)
    for rows in (a[:1], b[:1], a[1:], b[1:]):
        statistics.add(rows)
    assert sorted(e.total for e in statistics.recent) == [2.0, 20.0]


def test_rows_of_evaluation_do_not_count():
    statistics = Statistics(LAYOUT)
    statistics.add(episode(0, [1.0, 1.0], evaluation=1.0))
    assert statistics.episodes == 0


def test_rate_needs_a_full_window():
    statistics = Statistics(LAYOUT)
    for i in range(WINDOW - 1):
        statistics.add(episode(i, [1.0], success={0}))
    assert statistics.success_rate == 0.0
    statistics.add(episode(WINDOW, [1.0], success={0}))
    assert statistics.success_rate == 1.0
    for i in range(WINDOW):
        statistics.add(episode(WINDOW + 1 + i, [1.0]))
    assert statistics.success_rate == 0.0
    assert len(statistics.recent) == WINDOW


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=30), st.integers(1, 7))
def test_terms_are_means_by_name(values, size):
    statistics = Statistics(LAYOUT)
    rows = make_rows(range(len(values)))
    rows[:, LAYOUT.column('terms.bonus').start] = values
    for i in range(0, len(rows), size):
        statistics.add(rows[i:i + size])
    report = statistics.report()
    assert min(values) - 1e-9 <= report['terms.bonus'] <= max(values) + 1e-9
    assert report['terms.distance'] == 0.0


def test_one_thread_may_read_while_another_adds():
    statistics = Statistics(LAYOUT)
    stop = threading.Event()
    rows = np.concatenate([episode(i, [1.0], success={0}) for i in range(500)])

    def add():
        while not stop.is_set():
            statistics.add(rows)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    writer = threading.Thread(target=add)
    writer.start()
    try:
        for _ in range(3000):
            assert statistics.success_rate in (0.0, 1.0)
            statistics.report()
            time.sleep(0.0)  # let the writer in
    finally:
        stop.set()
        writer.join()
        sys.setswitchinterval(interval)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 2), st.booleans()), min_size=1,
                max_size=8), st.lists(st.integers(1, 7), min_size=1, max_size=40))
def test_batches_make_no_difference(episodes, sizes):
    """Bit by bit: a resumed learner gets the same rows in other batches."""
    rng, seqs, parts = np.random.default_rng(len(sizes)), {1: 0, 2: 0}, []
    for length, epoch, evaluation in episodes:
        parts.append(episode(seqs[epoch], rng.normal(size=length), epoch=epoch,
                             evaluation=float(evaluation), filtered=rng.integers(0, 2, length)))
        seqs[epoch] += length
    rows = np.concatenate(parts)
    whole, batches = Statistics(LAYOUT), Statistics(LAYOUT)
    whole.add(rows)
    for part in np.split(rows, np.cumsum(sizes)):
        batches.add(part)
    assert batches.state_dict() == whole.state_dict()
    assert whole.episodes == sum(not evaluation for _, _, evaluation in episodes)
    assert sum(each.total for each in whole.recent) == pytest.approx(
        rows[rows[:, LAYOUT.column('evaluation').start] == 0.0,
             LAYOUT.column('reward').start].sum())
