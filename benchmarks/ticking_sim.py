"""The simulator of `ticks.py`, which also writes down how long its states wait for answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
import sys
import time

import numpy as np
from rl_robot_ros import wire
from rl_robot_ros.nodes.mujoco_sim import MujocoSim
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import run
from sensor_msgs.msg import JointState

MOST = 1_000_000  # control periods
ANSWERS = {'policy': 'effort_request', 'filter': 'effort_command'}  # topics


class Ages:
    """
    Seconds in a file that two processes share: their number, then the seconds.

    :param path: the file; whoever makes it is the first.
    """

    def __init__(self, path: Path, new: bool = False) -> None:
        self._values = np.memmap(path, np.float64, 'w+' if new else 'r+', shape=(1 + MOST,))

    def __len__(self) -> int:
        """Return how many there are."""
        return int(self._values[0])

    def add(self, seconds: float) -> None:
        """Write one behind the others."""
        count = len(self)
        self._values[1 + count] = seconds
        self._values[0] = count + 1

    def since(self, start: int) -> np.ndarray:
        """Return a copy of those behind the first `start`."""
        return np.array(self._values[1 + start:1 + len(self)])


class TickingSim(MujocoSim):
    """
    See the module docstring.

    A state that is never answered has waited when a later one is answered, so none is left out.

    :param folder: of the files, one for each of `ANSWERS`.
    """

    def __init__(self, folder: Path) -> None:
        self._ages = {name: Ages(folder / name) for name in ANSWERS}
        # Stamp and time of the states that wait, oldest first.
        self._waiting: dict[str, dict[int, float]] = {name: {} for name in ANSWERS}
        super().__init__()
        for name, topic in ANSWERS.items():
            self.create_subscription(JointState, topic, partial(self._on_answer, name),
                                     COMMAND_QOS)

    def _publish(self) -> None:
        for waiting in self._waiting.values():
            waiting[self.clock.stamp] = time.monotonic()
        super()._publish()

    def _on_answer(self, name: str, message: JointState) -> None:
        now, stamp = time.monotonic(), wire.stamp_of(message.header.stamp)
        waiting = self._waiting[name]
        while waiting and (oldest := next(iter(waiting))) <= stamp:
            self._ages[name].add(now - waiting.pop(oldest))


def main(args: list[str]) -> int:
    """Run the node; the first argument is the folder of the ages."""
    return run(lambda: TickingSim(Path(args[1])), args)


if __name__ == '__main__':
    sys.exit(main(sys.argv))
