"""A question that DDS lost is asked again; who never answers is named."""

from chaos import attacker
import pytest

TARGET = 'a/policy'


class Future:
    answered = False

    def done(self):
        return self.answered

    def result(self):
        return None


class Client:
    """Somebody who hears only the last question."""

    def __init__(self):
        self.futures, self.dropped = [], 0

    def service_is_ready(self):
        return True

    def call_async(self, request):
        self.futures.append(Future())
        return self.futures[-1]

    def remove_pending_request(self, future):
        self.dropped += 1


class Node:
    def create_client(self, service, name):
        return Client()

    def create_subscription(self, *_):
        pass


@pytest.fixture
def asked(monkeypatch):
    """Return an attacker that has asked a process 1 at the time 0, its client, and a clock."""
    now = [0.0]
    monkeypatch.setattr(attacker.time, 'monotonic', lambda: now[0])
    made = attacker.Attacker(Node())
    made.call('resend', TARGET, 'policy/resend', None, 1)
    return made, made.calls[0].client, now


def test_once_more_until_it_is_answered(asked):
    made, client, now = asked
    assert made.look({TARGET: 1}) == [] and len(client.futures) == 1
    now[0] = attacker.AGAIN + 0.1
    assert made.look({TARGET: 1}) == [] and len(client.futures) == 2 and client.dropped == 1
    client.futures[1].answered = True
    assert made.look({TARGET: 1}) == [] and not made.calls
    assert made.counts == {'resend sent': 1, 'resend asked again': 1, 'resend answered': 1}


def test_who_never_answers_is_named(asked):
    made, client, now = asked
    silent = []
    for now[0] in range(int(attacker.ANSWER) + 2):
        silent += made.look({TARGET: 1})
    assert len(silent) == 1 and TARGET in silent[0] and not made.calls
    assert len(client.futures) == client.dropped > 2
