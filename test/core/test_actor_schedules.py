"""
Any order, loss and repetition of messages: rows stay whole, numbered without gaps, and joined.

A state carries its number k, and the command that answers state k carries `applied(k)`, so that
the task (`core.fakes.FakeTask`) sees whether it judges a state with the command that led to it.
"""

from core.fakes import Graph
from core.fakes import PERIOD
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.actor import PATIENCE
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.flow import FlowConfig

STEPS = st.lists(st.integers(0, 10**6), min_size=40, max_size=200)
FREE, LAG0, LAG1 = (FlowConfig(enabled=False), FlowConfig(rows=3, lag=0),
                    FlowConfig(rows=2, lag=1))


def applied(k):
    """Return the effort that is applied in answer to state k, another one for every k."""
    return ROBOT.action_to_effort * np.array([k / 64.0, -k / 128.0])


def source(k):
    return 'stop' if k % 37 == 36 else 'teleop' if k % 11 == 10 else 'policy'


class Network:
    """Simulator, filter, learner and the messages on their way to one actor."""

    def __init__(self, mode, flow):
        self.graph = Graph(flow, train_steps=17)
        self.graph.task.terminal = set(range(0, 100_000, 23))
        self.graph.task.successes = set(range(0, 100_000, 7))
        self.mode = mode
        self.k = 1
        self.episode = 1
        self.episode_of = {}
        self.answered = set()
        self.on_the_way = []
        self.reset_asked = False
        self.version = 0
        self.heard = 0
        self.requested = {}
        self.send_state()

    # -- what the others do -------------------------------------------------------------------

    def send_state(self):
        self.episode_of[self.k] = self.episode
        self.on_the_way.append(('state', self.k, self.episode))

    def step(self):
        self.k += 1
        self.send_state()

    def answer(self, k):
        """Be the filter: one answer for each state; in lockstep the simulator goes on with it."""
        if k == self.k and k not in self.answered:
            self.answered.add(k)
            self.on_the_way.append(('command', k))
            if self.mode == LOCKSTEP:
                self.step()
        elif k in self.answered:
            self.on_the_way.append(('command', k))

    def tick(self):
        """Let time pass where nobody waits; a state without a request is held."""
        if self.mode == LOCKSTEP:
            self.on_the_way.append(('state', self.k, self.episode))
        else:
            self.answer(self.k)
            self.step()

    def reset(self):
        self.reset_asked = False
        if self.mode != HARDWARE:
            self.episode += 1
            self.step()

    def push(self, jump=1):
        self.version += jump
        self.graph.weights(self.version, constant=self.version / 1000.0)

    # -- what reaches the actor ---------------------------------------------------------------

    def deliver(self, message):
        kind, k, *rest = message
        if kind == 'state':
            self.graph.state(k, rest[0], self.mode)
        else:
            self.graph.command(k, applied(k), source(k))
        self.listen()

    def listen(self):
        said = self.graph.out.said
        while self.heard < len(said):
            kind, *words = said[self.heard]
            self.heard += 1
            if kind == 'request':
                k = words[0] // PERIOD
                self.requested.setdefault(k, words[1])
                # The same state gets the same answer, for ever.
                assert self.requested[k].tolist() == words[1].tolist()
                self.answer(k)
            elif kind == 'reset':
                self.reset_asked = True

    def happen(self, number):
        """Let one thing happen, chosen by `number`."""
        actor = self.graph.actor
        what, which = number % 16, number // 16
        queue = self.on_the_way
        if what < 8 and queue:
            self.deliver(queue.pop(which % min(len(queue), 4)))
        elif what == 8 and queue:
            queue.append(queue[which % len(queue)])
        elif what == 9 and queue:
            queue.pop(which % len(queue))
        elif what == 10:
            self.tick()
        elif what == 11 and self.reset_asked or what == 12 and which % 8 == 0:
            self.reset()  # asked for, or by somebody else
        elif what == 13:
            self.push(1 if which % 3 else 5)
        elif what == 14:
            (actor.unblock, actor.give_up_waiting, actor.label_success, actor.retry,
             lambda: actor.on_goal(np.array([0.5])), self.graph.store.rollback)[which % 6]()
        elif what == 15:
            actor.evaluate = which % 4 == 0
        self.listen()

    def calm(self, rounds=200):
        """Let everything arrive in order and everybody do their part."""
        actor = self.graph.actor
        for _ in range(rounds):
            if self.on_the_way:
                self.deliver(self.on_the_way.pop(0))
            elif self.reset_asked and actor.resetting:
                self.reset()
            elif actor.waiting in ('learner', 'weights'):
                self.push()
            elif actor.waiting == 'safety_filter':
                actor.unblock()
            else:
                self.tick()
            self.listen()

    # -- what must hold -----------------------------------------------------------------------

    def check(self):
        graph, layout = self.graph, self.graph.layout
        rows = graph.rows()
        assert layout.check(rows) == ''
        assert rows[:, layout.column('seq').start].tolist() == list(range(len(rows)))
        for k, action, _ in graph.task.judged:
            assert action.tolist() == (applied(k - 1) / ROBOT.action_to_effort).tolist()
        for row in rows:
            self.check_row({name: row[layout.column(name)] for name in
                            (column.name for column in layout.columns)})

    def check_row(self, row):
        first, last = int(row['obs'][0]), int(row['next_obs'][0])
        states = range(first + 1, last + 1)
        commands = range(first, last)
        assert row['stamp_sec'][0] * 10**9 + row['stamp_nanosec'][0] == first * PERIOD
        assert 1 <= len(states) <= ROBOT.decision_periods
        assert len({self.episode_of[k] for k in (first, *states)}) == 1
        ended = row['terminated'][0] + row['truncated'][0]
        assert ended <= 1.0
        assert ended or len(states) == ROBOT.decision_periods
        mean = np.mean([applied(k) for k in commands], axis=0) / ROBOT.action_to_effort
        assert row['action'] == pytest.approx(mean)
        assert row['request'] == pytest.approx(self.requested[first] / ROBOT.action_to_effort)
        assert row['terms.number'][0] == pytest.approx(np.mean(list(states)))
        assert row['intervened'][0] == any(source(k) == 'teleop' for k in commands)
        assert row['terminated'][0] == (any(source(k) == 'stop' for k in commands)
                                        or any(k % 23 == 0 for k in states))
        assert row['next_obs'][3:5] == pytest.approx(mean)


