"""
What every node needs: parameters from dataclasses, QoS, signals, a spin loop and diagnostics.

Periodic work runs on the steady clock: simulated time can stand still or run a hundred times
faster than life.  Signals are our own, because rclpy's handlers invalidate the context before a
last command could be sent.
"""

from __future__ import annotations

from collections.abc import Callable
import gc
import logging
from pathlib import Path
import signal
import sys
import time
import traceback
from typing import Any
from typing import TypeVar

from diagnostic_msgs.msg import DiagnosticArray
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import FloatingPointRange
from rcl_interfaces.msg import IntegerRange
from rcl_interfaces.msg import ParameterDescriptor
import rclpy
from rclpy.clock import Clock
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy
from rclpy.qos import HistoryPolicy
from rclpy.qos import QoSProfile
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rl_robot_ros.nodes.parameters import declare_config
from rl_robot_ros.nodes.priority import take_priority
from rl_robot_ros.nodes.spare_time import SpareTime
from rl_robot_ros.wire import status

C = TypeVar('C')

# A newer state replaces an older one; a lost one is sent again in lockstep and too late otherwise.
STATE_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                       reliability=ReliabilityPolicy.BEST_EFFORT)
# A command must arrive, and only the newest counts.
COMMAND_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.RELIABLE)
# Late comers get the last one.
LATCHED_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=ReliabilityPolicy.RELIABLE,
                         durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Bounded: the oldest batch is dropped, and the reader counts the gap.
EXPERIENCE_QOS = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100,
                            reliability=ReliabilityPolicy.RELIABLE)

STEADY = Clock(clock_type=ClockType.STEADY_TIME)
LONGEST_TRACEBACK = 2000  # characters in diagnostics and log
LAST_WORDS = Duration(seconds=0.2)  # a last command is given this long to arrive
FAREWELL = 'the safety filter is shutting down'  # its reason, by which others know an orderly end


class RosHandler(logging.Handler):
    """Give what the ROS-free parts log to the node's logger."""

    def __init__(self, node: Node) -> None:
        super().__init__(logging.INFO)
        self._logger = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record at its severity."""
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)


class RobotNode(Node):
    """
    A node with configuration, steady timers, throttled warnings and diagnostics.

    :param controls: whether a robot waits for it: it may have real-time priority then.
    """

    def __init__(self, name: str, controls: bool = False) -> None:
        super().__init__(name)
        self.errors = 0
        self.last_error = ''  # where the newest exception came from
        self.stop_requested: list[int] = []
        self.exit_status = 0
        self.spinner: Any = None
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 10)
        self._warned: dict[str, float] = {}
        package = logging.getLogger('rl_robot_ros')
        package.setLevel(logging.INFO)
        package.addHandler(RosHandler(self))
        self.spare_time = SpareTime(self.every)
        self.spare_time.add(
            self.declare_parameter('diagnostics_period', 1.0, ParameterDescriptor(
                description='between two messages on /diagnostics [s]', read_only=True,
                floating_point_range=[FloatingPointRange(from_value=0.05, to_value=60.0)])).value,
            self._publish_diagnostics)
        self.priority = 0 if not controls else self.declare_parameter(
            'realtime_priority', 0, ParameterDescriptor(
                description='real-time priority (SCHED_RR) of simulator, filter, watchdog and '
                'policy; 0: none [1]', read_only=True,
                integer_range=[IntegerRange(from_value=0, to_value=99)])).value

    def configure(self, cls: type[C], prefix: str = '', presets: Any = None,
                  chosen: tuple[str, ...] = (), change: Callable[[C], str] | None = None) -> C:
        """
        Declare the fields of a configuration dataclass as parameters and read them.

        :param change: called with the new configuration when a parameter is set at run time;
            returns why it refuses, or an empty string.  Without it the parameters are read-only.
        """
        return declare_config(self, cls, prefix, presets or {}, chosen, change)

    def every(self, period: float, callback: Callable[[], None]) -> Any:
        """Call back every `period` seconds of the steady clock."""
        return self.create_timer(period, callback, clock=STEADY)

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back in the executor's thread as soon as it is free; for other threads."""
        if self.spinner is not None:
            self.spinner.create_task(self._guarded, callback)

    def _guarded(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # the events executor dies of a task that raises
            self.on_error(error)

    def warn(self, key: str, text: str, period: float = 5.0) -> None:
        """Warn, at most once per `period` seconds for each key."""
        now = time.monotonic()
        if now - self._warned.get(key, -period) >= period:
            self._warned[key] = now
            self.get_logger().warning(text)

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Return level, message and values for `/diagnostics`; nodes override this."""
        return DiagnosticStatus.OK, '', {}

    def _publish_diagnostics(self) -> None:
        level, message, values = self.describe()
        if self.errors:
            values |= {'errors': self.errors, 'last_error': self.last_error}
            level = max(level, DiagnosticStatus.ERROR)
        array = DiagnosticArray()
        array.header.stamp = self.get_clock().now().to_msg()
        name = self.get_fully_qualified_name()
        array.status = [status(name, level, message, values, self.get_name())]
        self._diagnostics.publish(array)

    def spin_once(self, timeout: float) -> None:
        """Handle what comes for up to `timeout` seconds, from within :meth:`close`."""
        self.spinner.spin_once(timeout)

    def on_error(self, error: Exception) -> None:
        """Report an exception that left a callback; the node stays up."""
        self.errors += 1
        self.last_error = ''.join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
        self.warn(f'error {type(error).__name__}', 'internal error in a callback, carrying on: '
                  + self.last_error)

    def close(self) -> None:
        """Send what must be sent last; called once, before the context is shut down."""


def make_executor(kind: str = 'events') -> Any:
    """
    Return an executor: `events` (one third of the latency) where this rclpy has it, or `single`.

    The events executor is only ever spun with a time-out: untimed waits hang in the PyPI wheels.
    """
    if kind == 'events':
        try:
            from rclpy.experimental import EventsExecutor
            return EventsExecutor()
        except ImportError:
            pass
    return SingleThreadedExecutor()


def run(make_node: Callable[[], RobotNode], args: list[str] | None = None) -> int:
    """
    Run one node until SIGINT, SIGTERM or until it asks to stop; returns the exit status.

    :param make_node: builds the node; ValueError and OSError are configuration errors.
    """
    stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: stop.append(received))
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        node = make_node()
    except (ValueError, OSError) as error:
        print(f'{Path(sys.argv[0]).name}: {error}', file=sys.stderr)
        rclpy.try_shutdown()
        return 2
    stop.extend(node.stop_requested)  # a thread of the node may be done already
    node.stop_requested = stop
    executor = make_executor(node.declare_parameter('executor', 'events').value)
    executor.add_node(node)
    node.spinner = executor
    refused = take_priority(node.priority)  # late, so that the threads of DDS get it too
    if refused:
        node.get_logger().warning(refused)
    # Everything built so far lives for ever: do not let the collector walk it in the control path.
    gc.collect()
    gc.freeze()
    context = node.context.handle  # `rclpy.ok` costs as much as a callback
    while context.ok() and not stop:
        try:
            executor.spin_once(0.1)
        except Exception as error:  # a bad message must not take the robot's controller down
            node.on_error(error)
    try:
        node.close()
    finally:
        # The shell and ros2 launch both send SIGINT: a second one must not look like a crash.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        executor.remove_node(node)
        node.destroy_node()
        rclpy.try_shutdown()
    return node.exit_status
