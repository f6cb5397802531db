"""Somebody on the same DDS domain who means no good: garbage, old rows, wrong weights."""

from __future__ import annotations

from collections import Counter
from collections import deque
from collections.abc import Callable
from dataclasses import replace
import time
from typing import Any

from chaos.schedule import ROBOTS
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rl_robot_ros import wire
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import digest_of
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger

ANSWER = 20.0  # [s] for a policy that lives, on a busy machine
AGAIN = 5.0  # [s] until it is asked again: DDS may lose a question or an answer, see docs/chaos.md
YOUNG = 2.0  # [s] for one that may not have been found yet: a request may go to the dead
JOINTS = ('slider', 'hinge')
BURST = 20  # messages at once
ASKED = 8  # questions at once: of more than ten, services of ROS 2 lose the oldest
SERVICES = {'policy/set_weights': SetParametersAtomically, 'policy/resend': Trigger}
QOS = {'experience': EXPERIENCE_QOS, 'joint_states': STATE_QOS}
NASTY = (np.nan, np.inf, -np.inf)


def bad_joints(rng: np.random.Generator) -> JointState:
    """Return joints that nobody may act on: some are missing, twice, not finite or too few."""
    names = [str(name) for name in rng.permutation(JOINTS)]
    fine = rng.normal(size=2)
    stamp = int(rng.integers(0, 2**60))
    kind = rng.integers(5)
    if kind == 0:
        bad = rng.choice(NASTY, 2)  # both: the filter need not look at a joint without a motor
        return wire.joint_state(names, stamp, 'lockstep/7', position=bad, velocity=bad,
                                effort=bad)
    if kind == 1:
        return wire.joint_state(JOINTS[:1] * 2, stamp, position=fine, velocity=fine, effort=fine)
    if kind == 2:
        return wire.joint_state(names, stamp, position=fine[:1], velocity=fine[:1],
                                effort=fine[:1])
    if kind == 3:
        return wire.joint_state([f'x{i}' for i in range(1000)], stamp, position=np.zeros(1000),
                                velocity=np.zeros(1000), effort=np.zeros(1000))
    return JointState()


def bad_experience(rng: np.random.Generator, layout: RowLayout) -> Float64MultiArray:
    """Return rows that no learner may take."""
    rows = np.zeros((int(rng.integers(1, 20)), layout.width))
    rows[:, layout.column('epoch').start] = rng.integers(2**50)
    kind = rng.integers(5)
    if kind == 0:
        rows[-1, int(rng.integers(layout.width))] = rng.choice(NASTY)
        return wire.rows_message(rows, layout.schema)
    if kind == 1:
        return wire.rows_message(rows, layout.schema.replace('v1', f'v{rng.integers(2, 99)}'))
    message = wire.rows_message(rows, layout.schema)
    if kind == 2:
        message.data = message.data[:-int(rng.integers(1, layout.width))]
    elif kind == 3:
        message.layout.dim[0].size = 2**32 - 1
    else:
        message.layout.dim.clear()
    return message


def wrong(kind: str, held: WeightSet, old: WeightSet, key: bytes,
          rng: np.random.Generator) -> SetParametersAtomically.Request:
    """
    Return weights that no policy may take.

    :param held: newest genuine set, as it was saved.
    :param old: an older genuine set.
    """
    other = held.weights + rng.normal(0.0, 0.1, held.weights.shape)
    newer = WeightSet.make(held.epoch, held.version + 10**6, held.schema, other,
                           held.exploration, held.exploration_scale)
    if kind == 'unsigned':
        return wire.weights_request(newer)
    if kind == 'forged':
        return wire.weights_request(newer, b'another key')
    if kind == 'tampered':
        return wire.weights_request(replace(newer, weights=held.weights), key)
    if kind == 'foreign':
        return wire.weights_request(replace(newer, schema=newer.schema.replace('slider', 'sl')),
                                    key)
    if kind == 'not finite':
        other[int(rng.integers(len(other)))] = np.nan
        return wire.weights_request(replace(newer, weights=other, digest=digest_of(other)), key)
    return wire.weights_request(old, key)  # replayed


