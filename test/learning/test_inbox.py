import threading

from hypothesis import given
from hypothesis import strategies as st
from learning.recorder import EPOCH
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from learning.recorder import SEQ
import numpy as np
from rl_robot_ros.learning.inbox import Inbox
from rl_robot_ros.learning.inbox import MAX_EPOCHS
from rl_robot_ros.learning.inbox import spans
from rl_robot_ros.learning.segments import Record


def identities(batches):
    return [(int(row[EPOCH]), int(row[SEQ])) for batch in batches for row in batch]


def identities_of(record):
    return identities([record.rows])


def read_all(inbox):
    batches = []
    while (record := inbox.get(0.0)) is not None:
        batches.append(record.rows)
    return batches


@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 30)), min_size=1,
                         max_size=8), max_size=15))
def test_every_row_comes_out_once_whatever_is_sent(batches):
    inbox = Inbox(LAYOUT)
    sent = []
    for batch in batches:
        rows = np.concatenate([make_rows([seq], epoch) for epoch, seq in batch])
        new = inbox.put(rows)
        assert len(new) <= len(rows)
        sent += batch
    got = identities(read_all(inbox))
    assert sorted(got) == sorted(set(sent))
    assert inbox.counts['rows'] == len(got)
    assert inbox.counts['duplicates'] == len(sent) - len(got)
    assert inbox.counts['policy_epochs'] == len({epoch for epoch, _ in sent})
    # A gap is what lies below the newest row of an epoch and has not come.
    newest = {epoch: max(s for e, s in got if e == epoch) for epoch, _ in got}
    assert inbox.counts['gaps'] == sum(newest.values()) + len(newest) - len(got)


def test_rows_of_one_policy_keep_their_order():
    inbox = Inbox(LAYOUT)
    for start in (0, 3, 6):
        inbox.put(make_rows(range(start, start + 3)))
    assert identities(read_all(inbox)) == [(1, seq) for seq in range(9)]


def test_is_bounded_and_drops_the_oldest():
    inbox = Inbox(LAYOUT, capacity=10)
    for start in range(0, 40, 4):
        inbox.put(make_rows(range(start, start + 4)))
        assert inbox.waiting <= 10
    assert identities(read_all(inbox)) == [(1, seq) for seq in range(32, 40)]
    assert inbox.counts['dropped'] == 32
    assert inbox.waiting == 0


def test_what_is_put_back_comes_next():
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows(range(4)))
    inbox.put(make_rows([4]))
    first, rest = inbox.get(0.0).split(2)
    assert identities_of(first) == [(1, 0), (1, 1)]
    inbox.put_back(rest)
    assert inbox.waiting == 3 and inbox.taken == 2
    assert identities(read_all(inbox)) == [(1, 2), (1, 3), (1, 4)]


def test_a_reader_is_woken():
    inbox = Inbox(LAYOUT)
    got = []
    reader = threading.Thread(target=lambda: got.append(inbox.get(30.0)))
    reader.start()
    inbox.put(make_rows([0]))
    reader.join(30.0)
    assert identities_of(got[0]) == [(1, 0)]


def test_a_jump_in_seq_does_not_fill_memory():
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows([0]))
    inbox.put(make_rows([2**52]))
    inbox.put(make_rows([2**52 + 1]))
    assert inbox.counts['lost'] == 2**52 - 1
    assert len(inbox.state_dict()['known'][1]) < 10
    assert inbox.counts['rows'] == 3


def test_state_round_trip():
    inbox, other = Inbox(LAYOUT), Inbox(LAYOUT)
    inbox.put(make_rows([0, 1, 4]))
    read_all(inbox)
    other.load_state_dict(inbox.state_dict())
    assert identities([other.put(make_rows(range(6)))]) == [(1, 2), (1, 3), (1, 5)]
    assert other.counts['duplicates'] == 3


def test_a_state_is_small_however_many_rows_wait():
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows([0, 3]))
    for epoch in (1, 2):
        inbox.put(make_rows(range(4, 5000), epoch))
    assert inbox.state_dict()['known'] == {1: [5000, [0, 5000]], 2: [5000, [0, 5000]]}
    read_all(inbox)
    assert inbox.state_dict()['known'] == {1: [5000, [1, 3]], 2: [5000, [0, 4]]}


def test_a_state_of_before_there_were_spans_is_read():
    inbox = Inbox(LAYOUT)
    inbox.load_state_dict({'position': 7, 'known': {1: [9, 3, 5]}, 'counts': {}, 'skipped': []})
    assert identities([inbox.put(make_rows(range(2, 11)))]) == [(1, s) for s in (3, 5, 9, 10)]


