"""What the learner node does with experience messages, without a graph."""

from types import SimpleNamespace

import numpy as np
from rclpy.serialization import serialize_message
from rl_robot_ros import wire
from rl_robot_ros.core.transition import HEAD
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes import learner
from rl_robot_ros.nodes.learner import LearnerNode
from rl_robot_ros.nodes.learner import MOST_AT_ONCE
from rl_robot_ros.wire_rows import RowsReader

LAYOUT = RowLayout(3, 2, ('distance',))


class Taking(SimpleNamespace):
    """The part of the node that takes rows; `taken` holds (namespace, epoch, numbers)."""

    _on_experience = LearnerNode._on_experience
    _read_arrived = LearnerNode._read_arrived
    _read_when_quiet = LearnerNode._read_when_quiet
    _read_or_refuse = LearnerNode._read_or_refuse
    _take = LearnerNode._take

    def __init__(self):
        self.taken, self.heard, self.later = [], {}, []
        super().__init__(
            _arrived=[], _arrived_bytes=0, _reading=0, _reader=RowsReader(LAYOUT), refused={},
            counts={'messages_refused': 0}, soon=self.later.append, warn=lambda key, text: None,
            session=SimpleNamespace(layout=LAYOUT, trainer=SimpleNamespace(ingest=self.ingest)),
            asker=SimpleNamespace(heard=self.heard.__setitem__),
            pusher=SimpleNamespace(saw_version=lambda namespace, version: None))

    def ingest(self, rows, source):
        epoch, seq = (LAYOUT.column(name).start for name in ('epoch', 'seq'))
        assert len(set(rows[:, epoch])) == 1
        self.taken.append((source, rows[0, epoch], rows[:, seq].tolist()))


def message(seqs, epoch=1, value=0.0):
    rows = np.zeros((len(seqs), LAYOUT.width))
    rows[:, len(HEAD):] = value
    rows[:, LAYOUT.column('epoch').start], rows[:, LAYOUT.column('seq').start] = epoch, seqs
    return serialize_message(wire.rows_message(rows, LAYOUT.schema))


def test_what_has_come_is_read_at_once_in_its_order():
    node = Taking()
    for namespace, data in (('/a', message([0, 1])), ('', message([0], 7)),
                            ('/a', message([2])), ('/a', message([])), ('', message([1, 2], 7))):
        node._on_experience(namespace, data)
    assert node.taken == [] and len(node.later) == 1
    node.later.pop()()  # four more have come since it asked for a turn
    assert node.taken == [] and len(node.later) == 1
    node.later.pop()()
    assert node.taken == [('/a', 1, [0, 1, 2]), ('/', 7, [0, 1, 2])]
    assert node.heard == {'/a': 1, '': 7}
    node._on_experience('/a', message([3]))
    assert len(node.later) == 1


def test_successors_are_kept_apart():
    node = Taking()
    for data in (message([5], 1), message([6, 7], 1), message([0], 2), message([1], 2)):
        node._on_experience('', data)
    node._read_arrived()
    assert node.taken == [('/', 1, [5, 6, 7]), ('/', 2, [0, 1])] and node.heard == {'': 2}


def test_a_bad_message_is_refused_alone():
    node = Taking()
    for data in (message([0]), message([1], value=np.nan), b'garbage', message([2])):
        node._on_experience('', data)
    node._read_arrived()
    assert node.taken == [('/', 1, [0]), ('/', 1, [2])]
    assert node.counts == {'messages_refused': 2} and node.refused == {'values': 1, 'bytes': 1}


def test_long_messages_do_not_wait_for_each_other(monkeypatch):
    node, long = Taking(), message(list(range(20)))
    monkeypatch.setattr(learner, 'MOST_BYTES', len(long) + 100)
    node._on_experience('', message([100]))
    node._on_experience('/a', long)
    assert node.taken == [('/', 1, [100])] and len(node._arrived) == 1
    node._on_experience('/b', message(list(range(30))))
    assert [source for source, _, _ in node.taken] == ['/', '/a', '/b'] and not node._arrived


def test_a_flood_does_not_wait():
    node = Taking()
    for seq in range(MOST_AT_ONCE + 1):
        node._on_experience('', message([seq]))
    assert node.taken == [('/', 1, list(range(MOST_AT_ONCE)))] and len(node._arrived) == 1
