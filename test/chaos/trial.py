"""One graph of two robots and a learner, and one schedule of faults after another on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import os
from pathlib import Path
import signal
import time
from typing import Any

from chaos.attacker import Attacker
from chaos.attacker import bad_experience
from chaos.attacker import bad_joints
from chaos.attacker import wrong
from chaos.audit import Account
from chaos.audit import account
from chaos.audit import Evidence
from chaos.audit import returns
from chaos.audit import rises
from chaos.audit import violations
from chaos.evidence import gather
from chaos.evidence import made_by
from chaos.evidence import read_log
from chaos.evidence import rows_by
from chaos.processes import damage
from chaos.processes import Processes
from chaos.schedule import Event
from chaos.schedule import POLICIES
from chaos.schedule import ROBOTS
from chaos.schedule import schedule
from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.runs import POLICY

PATIENCE = 180.0  # [s] until all goes on again, on a busy machine; longer is a hang
LEASE = 25.0  # [s] Fast DDS takes a killed process for a living one for 20
ROWS_AGAIN = 50  # of each robot, before a schedule is over
PARAMETERS = {
    'use_sim_time': True, 'robot': 'cartpole', 'task': 'balance', 'algorithm': 'sac',
    'algorithm.hidden': (32, 32), 'algorithm.batch': 64, 'algorithm.learning_starts': 500,
    'algorithm.compile': 'off', 'algorithm.capacity': 500_000, 'algorithm.lr_actor': 1e-3,
    'algorithm.lr_critic': 1e-3, 'algorithm.lr_alpha': 1e-3, 'task.train_episode_steps': 300,
    'diagnostics_period': 0.2, 'sync.rows': 32, 'sync.timeout': 0.3, 'learner.push_period': 0.2,
    'learner.checkpoint_period': 1.0,
}


class Trial:
    """
    See the module docstring; a context manager.

    :param folder: for everything.
    :param parameters: of the graph, beside `PARAMETERS`.
    """

    def __init__(self, folder: Path, parameters: dict[str, Any]) -> None:
        parameters = {**PARAMETERS, **parameters}
        self.processes = Processes(folder, parameters)
        robot = resolve('robot', parameters['robot'])
        self._period = robot.control_period * robot.decision_periods
        self.status: dict[str, DiagnosticStatus] = {}
        self.wrong: list[str] = []
        self._errors: set[str] = set()
        self._stopped: set[str] = set()
        self._pending: list[tuple[float, Callable[[], None]]] = []
        self._genuine: list[WeightSet] = []
        self._before = Account(0, 0, 0, 0, 0, 0)  # when the last schedule was over
        for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
            os.environ[name] = self.processes.environment[name]
        self._context = Context()

    def __enter__(self) -> Trial:
        """Start everything and wait until it learns."""
        rclpy.init(context=self._context, signal_handler_options=SignalHandlerOptions.NO)
        self._node = Node('chaos', context=self._context, use_global_arguments=False)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics,
                                       QoSProfile(depth=100))
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.attacker = Attacker(self._node)
        for name in self.processes.names:
            self.processes.start(name)
        self._heal()
        return self

    def __exit__(self, *_: object) -> None:
        """End everything; what was wrong with that is left in `wrong`."""
        self.wrong = self.processes.close()
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.status[status.name] = status
            for pair in status.values:
                if pair.key == 'last_error' and pair.value not in self._errors:
                    self._errors.add(pair.value)
                    self.wrong.append(f'{status.name} raised: {pair.value}')

    def value(self, node: str, key: str) -> int:
        """Return a whole number of somebody's diagnostics, 0 before it is heard."""
        values = {pair.key: pair.value for pair in self.status[node].values} \
            if node in self.status else {}
        return int(values.get(key, '0'))

    # -- time ---------------------------------------------------------------------------------

    def _spin(self) -> None:
        """Hear messages, go on with floods, see who has died."""
        latest = time.monotonic() + 0.02
        while (left := latest - time.monotonic()) > 0.0:
            self._executor.spin_once(left)
        self.processes.look()
        self.wrong += self.attacker.look({
            name: pid for name, pid in self.processes.pids.items()
            if name not in self._stopped and self.processes.lives(name)})
        due = [action for at, action in self._pending if at <= time.monotonic()]
        self._pending = [entry for entry in self._pending if entry[1] not in due]
        for action in due:
            action()
        for name, status in self.processes.died():
            self.wrong.append(f'{name} died by itself, status {status}:\n'
                              + self.processes.output(name))
            self.processes.start(name)

    def _until(self, what: str, condition: Callable[[], bool], patience: float = PATIENCE) -> bool:
        """Wait for something; not for ever: that is a hang."""
        latest = time.monotonic() + patience
        while not condition():
            if time.monotonic() > latest:
                states = {name: status.message for name, status in self.status.items()}
                self.wrong.append(f'hang: waited {patience:g} s for {what}; {states}')
                return False
            self._spin()
        return True

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._pending.append((time.monotonic() + seconds, action))

    # -- faults -------------------------------------------------------------------------------

    def _down(self, name: str, seconds: float) -> None:
        if name not in self.processes.killed:
            self.processes.kill(name)
            self._stopped.discard(name)
            self._later(seconds, lambda: self.processes.start(name))

    def _continue(self, name: str) -> None:
        self._stopped.discard(name)
        self.processes.send(name, signal.SIGCONT)

    def _apply(self, event: Event) -> None:
        fault, target = event.fault, event.target
        if fault.startswith('kill'):
            self._down(target, event.lasts)
            for other in POLICIES if fault.endswith('policies') else ():
                self._down(other, event.lasts)
        elif fault == 'stop and continue' and target not in self.processes.killed:
            self._stopped.add(target)
            self.processes.send(target, signal.SIGSTOP)
            self._later(event.lasts, lambda: self._continue(target))
        elif fault == 'end and start' and target not in self.processes.killed:
            self._stopped.add(target)  # it owes no answers any more
            problem = self.processes.end(target, self._spin)
            self.wrong += [problem] if problem else []
            self._stopped.discard(target)
            self._later(event.lasts, lambda: self.processes.start(target))
        elif fault.endswith(', learner killed'):
            self._down(target, event.lasts)
            what = fault.partition(',')[0]
            self.attacker.counts[f'{what} sent'] += damage(self.processes.run, what, event.seed)
        else:
            self._attack(event)

    def _attack(self, event: Event) -> None:
        fault, target, attacker = event.fault, event.target, self.attacker
        rng, end = np.random.default_rng(event.seed), time.monotonic() + event.lasts
        if fault.startswith('garbage on '):
            topic = fault.removeprefix('garbage on ')
            layout = attacker.layout
            assert layout is not None
            attacker.flood(end, fault, lambda: bad_experience(rng, layout)
                           if topic == 'experience' else bad_joints(rng),
                           attacker.publisher(target, topic))
        elif fault == 'old rows again':
            old = list(attacker.rows[target])
            attacker.flood(end, fault, lambda: old[int(rng.integers(len(old)))],
                           attacker.publisher(target, 'experience'))
        elif fault.startswith('resend'):
            attacker.resend(target, self._pid(target))
        elif fault == 'weights replayed to a new policy':
            self._down(target, 0.0)
            for number in range(80):  # before and after it has found its learner
                self._later(0.1 * number, lambda: self._offer('replayed', target, rng))
        elif self._genuine:
            for _ in range(5):
                self._offer(fault.removeprefix('weights '), target, rng)

    def _pid(self, name: str) -> int:
        """Return the pid of a process, negative where some may still call the one before it."""
        known = time.monotonic() - self.processes.started[name] > LEASE
        pid = self.processes.pids[name]
        return pid if known else -pid

    def _offer(self, kind: str, target: str, rng: np.random.Generator) -> None:
        if target not in self._stopped | self.processes.killed and len(self._genuine) > 1:
            self.attacker.weights(target, kind, wrong(
                kind, self._genuine[-1], self._genuine[0], self.processes.key, rng),
                self._pid(target))

    def _remember_weights(self) -> None:
        held = load_policy(self.processes.run / POLICY)
        if not self._genuine or held.version > self._genuine[-1].version:
            self._genuine.append(held)

    # -- one schedule -------------------------------------------------------------------------

    def _heal(self) -> None:
        """Wait until everybody makes rows again, and everybody got weights that are new."""
        witness = self.processes.folder / 'witness'
        made = {robot: made_by(witness / robot) for robot in ROBOTS}
        version = max((self.value('/learner', f'acknowledged /{robot}') for robot in ROBOTS),
                      default=0)
        for robot in ROBOTS:
            self._until(f'rows of {robot}', lambda robot=robot: sum(
                made_by(witness / robot).values()) > sum(made[robot].values()) + ROWS_AGAIN)
            self._until(f'weights for {robot}', lambda robot=robot: self.value(
                '/learner', f'acknowledged /{robot}') > version)
        self._until('a policy file', (self.processes.run / POLICY).exists)
        self._remember_weights()

    def _evidence(self) -> Evidence:
        noted = {robot: rows_by(self.processes.folder / 'witness' / robot) for robot in ROBOTS}
        latest = time.monotonic() + 0.5  # rows that are on their way, and to the disk
        while time.monotonic() < latest:
            self._spin()
        return gather(self.processes.folder, noted, self.value('/learner', 'lost'),
                      self.value('/learner', 'log_lost'))

    def _closed(self) -> Evidence:
        """Return evidence in which every row is accounted for, or the last of a long time."""
        latest = time.monotonic() + PATIENCE
        while True:
            evidence = self._evidence()
            if account(evidence).closed or time.monotonic() > latest:
                return evidence

    def play(self, seed: int) -> dict[str, Any]:
        """Run the schedule of a seed and return what came of it."""
        began, self.wrong, released = time.monotonic(), [], self.processes.released
        self.attacker.counts = Counter()
        events = schedule(seed)
        for event in events:
            while time.monotonic() < began + event.at:
                self._spin()
            self._apply(event)
        self._until('the end of the last fault', lambda: not (
            self._pending or self.attacker.floods or self.attacker.calls))
        self._heal()
        evidence = self._closed()
        before, after = self._before, account(evidence)
        self._before = after
        self.attacker.counts['ports released'] += self.processes.released - released
        return {'seed': seed, 'seconds': round(time.monotonic() - began, 1),
                'events': [[event.at, event.fault, event.target, event.lasts]
                           for event in events],
                'made': after.made - before.made, 'stored': after.stored - before.stored,
                'lost': after.lost - before.lost, 'log_lost': after.log_lost,
                'unaccounted': after.unaccounted, 'counts': dict(self.attacker.counts),
                'issued': len(evidence.issued), 'rows': after.made,
                'violations': [*self.wrong, *violations(evidence)], **self._learning()}

    def _learning(self) -> dict[str, Any]:
        """Return how return and its episodes went since the graph was started."""
        rows, layout = read_log(self.processes.folder)
        column = {name: layout.column(name).start for name, size, _ in layout.columns if size == 1}
        found = returns(rows[:, column['epoch']].astype(np.int64),
                        rows[:, column['seq']].astype(np.int64),
                        rows[:, column['stamp_sec']] + 1e-9 * rows[:, column['stamp_nanosec']],
                        rows[:, column['reward']],
                        (rows[:, column['terminated']] + rows[:, column['truncated']]) > 0.0,
                        self._period)
        first, last = rises(found) if len(found) else (0.0, 0.0)
        return {'episodes': len(found), 'return_first': first, 'return_last': last}
