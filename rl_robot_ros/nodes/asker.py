"""Rows that did not come: asked for again, or counted as lost where nobody has them any more."""

from __future__ import annotations

from dataclasses import dataclass
import time
from typing import Any

from rl_robot_ros.core.tally import made_before
from rl_robot_ros.nodes.outgoing import oldest_kept
from rl_robot_ros.nodes.runtime import RobotNode
from std_srvs.srv import Trigger

PERIOD = 5.0  # [s] between two requests to the same policy
PATIENCE = 2.0  # [s] for an answer; a request to a process that has just died gets none
NOBODY = -1


@dataclass
class Source:
    """The policies of one namespace, of which one lives."""

    client: Any
    epoch: int = NOBODY  # of the policy process that sent the newest row
    wanted: bool = False  # to be asked, whether or not rows are known to be missing
    asked_at: float = -PERIOD
    future: Any = None


class Asker:
    """
    Ask policies for what they keep (`policy/resend`), where it is not known to have come.

    That is so where a number is missing, and after a restart of the learner, because what came
    last may not have reached the disk.

    :param node: makes clients.
    :param session: the `Session` of the learner: knows which rows have come, and whether
        it was resumed.
    """

    def __init__(self, node: RobotNode, session: Any) -> None:
        self._node, self._session = node, session
        self._inbox = session.trainer.inbox
        self._sources: dict[str, Source] = {}

    def found(self, namespace: str) -> None:
        """Begin to look after a namespace."""
        client = self._node.create_client(Trigger, f'{namespace}/policy/resend')
        self._sources[namespace] = Source(client, wanted=self._session.resumed)

    def heard(self, namespace: str, epoch: int) -> None:
        """Note which policy process rows came from."""
        self._sources[namespace].epoch = epoch

    def ask(self) -> None:
        """Ask whom there is reason to ask; call this once a second."""
        now = time.monotonic()
        for namespace, source in self._sources.items():
            missing = self._inbox.missing(source.epoch)
            period = PERIOD if source.future is None else PATIENCE
            if now - source.asked_at < period or not (missing or source.wanted):
                continue
            if source.future is not None:
                source.client.remove_pending_request(source.future)
                source.future = None
            if source.client.service_is_ready():
                self._node.get_logger().info(
                    f'{missing} rows of {namespace or "/"} are missing, asking for what it keeps')
                source.asked_at = now
                source.future = source.client.call_async(Trigger.Request())
                source.future.add_done_callback(
                    lambda future, source=source: self._on_answer(source, future))

    def _on_answer(self, source: Source, future: Any) -> None:
        if future is not source.future:
            return  # answered after we had given it up
        source.future, source.wanted = None, False
        oldest = oldest_kept(future.result().message)
        if oldest is not None:
            self._inbox.give_up(*oldest)

    def settle(self, accepted: str) -> None:
        """
        Count what never came of policy processes that have ended.

        :param accepted: what a policy said when it accepted weights: it knows how many rows those
            before it made.
        """
        for made in made_before(accepted):
            if made.learner == self._session.epoch:  # what was made for another was never ours
                self._inbox.settle(made.epoch, made.rows)
