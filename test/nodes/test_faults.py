"""What happens when processes are killed, stopped and told to end: real signals, real DDS."""

import os
import signal
import time

import numpy as np
import pytest
from real_graph import running
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.store import ROWS

pytestmark = pytest.mark.timeout(600)


def epochs(rows, layout):
    """Return the epochs in rows, in order of appearance."""
    return list(dict.fromkeys(int(row[layout.column('epoch').start])
                              for batch in rows for row in batch))


def test_learner_killed(tmp_path):
    """The robot keeps moving, diagnostics warn, the learner resumes above its last version."""
    parameters = {'policy.weights_timeout': 2.0, 'sync.timeout': 0.5, 'seed': 3,
                  'learner.checkpoint_period': 1.0, 'experience.keep_rows': 100_000}
    with running(tmp_path, parameters, rows=True) as graph:
        graph.until('updates', lambda: graph.value('learner', 'updates') > 100)
        graph.until('checkpoints', lambda: len(list(tmp_path.glob('run/checkpoints/*.pt'))) > 1)
        # Nobody starts it again while we look.
        process = graph.graph.processes.pop('learner')
        os.kill(process.child.pid, signal.SIGKILL)
        process.child.wait()
        steps = graph.value('mujoco_sim', 'steps')
        graph.until('the policy warns', lambda: any(
            'policy: weights are stale' in text for text in graph.monitor.warnings()))
        graph.until('the robot still moves',
                    lambda: graph.value('mujoco_sim', 'steps') > steps + 200)
        version = graph.value('policy', 'version')
        graph.monitor.status.pop('learner')
        graph.graph.processes['learner'] = process
        graph.graph._start(process, ('-p', 'learner.resume:=true'))
        graph.until('a higher version acts', lambda: graph.value('policy', 'version') > version)
        graph.until('learning goes on', lambda: graph.value('learner', 'updates') > 100)
        assert graph.value('policy', 'weights_refused') == 0
        assert graph.value('learner', 'pushes_refused') == 0
        assert 'resumed at' in graph.graph.output('learner', 200)
        made = graph.value('policy', 'rows')
        graph.until('the rows of the time without a learner', lambda: graph.value(
            'learner', 'rows') >= made and graph.value('learner', 'gaps') == 0)
        assert graph.value('learner', 'lost') == graph.value('learner', 'log_lost') == 0
        layout = graph.monitor.layout
    # Read by nobody who took part: every row of that policy once, from the first on.
    records = list(Reader(tmp_path / 'run' / ROWS, layout, pytest.fail).read())
    stored = [record.rows[:, layout.column('seq').start] for record in records]
    assert len(epochs([record.rows for record in records], layout)) == 1
    assert len(stored) > 10 and (np.sort(np.concatenate(stored)) == np.arange(
        sum(map(len, stored)))).all() and sum(map(len, stored)) >= made


def test_policy_killed(tmp_path):
    """A new epoch, weights at once, the ring goes on, training goes on."""
    with running(tmp_path, {'seed': -1}, rows=True) as graph:
        graph.until('updates', lambda: graph.value('learner', 'updates') > 50)
        before = epochs(graph.monitor.rows, graph.monitor.layout)
        graph.kill('policy', signal.SIGKILL)
        steps = graph.value('mujoco_sim', 'steps')
        updates = graph.value('learner', 'updates')
        graph.monitor.take_rows()
        new = graph.until('rows of a new epoch', lambda: [
            epoch for epoch in epochs(graph.monitor.rows, graph.monitor.layout)
            if epoch not in before])
        graph.until('the ring goes on',
                    lambda: graph.value('mujoco_sim', 'steps') > steps + 500)
        graph.until('learning goes on', lambda: graph.value('learner', 'updates') > updates + 50)
        layout = graph.monitor.layout
        rows = np.concatenate(graph.monitor.take_rows())
        rows = rows[rows[:, layout.column('epoch').start] == new[0]]
        sequence = rows[:, layout.column('seq').start]
        assert (np.diff(sequence) == 1).all()
        assert graph.value('learner', 'gaps') == 0
        assert graph.value('policy', 'weights_refused') == 0


def kill_and_see_it_back(graph, node):
    """Kill a node; the supervisor starts it again and the policy goes on deciding."""
    decisions, pid = graph.value('policy', 'decisions'), graph.pid(node)
    graph.kill(node, signal.SIGKILL)
    graph.until(f'{node} is back', lambda: graph.pid(node) != pid)
    graph.until('decisions go on', lambda: graph.value('policy', 'decisions') > decisions + 300)


def test_filter_and_sim_killed(tmp_path):
    """The ring survives both, and simulated time never goes back."""
    with running(tmp_path, {'sync.enabled': False}, rows=True) as graph:
        graph.until('rows', lambda: graph.value('policy', 'rows') > 100)
        for node in ('safety_filter', 'mujoco_sim'):
            kill_and_see_it_back(graph, node)
        layout = graph.monitor.layout
        rows = np.concatenate(graph.monitor.take_rows())
        stamps = rows[:, layout.column('stamp_sec').start] \
            + 1e-9 * rows[:, layout.column('stamp_nanosec').start]
        assert (np.diff(stamps) > 0).all()
        assert graph.value('policy', 'states_old') == 0


def test_stop_and_reset(tmp_path):
    """A stop ends the episode as terminated and latches; release and reset go on."""
    from std_srvs.srv import SetBool
    nodes = ('mujoco_sim', 'safety_filter', 'policy', 'learner')
    with running(tmp_path, {'algorithm': 'random', 'sync.enabled': False}, nodes,
                 rows=True) as graph:
        graph.until('rows', lambda: graph.value('policy', 'rows') > 50)
        client = graph.monitor._node.create_client(SetBool, 'safety_filter/stop')

        def call(data):
            future = client.call_async(SetBool.Request(data=data))
            graph.until('an answer', future.done)
            return future.result()

        assert call(True).success
        graph.until('the stop is reported', lambda: any(
            'stop service' in text for text in graph.monitor.warnings()))
        graph.until('the policy waits for the filter', lambda: graph.monitor.status[
            'policy'].message == 'waiting for safety_filter')
        layout = graph.monitor.layout
        rows = np.concatenate(graph.monitor.take_rows())
        assert rows[-1, layout.column('terminated').start] == 1.0
        count = graph.value('policy', 'rows')
        time.sleep(2.5)
        graph.monitor.spin(0.1)
        assert graph.value('policy', 'rows') <= count + 1
        assert call(False).success
        graph.until('rows again', lambda: graph.value('policy', 'rows') > count + 20)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_paced_signals_leave_a_last_safe_command(tmp_path, number):
    """The filter brakes, and its last words are zeros of the right length."""
    from std_msgs.msg import Float64MultiArray
    nodes = ('mujoco_sim', 'safety_filter', 'policy', 'learner')
    parameters = {'algorithm': 'random', 'sync.enabled': False, 'sim.mode': 'paced'}
    with running(tmp_path, parameters, nodes) as graph:
        commands = []
        graph.monitor._node.create_subscription(
            Float64MultiArray, 'effort_controller/commands',
            lambda message: commands.append(message.data), 100)
        graph.until('the robot moves', lambda: graph.value('policy', 'decisions') > 50
                    and any(abs(c[0]) > 1.0 for c in commands))
        process = graph.graph.processes.pop('safety_filter')
        os.kill(process.child.pid, number)
        assert process.child.wait(20.0) == 0
        end = len(commands)
        for _ in range(300):
            graph.monitor.spin(0.005)
        assert len(commands) >= end
        assert len(commands[-1]) == 1
        assert abs(commands[-1][0]) < 1e-9