@given(st.sets(st.integers(0, 60) | st.integers(2**53 - 9, 2**53 - 1)))
def test_spans_are_what_they_stand_for_and_as_few_as_can_be(numbers):
    found = spans(np.array([*numbers, *numbers], np.float64))
    assert [n for first, end in found for n in range(first, end)] == sorted(numbers)
    assert all(end < first for (_, end), (first, _) in zip(found, found[1:]))


def test_the_journal_hears_what_is_taken_in_its_order_and_with_positions():
    inbox, heard = Inbox(LAYOUT, capacity=6), []
    inbox.journal = heard.append
    for seqs, source in (((0, 1), 'a'), ((1, 2), 'a'), ((2, 0), 'a'), (range(3, 9), 'b')):
        inbox.put(make_rows(seqs), source)
    assert [(r.position, r.source, identities_of(r)) for r in heard] == [
        (0, 'a', [(1, 0), (1, 1)]), (2, 'a', [(1, 2)]), (3, 'b', [(1, s) for s in range(3, 9)])]
    # What did not fit any more was taken all the same, and is known to have been dropped.
    assert inbox.taken == 3 and inbox.position == 9
    assert [inbox.skipped(record).all() for record in heard] == [True, True, False]


@given(st.lists(st.integers(1, 5), max_size=8), st.integers(0, 40))
def test_a_state_and_what_the_journal_heard_behind_it_are_the_inbox(sizes, read):
    inbox, heard = Inbox(LAYOUT), []
    inbox.journal = heard.append
    start = 0
    for size in sizes:
        inbox.put(make_rows(range(start, start + size)))
        start += size + 1  # a gap each time
    while read > 0 and (record := inbox.get(0.0)) is not None:
        first, rest = record.split(record.position + read)
        read -= len(first.rows)
        if len(rest.rows):
            inbox.put_back(rest)
    other = Inbox(LAYOUT)
    other.load_state_dict(inbox.state_dict())
    assert other.position == inbox.taken
    for record in heard:
        _, behind = record.split(inbox.taken)
        if len(behind.rows):
            other.restore(behind)
    assert other.position == inbox.position and other.waiting == inbox.waiting
    assert other.counts == inbox.counts
    assert other.state_dict() == inbox.state_dict()
    assert identities(read_all(other)) == identities(read_all(inbox))


def test_what_was_restored_is_not_dropped_for_what_comes():
    inbox = Inbox(LAYOUT, capacity=4)
    inbox.restore(Record(7, '', make_rows(range(10))))
    inbox.put(make_rows(range(8, 13)))
    assert inbox.counts['dropped'] == 0
    assert identities(read_all(inbox)) == [(1, seq) for seq in range(13)]


def test_rows_that_nobody_has_any_more_are_counted(caplog):
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows([3, 5, 9]))
    assert inbox.counts['gaps'] == inbox.missing(1) == 7
    assert inbox.give_up(1, 5) == 4  # 0, 1, 2 and 4
    assert '4 rows of policy epoch 1 are lost' in caplog.text
    assert (inbox.counts['lost'], inbox.counts['gaps'], inbox.missing(1)) == (4, 3, 3)
    assert len(inbox.put(make_rows([4]))) == 0 and len(inbox.put(make_rows([6]))) == 1
    assert inbox.give_up(1) == 2 and inbox.give_up(1) == 0 and inbox.give_up(7) == 0
    assert (inbox.counts['lost'], inbox.counts['gaps']) == (6, 0)


def test_rows_that_died_with_their_policy():
    """Some were missing, some never sent; what was heard twice is counted once."""
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows([0, 1, 4], epoch=1))
    assert inbox.settle(1, 7) == 4
    assert inbox.settle(1, 7) == inbox.settle(1, 3) == 0
    assert inbox.counts['lost'] == 4 and inbox.counts['gaps'] == 0
    assert len(inbox.put(make_rows([2, 6], epoch=1))) == 0
    assert inbox.settle(2, 10) == 10  # nobody ever heard of it
    read_all(inbox)
    again = Inbox(LAYOUT)
    again.load_state_dict(inbox.state_dict())
    assert again.settle(1, 7) == again.settle(2, 10) == 0 and again.counts['lost'] == 14


def test_policies_that_never_spoke_take_no_memory():
    inbox = Inbox(LAYOUT)
    for epoch in range(3 * MAX_EPOCHS):
        inbox.settle(epoch, 1)
    assert len(inbox.state_dict()['known']) == MAX_EPOCHS
