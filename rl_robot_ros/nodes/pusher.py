"""
Weights on their way to the policies: found, pushed, acknowledged, pushed again.

Each policy is served by itself: one request in flight, an own deadline, so that a policy that
hangs delays nobody.  What a policy holds is known twice, from its answer and from the version in
its rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
import time
from typing import Any

from rcl_interfaces.srv import SetParametersAtomically
from rl_robot_ros import wire
from rl_robot_ros.core.weights import held_version
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.nodes.runtime import RobotNode

SERVICE = '/policy/set_weights'
RETRY_PERIOD = 1.0  # [s] between two attempts at a policy that refuses
REPEAT_PERIOD = 1.0  # [s] without a push
AT_ONCE = 1 << 20  # bytes on their way to all policies together, one push at least
HEAD_START = 0.1  # [s] in which a push keeps others waiting; who needs longer delays nobody
QUEUE = 8  # versions waiting for one policy; only in `sync` does every version count


@dataclass
class Link:
    """One policy, as the pusher knows it."""

    name: str
    client: Any
    acknowledged: int = 0
    acknowledged_at: float = 0.0
    queue: deque[WeightSet] = field(default_factory=lambda: deque(maxlen=QUEUE))
    future: Any = None
    sent: WeightSet | None = None
    sent_at: float = 0.0
    endpoints: set[bytes] = field(default_factory=set)  # of its rows, past and present
    retry_at: float = 0.0  # after a refusal

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way, and nothing waits."""
        return self.future is None and not self.queue


