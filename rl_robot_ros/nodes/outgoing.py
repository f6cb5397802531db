"""Rows on their way to the learner: batched, bounded, and kept for sending again."""

from __future__ import annotations

from collections import deque
import re
import time

import numpy as np
from rl_robot_ros import wire
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.settings import ExperienceConfig
from std_msgs.msg import Float64MultiArray

RESENT_MESSAGES = 20  # at once, ten times a second; readers keep the last 100
# In a message of rows sent again, no more than in others: each place in a reader's history
# keeps the memory of the largest message that it ever held.
RESENT_BYTES = 16_000
OLDEST = re.compile(r'epoch (\d{1,16}), from (\d{1,16}) on')


def oldest_kept(answer: str) -> tuple[int, int] | None:
    """Read epoch and number of the oldest row that a policy keeps from its answer to a resend."""
    found = OLDEST.search(answer)
    return None if found is None else (int(found[1]), int(found[2]))


class ExperienceSender:
    """
    Publish rows on `experience`.

    :param node: publishes.
    :param config: batch and ring sizes.
    :param tally: is told of every row before anybody else is.
    """

    def __init__(self, node: RobotNode, config: ExperienceConfig,
                 tally: Tally | None = None) -> None:
        self.config, self.tally = config, tally or Tally()
        self.layout: RowLayout | None = None
        self.counts = {'rows': 0, 'rows_sent': 0, 'rows_resent': 0}
        self._publisher = node.create_publisher(Float64MultiArray, 'experience', EXPERIENCE_QOS)
        self._batch: list[Vector] = []
        self._kept: deque[Vector] = deque(maxlen=config.keep_rows)
        self._again: deque[Vector] = deque()
        self._first = 0.0
        self._newest: Vector | None = None

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._publisher.get_subscription_count())

    def begin(self, layout: RowLayout, epoch: int) -> None:
        """Expect rows of this layout, made by the policy process of this epoch."""
        self.layout = layout
        self.tally.begin(epoch)

    def add(self, row: Vector, last: bool) -> None:
        """Take a row; `last` sends the batch at once."""
        if not self._batch:
            self._first = time.monotonic()
        self._batch.append(row)
        self._kept.append(row)
        self._newest = row
        self.counts['rows'] += 1
        self.tally.made(self.counts['rows'])
        if last or len(self._batch) >= self.config.batch_rows:
            self.flush()

    def flush_if_due(self, now: float) -> None:
        """Send what has waited for `batch_period`, and a part of what is to be sent again."""
        self._send_again()
        if self._batch and now - self._first >= self.config.batch_period:
            self.flush()

    def flush(self) -> None:
        """Send what there is."""
        if self._batch:
            self._send(self._batch)
            self.counts['rows_sent'] += len(self._batch)
            self._batch = []

    def resend(self) -> str:
        """
        Begin to send all kept rows again; says how many, and from which on.

        Oldest first, but where that is under way it goes on from where it is and ends with those
        in front: begun anew at each request it might never come to the newest.
        """
        self.flush()
        answer = f'{len(self._kept)} rows'
        if self.layout is None or self._newest is None:
            return answer
        epoch, seq = (self.layout.column(name).start for name in ('epoch', 'seq'))
        oldest = self._kept[0][seq] if self._kept else self._newest[seq] + 1.0
        left = [row for row in self._again if row[seq] < oldest]  # the ring has let go of them
        at = self._again[0][seq] if self._again else oldest
        self._again = deque(self._kept)  # numbered without gaps
        self._again.rotate(-max(0, int(at - oldest)))
        self._again.extendleft(reversed(left))
        # Who asks can tell from this which rows nobody has any more.
        first = min((row[seq] for row in left), default=oldest)
        return f'{answer} of epoch {self._newest[epoch]:.0f}, from {first:.0f} on'

    def _send_again(self) -> None:
        """Send a part of what was asked for again: all at once would overrun the reader."""
        if self.layout is None:
            return
        size = max(1, RESENT_BYTES // (8 * self.layout.width))
        for _ in range(RESENT_MESSAGES):
            rows = [self._again.popleft() for _ in range(min(size, len(self._again)))]
            if rows:
                self._send(rows)
                self.counts['rows_resent'] += len(rows)

    def _send(self, rows: list[Vector]) -> None:
        assert self.layout is not None
        self._publisher.publish(wire.rows_message(np.array(rows), self.layout.schema))