@pytest.mark.parametrize('mode, flow', [(LOCKSTEP, FREE), (LOCKSTEP, LAG0), (LOCKSTEP, LAG1),
                                        (PACED, LAG0), (HARDWARE, LAG0)])
@given(STEPS)
def test_any_schedule(mode, flow, steps):
    network = Network(mode, flow)
    for number in steps:
        network.happen(number)
    network.check()
    # Nothing that happened stalls the ring.
    network.graph.actor.evaluate = False
    before = len(network.graph.rows())
    network.calm()
    network.check()
    assert len(network.graph.rows()) >= before + 10


@given(STEPS, STEPS)
def test_order_and_repetition_change_nothing_in_lockstep(one, other):
    """Two networks that lose nothing give the same rows, whatever the order."""
    rows = []
    for numbers in (one, other):
        network = Network(LOCKSTEP, FREE)
        network.push()
        for number in numbers:
            what, queue = number % 4, network.on_the_way
            if what == 0 and queue and queue.count(queue[-1]) < PATIENCE // 2:
                queue.append(queue[-1])
            elif network.reset_asked and network.graph.actor.resetting and not queue:
                network.reset()
            elif queue:
                # Only what was sent together overtakes: state k+1 and command k.
                network.deliver(queue.pop(number // 4 % min(len(queue), 2)))
        network.calm(100)
        rows.append(network.graph.rows())
        network.check()
    both = min(map(len, rows))
    assert both > 10
    assert rows[0][:both].tolist() == rows[1][:both].tolist()
