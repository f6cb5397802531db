"""The processes of two simulated robots and their learner, and what may be done to them."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
import os
from pathlib import Path
import signal
import time
from typing import Any

from chaos.nursery import Nursery
from chaos.schedule import LEARNER
from chaos.schedule import PARTS
from chaos.schedule import ROBOTS
import numpy as np
from rl_robot_ros.bringup import attendant
from rl_robot_ros.bringup import graph_environment
from rl_robot_ros.bringup import node_command
from rl_robot_ros.learning.checkpoint import DIGEST_BYTES
from rl_robot_ros.settings import Settings

ENDING = 90.0  # [s] for an orderly end
TAIL = 4000  # bytes at the end of the log that may be damaged


class Processes:
    """
    Start, kill, stop and end them by name: ``learner``, ``a/policy``, ...

    :param folder: of this run: parameters, logs, witnesses, and the learner's run.
    :param parameters: of all nodes.
    """

    def __init__(self, folder: Path, parameters: Mapping[str, Any]) -> None:
        self.folder, self.run = folder, folder / 'run'
        self.environment = graph_environment()
        self.pids: dict[str, int] = {}
        self._ended: dict[int, int] = {}  # exit statuses
        self._nursery = Nursery(self.environment)
        self._released = folder / 'released.log'
        with self._released.open('wb') as output:
            self._attendant = attendant(self.environment, output)
        self.killed: set[str] = set()  # by us, and not started again yet
        self.started: dict[str, float] = {}  # when
        key = folder / 'key'
        key.write_bytes(b'known to policies and learner')
        for robot in ('', *ROBOTS):
            settings = Settings.resolve({
                **parameters, 'learner.run': str(self.run), 'learner.key_file': str(key),
                'policy.key_file': str(key),
                'policy.tally_file': str(folder / f'{robot}.tally'),
                'sim.clock_file': str(folder / f'{robot}.clock')})
            (folder / f'{robot}.yaml').write_text(settings.yaml())

    @property
    def key(self) -> bytes:
        """Return what weights are signed with."""
        return (self.folder / 'key').read_bytes()

    @property
    def released(self) -> int:
        """Return how many ports were left half made by somebody killed, and released."""
        return len(self._released.read_text().splitlines())

    @property
    def names(self) -> tuple[str, ...]:
        """Name all processes."""
        return LEARNER, *(f'{robot}/{part}' for robot in ROBOTS for part in PARTS)

    def start(self, name: str) -> None:
        """Start a process; a learner goes on with its run."""
        robot, _, node = name.rpartition('/')
        arguments = node_command(node, self.folder / f'{robot}.yaml', robot)[3:]
        if robot:  # each robot has a time of its own
            arguments += ['-r', f'/clock:=/{robot}/clock']
        if node == LEARNER and self.run.exists():
            arguments += ['-p', 'learner.resume:=true']
        self.pids[name] = self._nursery.ask(
            start=[node, str(self.folder / 'witness' / robot), *arguments],
            log=str(self._log(name)))
        self.killed.discard(name)
        self.started[name] = time.monotonic()

    def look(self) -> None:
        """See who has ended."""
        self._ended |= {int(pid): status for pid, status in self._nursery.ask(ended=True).items()}

    def lives(self, name: str) -> bool:
        """Tell whether a process had not ended when we looked last."""
        return name in self.pids and self.pids[name] not in self._ended

    def kill(self, name: str) -> None:
        """Kill a process, stopped or not, and wait until it is gone."""
        self.killed.add(name)
        self.send(name, signal.SIGKILL)
        while self.lives(name):
            self.look()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        self.look()
        if self.lives(name):
            os.kill(self.pids[name], number)

    def end(self, name: str, spin: Any) -> str:
        """Ask a process to end; returns what was wrong with how it did."""
        self.killed.add(name)
        self.send(name, signal.SIGCONT)
        self.send(name, signal.SIGINT)
        latest = time.monotonic() + ENDING
        while self.lives(name):
            spin()
            self.look()
            if time.monotonic() > latest:
                self.kill(name)
                return f'hang: {name} did not end in {ENDING:g} s'
        status = self._ended[self.pids[name]]
        return f'{name} ended with status {status}' if status else ''

    def died(self) -> list[tuple[str, int]]:
        """Return who ended without being told to, and its exit status."""
        return [(name, self._ended[pid]) for name, pid in self.pids.items()
                if not self.lives(name) and name not in self.killed]

    def close(self) -> list[str]:
        """End all, the learner first; returns what was wrong."""
        found = []
        for name in self.names:
            if self.lives(name):
                found.append(self.end(name, lambda: time.sleep(0.02)))
        self._nursery.close()
        self._attendant.kill()
        self._attendant.wait()
        return [text for text in found if text]

    def _log(self, name: str) -> Path:
        return self.folder / f'{name.replace("/", "_")}.log'

    def output(self, name: str, lines: int = 20) -> str:
        """Return the last lines that a process wrote."""
        path = self._log(name)
        return '\n'.join(path.read_text(errors='replace').splitlines()[-lines:])


def is_intact(path: Path) -> bool:
    """Tell whether a checkpoint hashes to what it says."""
    data = path.read_bytes()
    return hashlib.sha256(data[DIGEST_BYTES:]).digest() == data[:DIGEST_BYTES]


def damage(run: Path, what: str, seed: int) -> bool:
    """
    Damage what a dead learner left; returns whether there was something to damage.

    A learner without any intact checkpoint refuses to go on, so one is left.
    """
    rng = np.random.default_rng(seed)
    thing, _, how = what.partition(' ')
    if thing == 'checkpoint':
        files = [path for path in sorted(run.glob('checkpoints/checkpoint-*.pt'))
                 if is_intact(path)][1:]
        tail = None
    else:
        files = [path for path in sorted(run.glob('rows/*.rows')) if path.stat().st_size]
        tail = TAIL
    if not files:
        return False
    data = bytearray(files[-1].read_bytes())
    first = max(0, len(data) - (tail or len(data)))
    if how == 'cut':
        os.truncate(files[-1], int(rng.integers(first, len(data))))
        return True
    for place in rng.integers(first, len(data), int(rng.integers(1, 64))):
        data[place] ^= int(rng.integers(1, 256))
    files[-1].write_bytes(data)
    return True
