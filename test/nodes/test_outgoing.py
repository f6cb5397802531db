"""What a policy answers when it is asked for its rows again, and what a learner makes of it."""

from types import SimpleNamespace

from learning.recorder import EPOCH
from learning.recorder import LAYOUT
from learning.recorder import make_rows
import numpy as np
import pytest
from rl_robot_ros import wire
from rl_robot_ros.core.tally import Made
from rl_robot_ros.core.tally import made_before
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.learning.inbox import Inbox
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


def test_a_policy_speaks_for_those_before_it(tmp_path):
    """They made rows that nobody heard of."""
    for epoch, rows in ((5, 3), (6, 7)):
        made, _ = sender()
        made.tally = Tally(tmp_path / 'tally')
        made.begin(LAYOUT, epoch)
        made.tally.accepted(1, 99)
        for row in make_rows(range(rows), epoch):
            made.add(row, False)
    after, _ = sender()
    after.tally = Tally(tmp_path / 'tally')
    answer = after.resend()
    assert made_before(answer) == [Made(5, 3, 99), Made(6, 7, 99)]
    assert answer.startswith('0 rows; ') and oldest_kept(answer) is None
    after.begin(LAYOUT, 8)
    after.add(make_rows([0], 8)[0], False)
    assert oldest_kept(after.resend()) == (8, 0)
    assert len(made_before(after.resend())) == 2
