"""Big weights do not go to everybody at once; who does not answer delays nobody for long."""

import numpy as np
import pytest

pytest.importorskip('rclpy')

from rcl_interfaces.srv import SetParametersAtomically  # noqa: E402
from rl_robot_ros.core.weights import WeightSet  # noqa: E402
from rl_robot_ros.nodes import pusher as module  # noqa: E402

NAMES = [f'/{name}{module.SERVICE}' for name in 'abc']


class Future:
    def add_done_callback(self, call):
        self.call = call

    def result(self):
        response = SetParametersAtomically.Response()
        response.result.successful = True
        return response


class Client:
    def __init__(self):
        self.futures = []

    def service_is_ready(self):
        return True

    def call_async(self, request):
        self.futures.append(Future())
        return self.futures[-1]


class Node:
    def __init__(self):
        self.clients = {}

    def create_client(self, _, name):
        return self.clients.setdefault(name, Client())

    def get_publishers_info_by_topic(self, _):
        return []


@pytest.fixture
def world(monkeypatch):
    """Return a pusher with three policies that are known, what they were asked, and a clock."""
    now = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    node = Node()
    pusher = module.Pusher(node, NAMES, False, 10.0, b'', lambda held: None, lambda name: None)
    pusher.discover()
    for link in pusher.links.values():
        link.endpoints.add(b'known')
    return pusher, lambda: [len(node.clients[name].futures) for name in NAMES], node, now


def weights(count):
    return WeightSet.make(1, 1, 'schema', np.zeros(count))


def test_small_weights_go_to_all_at_once(world):
    pusher, asked, _, _ = world
    pusher.push(weights(10_000))
    assert asked() == [1, 1, 1]


def test_big_ones_go_to_the_next_when_one_has_answered(world):
    pusher, asked, node, _ = world
    pusher.push(weights(75_000))
    assert asked() == [1, 0, 0]
    for number, name in enumerate(NAMES[:2]):
        future = node.clients[name].futures[-1]
        future.call(future)
        assert asked() == [1] * (number + 2) + [0] * (1 - number)


def test_a_stuck_policy_keeps_the_others_waiting_for_a_moment_only(world):
    pusher, asked, _, now = world
    pusher.push(weights(75_000))
    now[0] += 1.01 * module.HEAD_START
    pusher.serve()
    assert asked() == [1, 1, 0]
    now[0] += 1.01 * module.HEAD_START
    pusher.serve()
    assert asked() == [1, 1, 1]


def test_who_holds_the_newest_hears_it_again_after_a_while(world):
    pusher, asked, node, now = world
    pusher.repeat()
    assert asked() == [0, 0, 0], 'there is nothing yet'
    pusher.push(weights(10))
    for name in NAMES[:2]:
        node.clients[name].futures[-1].call(node.clients[name].futures[-1])
    now[0] += 0.9 * module.REPEAT_PERIOD
    pusher.repeat()
    assert asked() == [1, 1, 1]
    now[0] += 0.2 * module.REPEAT_PERIOD
    pusher.repeat()
    assert asked() == [2, 2, 1], 'one has not even heard it once'
    pusher.repeat()
    assert asked() == [2, 2, 1], 'they have been asked'
