"""
Start and supervise the nodes of a graph where there is no ``ros2 launch``.

The same executables and parameter file as in the launch files, one process per node.  A node that
dies is started again (a learner resumes its run); one that dies too often ends the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from contextlib import suppress
import ctypes
from dataclasses import dataclass
from dataclasses import field
import os
from pathlib import Path
import secrets
import signal
import subprocess
import sys
import time
from typing import IO

from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.share import share_directory

NODES = ('mujoco_sim', 'safety_watchdog', 'safety_filter', 'policy', 'learner')
RESTARTS, RESTART_WINDOW = 3, 60.0  # a node may die this often in so many seconds
PROFILES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')  # Fast DDS 2, 3
PR_SET_PDEATHSIG = 1
DOMAINS = range(1, 101)  # the ports of higher ones are given to anybody
FIRST_PORT, PORTS_PER_DOMAIN = 7400, 250
UDP_TABLES = (Path('/proc/net/udp'), Path('/proc/net/udp6'))


def graph_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """
    Return the environment of a graph of our own.

    Where the user has not said otherwise, the graph stays on this machine and in a domain in which
    nobody here listens: a robot in the same room must not hear a simulation, nor two graphs each
    other.
    """
    environment = dict(os.environ if base is None else base)
    environment.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    environment.setdefault('ROS_DOMAIN_ID', str(secrets.choice(free_domains())))
    # One small matrix product per tick: threads would only wait for each other.
    for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
        environment.setdefault(name, '1')
    environment['PYTHONUNBUFFERED'] = '1'
    return environment


def free_domains(tables: Iterable[Path] = UDP_TABLES) -> list[int]:
    """
    Return the domains from 1 to 100 in which nobody on this machine listens.

    Where all are taken, or nothing can be known, all of them.  Every participant listens on UDP
    ports of its domain (DDSI-RTPS 2.5, 9.6.2.3), also where messages go through shared memory.

    :param tables: the kernel's lists of UDP sockets.
    """
    taken = set()
    for table in tables:
        with suppress(OSError):
            for line in filter(None, table.read_text().splitlines()[1:]):
                port = int(line.split()[1].rpartition(':')[2], 16)
                taken.add((port - FIRST_PORT) // PORTS_PER_DOMAIN)
    return [domain for domain in DOMAINS if domain not in taken] or list(DOMAINS)


def without_shared_memory(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment of a graph whose processes may be killed at any time.

    A process that dies while it writes into another one's shared memory port leaves the port
    locked.  Fast DDS notices after a second, and until then whoever writes there waits, a watchdog
    that wants to stop the robot too.
    """
    result = dict(environment)
    result.setdefault('FASTDDS_BUILTIN_TRANSPORTS', 'UDPv4')
    if result.get('ROS_AUTOMATIC_DISCOVERY_RANGE') == 'LOCALHOST' \
            and not any(name in result for name in PROFILES):
        # That range would choose the transports itself, shared memory among them.
        result['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'SYSTEM_DEFAULT'
        result |= dict.fromkeys(PROFILES, str(share_directory() / 'config' / 'loopback_udp.xml'))
    return result


def die_with_parent() -> None:
    """Ask Linux to end this process when its supervisor is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def attendant(environment: Mapping[str, str], output: IO[bytes] | None = None
              ) -> subprocess.Popen[bytes]:
    """
    Start what runs beside a graph: who waits at a port that a killed process left hears nothing.

    :param output: where it says which ports it released; None: where this process speaks.
    """
    return subprocess.Popen(
        [sys.executable, '-m', 'rl_robot_ros.shared_memory', '--watch'], env=environment,
        stdout=output, stdin=subprocess.DEVNULL, start_new_session=True,
        preexec_fn=die_with_parent)


@contextmanager
def ctrl_c() -> Iterator[list[int]]:
    """Collect SIGINT and SIGTERM instead of dying from them."""
    received: list[int] = []
    old = {number: signal.signal(number, lambda n, _: received.append(n))
           for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


@dataclass
class Process:
    """One supervised node."""

    name: str
    command: list[str]
    child: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS + 1))


class Graph:
    """
    The processes of one graph.

    :param parameters: ROS parameter file for every node.
    :param nodes: which nodes to start, see :func:`graph_nodes`.
    :param log: directory of one log file per node; None inherits the terminal.
    :param namespace: ROS namespace.
    :param tell: called with one sentence when a node dies or is started again.
    """

    def __init__(self, parameters: Path, nodes: tuple[str, ...], log: Path | None = None,
                 namespace: str = '', environment: Mapping[str, str] | None = None,
                 tell: Callable[[str], None] = print) -> None:
        self.environment = graph_environment(environment)
        self._inside = without_shared_memory(self.environment) \
            if 'safety_watchdog' in nodes else self.environment
        self.log = log
        self.tell = tell
        self.processes = {name: Process(name, node_command(name, parameters, namespace))
                          for name in nodes}
        self._attendant: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Graph:
        """Start all nodes."""
        for process in self.processes.values():
            self._start(process)
        self._attendant = attendant(self._inside)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all nodes."""
        self.stop()

    def _start(self, process: Process, extra: tuple[str, ...] = ()) -> None:
        output: IO[bytes] | None = None
        if self.log is not None:
            self.log.mkdir(parents=True, exist_ok=True)
            output = open(self.log / f'{process.name}.log', 'ab')
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which stops in order.
            process.child = subprocess.Popen(
                [*process.command, *extra], env=self._inside, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT if output else None,
                start_new_session=True, preexec_fn=die_with_parent)
        finally:
            if output is not None:
                output.close()

    def poll(self) -> dict[str, int]:
        """
        Look after the nodes: start again what died, return what has ended for good.

        :returns: exit status of each node that ended by itself or died too often.
        """
        ended: dict[str, int] = {}
        for process in self.processes.values():
            status = None if process.child is None else process.child.poll()
            if status is None:
                continue
            now = time.monotonic()
            process.deaths.append(now)
            often = len(process.deaths) > RESTARTS and now - process.deaths[0] < RESTART_WINDOW
            # 0: it was done; 2: bad configuration, which a restart does not mend.
            if status in (0, 2) or often:
                ended[process.name] = status
                continue
            self.tell(f'{process.name} died ({_describe(status)}), starting it again')
            resume = ('-p', 'learner.resume:=true') if process.name == 'learner' else ()
            self._start(process, resume)
        return ended

    def stop(self, patience: float = 15.0) -> None:
        """
        Stop all nodes: the learner saves, the filter leaves a safe last command.

        :param patience: [s] until a node that does not end is killed.
        """
        # The learner first, while the graph still runs; then against the flow, so that whoever
        # stops the robot outlives what moves it.
        for name in reversed(NODES):
            child = self.processes[name].child if name in self.processes else None
            if child is None or child.poll() is not None:
                continue
            child.send_signal(signal.SIGINT)
            try:
                child.wait(patience)
            except subprocess.TimeoutExpired:
                self.tell(f'process {child.pid} does not end, killing it')
                child.kill()
                child.wait()
        if self._attendant is not None:
            self._attendant.kill()
            self._attendant.wait()

    def output(self, name: str, lines: int = 15) -> str:
        """Return the last lines of a node's log."""
        path = None if self.log is None else self.log / f'{name}.log'
        if path is None or not path.exists():
            return ''
        return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:])


def graph_nodes(mode: str, learner: bool) -> tuple[str, ...]:
    """
    Name the nodes of a graph.

    :param mode: in `lockstep` nothing is timed, so there is nothing for a watchdog to watch;
        on `hardware` there is nothing to simulate.
    """
    spared = {'mujoco_sim': mode == HARDWARE, 'safety_watchdog': mode == LOCKSTEP,
              'learner': not learner}
    return tuple(name for name in NODES if not spared.get(name, False))


def node_command(name: str, parameters: Path, namespace: str = '') -> list[str]:
    """Return the command line of one node."""
    command = [sys.executable, '-m', f'rl_robot_ros.nodes.{name}', '--ros-args', '--params-file',
               str(parameters)]
    if namespace:
        command += ['-r', f'__ns:=/{namespace.strip("/")}']
    return command


def _describe(status: int) -> str:
    return f'signal {signal.Signals(-status).name}' if status < 0 else f'status {status}'
