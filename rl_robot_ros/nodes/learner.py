"""
The `learner` node: experience in, better weights out, while the robot keeps moving.

Two threads: the executor's takes messages and serves policies, the other one learns.  They meet in
the trainer's bounded inbox and in one slot of weights to push.
"""

from __future__ import annotations

from pathlib import Path
import secrets
import sys
import threading
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.networks import prepare_torch
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.gate import GateConfig
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.interchange.opening import describe
from rl_robot_ros.learning.session import Session
from rl_robot_ros.nodes.asker import Asker
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.pusher import Pusher
from rl_robot_ros.nodes.runtime import EXPERIENCE_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.robots.keeping import keep_robot
from rl_robot_ros.runs import CONFIG
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import FlowConfig
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import SECTIONS
from rl_robot_ros.settings import Settings
from rl_robot_ros.settings import StopConfig
from rl_robot_ros.wire import WireError
from rl_robot_ros.wire_rows import RowsReader
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

GRAPH = ('robot', 'task', 'algorithm', 'preset', 'actions', 'seed')
MOST_AT_ONCE = 128  # messages that wait for those behind them
MOST_BYTES = 1 << 24  # of them together; a longer message is read at once
SWITCH_INTERVAL = 5e-4  # [s] so that the executor's thread need not wait for the learning one


