"""A person at a terminal and a recorder beside a real graph; and what comes of their files."""

from contextlib import contextmanager
import os
import re
import signal
import subprocess
import sys
import termios
import threading

import numpy as np
import pytest
from real_graph import running
from rl_robot_ros import cli
from rl_robot_ros.bags import BagReader
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.env import make_task
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.policy_file import save_policy
from sensor_msgs.msg import JointState

pytestmark = pytest.mark.timeout(400)

NODES = ('mujoco_sim', 'safety_filter', 'policy')
ROBOT = resolve('robot', 'arm7')
SAME = ('stamp_sec', 'stamp_nanosec', 'terminated', 'truncated', 'intervened', 'filtered',
        'reward', 'obs', 'action', 'next_obs')


def make_policy(path):
    """Write a policy that acts at random, so that no learner is needed."""
    task = make_task(ROBOT, 'reach')
    size = sum(term.size for term in task.observation_terms)
    contract = PolicyContract(f'deterministic {size}-{len(ROBOT.actuated)} tanh', ROBOT.actuated,
                              task.observation_terms)
    weights = initial_weights(contract.network, np.random.default_rng(1))
    save_policy(path, WeightSet.make(1, 1, contract.schema, weights, 'uniform', 1.0))


class Person:
    """A program on a pseudo terminal of its own."""

    def __init__(self, environment, *words):
        self._end, self._terminal = os.openpty()
        self.before = termios.tcgetattr(self._terminal)
        self._said = []
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'rl_robot_ros.cli', *words], env=environment,
            stdin=self._terminal, stdout=self._terminal, stderr=self._terminal,
            start_new_session=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        while True:
            try:
                self._said.append(os.read(self._end, 4096))
            except OSError:
                return

    @property
    def said(self):
        return b''.join(self._said).decode(errors='replace')

    @property
    def modes(self):
        return termios.tcgetattr(self._terminal)

    def press(self, keys):
        os.write(self._end, keys)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._terminal)
        os.close(self._end)


@contextmanager
def person(environment, *words):
    made = Person(environment, *words)
    try:
        yield made
    finally:
        made.close()


class Session:
    """What was heard, recorded and shown in one session."""

    def __init__(self, folder):
        self.folder, self.bag, self.shown = folder, folder / 'bag', folder / 'shown.safetensors'
        self.rows, self.teleop, self.modes = [], [], []
        self.recorded = ''


def show(graph, person, session):
    """Take over, push a joint, let go, take over again, say that it is done, and end."""
    flags = []  # whether a person was in command, by row

    def until(what, condition, keys=b''):
        """Press keys until something holds."""
        def look():
            for batch in graph.monitor.take_rows():
                session.rows.append(batch)
                flags.extend(batch[:, graph.monitor.layout.column('intervened').start] == 1.0)
            done = condition()
            if keys and not done:
                person.press(keys)
            return done
        graph.until(what, look)
    until('the terminal is taken over', lambda: 'select a joint' in person.said)
    session.modes = [person.before, person.modes]
    until('rows of the policy', lambda: len(flags) > 8)
    person.press(b'2c')
    until('rows of the person', lambda: all(flags[-8:]))
    until('the recorder hears the person', lambda: any(
        end.node_name == 'recorder_taps'
        for end in graph.monitor._node.get_subscriptions_info_by_topic('teleop_effort')))
    until('a push', lambda: any(effort[1] > 0.0 for effort in session.teleop), b'\x1b[A')
    person.press(b' ')
    until('the policy again', lambda: not any(flags[-8:]))
    person.press(b'c')
    until('the person again', lambda: all(flags[-8:]))
    until('a label', lambda: graph.value('teleop', 'labelled'), b'y')
    count = len(flags)
    until('two more episodes', lambda: len(flags) > count + 60)


