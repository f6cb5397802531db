"""Brakes are called until they confirm; the controller manager is played by a small client."""

from types import SimpleNamespace

from builtin_interfaces.msg import Duration
import pytest
from rclpy.task import Future
from rl_robot_ros.nodes import brakes
from std_srvs.srv import SetBool


class SwitchController:
    """`controller_manager_msgs.srv.SwitchController`, which is not on PyPI."""

    class Request(SimpleNamespace):
        """Fields and constants of the request."""

        BEST_EFFORT, STRICT = 1, 2


class Client:
    """A client whose answers are given by the test; also the node that makes it."""

    def __init__(self):
        self.ready, self.calls, self.removed = True, [], []

    def create_client(self, kind, name):
        self.name = name
        return self

    def service_is_ready(self):
        return self.ready

    def call_async(self, request):
        self.calls.append((request, Future()))
        return self.calls[-1][1]

    def remove_pending_request(self, future):
        self.removed.append(future)

    def answer(self, **values):
        self.calls[-1][1].set_result(SimpleNamespace(**values))


@pytest.fixture
def client():
    return Client()


def switch(client, fallback=('hold',), service=SwitchController):
    return brakes.ControllerSwitch(client, 'cm', 'effort', fallback, service)


def test_simulator_brakes_are_engaged_told_again_and_released(client):
    brake = brakes.SimulatorBrake(client)
    brake.drive(0.0)
    assert (client.calls, brake.state) == ([], 'ready')
    brake.want(True, 1.0)
    assert isinstance(client.calls[0][0], SetBool.Request) and client.calls[0][0].data
    assert 'not confirmed' in brake.state
    client.answer(success=True, message='brakes on')
    assert (brake.state, brake.engaged) == ('engaged', True)
    brake.drive(1.5)
    assert len(client.calls) == 1
    brake.drive(1.0 + brakes.AGAIN)
    assert len(client.calls) == 2
    client.answer(success=True, message='')
    brake.want(False, 3.0)
    assert client.calls[-1][0].data is False and brake.state == 'releasing'
    client.answer(success=True, message='')
    brake.drive(100.0)
    assert (brake.state, len(client.calls)) == ('ready', 3)


def test_a_call_without_an_answer_is_made_again(client):
    brake = brakes.SimulatorBrake(client)
    brake.want(True, 1.0)
    brake.drive(1.0 + 0.9 * brakes.CALL_TIMEOUT)
    assert len(client.calls) == 1
    brake.drive(1.0 + brakes.CALL_TIMEOUT)
    assert len(client.calls) == 2 and client.removed == [client.calls[0][1]]
    client.calls[0][1].set_result(SimpleNamespace(success=True, message=''))
    assert not brake.engaged, 'only the newest call counts'


def test_a_refusal_is_asked_again(client):
    brake = brakes.SimulatorBrake(client)
    brake.want(True, 1.0)
    client.answer(success=False, message='no')
    assert brake.state == 'engaging, no'
    brake.drive(1.0 + brakes.RETRY)
    client.answer(success=True, message='')
    assert brake.engaged


def test_a_release_before_the_confirmation_is_sent(client):
    """The first call may have worked although its answer never came."""
    brake = brakes.SimulatorBrake(client)
    brake.want(True, 1.0)
    brake.want(False, 1.01)
    assert [call.data for call, _ in client.calls] == [True, False]


def test_a_service_that_comes_late_is_called(client):
    client.ready = False
    brake = brakes.SimulatorBrake(client)
    brake.want(True, 1.0)
    assert (client.calls, brake.state) == ([], 'no such service')
    client.ready = True
    brake.drive(1.01)
    assert len(client.calls) == 1


def test_controllers_all_at_once_then_what_matters_most(client):
    brake = switch(client)
    assert client.name == 'cm/switch_controller'
    brake.want(True, 1.0)
    first = client.calls[0][0]
    assert first.strictness == SwitchController.Request.STRICT
    assert (first.deactivate_controllers, first.activate_controllers) == (['effort'], ['hold'])
    assert first.activate_asap and first.timeout == Duration(sec=1)
    client.answer(ok=False, message='no controller hold')
    assert brake.state == 'engaging, no controller hold'
    brake.drive(1.0 + brakes.RETRY)
    second = client.calls[1][0]
    assert second.strictness == SwitchController.Request.BEST_EFFORT
    assert second.deactivate_controllers == ['effort']
    assert not hasattr(second, 'activate_controllers'), 'one bad name would fail them all'
    client.answer(ok=True)
    assert brake.state == 'engaged'
    brake.drive(100.0)
    assert len(client.calls) == 2, 'a person may have switched meanwhile'


def test_controllers_are_given_back_by_a_person(client):
    brake = switch(client, fallback=())
    brake.want(True, 1.0)
    client.answer(ok=True, message='')
    brake.want(False, 2.0)
    brake.drive(100.0)
    assert (brake.state, len(client.calls)) == ('ready', 1)


def test_without_the_type_it_says_so(client):
    brake = switch(client, service=None)
    brake.want(True, 1.0)
    assert not brake.ready
    assert brake.state == 'controller_manager_msgs is not installed'


def test_the_type_is_optional():
    service = brakes.controller_service()
    assert service is None or hasattr(service.Request, 'STRICT')


class Topic:
    """A publisher that remembers, and knows how many listen: the watchdog itself always does."""

    topic_name = 'commands'

    def __init__(self):
        self.sent, self.listeners = [], 2

    def publish(self, message):
        self.sent.append(list(message.data))

    def get_subscription_count(self):
        return self.listeners


def test_a_command_of_wrong_length_where_nothing_else_is_there():
    topic, manager = Topic(), Client()
    manager.ready = False
    brake = brakes.WrongLength(topic, 3, (switch(manager),))
    assert brake.ready and brake.state == 'ready'
    brake.drive(0.0)
    assert topic.sent == []
    brake.want(True, 1.0)
    assert topic.sent == [[0.0] * 4] and brake.engaged and brake.told
    assert brake.state == 'sent, which nobody confirms'
    brake.drive(1.0 + 0.9 * brakes.AGAIN)
    assert len(topic.sent) == 1
    brake.drive(1.0 + brakes.AGAIN)
    assert len(topic.sent) == 2
    brake.want(False, 3.0)
    brake.drive(100.0)
    assert len(topic.sent) == 2 and not brake.engaged


def test_a_command_of_wrong_length_waits_for_those_who_confirm():
    topic, manager = Topic(), Client()
    other = switch(manager)
    brake = brakes.WrongLength(topic, 3, (other,))
    for each in (other, brake):
        each.want(True, 1.0)
    brake.drive(1.0 + 0.9 * brakes.CALL_TIMEOUT)
    assert topic.sent == []
    manager.answer(ok=True)
    brake.drive(100.0)
    assert topic.sent == [], 'the manager has done it'
    other.engaged = False  # it has not answered
    brake.drive(1.0 + brakes.CALL_TIMEOUT)
    assert topic.sent == [[0.0] * 4]


def test_nobody_hears_a_command_of_wrong_length():
    topic = Topic()
    topic.listeners = 1
    brake = brakes.WrongLength(topic, 3, ())
    brake.want(True, 1.0)
    assert topic.sent == [] and not brake.ready and brake.state == 'nobody listens'
