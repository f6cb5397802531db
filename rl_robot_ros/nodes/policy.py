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
from rl_robot_ros import wire
from rl_robot_ros.core.actor import Actor
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.dialogue import ActorConfig
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import State
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.flow import Flow
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.homing import Homing
from rl_robot_ros.core.homing import HomingConfig
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes.common import load_graph
from rl_robot_ros.nodes.goal_topics import GoalTopics
from rl_robot_ros.nodes.outgoing import ExperienceSender
from rl_robot_ros.nodes.person_services import PersonServices
from rl_robot_ros.nodes.policy_weights import PolicyWeights
from rl_robot_ros.nodes.resets import Resets
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.nodes.runtime import run
from rl_robot_ros.nodes.runtime import STATE_QOS
from rl_robot_ros.nodes.timing import Timing
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.settings import ExperienceConfig
from rl_robot_ros.settings import PolicyConfig
from sensor_msgs.msg import JointState
from std_srvs.srv import Trigger

READER_PATIENCE = 5.0  # [s] DDS makes itself known every 3 s where its first words got lost


class PolicyNode(RobotNode):
    """See the module docstring; the node itself is the actor's outbox."""

    def __init__(self) -> None:
        super().__init__('policy', controls=True)
        graph = load_graph(self)
        self.robot, self.task = graph.robot, graph.task
        self.config = self.configure(PolicyConfig, 'policy.')
        self.flow = Flow(self.configure(FlowConfig, 'sync.'))
        self._seed = graph.seed_or(secrets.randbits(32))
        self._deterministic = graph.config.seed >= 0
        tally = Tally(Path(self.config.tally_file) if self.config.tally_file else None)
        self.weights = PolicyWeights(self, self.robot, self.task, self.config, tally,
                                     self._on_weights)
        self.store = self.weights.store
        self.actor: Actor | None = None
        self.timing = Timing(self.robot.control_period)
        self.homing = Homing(self.robot, self.configure(HomingConfig, 'homing.'),
                             dynamics_of(self.robot))
        self.counts = dict.fromkeys(('states_refused', 'commands_refused', 'learner_timeouts'), 0)
        self._states = wire.JointReader(self.robot.joint_names)
        self._writer = wire.JointWriter(self.robot.actuated)
        self._efforts = wire.JointReader(self.robot.actuated)
        self.resets = Resets(self, self._filter_ready)
        self._waiting_since, self._decisions = 0.0, 0
        self._could_act_at = 0.0  # [s] on the steady clock, 0 before
        self._early_goal: Vector | None = None  # came before there was anybody to pursue it
        self.configure(ActorConfig, '', change=self._change_mode)
        self._change_mode(ActorConfig(self.get_parameter('mode').value))
        self.experience = ExperienceSender(
            self, self.configure(ExperienceConfig, 'experience.'), tally)
        self._connect()
        if self.config.checkpoint:
            self.weights.load(Path(self.config.checkpoint))

    def _connect(self) -> None:
        self._request_out = self.create_publisher(JointState, 'effort_request', COMMAND_QOS)
        self.create_subscription(JointState, 'joint_states', self._on_state, STATE_QOS)
        self.create_subscription(JointState, 'effort_command', self._on_command, COMMAND_QOS)
        self.goals = GoalTopics(self, self.task, self._on_goal)
        self.create_service(Trigger, 'policy/resend', self._on_resend)
        PersonServices(self, self.store, lambda: bool(self.actor and self.actor.label_success()))
        self.every(0.1, self._watch)

    def _change_mode(self, config: ActorConfig) -> str:
        self.evaluate = config.mode == 'evaluate'
        if self.actor is not None:
            self.actor.evaluate = self.evaluate
        return ''

    # -- weights ------------------------------------------------------------------------------

    def _start_actor(self, stamp: int) -> Actor:
        """Begin to act on the state of this stamp."""
        contract = PolicyContract.parse(self.store.schema)
        layout = RowLayout(contract.observation_size, contract.action_size,
                           self.task.reward_terms, contract.extra)
        # The first stamp too, so that a policy that is started again in a seeded run draws other
        # numbers and has another epoch than the process before it.
        rng = np.random.default_rng([self._seed, abs(stamp)])
        epoch = int(rng.integers(2**53)) if self._deterministic else secrets.randbits(53)
        recorder = Recorder(self.task, layout, self.robot.decision_periods,
                            bool(contract.efforts))
        actor = Actor(contract, recorder, self.store, self.flow, self, rng, epoch,
                      self.weights.make)
        actor.evaluate, actor.homes = self.evaluate, self.homing.config.enabled
        self.experience.begin(layout, epoch)
        return actor

    def _on_weights(self) -> None:
        self._waiting_since = time.monotonic()  # the same again says: I am still learning
        if self.actor is not None:
            self.actor.on_weights()

    # -- messages -----------------------------------------------------------------------------

    def _on_state(self, message: JointState) -> None:
        try:
            position, velocity = self._states.read(message, 'position', 'velocity')
        except wire.WireError as error:
            self.counts['states_refused'] += 1
            self.warn(f'state {error.kind}', f'joint_states refused: {error}')
            return
        stamp = wire.stamp_of(message.header.stamp)
        mode, episode = wire.parse_mark(message.header.frame_id)
        if self.actor is None:
            if not self.store.schema or not self._heard(mode):
                return
            self.actor = self._start_actor(stamp)
            self.actor.on_weights()
            if self._early_goal is not None:
                self.actor.on_goal(self._early_goal)
        start = time.monotonic()
        if mode == HARDWARE:
            age = 1e-9 * (self.get_clock().now().nanoseconds - stamp)
            self.timing.note('observation_age', age)
            effort = self.homing.on_state(stamp, position, velocity)
            if effort is not None:
                self.request(stamp, effort)
        if mode != HARDWARE or not self.homing.active:
            self.actor.on_state(State(stamp, mode, episode or self.homing.episode, position,
                                      velocity))
        self.timing.mark(start)
        self.timing.note('answer', time.monotonic() - start)

    def _heard(self, mode: str) -> bool:
        """Wait for a reader of our first rows, so that none is lost while DDS finds it."""
        self._could_act_at = self._could_act_at or time.monotonic()
        return (self.experience.heard or bool(self.config.checkpoint) and mode != LOCKSTEP
                or time.monotonic() - self._could_act_at > READER_PATIENCE)

    def _on_command(self, message: JointState) -> None:
        if self.actor is None:
            return
        try:
            effort, = self._efforts.read(message, 'effort')
        except wire.WireError as error:
            self.counts['commands_refused'] += 1
            self.warn(f'command {error.kind}', f'effort_command refused: {error}')
            return
        stamp, source = wire.stamp_of(message.header.stamp), message.header.frame_id
        self.homing.on_command(source)
        self.actor.on_command(Command(stamp, effort, source))
        self.spare_time.use()

    def _on_goal(self, goal: Vector) -> None:
        if self.actor is None:
            self._early_goal = goal
        else:
            self.actor.on_goal(goal)

    # -- services -----------------------------------------------------------------------------

    def _on_resend(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = True, self.experience.resend()
        return response

    # -- Outbox of the actor ------------------------------------------------------------------

    def request(self, stamp: int, effort: Vector) -> None:
        """Publish an effort request."""
        if self.config.on_stale_weights == 'hold' and not self.evaluate and self._stale():
            return
        self._request_out.publish(self._writer.write(stamp, effort=effort))

    def row(self, row: Vector, last: bool) -> None:
        """Hand a row to the sender."""
        self.experience.add(row, last)

    def reset(self, filter_too: bool) -> None:
        """Ask for a new episode."""
        if self.actor is not None and not self.actor.simulated:
            self.homing.begin()
        else:
            self.resets.ask(filter_too)

    def _filter_ready(self) -> None:
        if self.actor is not None:
            self.actor.unblock()

    def goal(self, goal: Vector) -> None:
        """Publish the active goal."""
        self.goals.publish(goal)

    # -- steady time --------------------------------------------------------------------------

    def _watch(self) -> None:
        now = time.monotonic()
        self.experience.flush_if_due(now)
        actor = self.actor
        if actor is None:
            return
        if self.homing.complaint:
            self.warn('homing', self.homing.complaint)
        if actor.resetting and self.resets.overdue and actor.simulated:
            self.warn('reset', 'no new episode after a reset was asked for, asking again')
            self.resets.ask(actor.blocked)
        elif actor.waiting == 'safety_filter' and self.resets.overdue and actor.simulated:
            self.resets.ask_filter()
        decided, self._decisions = actor.counts['decisions'] != self._decisions, \
            actor.counts['decisions']
        if actor.waiting != 'learner' or decided:
            self._waiting_since = now
        elif 0.0 < self.flow.config.timeout < now - self._waiting_since:
            self.counts['learner_timeouts'] += 1
            self.warn('learner', f'not a word from the learner for {self.flow.config.timeout} s '
                                 '(sync.timeout), running on')
            actor.give_up_waiting()

    def _stale(self) -> bool:
        return self.weights.age > self.config.weights_timeout

    def describe(self) -> tuple[bytes, str, dict[str, Any]]:
        """Tell weights, rows and what is waited for."""
        values: dict[str, Any] = {
            'mode': 'evaluate' if self.evaluate else 'train', **self.counts,
            **self.weights.report(), **self.goals.counts, **self.resets.counts,
            **self.homing.counts, **self.experience.counts, **self.timing.report()}
        actor = self.actor
        if actor is None:
            return DiagnosticStatus.WARN, 'waiting for weights', values
        values |= {'version': actor.version, 'epoch': actor.epoch, **actor.counts,
                   'weights_repeated': self.store.repeated,
                   'weights_age_s': self.weights.age}
        if self._stale() and not self.evaluate:
            return DiagnosticStatus.WARN, 'weights are stale: no learner', values
        if self.homing.active:
            return (DiagnosticStatus.WARN if self.homing.complaint else DiagnosticStatus.OK,
                    f'waiting for {self.homing.waiting}', values)
        doing = f'waiting for {actor.waiting}' if actor.waiting else 'acting'
        return DiagnosticStatus.OK, doing, values

    def close(self) -> None:
        """Send the rows that were not sent yet."""
        self.experience.flush()


def main(args: list[str] | None = None) -> int:
    """Run the node."""
    return run(PolicyNode, args)


if __name__ == '__main__':
    sys.exit(main())
