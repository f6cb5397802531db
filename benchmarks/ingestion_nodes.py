"""Processes of `ingestion_dds.py`: who sends rows, who receives them, who learns from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
import time
from typing import Any

from bare_node import make_node
from ingestion import MESSAGE
from ingestion import MOST_WAITING
import numpy as np
import rclpy
from rclpy.serialization import serialize_message
from rl_robot_ros import wire
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes.learner import LearnerNode
from rl_robot_ros.nodes.pusher import SERVICE
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import make_executor
from rl_robot_ros.nodes.runtime import run
from std_msgs.msg import Float64MultiArray

AHEAD = 16  # messages that a sender is ahead, at most: a reader keeps 100, shared memory holds 36
CONSUMERS = ('bare', 'bytes', 'without', 'with')  # a subscriber of messages, of bytes; the log
WRONG = ('gaps', 'lost', 'duplicates', 'dropped')  # counts of the inbox


@dataclass
class Board:
    """
    What all processes see, in shared memory.

    :param order: number of the turn, whose it is, messages of each sender in it, whether to end.
    :param goal: per consumer, messages that have come when its turn is over, of all turns.
    :param ended: per consumer, when its last turn was over [s of the steady clock].
    :param taken: per consumer and sender, messages that have come.
    :param wrong: per consumer, rows that are missing or came twice, and messages refused.
    :param ready: per process, consumers first, whether it waits for its turn.
    """

    senders: int
    order: Any
    goal: Any
    ended: Any
    taken: Any
    wrong: Any
    ready: Any

    @classmethod
    def make(cls, context: Any, senders: int) -> Board:
        """Return a new one, for the processes of a multiprocessing context."""
        kinds, array = len(CONSUMERS), context.RawArray
        return cls(senders, array('q', 4), array('q', kinds), array('d', kinds),
                   array('q', kinds * senders), array('q', kinds), array('b', kinds + senders))


def namespace(consumer: int, sender: int) -> str:
    """Return the namespace of a sender as one consumer knows it."""
    return f'/{CONSUMERS[consumer]}{sender}'


class Messages:
    """
    The bytes of one sender's messages: made once, then only numbers are written into them.

    :param epoch: of the policy process that it stands for.
    """

    def __init__(self, layout: RowLayout, epoch: int) -> None:
        rows = np.random.default_rng(epoch).standard_normal((MESSAGE, layout.width))
        rows[:, :layout.column('obs').start] = 0.0
        rows[:, layout.column('epoch').start] = epoch
        self._data = bytearray(serialize_message(wire.rows_message(rows, layout.schema)))
        # Rows are the last field.
        view = np.frombuffer(self._data, offset=len(self._data) - rows.nbytes).reshape(rows.shape)
        assert np.array_equal(view, rows)
        self._seq, self._range = view[:, layout.column('seq').start], np.arange(float(MESSAGE))

    def number(self, number: int) -> bytes:
        """Return the message of this number."""
        self._seq[:] = self._range + number * MESSAGE
        return bytes(self._data)


def send(board: Board, sender: int, layout: RowLayout) -> None:
    """Send to each consumer in its turn, as fast as it takes them."""
    node = make_node(f'sender{sender}')
    publishers = [node.create_publisher(
        Float64MultiArray, f'{namespace(consumer, sender)}/experience', EXPERIENCE_QOS)
        for consumer in range(len(CONSUMERS))]
    messages, sent, turn = Messages(layout, 1 + sender), [0] * len(CONSUMERS), 0
    while not board.order[3]:
        board.ready[len(CONSUMERS) + sender] = all(
            publisher.get_subscription_count() == 1 for publisher in publishers)
        if board.order[0] == turn:
            time.sleep(0.005)
            continue
        turn, consumer, count, _ = board.order
        mine, end = consumer * board.senders + sender, sent[consumer] + count
        while sent[consumer] < end and not board.order[3]:
            for number in range(sent[consumer], min(end, board.taken[mine] + AHEAD)):
                publishers[consumer].publish(messages.number(number))
                sent[consumer] = number + 1
            time.sleep(2e-4 * board.senders)  # together they wake up as often as one alone
    rclpy.try_shutdown()


def receive(board: Board, consumer: int) -> None:
    """Receive and count, messages or only their bytes."""
    node, executor, total = make_node(CONSUMERS[consumer]), make_executor(), 0
    executor.add_node(node)

    def subscribe(sender: int) -> None:
        mine = consumer * board.senders + sender

        def take(_: Float64MultiArray | bytes) -> None:
            nonlocal total
            total += 1
            board.taken[mine] += 1
            if total == board.goal[consumer]:
                board.ended[consumer] = time.monotonic()
        node.create_subscription(Float64MultiArray, f'{namespace(consumer, sender)}/experience',
                                 take, EXPERIENCE_QOS, raw=CONSUMERS[consumer] == 'bytes')

    for sender in range(board.senders):
        subscribe(sender)
    board.ready[consumer] = True
    while not board.order[3]:
        executor.spin_once(0.1)
    rclpy.try_shutdown()


class Learner(LearnerNode):
    """The learner node, which tells how far it is."""

    def __init__(self, board: Board, consumer: int) -> None:
        self._board, self._consumer = board, consumer
        self._mine = {namespace(consumer, sender): consumer * board.senders + sender
                      for sender in range(board.senders)}
        super().__init__()
        if CONSUMERS[consumer] == 'without':
            self.session.trainer.inbox.journal = None
        self._work, self.session.work = self.session.work, self._work_and_tell
        self._told = 0
        board.ready[consumer] = True

    def _on_experience(self, namespace: str, message: bytes) -> None:
        super()._on_experience(namespace, message)
        self._board.taken[self._mine[namespace]] += 1
        while self.session.trainer.inbox.waiting > MOST_WAITING:
            time.sleep(0.001)

    def _work_and_tell(self, timeout: float) -> bool:
        """Learn; tell when all rows of a turn are worked off, and on disk where they go there."""
        result, goal = self._work(timeout), self._board.goal[self._consumer]
        if self._told < goal and self.session.trainer.rows >= goal * MESSAGE:
            self.session.store.log.flush()
            counts = self.session.trainer.inbox.counts
            self._board.wrong[self._consumer] = (
                sum(counts[name] for name in WRONG) + self.counts['messages_refused']
                + self.session.store.log.counts['log_lost']
                + self.session.trainer.rows - goal * MESSAGE)
            self._told, self._board.ended[self._consumer] = goal, time.monotonic()
        return result


def learn(board: Board, consumer: int, folder: Path) -> None:
    """Be a learner that learns nothing, in the default graph but for `sync`."""
    names = ','.join(namespace(consumer, sender) + SERVICE for sender in range(board.senders))
    given = {'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'sync.enabled': 'false',
             'learner.run': str(folder / CONSUMERS[consumer]), 'learner.policies': f'"{names}"'}
    parameters = [part for item in given.items() for part in ('-p', ':='.join(item))]
    run(lambda: Learner(board, consumer), [
        'learner', '--ros-args', '--log-level', 'warn', '-r', f'__ns:=/{CONSUMERS[consumer]}',
        *parameters])
