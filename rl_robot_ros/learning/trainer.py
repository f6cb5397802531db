"""
The trainer: rows in, pushes out, and never more updates than the rows have earned.

What it becomes is decided by the records that it takes out of its inbox, in their order, and in
`sync` by nothing else while every policy lives: that is why a log of them brings it back.

**sync**: rows are taken block by block (`core.flow`).  After every complete block exactly
``rows * utd`` updates are made on data of that block and earlier ones, then one push: what is
learned does not depend on the machine's speed.

**no sync**: each row earns `utd` updates, which are made as fast as the machine can; pushes follow
the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
import math
import time
from typing import Any
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.inbox import Inbox
from rl_robot_ros.learning.inbox import MAX_EPOCHS
from rl_robot_ros.learning.segments import Record
from rl_robot_ros.learning.statistics import Statistics
from rl_robot_ros.learning.versions import Versions
from rl_robot_ros.learning.window import Window

UPDATES_AT_ONCE = 16  # between two looks at the inbox
MOST_OWED = 2000.0  # updates that rows may earn ahead: who is too slow does not catch up
LIVE = 5.0  # [s] a policy that was silent for longer does not hold a push back


class Push(NamedTuple):
    """What is to be sent to the policies."""

    weights: Vector
    exploration: str
    scale: float


class Trainer:
    """
    See the module docstring; :meth:`ingest` may be called from another thread than the rest.

    :param algorithm: learns.
    :param layout: layout of the rows.
    :param flow: block size, and whether to count by blocks at all.
    :param push_period: [s] between two pushes where flow is not enabled.
    """

    def __init__(self, algorithm: Algorithm, layout: RowLayout, flow: FlowConfig,
                 push_period: float = 0.5) -> None:
        self.algorithm, self.flow, self.push_period = algorithm, flow, push_period
        self.policies = 1  # that deliver a block for each push, at least
        self.inbox = Inbox(layout)
        self.statistics = Statistics(layout)
        self.versions = Versions()
        self.window = Window(algorithm.memory_rows)
        self.rows = self.updates = self.evaluation_rows = 0
        self.owed = 0.0
        self._unpaid = 0  # rows that have not earned anything yet
        self.learning = False  # right now
        self.details: dict[str, float] = {}
        self._epoch, self._seq = layout.column('epoch').start, layout.column('seq').start
        self._evaluation = layout.column('evaluation').start
        self._version = layout.column('policy_version').start
        self.lag = 0  # versions between the last push and the newest row
        self.newest: NDArray[np.float64] | None = None  # rows learned from last
        self._block: dict[int, int] = {}  # newest block begun, per policy epoch
        self._delivered: set[int] = set()  # epochs with a complete block since the last push
        self._seen: dict[int, float] = {}
        self._newest_of: dict[str, int] = {}  # policy epoch, per source of rows
        self._gone: dict[int, None] = {}  # policy epochs that have a successor, newest last
        self._pushed_at = 0.0
        self._changed = True

    def ingest(self, rows: NDArray[np.float64], source: str = '') -> None:
        """
        Take checked rows from a policy.

        :param source: such as its namespace: where a new policy process takes over, nothing waits
            for the one before.
        """
        self.inbox.put(rows, source)

    def _take_over(self, record: Record) -> None:
        """Notice the first record of a policy process that takes the place of another."""
        epoch, source = int(record.rows[-1, self._epoch]), record.source
        before = self._newest_of.get(source)
        if source and epoch != before and epoch not in self._gone:
            self._newest_of[source] = epoch
            if before is not None:
                self._gone[before] = None
                self.inbox.give_up(before)
            while len(self._gone) > MAX_EPOCHS:
                self._gone.pop(next(iter(self._gone)))

    def first_push(self) -> Push:
        """
        Return the weights as they are now.

        :raises NonFiniteLoss: they are no weights any more.
        """
        self._pushed_at = time.monotonic()
        self._changed = False
        weights = self.algorithm.actor_weights()
        if not np.isfinite(weights).all():
            raise NonFiniteLoss('the policy weights are not finite')
        return Push(weights, *self.algorithm.exploration())

    def work(self, timeout: float) -> Push | None:
        """
        Do a piece of work: wait for rows at most `timeout` seconds, learn, maybe push.

        :raises NonFiniteLoss: learning has failed; the last pushed weights are still good.
        """
        record = self.inbox.get(0.0 if self.owed >= 1.0 and not self.flow.enabled else timeout)
        if record is not None:
            self._take_over(record)
        if self.flow.enabled:
            return self._push_block() if record is None else self._work_block(record)
        if record is not None:
            self._add(record)
            self._pay()
        self._update(min(UPDATES_AT_ONCE, int(self.owed)))
        self.owed = min(self.owed, MOST_OWED)
        due = time.monotonic() - self._pushed_at >= self.push_period
        return self.first_push() if due and self._changed else None

    def _work_block(self, record: Record) -> Push | None:
        """Take rows up to the end of their block; at the end of a block learn and push."""
        rows, size = record.rows, self.flow.rows
        epoch, first = int(rows[0, self._epoch]), int(rows[0, self._seq])
        block = first // size
        self._seen[epoch] = time.monotonic()
        newest = self._block.get(epoch, block)
        late = newest < block  # the last row of the block before never came
        again = block < newest  # sent again after it was missing: its block is long complete
        end = (newest if again else block + 1) * size
        same = (rows[:, self._epoch] == epoch) & (rows[:, self._seq] < end)
        if late or not same.all():
            cut = 0 if late else int(np.argmin(same))
            record, rest = record.split(record.position + cut)
            self.inbox.put_back(rest)
            rows = record.rows
        if again:
            self._add(record)
            return None
        self._block[epoch] = block
        self._add(record)
        complete = late or int(rows[-1, self._seq]) == (block + 1) * size - 1
        if not complete:
            return None
        if not late:
            self._block[epoch] = block + 1
        self._delivered.add(epoch)
        return self._push_block()

    def _push_block(self) -> Push | None:
        """Learn and push where every policy that lives has delivered its block."""
        live = self._live()
        delivered = len(self._delivered)
        if delivered < self.policies or not live <= self._delivered:
            return None
        self._delivered.clear()
        self._pay()
        # Rows that were sent again earn their updates too, but not all in one breath.
        self.owed = min(self.owed, MOST_OWED * delivered)
        most = math.ceil(2 * delivered * self.flow.rows * self.algorithm.utd)
        self._update(min(int(self.owed), most))
        return self.first_push()

    def _live(self) -> set[int]:
        now = time.monotonic()
        return {epoch for epoch, seen in self._seen.items()
                if now - seen < LIVE and epoch not in self._gone}

    def _learned(self, record: Record) -> NDArray[np.float64]:
        """Return a copy of the rows that were not made in evaluation."""
        rows = record.rows
        evaluation = rows[:, self._evaluation]
        return rows[evaluation == 0.0] if evaluation.any() else rows.copy()

    def _add(self, record: Record) -> None:
        rows, learn = record.rows, self._learned(record)
        self.evaluation_rows += len(rows) - len(learn)
        if not len(learn):
            return
        self.rows += len(learn)
        self.newest = learn
        self.statistics.add(learn)
        self.window.add(record.position, len(learn))
        learn[:, self._version] = self.versions.pushes_of(learn[:, self._version])
        lag = self.algorithm.policy_version - learn[-1, self._version]
        self.lag = max(0, int(lag))
        self.algorithm.add(learn)
        self._changed = True
        self._unpaid += len(learn)

    def _pay(self) -> None:
        """
        Let the rows since the last time earn their updates, where learning has begun.

        In sync once per block, so that it makes no difference in which messages its rows came.
        """
        if self.algorithm.ready or self.algorithm.on_policy:
            self.owed += self._unpaid * self.algorithm.utd
        self._unpaid = 0

    def _update(self, count: int) -> None:
        algorithm = self.algorithm
        if algorithm.on_policy:
            count = 1 if algorithm.ready else 0
        elif not algorithm.ready:
            return
        self.learning = True
        try:
            for _ in range(count):
                self.details = algorithm.update()
                self.updates += 1
                self._changed = True
        finally:
            self.learning = False
        if not algorithm.on_policy:
            self.owed -= count

    def state_dict(self) -> dict[str, Any]:
        """Return everything but replay, for a checkpoint."""
        return {'algorithm': self.algorithm.state_dict(), 'inbox': self.inbox.state_dict(),
                'versions': self.versions.state_dict(), 'statistics': self.statistics.state_dict(),
                'rows': self.rows, 'updates': self.updates, 'owed': self.owed,
                'unpaid': self._unpaid, 'evaluation_rows': self.evaluation_rows,
                'blocks': dict(self._block), 'delivered': sorted(self._delivered),
                'live': sorted(self._live()), 'newest_of': dict(self._newest_of),
                'gone': list(self._gone)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state."""
        self.algorithm.load_state_dict(state['algorithm'])
        self.inbox.load_state_dict(state['inbox'])
        self.versions.load_state_dict(state['versions'])
        self.statistics.load_state_dict(state['statistics'])
        self.rows, self.updates, self.owed = state['rows'], state['updates'], state['owed']
        self.evaluation_rows, self._unpaid = state['evaluation_rows'], state['unpaid']
        self._block, self._delivered = dict(state['blocks']), set(state['delivered'])
        self._newest_of, self._gone = dict(state['newest_of']), dict.fromkeys(state['gone'])
        now = time.monotonic()  # policies that lived may still live: they are waited for as before
        self._seen = dict.fromkeys(state['live'], now)

    def restore(self, records: Iterable[Record]) -> None:
        """
        Take records of the log after `load_state_dict`, or at the very start.

        Those in front of the position of the state go into the memory of the algorithm, the
        others into the inbox, as if they came now.
        """
        position, parts = self.inbox.position, []
        for record in records:
            old, new = record.split(position)
            if len(old.rows):
                parts.append(self._learned(old._replace(
                    rows=old.rows[~self.inbox.skipped(old)])))
                self.window.add(old.position, len(parts[-1]))
            if len(new.rows):
                self.inbox.restore(new)
        memory = self.algorithm.memory_rows
        if parts and memory:
            self.algorithm.refill(np.concatenate(parts)[-memory:])
