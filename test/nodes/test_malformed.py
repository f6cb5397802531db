"""Malformed messages on the live graph: refused with a reason, counted, nothing crashes."""

from geometry_msgs.msg import PoseStamped
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from real_graph import running
from rl_robot_ros import wire
from rl_robot_ros import wire_goals
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.policy_file import load_policy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import MultiArrayDimension
from std_msgs.msg import MultiArrayLayout

pytestmark = pytest.mark.timeout(600)
LATER = 10**15  # [ns] a stamp that is still to come
JOINTS = [f'joint{i}' for i in range(1, 8)]
NAN = float('nan')


def bad_joint_states(names):
    """Yield joint states that no node may act on."""
    fine = np.zeros(len(names))
    yield wire.joint_state(names, LATER, position=fine)  # no velocities
    yield wire.joint_state(names[:-1], LATER, position=fine[1:], velocity=fine[1:],
                           effort=fine[1:])
    yield wire.joint_state([*names[:-1], names[0]], LATER, position=fine, velocity=fine,
                           effort=fine)
    yield wire.joint_state(names, LATER, position=fine + NAN, velocity=fine, effort=fine + np.inf)
    yield wire.joint_state(names, LATER, position=fine[1:], velocity=fine, effort=fine[1:])
    yield wire.joint_state(['x'] * 5, LATER, position=[1.0] * 5, velocity=[1.0] * 5,
                           effort=[1.0] * 5)
    yield JointState()


def bad_experience(layout):
    """Yield experience messages that no learner may take."""
    rows = np.zeros((2, layout.width))
    rows[:, layout.column('epoch').start] = 5
    broken = rows.copy()
    broken[1, layout.column('reward').start] = NAN
    yield wire.rows_message(broken, layout.schema)
    flag = rows.copy()
    flag[0, layout.column('success').start] = 0.5
    yield wire.rows_message(flag, layout.schema)
    yield wire.rows_message(rows, layout.schema.replace('v1', 'v0'))
    yield wire.rows_message(rows[:, 1:], layout.schema)
    short = wire.rows_message(rows, layout.schema)
    short.data = short.data[:-3]
    yield short
    huge = MultiArrayLayout(dim=[
        MultiArrayDimension(label='transition', size=2**32 - 1, stride=0),
        MultiArrayDimension(label=layout.schema, size=layout.width, stride=layout.width)])
    yield Float64MultiArray(layout=huge, data=wire.floats(rows))
    yield Float64MultiArray()
    yield Float64MultiArray(data=wire.floats(rows))


def bad_weights(good):
    """Yield (request, part of the reason) that no policy may accept."""
    def request(**changes):
        values = {name: getattr(good, name) for name in wire.WEIGHT_KEYS}
        return wire.weights_request(WeightSet(**{**values, **changes}))
    newer = good.version + 100_000
    yield request(version=good.version - 1 if good.version > 1 else 0), 'stale: have'
    yield request(version=newer, epoch=good.epoch + 1), 'epoch: learner'
    yield request(version=newer, digest='0' * 64), 'digest'
    yield request(version=newer, schema='v1 other'), 'schema: have'
    yield request(version=newer, exploration='wild'), 'exploration'
    nan = good.weights.copy()
    nan[3] = NAN
    yield request(version=newer, weights=nan), 'not finite'
    yield request(version=newer, weights=np.zeros(0)), 'length'
    yield SetParametersAtomically.Request(), 'missing'
    odd = request(version=newer)
    odd.parameters[0].value.type = 1
    yield odd, 'type'
    odd = request(version=newer)
    odd.parameters.append(Parameter(name='rm -rf', value=ParameterValue(type=4)))
    yield odd, 'unknown'


def test_nothing_gets_through_and_nobody_falls_over(tmp_path):
    parameters = {'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'sync.enabled': False,
                  'learner.checkpoint_period': 1.0}
    with running(tmp_path, parameters, rows=True) as graph:
        node = graph.monitor._node
        graph.until('rows', lambda: graph.value('learner', 'rows') > 50 and graph.monitor.layout)
        layout = graph.monitor.layout
        publishers = {
            'joint_states': (node.create_publisher(JointState, 'joint_states', STATE_QOS),
                             list(bad_joint_states(JOINTS))),
            'effort_request': (node.create_publisher(JointState, 'effort_request', COMMAND_QOS),
                               list(bad_joint_states(JOINTS))),
            'effort_command': (node.create_publisher(JointState, 'effort_command', COMMAND_QOS),
                               list(bad_joint_states(JOINTS))),
            'teleop_effort': (node.create_publisher(JointState, 'teleop_effort', COMMAND_QOS),
                              list(bad_joint_states(JOINTS))),
            'experience': (node.create_publisher(Float64MultiArray, 'experience', EXPERIENCE_QOS),
                           list(bad_experience(layout))),
            'goal': (node.create_publisher(PoseStamped, 'goal', LATCHED_QOS),
                     [wire_goals.goal_message(graph_goal(), np.array([NAN, 0.0, 0.0]), 0)]),
        }
        refused = {
            'joint_states': [('policy', 'states_refused'), ('safety_filter', 'states_refused')],
            'effort_request': [('safety_filter', 'requests_refused')],
            'effort_command': [('policy', 'commands_refused')],
            'teleop_effort': [('safety_filter', 'teleop_refused')],
            'experience': [('learner', 'messages_refused')],
            'goal': [('policy', 'goals_refused')],
        }
        for topic, (publisher, messages) in publishers.items():
            send_until_refused(graph, publisher, messages, refused[topic])
        send_bad_weights(graph, node)
        steps, rows = graph.value('mujoco_sim', 'steps'), graph.value('learner', 'rows')
        graph.until('the ring goes on', lambda: graph.value('mujoco_sim', 'steps') > steps + 500)
        graph.until('rows go on', lambda: graph.value('learner', 'rows') > rows + 50)
        for name in graph.graph.processes:
            assert graph.value(name, 'errors') == 0, graph.graph.output(name, 50)
            assert not graph.graph.processes[name].deaths


def send_until_refused(graph, publisher, messages, counters):
    """Publish bad messages; best effort and depth 1 may drop some, so go on until all count."""
    def refused():
        for message in messages:
            publisher.publish(message)
            graph.monitor.spin(0.01)
        return all(graph.value(*counter) >= len(messages) for counter in counters)
    graph.until(f'refusals counted as {counters}', refused)


def send_bad_weights(graph, node):
    """Offer bad weights; each is refused with its reason, and what is held stays."""
    policy = tmp_policy(graph)
    client = node.create_client(SetParametersAtomically, 'policy/set_weights')
    for request, reason in bad_weights(policy):
        future = client.call_async(request)
        graph.until(f'an answer about {reason}', future.done)
        result = future.result().result
        assert not result.successful and reason in result.reason, (reason, result.reason)
    graph.until('refusals are counted',
                lambda: graph.value('policy', 'weights_refused') >= 10)


def tmp_policy(graph):
    """Return the weights that the learner saved."""
    path = graph.folder / 'run/policy.safetensors'
    graph.until('a policy file', path.exists)
    return load_policy(path)


def graph_goal():
    """Return the kind of goal that reach takes."""
    from rl_robot_ros.core.spec import Goal
    return Goal(3, 'position')
