"""
The `policy` node: joint states in, effort requests out, experience rows beside.

The decisions are those of :class:`rl_robot_ros.core.actor.Actor`; this node gives it messages and
carries its words.  Inference is NumPy: this process never imports torch.
"""

from __future__ import annotations

from pathlib import Path
import secrets
import sys
import time
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rl_robot_ros import wire
from rl_robot_ros.core.actor import Actor
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.dialogue import ActorConfig
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import State
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.flow import Flow
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightStore
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.outgoing import ExperienceSender
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.timing import Timing
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.settings import ExperienceConfig
from rl_robot_ros.settings import PolicyConfig
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

READER_PATIENCE = 3.0  # [s] for a learner that pushed to listen too
RESET_PERIOD = 2.0  # [s] between two attempts to reset


class PolicyNode(RobotNode):
    """See the module docstring; the node itself is the actor's outbox."""

    def __init__(self) -> None:
        super().__init__('policy')
        graph = load_graph(self)
        self.robot, self.task = graph.robot, graph.task
        self.config = self.configure(PolicyConfig, 'policy.')
        self.flow = Flow(self.configure(FlowConfig, 'sync.'))
        self._seed = graph.seed_or(secrets.randbits(32))
        self._deterministic = graph.config.seed >= 0
        key = Path(self.config.key_file).read_bytes() if self.config.key_file else b''
        self.store = WeightStore(self._misfit, self.config.learner_timeout, key)
        self.actor: Actor | None = None
        self.timing = Timing(self.robot.control_period)
        self.counts = dict.fromkeys(('states_refused', 'commands_refused', 'goals_refused',
                                     'weights_refused', 'weights_accepted', 'resets_failed',
                                     'learner_timeouts'), 0)
        self.evaluate = False
        self._states = wire.JointReader(self.robot.joint_names)
        self._writer = wire.JointWriter(self.robot.actuated)
        self._efforts = wire.JointReader(self.robot.actuated)
        self._reset_asked = 0.0
        self._waiting_since = 0.0
        self._may_start = False
        self.configure(ActorConfig, '', change=self._change_mode)
        self._change_mode(ActorConfig(self.get_parameter('mode').value))
        self.experience = ExperienceSender(self, self.configure(ExperienceConfig, 'experience.'))
        self._connect()
        if self.config.checkpoint:
            self._load_checkpoint(Path(self.config.checkpoint))

    def _connect(self) -> None:
        self._request_out = self.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE_QOS)
        self.create_subscription(JointState, 'effort_command', self._on_command, COMMAND_QOS)
        goal_type = wire.goal_message_type(self.task.goal)
        if goal_type is not None:
            self._goal_out = self.create_publisher(goal_type, 'policy/active_goal', LATCHED_QOS)
            self.create_subscription(goal_type, 'goal', self._on_goal, LATCHED_QOS)
        self.create_service(SetParametersAtomically, 'policy/set_weights', self._on_weights)
        self.create_service(Trigger, 'policy/rollback', self._on_rollback)
        self.create_service(Trigger, 'policy/resend', self._on_resend)
        self.create_service(Trigger, 'policy/label_success', self._on_label_success)
        self._sim_reset = self.create_client(Trigger, 'mujoco_sim/reset')
        self._filter_reset = self.create_client(Trigger, 'safety_filter/reset')
        self.every(0.1, self._watch)

    def _change_mode(self, config: ActorConfig) -> str:
        self.evaluate = config.mode == 'evaluate'
        if self.actor is not None:
            self.actor.evaluate = self.evaluate
        return ''

    # -- weights ------------------------------------------------------------------------------

    def _misfit(self, schema: str) -> str:
        """Say why a first schema does not fit this robot and task."""
        try:
            contract = PolicyContract.parse(schema)
        except ValueError as error:
            return str(error)
        return contract.misfit(self.robot.actuated, self.task.observation_terms)

    def _start_actor(self) -> Actor:
        contract = PolicyContract.parse(self.store.schema)
        layout = RowLayout(contract.observation_size, contract.action_size,
                           self.task.reward_terms, contract.extra)
        rng = np.random.default_rng([self._seed, 2])
        epoch = int(rng.integers(2**53)) if self._deterministic else secrets.randbits(53)
        recorder = Recorder(self.task, layout, self.robot.decision_periods,
                            bool(contract.efforts))
        actor = Actor(contract, recorder, self.store, self.flow, self, rng, epoch)
        actor.evaluate = self.evaluate
        self.experience.layout = layout
        return actor

    def _accept(self, weights: Any, signature: str) -> str:
        reason = self.store.offer(weights, time.monotonic(), signature)
        if reason:
            self.counts['weights_refused'] += 1
            self.warn('weights', f'weights refused: {reason}')
            return reason
        self.counts['weights_accepted'] += 1
        if self.actor is None:
            self.actor = self._start_actor()
            self.get_logger().info(f'first weights: version {weights.version}, digest '
                                   f'{weights.digest[:8]}, {weights.schema}')
        self.actor.on_weights()
        return ''

    def _on_weights(self, request: SetParametersAtomically.Request,
                    response: SetParametersAtomically.Response) -> Any:
        try:
            weights, signature = wire.read_weights(request)
        except wire.WireError as error:
            self.counts['weights_refused'] += 1
            self.warn('weights', f'weights refused: {error}')
            response.result.reason = str(error)
            return response
        reason = self._accept(weights, signature)
        response.result.successful = not reason
        response.result.reason = reason or f'accepted version {weights.version}'
        return response

    def _load_checkpoint(self, path: Path) -> None:
        weights = load_policy(path)
        self.get_logger().info(f'{path}: version {weights.version}, digest {weights.digest[:8]}')
        misfit = self._misfit(weights.schema)
        if misfit:
            raise ValueError(f'policy.checkpoint {path} does not fit robot and task: {misfit}')
        # The file is ours: it needs no signature, and the next learner may follow at once.
        self.store = WeightStore(self._misfit, self.config.learner_timeout)
        reason = self._accept(weights, '')
        if reason:
            raise ValueError(f'policy.checkpoint {path}: {reason}')

    # -- messages -----------------------------------------------------------------------------

    def _on_state(self, message: JointState) -> None:
        try:
            position, velocity = self._states.read(message, 'position', 'velocity')
        except wire.WireError as error:
            self.counts['states_refused'] += 1
            self.warn(f'state {error.kind}', f'joint_states refused: {error}')
            return
        if self.actor is None or not self._heard():
            return
        start = time.monotonic()
        mode, episode = wire.parse_mark(message.header.frame_id)
        self.actor.on_state(State(wire.stamp_of(message.header.stamp), mode, episode, position,
                                  velocity))
        self.timing.mark(start)
        self.timing.note('answer', time.monotonic() - start)

    def _heard(self) -> bool:
        """Wait for a reader of our first rows, so that none is lost while DDS finds it."""
        if self._may_start:
            return True
        late = time.monotonic() - self.store.accepted_at > READER_PATIENCE
        self._may_start = late or self.experience.heard or bool(self.config.checkpoint)
        return self._may_start

    def _on_command(self, message: JointState) -> None:
        if self.actor is None:
            return
        try:
            effort, = self._efforts.read(message, 'effort')
        except wire.WireError as error:
            self.counts['commands_refused'] += 1
            self.warn(f'command {error.kind}', f'effort_command refused: {error}')
            return
        self.actor.on_command(Command(wire.stamp_of(message.header.stamp), effort,
                                      message.header.frame_id))

    def _on_goal(self, message: Any) -> None:
        try:
            goal = wire.read_goal(self.task.goal, message, self.robot.joint_names)
        except wire.WireError as error:
            self.counts['goals_refused'] += 1
            self.warn('goal', f'goal refused: {error}')
            return
        if self.actor is not None:
            self.actor.on_goal(goal)

    # -- services -----------------------------------------------------------------------------

    def _on_rollback(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = self.store.rollback()
        response.success = not response.message.startswith('refused')
        return response

    def _on_resend(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        count = self.experience.resend()
        response.success, response.message = True, f'{count} rows'
        return response

    def _on_label_success(self, _: Trigger.Request,
                          response: Trigger.Response) -> Trigger.Response:
        response.success = self.actor is not None and self.actor.label_success()
        response.message = ('the open row is marked, the episode ends with it' if response.success
                            else 'no row is open: the policy is not acting')
        return response

    # -- Outbox of the actor ------------------------------------------------------------------

    def request(self, stamp: int, effort: Vector) -> None:
        """Publish an effort request."""
        if self.config.on_stale_weights == 'hold' and self._stale():
            return
        self._request_out.publish(self._writer.write(stamp, effort=effort))

    def row(self, row: Vector, last: bool) -> None:
        """Hand a row to the sender."""
        self.experience.add(row, last)

    def reset(self, filter_too: bool) -> None:
        """Call the reset services one after the other, without waiting for them."""
        self._reset_asked = time.monotonic()
        if not self._sim_reset.service_is_ready():
            self.counts['resets_failed'] += 1
            return
        future = self._sim_reset.call_async(Trigger.Request())
        if filter_too and self._filter_reset.service_is_ready():
            # The filter first has to see the robot in its new place.
            future.add_done_callback(lambda _: self._reset_filter())

    def _reset_filter(self) -> None:
        future = self._filter_reset.call_async(Trigger.Request())
        future.add_done_callback(self._on_filter_reset)

    def _on_filter_reset(self, future: Any) -> None:
        answer = future.result()
        if answer is not None and answer.success and self.actor is not None:
            self.actor.unblock()
        elif answer is not None:
            self.warn('filter', f'safety_filter does not reset: {answer.message}')

    def goal(self, goal: Vector) -> None:
        """Publish the active goal."""
        if self.task.goal.kind != 'none':
            stamp = self.get_clock().now().nanoseconds
            self._goal_out.publish(wire.goal_message(self.task.goal, goal, stamp,
                                                     self.robot.joint_names))

    # -- steady time --------------------------------------------------------------------------

    def _watch(self) -> None:
        now = time.monotonic()
        self.experience.flush_if_due(now)
        actor = self.actor
        if actor is None:
            return
        if actor.resetting and now - self._reset_asked > RESET_PERIOD:
            self.warn('reset', 'no new episode after a reset was asked for, asking again')
            self.reset(actor.blocked)
        if actor.waiting == 'safety_filter' and now - self._reset_asked > RESET_PERIOD \
                and actor.simulated and self._filter_reset.service_is_ready():
            self._reset_asked = now
            self._reset_filter()
        if actor.waiting != 'learner':
            self._waiting_since = now
        elif 0.0 < self.flow.config.timeout < now - self._waiting_since:
            self.counts['learner_timeouts'] += 1
            self.warn('learner', f'no push from the learner for {self.flow.config.timeout} s, '
                                 'running on (parameter sync.timeout)')
            actor.give_up_waiting()

    def _stale(self) -> bool:
        return time.monotonic() - self.store.accepted_at > self.config.weights_timeout

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell weights, rows and what is waited for."""
        values: dict[str, Any] = {'mode': 'evaluate' if self.evaluate else 'train',
                                  **self.counts, **self.experience.counts,
                                  **self.timing.report()}
        for kind, count in self.store.refused.items():
            values[f'refused_{kind}'] = count
        actor = self.actor
        if actor is None:
            return DiagnosticStatus.WARN, 'waiting for weights', values
        values |= {'version': actor.version, 'epoch': actor.epoch, **actor.counts,
                   'weights_repeated': self.store.repeated,
                   'weights_age_s': time.monotonic() - self.store.accepted_at}
        if self._stale() and not self.evaluate:
            return DiagnosticStatus.WARN, 'weights are stale: no learner', values
        if actor.waiting:
            return DiagnosticStatus.OK, f'waiting for {actor.waiting}', values
        return DiagnosticStatus.OK, 'acting', values

    def close(self) -> None:
        """Send the rows that were not sent yet."""
        self.experience.flush()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(PolicyNode, args)


if __name__ == '__main__':
    sys.exit(main())