class LearnerNode(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('learner')
        graph = load_graph(self)
        self.config = self.configure(LearnerConfig, 'learner.')
        flow = self.configure(FlowConfig, 'sync.')
        gate = self.configure(GateConfig, 'gate.')
        algorithm = resolve('algorithm', graph.config.algorithm)
        self.session = Session(
            graph.robot, graph.task, algorithm,
            self.configure(algorithm.Config, 'algorithm.', algorithm.PRESETS,
                           graph.config.presets),
            flow, self.config, self.configure(StopConfig, 'stop.'),
            graph.seed_or(secrets.randbits(32)), graph.config.actions)
        self.session.description = describe(self.session.contract, graph.robot, graph.task,
                                            self.configure(SafetyConfig, 'safety.'))
        self.counts = {'messages_refused': 0}
        self.refused: dict[str, int] = {}
        self._reader = RowsReader(self.session.layout)
        self._arrived: list[tuple[str, bytes]] = []  # namespace, message
        self._arrived_bytes = 0
        self._reading = 0  # messages that had come when our turn to read was asked for
        self.asker = Asker(self, self.session)
        settings = self._settings()
        if gate.enabled:
            from rl_robot_ros.acting import make_gate
            self.session.gate = make_gate(gate, settings.values, self.session.contract.schema)
        path = self.session.run / CONFIG
        if not path.exists():  # `rl-robot` has done it before
            robot = keep_robot(self.session.run, settings.graph.robot)
            write_atomically(path, Settings.resolve({**settings.values, 'robot': robot}).yaml())
        key = Path(self.config.key_file).read_bytes() if self.config.key_file else b''
        names = [name.strip() for name in self.config.policies.split(',') if name.strip()]
        self.pusher = Pusher(self, names, flow.enabled, self.config.push_timeout, key,
                             self._continue_above, self._subscribe, self.asker.settle)
        self.create_service(SetBool, 'learner/pause', self._on_pause)
        self.create_service(Trigger, 'learner/save', self._on_save)
        self.every(self.config.push_period, self.pusher.discover)
        self.every(0.1, self._take_pushes)
        self.every(1.0, self.asker.ask)
        if flow.enabled:
            self.every(0.5, self._say_alive)
        self.every(2.0, self.session.log)
        self._ending = False
        self._thread = threading.Thread(target=self._learn, name='learning')
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._thread.start()

    def _settings(self) -> Settings:
        """
        Return the parameters of the whole graph.

        :raises ValueError: they contradict each other.
        """
        sections = ('task.', 'algorithm.', *filter(None, SECTIONS))
        # Ours as they were resolved, those of other nodes as they were given to all.
        values = {name: p.value for name, p in self._parameter_overrides.items()}
        values |= {name: p.value for name, p in self._parameters.items()}
        values = {name: value for name, value in values.items()
                  if name in GRAPH or name.startswith(sections)}
        given = {name: value for name, value in values.items() if value is not None}
        return Settings.resolve(
            {**given, 'use_sim_time': self.get_parameter('use_sim_time').value})

    def _subscribe(self, namespace: str) -> None:
        """Listen to the rows of a policy."""
        self.create_subscription(
            Float64MultiArray, f'{namespace}/experience',
            lambda message: self._on_experience(namespace, message), EXPERIENCE_QOS, raw=True)
        self.asker.found(namespace)
        self.get_logger().info(f'found policy {namespace or "/"}')

    # -- rows ---------------------------------------------------------------------------------

    def _on_experience(self, namespace: str, message: bytes) -> None:
        """
        Take a message, to be read with all those that come while the executor has others.

        The more of them are read at once, the less each of them costs.
        """
        if self._arrived_bytes + len(message) > MOST_BYTES:
            self._read_arrived()
        self._arrived.append((namespace, message))
        self._arrived_bytes += len(message)
        if len(self._arrived) >= MOST_AT_ONCE or self._arrived_bytes > MOST_BYTES:
            self._read_arrived()
        elif not self._reading:
            self._reading = 1
            self.soon(self._read_when_quiet)

    def _read_when_quiet(self) -> None:
        """Read what has come, unless more has come since we asked for our turn."""
        if len(self._arrived) > self._reading:
            self._reading = len(self._arrived)
            self.soon(self._read_when_quiet)
        else:
            self._reading = 0
            self._read_arrived()

    def _read_arrived(self) -> None:
        arrived, self._arrived, self._arrived_bytes = self._arrived, [], 0
        messages: dict[str, list[bytes]] = {}
        for namespace, message in arrived:
            messages.setdefault(namespace, []).append(message)
        for namespace, some in messages.items():
            try:
                self._take(namespace, self._reader.read(some))
            except WireError:
                for message in some:
                    self._read_or_refuse(namespace, message)

    def _read_or_refuse(self, namespace: str, message: bytes) -> None:
        try:
            self._take(namespace, self._reader.read([message]))
        except WireError as error:
            self.counts['messages_refused'] += 1
            self.refused[error.kind] = self.refused.get(error.kind, 0) + 1
            self.warn(f'experience {namespace} {error.kind}', f'experience refused: {error}')

    def _take(self, namespace: str, rows: NDArray[np.float64]) -> None:
        """Take checked rows of one namespace, those of each policy process by themselves."""
        if not len(rows):
            return
        layout = self.session.layout
        epochs = rows[:, layout.column('epoch').start]
        for part in np.split(rows, np.flatnonzero(np.diff(epochs)) + 1):
            self.session.trainer.ingest(part, namespace or '/')
        self.asker.heard(namespace, int(epochs[-1]))
        self.pusher.saw_version(namespace, int(rows[-1, layout.column('policy_version').start]))

    # -- learning, in its own thread ----------------------------------------------------------

    def _learn(self) -> None:
        prepare_torch()
        try:
            self.session.prepare()
            self.soon(self._take_pushes)
            while not self._ending and not self.session.finished and not self.session.failure:
                if self.session.work(0.1):
                    self.soon(self._take_pushes)
            if not self._ending:
                self.exit_status = 1 if self.session.failure else 0
                self.get_logger().info(f'done: {self.session.finished or self.session.failure}')
                self.stop_requested.append(0)
        except Exception as error:
            self.on_error(error)
            self.exit_status = 1
            self.stop_requested.append(0)

    def _continue_above(self, version: int) -> None:
        self.session.continue_above(version)
        self._take_pushes()

    def _take_pushes(self) -> None:
        for weights in self.session.take_pushes():
            self.pusher.push(weights)
        self.pusher.serve()

    def _say_alive(self) -> None:
        """Let policies wait for a block that takes long: only silence means that we are gone."""
        if self.session.trainer.learning:
            self.pusher.repeat()

    # -- services -----------------------------------------------------------------------------

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.session.paused = request.data
        response.success, response.message = True, 'paused' if request.data else 'learning'
        return response

    def _on_save(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self.session.request_save()
        response.message = ('saving' if response.success
                            else self.session.failure)
        return response

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell how learning goes."""
        values = {**self.session.snapshot(), **self.counts, **self.pusher.report()}
        for kind, count in self.refused.items():
            values[f'refused_{kind}'] = count
        if self.session.failure:
            return DiagnosticStatus.ERROR, self.session.failure, values
        if self.session.store.log.error:
            return DiagnosticStatus.WARN, f'rows wait: {self.session.store.log.error}', values
        if self.session.gate is not None and self.session.gate.reason:
            return (DiagnosticStatus.WARN,
                    f'new weights are not promoted: {self.session.gate.reason}', values)
        if not self.pusher.links:
            return DiagnosticStatus.WARN, 'no policy found', values
        return DiagnosticStatus.OK, str(values.get('stage', '')), values

    def close(self) -> None:
        """Stop learning and save."""
        self._guarded(self._read_arrived)
        self._ending = True
        self._thread.join()
        self.session.close()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(LearnerNode, args)


if __name__ == '__main__':
    sys.exit(main())
