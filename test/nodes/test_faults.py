"""What happens when processes are killed, stopped and told to end: real signals, real DDS."""

import os
import signal

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


def test_ctrl_c_leaves_a_last_safe_command(tmp_path):
    """
    The filter brakes, and its last words are zeros of the right length.

    SIGTERM is row 35 of the fault table.
    """
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
        os.kill(process.child.pid, signal.SIGINT)
        assert process.child.wait(20.0) == 0
        end = len(commands)
        for _ in range(300):
            graph.monitor.spin(0.005)
        assert len(commands) >= end
        assert len(commands[-1]) == 1
        assert abs(commands[-1][0]) < 1e-9


@pytest.fixture(scope='module')
def graph(tmp_path_factory):
    """Run one graph, whose nodes are killed one after another."""
    parameters = {'policy.weights_timeout': 2.0, 'sync.timeout': 0.5, 'seed': 3,
                  'learner.checkpoint_period': 1.0, 'experience.keep_rows': 100_000}
    with running(tmp_path_factory.mktemp('faults'), parameters, rows=True) as graph:
        yield graph


def test_learner_killed(graph):
    """The robot keeps moving, diagnostics warn, the learner resumes above its last version."""
    graph.until('updates', lambda: graph.value('learner', 'updates') > 100)
    graph.until('checkpoints',
                lambda: len(list(graph.folder.glob('run/checkpoints/*.pt'))) > 1)
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


def test_policy_killed(graph):
    """A new epoch, weights at once, the ring goes on, training goes on."""
    layout = graph.monitor.layout
    before = epochs(graph.monitor.take_rows(), layout)
    assert len(before) == 1
    graph.kill('policy', signal.SIGKILL)
    steps = graph.value('mujoco_sim', 'steps')
    updates = graph.value('learner', 'updates')
    graph.monitor.take_rows()
    new = graph.until('rows of a new epoch', lambda: [
        epoch for epoch in epochs(graph.monitor.rows, layout) if epoch not in before])
    graph.until('the ring goes on', lambda: graph.value('mujoco_sim', 'steps') > steps + 500)
    graph.until('learning goes on', lambda: graph.value('learner', 'updates') > updates + 50)
    rows = np.concatenate(graph.monitor.take_rows())
    rows = rows[rows[:, layout.column('epoch').start] == new[0]]
    assert (np.diff(rows[:, layout.column('seq').start]) == 1).all()
    assert graph.value('learner', 'gaps') == 0
    assert graph.value('policy', 'weights_refused') == 0


def test_filter_and_sim_killed(graph):
    """The ring survives both, and simulated time never goes back."""
    graph.monitor.take_rows()
    for node in ('safety_filter', 'mujoco_sim'):
        decisions, pid = graph.value('policy', 'decisions'), graph.pid(node)
        graph.kill(node, signal.SIGKILL)
        graph.until(f'{node} is back', lambda: graph.pid(node) != pid)  # noqa: B023
        graph.until('decisions go on', lambda: graph.value(
            'policy', 'decisions') > decisions + 200)  # noqa: B023
    layout = graph.monitor.layout
    rows = np.concatenate(graph.monitor.take_rows())
    stamps = rows[:, layout.column('stamp_sec').start] \
        + 1e-9 * rows[:, layout.column('stamp_nanosec').start]
    assert (np.diff(stamps) > 0).all()
    assert graph.value('policy', 'states_old') == 0


def test_a_state_of_the_future(graph):
    """In lockstep nobody becomes deaf to the simulator: it insists, and the ring goes on."""
    from rl_robot_ros.nodes.runtime import STATE_QOS
    from sensor_msgs.msg import JointState
    states, node = [], graph.monitor._node
    node.create_subscription(JointState, 'joint_states', states.append, STATE_QOS)
    forged = node.create_publisher(JointState, 'joint_states', STATE_QOS)
    graph.until('states', lambda: len(states) > 10 and forged.get_subscription_count() > 2)
    message = states[-1]
    message.header.stamp.sec += 3600

    def believed():
        forged.publish(message)  # there is room for one state: a true one may take its place
        return all(graph.value(name, 'states_old') >= 3 for name in ('policy', 'safety_filter'))
    graph.until('they hear old states', believed)
    steps = graph.value('mujoco_sim', 'steps')
    graph.until('the ring goes on', lambda: graph.value('mujoco_sim', 'steps') > steps + 200)


def test_every_row_is_on_disk_once(graph):
    """After all that, and read by nobody who took part: from the first row of each policy on."""
    graph.graph.stop()
    layout = graph.monitor.layout
    rows = np.concatenate([record.rows for record in Reader(
        graph.folder / 'run' / ROWS, layout, pytest.fail).read()])
    found = epochs([rows], layout)
    assert len(found) == 2, 'the policy was killed once'
    for epoch in found:
        of_this = rows[rows[:, layout.column('epoch').start] == epoch]
        sequence = np.sort(of_this[:, layout.column('seq').start])
        assert len(sequence) > 100 and (sequence == np.arange(len(sequence))).all()