@pytest.fixture(scope='module')
def session(tmp_path_factory):
    """One graph for all tests: recorded, and shown something by a person."""
    folder = tmp_path_factory.mktemp('session')
    result = Session(folder)
    make_policy(folder / 'policy.safetensors')
    with running(folder, {
            'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'sync.enabled': False,
            'policy.checkpoint': str(folder / 'policy.safetensors'), 'safety.mode': 'model_free',
            'task.train_episode_steps': 110, 'experience.batch_rows': 4}, NODES,
            rows=True) as graph:
        environment = graph.graph.environment
        graph.monitor._node.create_subscription(
            JointState, 'teleop_effort', lambda message: result.teleop.append(message.effort),
            COMMAND_QOS)
        recorder = subprocess.Popen(
            [sys.executable, '-m', 'rl_robot_ros.cli', 'record', '--output', str(result.bag),
             'record.keep_free=16'], env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        try:
            graph.until('the recorder hears the graph', lambda: graph.value('recorder', 'written'))
            with person(environment, 'teleop', '--demonstrations', str(result.shown),
                        'teleop.save_period=0.5') as made:
                show(graph, made, result)
                os.kill(made.process.pid, signal.SIGTERM)
                assert made.process.wait(60.0) == 0
                result.modes.append(made.modes)
            recorder.send_signal(signal.SIGINT)
            result.recorded = recorder.communicate(timeout=60.0)[0]
            assert recorder.returncode == 0, result.recorded
        finally:
            if recorder.poll() is None:
                recorder.kill()
                recorder.wait()
        result.layout = graph.monitor.layout
        result.rows = np.concatenate(result.rows + graph.monitor.take_rows())
    return result


def by_stamp(rows, layout):
    where = [layout.column(name).start for name in ('stamp_sec', 'stamp_nanosec')]
    return {tuple(row[where]): row for row in rows}


def common(mine, theirs, layout):
    """Return rows of the same stamps."""
    mine, theirs = by_stamp(mine, layout), by_stamp(theirs, layout)
    stamps = sorted(set(mine) & set(theirs))
    return np.array([mine[s] for s in stamps]), np.array([theirs[s] for s in stamps])


def test_a_person_is_marked_and_the_policy_goes_on_afterwards(session):
    marked = session.rows[:, session.layout.column('intervened').start]
    changes = np.flatnonzero(np.diff(marked))
    assert len(changes) >= 3, 'policy, person, policy, person'
    efforts = np.array(session.teleop)
    # Only the joint that was selected is pushed, by 0.3 of what a policy may ask for.
    assert not efforts[:, [0, *range(2, 7)]].any()
    assert set(efforts[:, 1]) == {0.0, 0.3 * ROBOT.action_to_effort[1]}


def test_the_terminal_is_as_it_was(session):
    before, during, after = session.modes
    assert not during[3] & termios.ICANON and not during[3] & termios.ECHO
    assert after == before


def test_what_was_shown_can_be_learned_from(session):
    shown = load_demonstrations(session.shown, session.layout)
    column = session.layout.column
    assert shown.rows[:, column('intervened')].all() and shown.episodes >= 1
    success = (shown.rows[:, column('success')] * shown.rows[:, column('truncated')])[:, 0]
    assert success.any(), 'who is told that it is done ends the episode, as a success'
    mine, heard = common(shown.rows, session.rows, session.layout)
    assert len(mine) > 60 and np.array_equal(mine, heard)


def test_the_bag_holds_the_graph(session):
    with BagReader(session.bag) as bag:
        counts = dict(bag.counts)
    assert set(counts) >= {'/joint_states'}, session.recorded
    assert min(counts[name] for name in (
        '/joint_states', '/effort_request', '/effort_command', '/effort_controller/commands',
        '/experience', '/policy/active_goal', '/safety_filter/state', '/teleop_effort',
        '/diagnostics')) > 0, counts
    assert ' 0 dropped' in session.recorded
    for topic, count in counts.items():
        assert re.search(rf'^ *{count}  {topic}$', session.recorded, re.M), topic


@pytest.fixture(scope='module')
def imported(session):
    """Rows of the bag as they were sent."""
    out = session.folder / 'rows'
    assert cli.main(['import-bag', str(session.bag), '--output', str(out), '--robot', 'arm7',
                     '--task', 'reach']) == 0
    return load_demonstrations(out, session.layout).rows


def test_rows_in_the_bag_are_those_that_were_sent(session, imported):
    rows = imported
    mine, heard = common(rows, session.rows, session.layout)
    assert len(mine) > 100 and np.array_equal(mine, heard)
    shown = load_demonstrations(session.shown, session.layout).rows
    mine, recorded = common(shown, rows, session.layout)
    assert len(mine) > 0.8 * len(shown) and np.array_equal(mine, recorded)
    person = session.folder / 'person'
    assert cli.main(['import-bag', str(session.bag), '--output', str(person),
                     '--only', 'person']) == 0
    kept = load_demonstrations(person, session.layout).rows
    assert np.array_equal(kept, rows[rows[:, session.layout.column('intervened').start] == 1.0])


def test_rows_that_are_joined_are_those_of_the_policy(session, imported, capsys):
    out = session.folder / 'joined'
    assert cli.main(['import-bag', str(session.bag), '--output', str(out), '--join', '--robot',
                     'arm7', '--task', 'reach', 'task.train_episode_steps=110']) == 0
    said = capsys.readouterr().out
    joined = load_demonstrations(out, session.layout).rows
    mine, sent = common(joined, imported, session.layout)
    assert len(mine) > 100 and len(mine) > 0.9 * len(joined), said
    for name in SAME:
        column = session.layout.column(name)
        assert np.array_equal(mine[:, column], sent[:, column]), (name, said)
    column = session.layout.column('request')
    assert np.allclose(mine[:, column], sent[:, column], rtol=1e-12, atol=0.0)
