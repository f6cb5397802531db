"""Asking the simulator, and after a stop the safety filter, for a new episode."""

from __future__ import annotations

from collections.abc import Callable
import time
from typing import Any

from rl_robot_ros.nodes.runtime import RobotNode
from std_srvs.srv import Trigger

PERIOD = 2.0  # [s] between two attempts


class Resets:
    """
    Call reset services one after the other, without waiting for them.

    :param node: makes the clients.
    :param filter_ready: called when the filter has been reset.
    """

    def __init__(self, node: RobotNode, filter_ready: Callable[[], None]) -> None:
        self._node = node
        self._filter_ready = filter_ready
        self._sim = node.create_client(Trigger, 'mujoco_sim/reset')
        self._filter = node.create_client(Trigger, 'safety_filter/reset')
        self._asked = 0.0
        self._future: Any = None
        self.counts = {'resets_failed': 0}

    @property
    def overdue(self) -> bool:
        """Whether the last attempt is long ago."""
        return time.monotonic() - self._asked > PERIOD

    def ask(self, filter_too: bool) -> None:
        """Ask for a new episode."""
        if self._future is not None and not self._future.done() and not self.overdue:
            return  # a second request would start a second episode
        self._asked = time.monotonic()
        if not self._sim.service_is_ready():
            self.counts['resets_failed'] += 1
            return
        self._future = self._sim.call_async(Trigger.Request())
        if filter_too:
            # The filter first has to see the robot in its new place.
            self._future.add_done_callback(lambda _: self.ask_filter())

    def ask_filter(self) -> None:
        """Ask the filter to leave a stop."""
        self._asked = time.monotonic()
        if self._filter.service_is_ready():
            self._filter.call_async(Trigger.Request()).add_done_callback(self._on_answer)

    def _on_answer(self, future: Any) -> None:
        answer = future.result()
        if answer is not None and answer.success:
            self._filter_ready()
        elif answer is not None:
            self._node.warn('filter', f'safety_filter does not reset: {answer.message}')
