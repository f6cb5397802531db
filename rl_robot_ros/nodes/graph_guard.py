"""What the safety filter must know of the graph around it before it lets anything move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription

LOOK_PERIOD = 0.5  # [s] of the steady clock between two looks
ASK_EVERY = 4  # looks
HELPERS = ('safety_watchdog',)  # speak and listen on the controller's topic when all else fails
CONTROLLER = 'effort_controller'


class GraphGuard:
    """
    Looks at the graph twice a second, never in the control path.

    ================================================= ============================================
    it finds                                          then
    ================================================= ============================================
    several publishers of `effort_request`            nothing moves (an option allows it)
    somebody else on the controller's topic           nothing moves
    nobody listens on the controller's topic          nothing moves; a fault where it did move
    the controller has other joints, or another order nothing moves
    an end that cannot be heard, because its QoS      complains, by topic and policy
    differs
    ================================================= ============================================

    A listener on the topic may be a recorder: only a controller with a parameter service can be
    asked for its joints.  A process that was killed stays in the graph until its lease is over
    (20 s with Fast DDS), so what replaces it waits for that long.

    :param node: looks at the graph.
    :param joints: the order in which efforts are sent.
    :param inputs: subscriptions of the filter; `effort_request` is among them.
    :param requests: the subscription of `effort_request`.
    :param controller: the publisher to the effort controller.
    :param several_allowed: whether several nodes may publish `effort_request`.
    """

    def __init__(self, node: Node, joints: Sequence[str], inputs: Sequence[Subscription],
                 requests: Subscription, controller: Publisher, several_allowed: bool) -> None:
        self._node = node
        self._joints = list(joints)
        self._inputs = inputs
        self._requests = requests
        self._controller = controller
        self._several_allowed = several_allowed
        self._client = node.create_client(GetParameters, f'{CONTROLLER}/get_parameters')
        self._call: Any = None  # to the controller, about its joints
        self._told: Any = None  # what it answered
        self._looks = 0
        self.refusal = 'has not looked at the graph yet'  # why nothing may move, or empty
        self.complaints: list[str] = []
        self.controller_listens = False

    def look(self) -> None:
        """Bring `refusal`, `complaints` and `controller_listens` up to date."""
        reasons = [*self._check_requests(), *self._check_controller(), *self._check_joints()]
        self.refusal = '; '.join(reasons)
        self.complaints = self._check_qos()

    def _check_requests(self) -> list[str]:
        topic = self._requests.topic_name
        names = _names(self._node.get_publishers_info_by_topic(topic))
        if len(names) > 1 and not self._several_allowed:
            return [f'{len(names)} publishers of {topic} ({", ".join(names)}), one is allowed; '
                    'see filter.allow_multiple_publishers']
        return []

    def _check_controller(self) -> list[str]:
        topic = self._controller.topic_name
        names = _names(self._node.get_publishers_info_by_topic(topic))
        own = self._node.get_fully_qualified_name()
        if own in names:
            names.remove(own)  # once: a second filter has the same name
        found = [f'{", ".join(names)} publishes on {topic} too'] if names else []
        ends = self._node.get_subscriptions_info_by_topic(topic)
        heard = [end for end in ends
                 if not _why_unheard(self._controller.qos_profile, end.qos_profile)]
        self.controller_listens = bool(_names(heard))
        if not self.controller_listens:
            found.append(f'nobody listens on {topic}')
        return found

    def _check_joints(self) -> list[str]:
        """Ask the controller for its joints, again and again: it may be another one by now."""
        if not self._client.service_is_ready():
            self._call = self._told = None
            self._looks = 0
            return []
        if self._call is not None and self._call.done():
            self._told = self._call.result().values
            self._call = None
        if self._looks % ASK_EVERY == 0:
            if self._call is not None:  # an answer may get lost, or its controller has gone
                self._client.remove_pending_request(self._call)
                self._told = None
            self._call = self._client.call_async(GetParameters.Request(names=['joints']))
        self._looks += 1
        if self._told is None:
            return [f'{CONTROLLER} has not told its joints yet']
        if not self._told or self._told[0].type != ParameterType.PARAMETER_STRING_ARRAY:
            return [f'{CONTROLLER} has no parameter joints']
        joints = list(self._told[0].string_array_value)
        if joints != self._joints:
            return [f'{CONTROLLER} has joints {joints}, the filter sends {self._joints}']
        return []

    def _check_qos(self) -> list[str]:
        found = []
        for subscription in self._inputs:
            topic = subscription.topic_name
            for end in self._node.get_publishers_info_by_topic(topic):
                why = _why_unheard(end.qos_profile, subscription.qos_profile)
                if why:
                    found.append(f'{topic}: {end.node_name} is not heard: {why}')
        topic = self._controller.topic_name
        for end in self._node.get_subscriptions_info_by_topic(topic):
            why = _why_unheard(self._controller.qos_profile, end.qos_profile)
            if why:
                found.append(f'{topic}: {end.node_name} does not hear us: {why}')
        return found


def _names(ends: Sequence[Any]) -> list[str]:
    """Return the full node names of topic ends, without our helpers."""
    return [f'{end.node_namespace.rstrip("/")}/{end.node_name}' for end in ends
            if end.node_name not in HELPERS]


def _why_unheard(publisher: Any, subscription: Any) -> str:
    """
    Name the policy by which the two never meet.

    Not `qos_check_compatible`: discovery reports a deadline that nobody asked for as infinite,
    which it takes for one.
    """
    if subscription.reliability == ReliabilityPolicy.RELIABLE \
            and publisher.reliability == ReliabilityPolicy.BEST_EFFORT:
        return 'RELIABILITY: one is best effort, the other wants reliable'
    if subscription.durability == DurabilityPolicy.TRANSIENT_LOCAL \
            and publisher.durability == DurabilityPolicy.VOLATILE:
        return 'DURABILITY: one is volatile, the other wants transient local'
    return ''