class Call:
    """A question to a service, and whether it is answered."""

    def __init__(self, client: Any, request: Any, kind: str, target: str, pid: int,
                 owed: bool) -> None:
        self.client, self.kind, self.target, self.pid = client, kind, target, pid
        self.owed = owed  # an answer
        self.latest = time.monotonic() + (ANSWER if owed else YOUNG)
        self._request = request
        self.ask()

    def ask(self) -> None:
        """Ask; once more where nobody answered, as pusher and asker of the learner do."""
        self.asked_at = time.monotonic()
        self.future = self.client.call_async(self._request)

    def drop(self) -> None:
        """Expect no answer any more."""
        self.client.remove_pending_request(self.future)


class Attacker:
    """
    Publish and call; what came of it is in `counts`.

    :param node: a node on the domain.
    """

    def __init__(self, node: Any) -> None:
        self.node, self.counts = node, Counter()
        self.rows: dict[str, deque[Float64MultiArray]] = {r: deque(maxlen=40) for r in ROBOTS}
        self.floods: list[tuple[float, Callable[[], None]]] = []
        self.calls: list[Call] = []
        self.layout: RowLayout | None = None
        self._publishers: dict[str, Any] = {}
        self._clients: dict[str, Any] = {}
        for robot in ROBOTS:  # long before they are used: servers have to find them, too
            for name, service in SERVICES.items():
                self._clients[f'/{robot}/{name}'] = node.create_client(service, f'/{robot}/{name}')
            node.create_subscription(
                Float64MultiArray, f'/{robot}/experience',
                lambda message, robot=robot: self._on_rows(robot, message), EXPERIENCE_QOS)

    def _on_rows(self, robot: str, message: Float64MultiArray) -> None:
        if self.floods or len(message.layout.dim) != 2:
            return  # it may be our own
        self.layout = self.layout or RowLayout.parse(message.layout.dim[1].label)
        self.rows[robot].append(message)

    def publisher(self, robot: str, topic: str) -> Any:
        """Return the publisher of a topic of a robot."""
        name = f'/{robot}/{topic}'
        if name not in self._publishers:
            kind = Float64MultiArray if topic == 'experience' else JointState
            self._publishers[name] = self.node.create_publisher(
                kind, name, QOS.get(topic, COMMAND_QOS))
        return self._publishers[name]

    def flood(self, until: float, kind: str, make: Callable[[], Any], publisher: Any) -> None:
        """Publish in bursts until some time."""
        def burst() -> None:
            for _ in range(BURST):
                publisher.publish(make())
                self.counts[f'{kind} sent'] += 1
        self.floods.append((until, burst))

    def call(self, kind: str, target: str, name: str, request: Any, pid: int) -> None:
        """
        Call a service of a process; `look` hears the answer.

        :param pid: of the process, negative where it was not heard of yet.
        """
        path = f'/{target.split("/")[0]}/{name}'
        if self._clients[path].service_is_ready():
            self.counts[f'{kind} sent'] += 1
            self.calls.append(Call(self._clients[path], request, kind, target, abs(pid), pid > 0))

    def weights(self, target: str, kind: str, request: Any, pid: int) -> None:
        """Offer weights to a policy."""
        self.call(f'weights {kind}', target, 'policy/set_weights', request, pid)

    def resend(self, target: str, pid: int) -> None:
        """Ask a policy to send its rows again, several times in a row."""
        for _ in range(ASKED):
            self.call('resend', target, 'policy/resend', Trigger.Request(), pid)

    def look(self, pids: dict[str, int]) -> list[str]:
        """
        Go on with floods, look at answers; returns who did not answer in time.

        :param pids: of the processes that can answer.
        """
        now, silent, waiting = time.monotonic(), [], []
        self.floods = [flood for flood in self.floods if flood[0] > now]
        for _, burst in self.floods:
            burst()
        for call in self.calls:
            if call.future.done():
                result = getattr(call.future.result(), 'result', None)
                taken = result is not None and result.successful
                self.counts[f'{call.kind} {"taken" if taken else "answered"}'] += 1
            elif pids.get(call.target) != call.pid:
                call.drop()  # its process is gone, or was stopped: nobody owes us an answer
                self.counts[f'{call.kind} to the dead'] += 1
            elif now > call.latest:
                call.drop()
                self.counts[f'{call.kind} to the dead'] += not call.owed
                silent += [] if not call.owed else [
                    f'{call.target} did not answer ({call.kind}) in {ANSWER:g} s']
            else:
                waiting.append(call)
                if call.owed and now > call.asked_at + AGAIN:
                    call.drop()
                    call.ask()
                    self.counts[f'{call.kind} asked again'] += 1
        self.calls = waiting
        return silent
