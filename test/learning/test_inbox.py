import threading

from hypothesis import given
from hypothesis import strategies as st
from learning.recorder import EPOCH
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from learning.recorder import SEQ
import numpy as np
from rl_robot_ros.learning.inbox import Inbox


def identities(batches):
    return [(int(row[EPOCH]), int(row[SEQ])) for batch in batches for row in batch]


def read_all(inbox):
    batches = []
    while (batch := inbox.get(0.0)) is not None:
        batches.append(batch)
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
    inbox.put_back(inbox.get(0.0)[2:])
    assert inbox.waiting == 3
    assert identities(read_all(inbox)) == [(1, 2), (1, 3), (1, 4)]


def test_a_reader_is_woken():
    inbox = Inbox(LAYOUT)
    got = []
    reader = threading.Thread(target=lambda: got.append(inbox.get(30.0)))
    reader.start()
    inbox.put(make_rows([0]))
    reader.join(30.0)
    assert identities(got) == [(1, 0)]


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
