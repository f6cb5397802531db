"""Services and modes of the live graph that no fault test goes through."""

import time

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import pytest
from rcl_interfaces.srv import SetParametersAtomically
from real_graph import running
from rl_robot_ros import wire
from rl_robot_ros.nodes.outgoing import oldest_kept
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.policy_file import load_policy
from sensor_msgs.msg import JointState
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

pytestmark = pytest.mark.timeout(600)


def test_paced_episodes_change_without_a_fault(tmp_path):
    """The filter forgets the old pose when the simulator starts a new episode."""
    parameters = {'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'sync.enabled': False,
                  'sim.mode': 'paced', 'task.train_episode_steps': 100, 'task.start_spread': 0.3}
    nodes = ('mujoco_sim', 'safety_filter', 'policy', 'learner')
    with running(tmp_path, parameters, nodes) as graph:
        phases = []
        graph.monitor._node.create_subscription(DiagnosticStatus, 'safety_filter/state',
                                                phases.append, LATCHED_QOS)
        graph.until('ten episodes', lambda: graph.value('policy', 'episodes') >= 10)
        reasons = {status.message for status in phases if status.level == DiagnosticStatus.ERROR}
        # A machine that stalls for 50 ms does lose states, and the filter is right to say so.
        assert reasons <= {'no joint state in time'}
        assert phases


def test_teleop_takes_over_then_a_stop_latches(tmp_path):
    """
    A person's effort goes before the policy's, and its rows say so.

    A stop ends the episode as terminated and latches; release and reset go on.
    """
    with running(tmp_path, {'algorithm': 'random', 'sync.enabled': False}, rows=True) as graph:
        # Diagnostics may be ahead of the rows that they count.
        graph.until('rows', lambda: graph.value('policy', 'rows') > 50 and graph.monitor.layout)
        layout = graph.monitor.layout
        publisher = graph.monitor._node.create_publisher(JointState, 'teleop_effort', COMMAND_QOS)

        def taken_over():
            publisher.publish(wire.joint_state(['slider'], 0, effort=[3.0]))
            rows = np.concatenate([*graph.monitor.take_rows(), np.zeros((0, layout.width))])
            marked = rows[rows[:, layout.column('intervened').start] == 1.0]
            return len(marked) and np.isclose(marked[:, layout.column('action')], 0.3).any()
        graph.until('rows of the person', taken_over)

        assert graph.call(SetBool, 'safety_filter/stop', data=True).success
        graph.until('the stop is reported', lambda: any(
            'stop service' in text for text in graph.monitor.warnings()))
        graph.until('the policy waits for the filter', lambda: graph.monitor.status[
            'policy'].message == 'waiting for safety_filter')
        rows = np.concatenate(graph.monitor.take_rows())
        assert rows[-1, layout.column('terminated').start] == 1.0
        count = graph.value('policy', 'rows')
        time.sleep(1.0)  # five diagnostics
        graph.monitor.spin(0.1)
        assert graph.value('policy', 'rows') <= count + 1
        assert graph.call(SetBool, 'safety_filter/stop', data=False).success
        graph.until('rows again', lambda: graph.value('policy', 'rows') > count + 20)


def test_pause_save_resend_rollback_with_a_key(tmp_path):
    """Each service does what its name says; whose weights have no code of the key is refused."""
    key = tmp_path / 'key'
    key.write_bytes(b'secret')
    parameters = {'sync.enabled': False, 'learner.checkpoint_period': 3000.0,
                  'policy.key_file': str(key), 'learner.key_file': str(key)}
    with running(tmp_path, parameters) as graph:
        graph.until('updates', lambda: graph.value('learner', 'updates') > 50)
        assert graph.call(Trigger, 'policy/rollback').success
        assert graph.call(SetBool, 'learner/pause', data=True).success
        graph.until('a pause', lambda: graph.value('learner', 'stage', '') == 'paused')
        time.sleep(0.5)
        updates = graph.value('learner', 'updates')
        assert len(list(tmp_path.glob('run/checkpoints/*.pt'))) == 1  # that of the start
        assert graph.call(Trigger, 'learner/save').success
        graph.until('a checkpoint while paused',
                    lambda: len(list(tmp_path.glob('run/checkpoints/*.pt'))) == 2)
        request = wire.weights_request(load_policy(tmp_path / 'run/policy.safetensors'))
        result = graph.call(SetParametersAtomically, 'policy/set_weights',
                            parameters=request.parameters).result
        assert not result.successful and 'hmac' in result.reason
        answer = graph.call(Trigger, 'policy/resend')
        assert answer.success and int(answer.message.split()[0]) > 50
        assert oldest_kept(answer.message)[1] == 0
        graph.until('rows are sent again', lambda: graph.value('policy', 'rows_resent') > 50)
        graph.until('the refusal is counted', lambda: graph.value('policy', 'refused_hmac') == 1)
        assert graph.value('learner', 'updates') <= updates + 16
        assert graph.call(SetBool, 'learner/pause', data=False).success
        graph.until('learning', lambda: graph.value('learner', 'updates') > updates + 50)
        assert graph.value('learner', 'duplicates') > 0
        assert graph.value('learner', 'gaps') == 0
        graph.until('the open row is labelled',  # between two episodes there is none
                    lambda: graph.call(Trigger, 'policy/label_success').success)
