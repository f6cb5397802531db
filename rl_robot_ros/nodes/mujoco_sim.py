"""
The `mujoco_sim` node: a simulated robot on the graph, in lockstep or at the pace of life.

**lockstep**: publish state k, wait for the `effort_command` with the same stamp, step, publish
state k+1, as fast as the machine allows.  While it waits it sends the same state again at 5 Hz, so
that a lost message or a restarted node cannot stall the ring.

**paced**: publish a state every control period divided by `real_time_factor` and apply
`effort_controller/commands` as ros2_control would: without waiting, the old torque stays, and what
answers a state acts one control period after it (read, update, write).
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
import secrets
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PoseStamped
import numpy as np
from rl_robot_ros import wire
from rl_robot_ros import wire_goals
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.timing import Timing
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import SimConfig
from rl_robot_ros.sim.clock import SimClock
from rl_robot_ros.sim.world import World
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

REPEAT_PERIOD = 0.2  # [s] between two sendings of an unanswered state
CLOCK_PERIOD = 0.01  # [s] of the steady clock between two /clock messages, or a little more


class MujocoSim(RobotNode):
    """See the module docstring."""

    def __init__(self) -> None:
        super().__init__('mujoco_sim', controls=True)
        graph = load_graph(self)
        self.robot, self.task = graph.robot, graph.task
        self.config = self.configure(SimConfig, 'sim.')
        self._rng = np.random.default_rng([graph.seed_or(secrets.randbits(32)), 1])
        self.world = World(self.robot)
        # `effort_command` is on top of gravity compensation, which somebody has to add.
        self._lifts = None if self.robot.gravity_compensated else dynamics_of(self.robot)
        path = Path(self.config.clock_file) if self.config.clock_file else None
        self.clock = SimClock(round(self.robot.control_period * 1e9), path)
        self.timing = Timing(self.robot.control_period / self.config.real_time_factor)
        self.counts = dict.fromkeys(('steps', 'repeats', 'commands_refused', 'goals_refused',
                                     'resets', 'deadlines_missed', 'answers_missed', 'diverged'),
                                    0)
        self.stopped = False
        self._effort: Vector = np.zeros(len(self.robot.actuated))
        self._heard = False  # a command has ever come (paced)
        self._answered = True  # a command has come since the last state (paced)
        self._published = 0.0  # [s] when that state was, steady clock
        self._in_flight: deque[tuple[float, Vector]] = deque(maxlen=1000)
        self._writer = wire.JointWriter(self.robot.joint_names)
        self._mark = ''
        self._reader = wire.JointReader(self.robot.actuated)
        self._last_step = time.monotonic()
        # Whoever tells a paused simulator from lost states looks at the clock twice in this time.
        timeout = self.configure(SafetyConfig, 'safety.').state_timeout
        self._clock_period = min(CLOCK_PERIOD, 0.2 * timeout / self.config.real_time_factor)
        self._last_clock, self._stamp = 0.0, 0  # [ns] of the newest state
        self._next_deadline = time.monotonic()
        self._screen = self._make_screen(graph)
        self._connect()
        self._new_episode()

    def _connect(self) -> None:
        self._states = self.create_publisher(JointState, 'joint_states', STATE_QOS)
        self._clock_out = self.create_publisher(Clock, '/clock', STATE_QOS)
        self.create_service(Trigger, 'mujoco_sim/reset', self._on_reset)
        self.create_service(SetBool, 'mujoco_sim/stop', self._on_stop)
        if self.config.mode == LOCKSTEP:
            self.create_subscription(JointState, 'effort_command', self._on_effort_command,
                                     COMMAND_QOS)
            self.every(REPEAT_PERIOD, self._repeat)
        else:
            self.create_subscription(Float64MultiArray, 'effort_controller/commands',
                                     self._on_controller_command, COMMAND_QOS)
            self.every(self.robot.control_period / self.config.real_time_factor, self._tick)

    def _make_screen(self, graph: Any) -> Any:
        if not self.config.view and not self.config.video:
            return None
        from rl_robot_ros.sim.render import Screen
        screen = Screen(self.world, self.config.view, self.config.video,
                        self.config.video_seconds, self.get_logger().info)
        if self.task.goal.kind == 'position':
            self.create_subscription(PoseStamped, 'policy/active_goal', self._on_goal, LATCHED_QOS)
        return screen

    def _on_goal(self, message: PoseStamped) -> None:
        """Show where the policy wants to go."""
        try:
            self._screen.show_goal(wire_goals.read_goal(self.task.goal, message))
        except wire.WireError as error:
            self.counts['goals_refused'] += 1
            self.warn('goal', f'policy/active_goal refused: {error}')

    # -- the plant ----------------------------------------------------------------------------

    def _new_episode(self) -> None:
        position, velocity = self.task.initial_state(self._rng)
        self.world.reset(position, velocity)
        self._effort = np.zeros(len(self.robot.actuated))
        self._in_flight.clear()
        self._mark = wire.episode_mark(self.config.mode, self.clock.next_episode())
        if self.config.mode == LOCKSTEP:
            self._publish()

    def _step(self, effort: Vector) -> None:
        """Advance by one control period; `effort` as the controller is told."""
        if self.stopped:
            # The drive brakes are on: the joints stand where they are.
            self.world.reset(self.world.position, np.zeros(len(self.robot.joint_names)))
        else:
            try:
                self.world.step(effort)
            except FloatingPointError as error:
                self.counts['diverged'] += 1
                self.warn('diverged', f'{error}; starting a new episode')
                self._new_episode()
                return
        self.clock.tick()
        if self.config.mode == LOCKSTEP:
            self._publish()  # before our books, for which nobody waits
        self.counts['steps'] += 1
        self._last_step = time.monotonic()
        self.timing.mark(self._last_step)

    def _publish(self) -> None:
        stamp = self._stamp = self.clock.stamp
        self._states.publish(self._writer.write(stamp, self._mark, position=self.world.position,
                                                velocity=self.world.velocity))
        if self.config.mode == LOCKSTEP:
            self._tell_time(self._clock_period)
        if self._screen is not None:
            self._screen.update(stamp * 1e-9)

    def _tell_time(self, period: float) -> None:
        """Publish `/clock` where that was not done for `period` [s] of the steady clock."""
        now = time.monotonic()
        if now - self._last_clock >= period:
            self._last_clock = now
            self._clock_out.publish(Clock(clock=wire.time_of(self._stamp)))

    # -- lockstep -----------------------------------------------------------------------------

    def _on_effort_command(self, message: JointState) -> None:
        if wire.stamp_of(message.header.stamp) != self.clock.stamp:
            return
        try:
            effort, = self._reader.read(message, 'effort')
        except wire.WireError as error:
            self.counts['commands_refused'] += 1
            self.warn(f'command {error.kind}', f'effort_command refused: {error}')
            return
        if self._lifts is not None:
            effort = effort + self._lifts.gravity(self.world.position)
        self._step(effort)

    def _repeat(self) -> None:
        waited = time.monotonic() - self._last_step
        if waited < REPEAT_PERIOD:
            return
        self.counts['repeats'] += 1
        self._last_clock = 0.0
        self._publish()
        if waited > self.config.answer_timeout:
            self.warn('answer', f'no effort_command for state {self.clock.stamp * 1e-9:.3f} s '
                                f'since {waited:.1f} s: {self._who_is_missing()}')

    def _who_is_missing(self) -> str:
        if not self.count_publishers('effort_command'):
            return 'safety_filter is not there'
        if not self.count_publishers('effort_request'):
            return 'policy is not there'
        return ('policy and safety_filter are there, one of them waits (see /diagnostics: a '
                'policy waits for weights and for its learner)')

    # -- paced --------------------------------------------------------------------------------

    def _on_controller_command(self, message: Float64MultiArray) -> None:
        try:
            effort = wire.read_efforts(message, len(self.robot.actuated))
        except wire.WireError as error:
            # An effort controller keeps the old torque when a value is not finite, and is
            # deactivated, which zeroes it, when the length is wrong.
            self.counts['commands_refused'] += 1
            self.warn(f'command {error.kind}', f'effort_controller/commands refused: {error}')
            if error.kind == 'length' and len(message.data):
                self._effort = np.zeros(len(self.robot.actuated))
            return
        now, delay, self._heard = time.monotonic(), self.config.delay, True
        if not self._answered:  # the filter gives one command per state
            self._answered = True
            self.timing.note('observation_age', now - self._published)
        if self.config.delay_jitter:
            delay = max(0.0, delay + self.config.delay_jitter * self._rng.standard_normal())
        self._in_flight.append((now + delay / self.config.real_time_factor, effort.copy()))
        # Nobody waits for the clock, but all four processes hear it: not while they compute.
        self._tell_time(self._clock_period)
        self.spare_time.use()

    def _tick(self) -> None:
        now = time.monotonic()
        period = self.robot.control_period / self.config.real_time_factor
        late = int((now - self._next_deadline) / period)
        if late > 0:
            self.counts['deadlines_missed'] += late
        self._next_deadline += (late + 1) * period
        self.counts['answers_missed'] += not self._answered
        self._answered, self._published = not self._heard, now
        self._publish()
        while self._in_flight and self._in_flight[0][0] <= now:
            self._effort = self._in_flight.popleft()[1]
        self._step(self._effort)
        self._tell_time(2.0 * self._clock_period)  # where no command comes

    # -- services -----------------------------------------------------------------------------

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self.counts['resets'] += 1
        self._last_step = time.monotonic()
        self._new_episode()
        response.success = True
        response.message = f'episode {self.clock.episode}'
        return response

    def _on_stop(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.stopped = request.data
        response.success = True
        response.message = 'brakes on' if self.stopped else 'brakes off'
        return response

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell rate, jitter and who is missing."""
        values = {'mode': self.config.mode, 'episode': self.clock.episode,
                  'sim_time_s': self.clock.stamp * 1e-9, **self.counts, **self.timing.report()}
        if self.stopped:
            return DiagnosticStatus.WARN, 'stopped by service, brakes on', values
        if self.config.mode == LOCKSTEP \
                and time.monotonic() - self._last_step > self.config.answer_timeout:
            return DiagnosticStatus.WARN, self._who_is_missing(), values
        return DiagnosticStatus.OK, 'running', values

    def close(self) -> None:
        """Write the video."""
        if self._screen is not None:
            self._screen.close()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(MujocoSim, args)


if __name__ == '__main__':
    sys.exit(main())