class Pusher:
    """
    Serve every policy with the current weights.

    :param node: makes clients.
    :param names: services to serve; empty: every service that is called */policy/set_weights.
    :param every_version: whether each version must arrive in order (sync), or only the newest.
    :param timeout: [s] until an unanswered push has failed.
    :param behind: called with a version that a policy held already; must lead to a higher one.
    :param found: called with the namespace of a policy when it is first seen.
    :param accepted: called with what a policy says when it accepts.
    """

    def __init__(self, node: RobotNode, names: list[str], every_version: bool, timeout: float,
                 key: bytes, behind: Callable[[int], None], found: Callable[[str], None],
                 accepted: Callable[[str], None] = lambda text: None) -> None:
        self._node, self._names, self._every_version = node, names, every_version
        self._timeout, self._key, self._behind, self._found = timeout, key, behind, found
        self._accepted = accepted
        self.links: dict[str, Link] = {}
        self.current: WeightSet | None = None
        self.counts = dict.fromkeys(('pushes', 'pushes_refused', 'pushes_timed_out'), 0)
        self.push_seconds = 0.0

    def discover(self) -> None:
        """Look for new policies, and for policies that have been started again."""
        found = self._names or [
            name for name, _ in self._node.get_service_names_and_types()
            if name.endswith(SERVICE)]
        for name in found:
            if name not in self.links:
                client = self._node.create_client(SetParametersAtomically, name)
                self.links[name] = Link(name, client)
                self._found(name[:-len(SERVICE)])
        for link in self.links.values():
            topic = link.name[:-len(SERVICE)] + '/experience'
            for info in self._node.get_publishers_info_by_topic(topic):
                gid = bytes(info.endpoint_gid)
                if gid not in link.endpoints:
                    link.endpoints.add(gid)
                    self._renew(link)
        self.serve()

    def _renew(self, link: Link) -> None:
        """Begin again with a policy process that was not there before: it holds nothing."""
        self._forget(link)
        link.acknowledged = 0
        link.queue.clear()
        if self.current is not None:
            link.queue.append(self.current)

    def push(self, weights: WeightSet) -> None:
        """Send new weights to everybody."""
        self.current = weights
        for link in self.links.values():
            if not link.endpoints:
                continue  # served as soon as its rows are heard of, see `discover`
            if not self._every_version:
                link.queue.clear()
            link.queue.append(weights)
        self.serve()

    def saw_version(self, namespace: str, version: int) -> None:
        """Hear from rows which version acts; an old one is pushed again."""
        link = self.links.get(namespace + SERVICE)
        now = time.monotonic()
        if link is not None and version < link.acknowledged - QUEUE and link.idle \
                and now > link.retry_at and self.current is not None:
            link.retry_at = now + RETRY_PERIOD
            link.queue.append(self.current)

    def repeat(self) -> None:
        """Send the newest weights again, so that who waits for the next ones goes on waiting."""
        newest, now = self.current, time.monotonic()
        for link in self.links.values():
            if newest is not None and link.idle and link.acknowledged == newest.version \
                    and now - link.acknowledged_at > REPEAT_PERIOD:
                link.queue.append(newest)
        self.serve()

    def serve(self) -> None:
        """Send what waits, give up what is not answered; call this often."""
        now = time.monotonic()
        for link in self.links.values():
            if link.future is not None and now - link.sent_at > self._timeout:
                self.counts['pushes_timed_out'] += 1
                self._node.warn(f'push {link.name}', f'{link.name} does not answer a push for '
                                                     f'{self._timeout} s (learner.push_timeout)')
                sent = link.sent
                self._forget(link)
                if sent is not None and (not link.queue or self._every_version):
                    link.queue.appendleft(sent)
            if link.future is None and link.queue and now >= link.retry_at \
                    and self._room(link.queue[0], now) and link.client.service_is_ready():
                self._send(link, link.queue.popleft(), now)

    def _room(self, weights: WeightSet, now: float) -> bool:
        """
        Tell whether to send now, or when another push was answered.

        More than the shared memory of a participant holds (512 kB) is lost in part, and sent again
        with the next heartbeat: after seconds.
        """
        flying = sum(link.sent.weights.nbytes for link in self.links.values()
                     if link.sent is not None and now - link.sent_at < HEAD_START)
        return not flying or flying + weights.weights.nbytes <= AT_ONCE

    def _forget(self, link: Link) -> None:
        if link.future is not None:
            link.client.remove_pending_request(link.future)
            link.future = None
        link.sent = None

    def _send(self, link: Link, weights: WeightSet, now: float) -> None:
        link.sent, link.sent_at = weights, now
        link.future = link.client.call_async(wire.weights_request(weights, self._key))
        link.future.add_done_callback(lambda future: self._on_answer(link, future))

    def _on_answer(self, link: Link, future: Any) -> None:
        if future is not link.future or link.sent is None:
            return  # answered after we had given it up
        sent, link.future, link.sent = link.sent, None, None
        self.push_seconds = time.monotonic() - link.sent_at
        result = future.result().result
        if result.successful:
            self.counts['pushes'] += 1
            link.acknowledged, link.acknowledged_at = sent.version, time.monotonic()
            self._accepted(result.reason)
        else:
            self._on_refusal(link, sent, result.reason)
        self.serve()

    def _on_refusal(self, link: Link, sent: WeightSet, reason: str) -> None:
        held = held_version(reason)
        self.counts['pushes_refused'] += 1
        self._node.warn(f'refused {link.name}', f'{link.name} refused version {sent.version}: '
                                                f'{reason}')
        if held is not None and self.current is not None and held >= self.current.version:
            self._behind(held)
        elif not link.queue and self.current is not None:
            # Another learner is in charge, or the policy expects something else: ask again later.
            link.queue.append(self.current)
            link.retry_at = time.monotonic() + RETRY_PERIOD

    def report(self) -> dict[str, Any]:
        """Return counters, and for each policy the version it acknowledged and its age [s]."""
        values: dict[str, Any] = {**self.counts, 'policies': len(self.links),
                                  'push_ms': self.push_seconds * 1e3}
        for name, link in self.links.items():
            policy = name[:-len(SERVICE)] or '/'
            values[f'acknowledged {policy}'] = link.acknowledged
            if link.acknowledged:
                values[f'age_s {policy}'] = time.monotonic() - link.acknowledged_at
        return values
