"""
Ways to stop a robot without its safety filter: one service each, called until it confirms.

A simulator has brakes.  ros2_control has controllers: the effort controller is deactivated, which
makes `effort_controllers/JointGroupEffortController` write zeros (a plain
`forward_command_controller` does not), and fallback controllers, such as one that holds position,
are activated in its place.  Where no service can be called, a command of wrong length does the
same: the controller's update fails, and its manager deactivates it and activates what its own
parameter `fallback_controllers` names (ros2_controllers, `forward_controllers_base.cpp`).
"""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from builtin_interfaces.msg import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool

CALL_TIMEOUT = 0.5  # [s] until a call without an answer is made again
RETRY = 0.1  # [s] after an answer that says no
AGAIN = 1.0  # [s] a simulator that was started anew has forgotten its brakes: tell it again


class Brake(ABC):
    """
    One service that engages and, where `lasting`, is told again while it is engaged.

    :param client: a client of the service; None where its type is not installed.
    :param name: the service, for people.
    """

    lasting = True
    missing = ''

    def __init__(self, client: Any, name: str) -> None:
        self.name = name
        self.wanted = False
        self.engaged = False  # as confirmed
        self.told = False  # as last called, which may have worked without our hearing of it
        self.complaint = ''
        self._client = client
        self._attempts = 0
        self._future: Any = None
        self._next = 0.0

    @property
    def ready(self) -> bool:
        """Whether it could be called now."""
        return self._client is not None and self._client.service_is_ready()

    @property
    def state(self) -> str:
        """Say in a word or two how it stands."""
        if self.engaged:
            return 'engaged' if self.wanted else 'releasing'
        if not self.ready:
            return self.missing or 'no such service'
        return f'engaging, {self.complaint}' if self.wanted else 'ready'

    def want(self, engaged: bool, now: float) -> None:
        """Engage or release; begins at once."""
        self.wanted = engaged
        self._attempts = 0
        self._next = 0.0
        self.drive(now)

    def drive(self, now: float) -> None:
        """Call the service where that is due at `now` [s]; call this all the time."""
        settled = self.wanted == self.told == self.engaged
        if now < self._next or (settled and not (self.engaged and self.lasting)) or not self.ready:
            return
        if self._future is not None:
            self._client.remove_pending_request(self._future)
        self._next = now + CALL_TIMEOUT
        self.complaint = 'not confirmed'
        wanted, attempt = self.wanted, self._attempts
        self._attempts += 1
        self.told = wanted
        self._future = self._client.call_async(self.request(wanted, attempt))
        self._future.add_done_callback(lambda done: self._answered(done, wanted, now))

    def _answered(self, future: Any, wanted: bool, asked: float) -> None:
        if future is not self._future or future.cancelled():
            return
        self._future = None
        accepted, message = self.verdict(future.result())
        self.complaint = '' if accepted else message
        self._next = asked + (AGAIN if accepted else RETRY)
        if accepted:
            self.engaged = wanted

    @abstractmethod
    def request(self, engage: bool, attempt: int) -> Any:
        """Build the request of one attempt, counted from 0."""

    @abstractmethod
    def verdict(self, response: Any) -> tuple[bool, str]:
        """Say whether a response confirms, and what it says."""


class SimulatorBrake(Brake):
    """`mujoco_sim/stop`."""

    def __init__(self, node: Node, name: str = 'mujoco_sim/stop') -> None:
        super().__init__(node.create_client(SetBool, name), name)

    def request(self, engage: bool, attempt: int) -> SetBool.Request:
        """Switch the brakes."""
        return SetBool.Request(data=engage)

    def verdict(self, response: SetBool.Response) -> tuple[bool, str]:
        """Read the answer."""
        return response.success, response.message


class ControllerSwitch(Brake):
    """
    `switch_controller` of ros2_control's controller manager.

    The first attempt asks for everything at once (STRICT: all or nothing, in one cycle).  Where
    that is refused, as for a fallback controller that does not exist, the next one only takes the
    effort controller away: a latched torque is worse than none.

    :param service: the type `controller_manager_msgs.srv.SwitchController`, or None.
    :param controller: what to deactivate.
    :param fallback: what to activate.
    """

    lasting = False

    def __init__(self, node: Node, manager: str, controller: str, fallback: tuple[str, ...],
                 service: Any) -> None:
        name = f'{manager}/switch_controller'
        super().__init__(None if service is None else node.create_client(service, name), name)
        self.missing = '' if service is not None else 'controller_manager_msgs is not installed'
        self._service = service
        self._controller, self._fallback = controller, fallback

    def want(self, engaged: bool, now: float) -> None:
        """Engage; controllers are given back by a person, who knows which ones."""
        if not engaged:
            self.engaged = self.told = False
        super().want(engaged, now)

    def request(self, engage: bool, attempt: int) -> Any:
        """Ask for all at first, then in turns for what matters most."""
        kind = self._service.Request
        request = kind(deactivate_controllers=[self._controller], strictness=kind.BEST_EFFORT,
                       activate_asap=True, timeout=Duration(sec=1))
        if attempt % 2 == 0:
            request.strictness = kind.STRICT
            request.activate_controllers = list(self._fallback)
        return request

    def verdict(self, response: Any) -> tuple[bool, str]:
        """Read the answer."""
        return response.ok, getattr(response, 'message', '') or 'refused'


class WrongLength(Brake):
    """
    A command that makes the effort controller fail, where no other brake is there or confirms.

    Nobody confirms this one either, so it is sent again and again until it is released.

    :param publisher: on the controller's topic, of which we hear our own messages.
    :param size: motors of the robot.
    :param others: brakes that confirm.
    """

    lasting = False  # controllers are given back by a person

    def __init__(self, publisher: Publisher, size: int, others: Sequence[Brake]) -> None:
        super().__init__(None, f'a command of wrong length on {publisher.topic_name}')
        self.message = Float64MultiArray(data=[0.0] * (size + 1))
        self._publisher, self._others = publisher, others
        self._since = 0.0

    @property
    def ready(self) -> bool:
        """Whether somebody else listens."""
        return self._publisher.get_subscription_count() > 1

    @property
    def state(self) -> str:
        """Say how it stands."""
        if self.engaged:
            return 'sent, which nobody confirms'
        return 'ready' if self.ready else 'nobody listens'

    def want(self, engaged: bool, now: float) -> None:
        """Begin or end to make the controller fail."""
        self._since = now
        self.engaged = self.told = False
        super().want(engaged, now)

    def drive(self, now: float) -> None:
        """Send it where that is due."""
        if not (self.wanted and self.ready) or now < self._next \
                or any(other.engaged for other in self._others):
            return
        if any(other.ready for other in self._others) and now < self._since + CALL_TIMEOUT:
            return
        self._publisher.publish(self.message)
        self.engaged = self.told = True
        self._next = now + AGAIN

    def request(self, engage: bool, attempt: int) -> None:
        """Call nobody."""

    def verdict(self, response: Any) -> tuple[bool, str]:
        """Hear nothing."""
        return False, ''


def controller_service() -> Any:
    """Return the type of `switch_controller`; it comes with apt, not with the wheels."""
    try:
        from controller_manager_msgs.srv import SwitchController
    except ImportError:
        return None
    return SwitchController
