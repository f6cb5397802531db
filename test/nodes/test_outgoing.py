"""What a policy answers when it is asked for its rows again, and what a learner makes of it."""

from concurrent.futures import Future
from types import SimpleNamespace

from learning.recorder import EPOCH
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from learning.recorder import SEQ
import numpy as np
import pytest
from rl_robot_ros import wire
from rl_robot_ros.core.tally import Made
from rl_robot_ros.core.tally import made_before
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.learning.inbox import Inbox
from rl_robot_ros.nodes.asker import Asker
from rl_robot_ros.nodes.outgoing import ExperienceSender
from rl_robot_ros.nodes.outgoing import oldest_kept
from rl_robot_ros.settings import ExperienceConfig


class Publisher:
    """Somebody hears what is published, or nobody."""

    def __init__(self):
        self.heard = []

    def publish(self, message):
        self.heard.append(wire.read_rows(message, LAYOUT))


def sender(**config):
    publisher = Publisher()
    made = ExperienceSender(SimpleNamespace(create_publisher=lambda *_: publisher),
                            ExperienceConfig(batch_rows=4, **config))
    made.layout = LAYOUT
    return made, publisher


def test_nothing_was_made_yet():
    made, _ = sender()
    assert made.resend() == '0 rows' and oldest_kept(made.resend()) is None


@pytest.mark.parametrize('keep, first', [(100, 0), (8, 12), (0, 20)])
def test_a_learner_that_comes_back_gets_what_is_kept_and_counts_the_rest(keep, first):
    """Twenty rows were made while it was away."""
    made, publisher = sender(keep_rows=keep)
    inbox, epoch = Inbox(LAYOUT), 2**53 - 1
    for row in make_rows(range(20), epoch):
        made.add(row, False)
    publisher.heard.clear()
    answer = made.resend()
    assert answer.startswith(f'{20 - first} rows') and oldest_kept(answer) == (epoch, first)
    made.flush_if_due(0.0)
    for rows in [*publisher.heard, make_rows([20], epoch)]:
        assert (rows[:, EPOCH] == epoch).all()
        inbox.put(rows)
    assert inbox.missing(epoch) == first
    assert inbox.give_up(*oldest_kept(answer)) == first
    assert inbox.counts['lost'] == first and inbox.counts['gaps'] == 0
    assert inbox.counts['rows'] == 21 - first
    assert np.concatenate([record.rows for record in [inbox.get(0.0)]]).shape[1] == LAYOUT.width


def seqs(publisher):
    return [int(seq) for rows in publisher.heard for seq in rows[:, SEQ]]


@pytest.fixture
def under_way(monkeypatch):
    """Return a sender that keeps some rows and sends a part of them again, and which part."""
    monkeypatch.setattr('rl_robot_ros.nodes.outgoing.RESENT_MESSAGES', 3)

    def begin(rows):
        made, publisher = sender(keep_rows=rows)
        for row in make_rows(range(rows), 5):
            made.add(row, False)
        publisher.heard.clear()
        made.resend()
        made.flush_if_due(0.0)
        part = len(seqs(publisher))
        assert 0 < part < rows / 2 and all(rows.nbytes <= 16_000 for rows in publisher.heard)
        return made, publisher, part
    return begin


def sent_again(made, publisher):
    """Return the numbers of all rows that are still to be sent again, as they come."""
    publisher.heard.clear()
    for _ in range(100):
        made.flush_if_due(0.0)
    return seqs(publisher)


def test_a_request_while_rows_are_sent_again_does_not_begin_anew(under_way):
    """Else a learner that asks again and again would only get the oldest."""
    made, publisher, part = under_way(2000)
    assert oldest_kept(made.resend()) == (5, 0)
    for row in make_rows(range(2000, 2010), 5):  # 10 of the oldest go
        made.add(row, False)
    # What was kept at the second request.
    assert sent_again(made, publisher) == [*range(part, 2000), *range(part)]
    assert made.counts['rows_resent'] == 2000 + part


def test_rows_that_are_on_their_way_again_are_not_given_up(under_way):
    """The ring has let go of them, but they are still to be sent."""
    made, publisher, part = under_way(1000)
    for row in make_rows(range(1000, 1990), 5):
        made.add(row, False)
    assert oldest_kept(made.resend()) == (5, part)
    assert sent_again(made, publisher) == list(range(part, 1990))
    assert oldest_kept(made.resend()) == (5, 990)


def test_every_row_is_in_the_tally(tmp_path):
    """The processes after this one speak for it."""
    for epoch, rows in ((5, 3), (6, 7)):
        made, _ = sender()
        made.tally = Tally(tmp_path / 'tally')
        made.begin(LAYOUT, epoch)
        made.tally.accepted(1, 99)
        for row in make_rows(range(rows), epoch):
            made.add(row, False)
    assert made_before(Tally(tmp_path / 'tally').accepts(1)) == [Made(5, 3, 99), Made(6, 7, 99)]


@pytest.mark.parametrize(('learner', 'lost'), [(99, 5), (98, 0)])
def test_a_learner_counts_what_died_with_a_policy(learner, lost):
    """What was made for another learner was never its own."""
    inbox = Inbox(LAYOUT)
    inbox.put(make_rows([0, 2], epoch=5))
    session = SimpleNamespace(trainer=SimpleNamespace(inbox=inbox), epoch=99)
    asker = Asker(SimpleNamespace(), session)
    for _ in range(2):
        asker.settle(f'accepted version 7, epoch 5 made 7 for {learner}')
    assert inbox.counts['lost'] == lost


class Client:
    """Somebody is asked."""

    def __init__(self):
        self.asked, self.dropped = [], []

    def service_is_ready(self):
        return True

    def call_async(self, _):
        self.asked.append(Future())
        return self.asked[-1]

    def remove_pending_request(self, future):
        self.dropped.append(future)


def test_a_request_that_is_not_answered_is_sent_again(monkeypatch):
    """It went to a process that had just been killed."""
    clock = [100.0]
    monkeypatch.setattr('rl_robot_ros.nodes.asker.time.monotonic', lambda: clock[0])
    inbox, client = Inbox(LAYOUT), Client()
    session = SimpleNamespace(trainer=SimpleNamespace(inbox=inbox), epoch=99, resumed=True)
    node = SimpleNamespace(create_client=lambda *_: client, get_logger=lambda: SimpleNamespace(
        info=lambda text: None))
    asker = Asker(node, session)
    asker.found('')
    for seconds, asked, dropped in ((0, 1, 0), (1, 1, 0), (2, 2, 1)):
        clock[0] = 100.0 + seconds
        asker.ask()
        assert (len(client.asked), len(client.dropped)) == (asked, dropped)
    client.asked[0].set_result(SimpleNamespace(message='late'))  # heard, and of no use
    client.asked[1].set_result(SimpleNamespace(message='0 rows'))
    clock[0] = 200.0
    asker.ask()
    assert len(client.asked) == 2  # nothing is known to be missing
    inbox.put(make_rows([3], epoch=5))
    asker.heard('', 5)
    asker.ask()
    client.asked[2].set_result(SimpleNamespace(message='2 rows of epoch 5, from 2 on'))
    assert inbox.counts['lost'] == 2 and inbox.missing(5) == 1
