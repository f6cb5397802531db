"""
Garbage over DDS into every input of every node: no crash, bounded memory, refusals counted.

A real graph (simulator, filter, policy, learner; `arm7`, lockstep), and then one at the pace of
life, with watchdog and teleop, runs while somebody on its domain sends, to one input after
another, messages that nobody may act on: joints that are missing, twice, not finite, or too few;
rows of other schemas, sizes and values; effort commands of the wrong length; goals that are
nowhere; gamepads without axes; weights with keys that are missing, unknown, of another type, not
finite, of another network, unsigned.  Behind each input the memory of the nodes and their counters
of refusals are read, and the graph must still move.

    python benchmarks/fuzz_nodes.py [--count 10000]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
import tempfile
import time
from typing import Any

from geometry_msgs.msg import PoseStamped
from machine import resident
import numpy as np
from rcl_interfaces.msg import Parameter
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from results import make_parser
from results import print_table
from results import Rows
from rl_robot_ros import wire
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.teleop import JOY_QOS
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.runs import POLICY
from rl_robot_ros.settings import Settings
from sensor_msgs.msg import JointState
from sensor_msgs.msg import Joy
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import MultiArrayDimension

PATIENCE = 180.0  # [s]
PAUSE = 0.003  # [s] after each message: commands and states have room for the newest one only
JOINTS = list(resolve('robot', 'arm7').joint_names)
NASTY = (np.nan, np.inf, -np.inf)
STATES = (('policy', ('states_refused', 'states_old')),
          ('safety_filter', ('states_refused', 'states_old', 'states_foreign', 'states_partial')))
# Graph, input: who counts what it does not act on, and under which names.
INPUTS = {
    LOCKSTEP: {
        'joint_states': STATES,
        'effort_request': (('safety_filter', ('requests_refused', 'requests_old')),),
        'effort_command': (('policy', ('commands_refused',)),),
        'teleop_effort': (('safety_filter', ('teleop_refused',)),),
        'goal': (('policy', ('goals_refused',)),),
        'experience': (('learner', ('messages_refused',)),),
        'policy/set_weights': (('policy', ('weights_refused',)),)},
    PACED: {
        'joint_states': (*STATES, ('safety_watchdog', ('states_refused',))),
        'effort_controller/commands': (('mujoco_sim', ('commands_refused',)),),
        'joy': (('teleop', ('joy_refused',)),),
        'experience': (('learner', ('messages_refused',)), ('teleop', ('rows_refused',)))},
}


def bad_joints(rng: np.random.Generator) -> JointState:
    """Return joints that nobody may act on, of any size and stamp."""
    names = [JOINTS[i] for i in rng.permutation(len(JOINTS))]
    values = rng.normal(size=len(names)) * 10.0 ** rng.integers(-300, 300)
    kind = rng.integers(6)
    if kind == 0:
        values[int(rng.integers(len(values)))] = rng.choice(NASTY)
    elif kind == 1:
        names = names[:int(rng.integers(1, len(names)))]
        values = values[:len(names)]
    elif kind == 2:
        names[1] = names[0]
    elif kind == 3:
        values = values[:int(rng.integers(1, len(values)))]
    elif kind == 4:
        names = [''.join(map(chr, rng.integers(1, 0x2000, 50))) for _ in range(200)]
        values = np.zeros(7)
    else:
        values = np.zeros(int(rng.integers(1000, 20_000)))
    return wire.joint_state(names, int(rng.integers(0, 2**60)), 'lockstep/1', position=values,
                            velocity=values, effort=values)


def bad_experience(rng: np.random.Generator, layout: RowLayout) -> Float64MultiArray:
    """Return rows that no learner may take."""
    rows = np.zeros((int(rng.integers(1, 30)), layout.width))
    message = wire.rows_message(rows, layout.schema)
    kind = rng.integers(6)
    if kind == 0:
        rows[-1, int(rng.integers(layout.width))] = rng.choice(NASTY)
        return wire.rows_message(rows, layout.schema)
    if kind == 1:
        message.layout.dim[1].label = ''.join(map(chr, rng.integers(1, 0x2000, 5000)))
    elif kind == 2:
        message.data = message.data[:-int(rng.integers(1, layout.width))]
    elif kind == 3:
        message.layout.dim[0].size = int(rng.integers(10**6, 2**32))
    elif kind == 4:
        message.layout.dim = [MultiArrayDimension(label='transition', size=2**31)] * 100
    else:
        message.layout.data_offset = int(rng.integers(1, 2**32))
    return message


def bad_commands(rng: np.random.Generator) -> Float64MultiArray:
    """Return what an effort controller refuses."""
    efforts = rng.normal(size=len(JOINTS)) * 10.0 ** rng.integers(-300, 300)
    kind = rng.integers(3)
    if kind == 0:
        efforts[int(rng.integers(len(efforts)))] = rng.choice(NASTY)
    elif kind == 1:
        efforts = np.zeros(int(rng.choice([1, 6, 8, 20_000])))
    message = wire.efforts_message(efforts)
    if kind == 2:
        message.layout.dim = [MultiArrayDimension(size=2**31)] * int(rng.integers(1, 100))
    return message


def bad_goal(rng: np.random.Generator) -> PoseStamped:
    """Return a goal that is nowhere."""
    message = PoseStamped()
    if rng.integers(2):
        message.header.frame_id = ''.join(map(chr, rng.integers(1, 0x2000, 5000)))
    else:
        message.pose.position.x = float(rng.choice(NASTY))
    return message


def bad_joy(rng: np.random.Generator) -> Joy:
    """Return a gamepad that lacks axes or buttons, or whose axes are not finite."""
    axes = [float(rng.choice(NASTY))] * 8 if rng.integers(2) else []
    return Joy(axes=axes, buttons=rng.integers(-2**31, 2**31, 12).tolist())


def bad_weights(rng: np.random.Generator, held: WeightSet) -> SetParametersAtomically.Request:
    """Return weights that no policy may take; they come signed as they were, or not at all."""
    weights = held.weights.copy()
    weights[int(rng.integers(len(weights)))] = rng.choice(NASTY)
    request = wire.weights_request(WeightSet.make(held.epoch, 10**9, held.schema, weights))
    kind, parameters = rng.integers(6), request.parameters
    if kind == 0:
        parameters.pop(int(rng.integers(len(parameters))))
    elif kind == 1:
        parameters[0].value.type = int(rng.integers(10, 256))
    elif kind == 2:
        parameters.append(Parameter(name=''.join(map(chr, rng.integers(1, 0x2000, 5000))),
                                    value=ParameterValue(type=4)))
    elif kind == 3:
        parameters[:] = [Parameter()] * int(rng.integers(0, 1000))
    elif kind == 4:
        parameters[0].value.integer_value = -int(rng.integers(1, 2**60))
    return request


class Fuzzer:
    """One running graph, and what is sent to it."""

    def __init__(self, graph: Graph, monitor: Monitor, mode: str, run: Path) -> None:
        self.graph, self.monitor, self.inputs = graph, monitor, INPUTS[mode]
        self._node, self._rng = monitor._node, np.random.default_rng(0)
        self.until(lambda: monitor.layout is not None and (run / POLICY).exists()
                   and self.value('learner', 'rows') > 100)
        self.held = load_policy(run / POLICY)

    def value(self, node: str, name: str) -> int:
        """Return what a node counts."""
        return int(self.monitor.values(node).get(name, 0))

    def counted(self, name: str) -> dict[str, int]:
        """Return how many messages of an input each node has counted as not to be acted on."""
        return {node: sum(self.value(node, key) for key in keys)
                for node, keys in self.inputs[name]}

    def until(self, condition: Callable[[], bool]) -> bool:
        """Wait for something, not for ever; returns whether it came."""
        latest = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < latest:
            self.monitor.spin(0.05)
        return condition()

    def memory(self) -> dict[str, float]:
        """Return the resident memory of every node in MB."""
        return {name: resident(process.child.pid)
                for name, process in self.graph.processes.items() if process.child}

    def sender(self, name: str) -> Callable[[], None]:
        """Return what sends one message to an input."""
        if name == 'policy/set_weights':
            client = self._node.create_client(SetParametersAtomically, name)
            self.until(client.service_is_ready)

            def ask() -> None:
                future = client.call_async(bad_weights(self._rng, self.held))
                latest = time.monotonic() + 10.0
                while not future.done() and time.monotonic() < latest:
                    self.monitor.spin(0.05)
                client.remove_pending_request(future)
            return ask
        layout = self.monitor.layout
        assert layout is not None
        make: Callable[[np.random.Generator], Any]
        kind, qos, make = {
            'joint_states': (JointState, STATE_QOS, bad_joints),
            'effort_controller/commands': (Float64MultiArray, COMMAND_QOS, bad_commands),
            'goal': (PoseStamped, LATCHED_QOS, bad_goal),
            'joy': (Joy, JOY_QOS, bad_joy),
            'experience': (Float64MultiArray, EXPERIENCE_QOS,
                           lambda rng: bad_experience(rng, layout)),
        }.get(name, (JointState, COMMAND_QOS, bad_joints))
        publisher = self._node.create_publisher(kind, name, qos)
        self.until(lambda: publisher.get_subscription_count() > 0)
        return lambda: publisher.publish(make(self._rng))

    def fuzz(self, name: str, count: int) -> dict[str, Any]:
        """Send so many to an input; returns what came of it."""
        send, before = self.sender(name), self.memory()
        first = self.counted(name)
        for _ in range(count):
            send()
            latest = time.monotonic() + PAUSE
            while (left := latest - time.monotonic()) > 0.0:
                self.monitor.spin(left)
        latest = time.monotonic() + 5.0  # what is on its way
        while time.monotonic() < latest:
            self.monitor.spin(0.1)
        steps, after = self.value('mujoco_sim', 'steps'), self.memory()
        refused = {node: number - first[node] for node, number in self.counted(name).items()}
        return {
            'sent': count, 'refused': refused,
            'growth': max((after[node] - before[node], node) for node in after),
            'errors': sum(self.value(node, 'errors') for node in self.graph.processes),
            'deaths': sum(len(process.deaths) for process in self.graph.processes.values())
            + len(self.graph.poll()),
            'moves': self.until(lambda: self.value('mujoco_sim', 'steps') > steps + 100)}


def measure(mode: str, count: int) -> dict[str, Any]:
    """Run a graph and send garbage to all its inputs."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / 'run'
        settings = Settings.resolve({
            'robot': 'arm7', 'task': 'reach', 'algorithm': 'random', 'use_sim_time': True,
            'sim.mode': mode, 'sync.enabled': False, 'learner.run': str(run),
            'learner.checkpoint_period': 1.0, 'diagnostics_period': 0.2,
            'sim.clock_file': str(Path(folder) / 'clock.json')})
        path = Path(folder) / 'config.yaml'
        path.write_text(settings.yaml() + f"""
teleop:
  ros__parameters: {{teleop.device: joy, teleop.demonstrations: {folder}/shown.safetensors}}
""")
        nodes = graph_nodes(mode, learner=True) + (('teleop',) if mode == PACED else ())
        with Graph(path, nodes, Path(folder) / 'log') as graph, \
                Monitor(graph.environment, rows=True) as monitor:
            fuzzer = Fuzzer(graph, monitor, mode, run)
            found = {}
            for name in INPUTS[mode]:
                found[name] = fuzzer.fuzz(name, count)
                monitor.take_rows()
    return found


def main() -> None:
    """Fuzz, print the table."""
    parser = make_parser(__doc__)
    parser.add_argument('--count', type=int, default=10_000, help='messages to each input '
                        '(default %(default)s)')
    options = parser.parse_args()
    rows = Rows(options.results / 'fuzz_nodes', options)
    results = {mode: rows.get(f'{mode}_{options.count}', partial(measure, mode, options.count))
               for mode in INPUTS}
    lines = [[mode, name, str(each['sent']),
              ', '.join(f'{node} {number}' for node, number in each['refused'].items()),
              f'{each["growth"][0]:.1f} ({each["growth"][1]})', str(each['errors']),
              str(each['deaths']), 'yes' if each['moves'] else 'NO']
             for mode, found in results.items() for name, each in found.items()
             if name in INPUTS[mode]]
    print_table(['graph', 'input', 'sent', 'refused, as counted', 'largest growth MB', 'errors',
                 'deaths', 'moves on'], lines, list(results.values()))


if __name__ == '__main__':
    main()
