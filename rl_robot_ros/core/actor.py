"""
What a policy does with every message, without ROS: answer states, keep rows complete, wait.

The policy node feeds an :class:`Actor` with states, applied commands and weights, and the actor
speaks through an :class:`Outbox`.  Its rules (ARCHITECTURE.md, "Time"):

- every state is answered once; a state that comes again gets the same answer and nothing else;
- in lockstep state k+1 is not answered before `effort_command` k is there, because the observation
  contains what was applied; otherwise, or where it was lost, a missing partner costs the row,
  never the answer;
- at an episode's end the actor asks for a reset and ignores states until the episode changes
  (on hardware only where somebody drives the robot home, `core.homing`);
- at a block's end it withholds its answer until the learner's push is there (`core.flow`).
"""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.decider import Decider
from rl_robot_ros.core.decider import Maker
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import Outbox
from rl_robot_ros.core.dialogue import State
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.flow import Flow
from rl_robot_ros.core.insistence import Insistence
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.weights import WeightStore

PATIENCE = 5  # repetitions of a state (1 s) after which the command before it is given up for lost


class Actor:
    """
    See the module docstring.

    :param contract: network, joints and observation of the policy.
    :param recorder: builds the rows.
    :param store: holds the weights.
    :param flow: when to wait for the learner.
    :param rng: for goals and exploration.
    :param epoch: random id of this policy process.
    :param make: builds a policy of new weights.
    """

    def __init__(self, contract: PolicyContract, recorder: Recorder, store: WeightStore,
                 flow: Flow, outbox: Outbox, rng: np.random.Generator, epoch: int,
                 make: Maker = Policy) -> None:
        self.contract, self.recorder, self.store, self.flow = contract, recorder, store, flow
        self.epoch = epoch
        self.evaluate = False
        self.homes = False  # somebody resets real robots too
        self.counts = dict.fromkeys(('states', 'states_old', 'states_repeated', 'decisions',
                                     'episodes', 'rows_incomplete', 'episodes_cut'), 0)
        self.waiting = 'joint_states'  # what the actor waits for, for people
        self.resetting = False
        self.blocked = False  # the filter stopped; nothing is asked before it was reset
        self._out, self._rng = outbox, rng
        self._robot = recorder.task.robot
        self._decider = Decider(contract, self._robot, rng, make)
        self._period = round(self._robot.control_period * 1e9)
        self._columns = {term.name for term in recorder.layout.extra}
        self._last: State | None = None
        self._pending: State | None = None  # waits for its command, the learner or weights
        self._repeats = 0  # how often the newest state has come again
        self._insistence = Insistence()
        self._block = self._answered = -1
        self._observed = -1  # stamp of the state that recorder.observation was made of
        self._applied: Applied | None = None
        self._new_goal: Vector | None = None

    # -- what comes in ------------------------------------------------------------------------

    def on_state(self, state: State) -> None:
        """Take a joint state; answers it at once, or as soon as what it waits for has come."""
        last = self._last
        if state.stamp <= (-1 if last is None else last.stamp):
            self._repeat(state)
            if state.mode == LOCKSTEP and last and self._insistence.older(state.stamp, last.stamp):
                self._begin_again(state)
            return
        self.counts['states'] += 1
        self._last = state
        self._repeats = 0
        self._insistence.newer()
        if last is None:
            self._first(state)
        elif state.episode != last.episode or state.mode != last.mode:
            self._start(state, asked=self.resetting)
        elif not self.resetting:
            if state.stamp - last.stamp > 1.5 * self._period:
                self._drop_row()
            self._take(state)

    def on_command(self, command: Command) -> None:
        """Take what the filter applied; joined to its state by the exact stamp."""
        if command.source != 'stop' and self.blocked:
            self.unblock()
        if command.stamp != self._answered or self._applied is not None:
            return
        action = command.effort / self._robot.action_to_effort
        self._applied = Applied(action, command.source,
                                bool((command.effort != self._decider.effort).any()))
        self.blocked = command.source == 'stop'
        if self._pending is not None:
            self._take(self._pending)

    def on_goal(self, goal: Vector) -> None:
        """Take a goal from a person; it counts from the next decision on."""
        self._new_goal = goal

    def on_weights(self) -> None:
        """Look again at what waited for weights, after the store accepted some."""
        newest = self.store.staged[-1] if self.store.staged else None
        if newest is not None:
            self.flow.on_push(newest.epoch, newest.version, self._current_block())
        self.retry()

    def label_success(self) -> bool:
        """Take a person's word that the task is done: the open row ends the episode."""
        return self.recorder.label_success()

    def unblock(self) -> None:
        """Go on after a stop: the filter has been reset."""
        self.blocked = False
        self.retry()

    def retry(self) -> None:
        """Try again to answer the state that waits."""
        if self._pending is not None:
            self._take(self._pending)

    def give_up_waiting(self) -> bool:
        """Run on with the weights at hand; returns whether the actor waited for the learner."""
        if self.waiting != 'learner':
            return False
        self.flow.forgive(self._current_block(), self.store.newest_version)
        self.retry()
        return True

    # -- episodes -----------------------------------------------------------------------------

    def _first(self, state: State) -> None:
        if state.mode == HARDWARE and not self.homes:
            self._start(state, asked=True)
        else:
            # Whatever episode is running was somebody else's: begin with one of our own.
            self._ask_reset(filter_too=True)

    def _begin_again(self, state: State) -> None:
        """Go on with a simulator that waits, after a newer state that was not its own."""
        self._last = state
        self.counts['episodes_cut'] += 1
        self._drop_row()
        self._ask_reset(filter_too=True)

    def _ask_reset(self, filter_too: bool = False) -> None:
        self.resetting = True
        self.waiting = 'reset'
        self._pending = None
        self._out.reset(filter_too)

    def _start(self, state: State, asked: bool) -> None:
        if not asked:
            self.counts['episodes_cut'] += 1
            self._drop_row()
        self.resetting = False
        self._pending = None
        self._applied = None
        self._answered = -1
        self.recorder.drop()
        goal = self._new_goal
        if goal is None:
            goal = self.recorder.task.sample_goal(self._rng)
        self._new_goal = None
        task = self.recorder.task
        self.recorder.max_steps = (task.max_episode_steps if self.evaluate
                                   else task.train_episode_steps)
        self._begin(goal, state)
        self._take(state)

    def _begin(self, goal: Vector, state: State) -> None:
        self.recorder.begin(goal, state.position, state.velocity)
        self._decider.begin()
        self._observed = state.stamp
        self._out.goal(goal)

    def _drop_row(self) -> None:
        self.counts['rows_incomplete'] += self.recorder.drop()
        self._applied = None
        self._answered = -1
        self._pending = None

    # -- one state ----------------------------------------------------------------------------

    def _repeat(self, state: State) -> None:
        """Answer a state that came before: nothing new is drawn, judged or recorded."""
        if self._last is None or state.stamp < self._last.stamp:
            self.counts['states_old'] += 1
            return
        self.counts['states_repeated'] += 1
        if state.stamp == self._answered:
            self._out.request(state.stamp, self._decider.effort)
        elif self.resetting:
            self._out.reset(self.blocked)
        else:
            previous = self._pending
            if previous is not None:
                self._repeats += 1
                if self.waiting == 'effort_command' and self._repeats >= PATIENCE:
                    self._drop_row()
                self._take(previous)

    def _take(self, state: State) -> None:
        self._pending = state
        recorder = self.recorder
        if recorder.deciding and self._answered >= 0:
            applied = self._applied
            if applied is not None and not recorder.may_complete(applied):
                # The action is held whatever the judgement: the robot need not wait for it.
                self._answer(state)
                recorder.judge(state.position, state.velocity, applied)
                return
            if not self._judge(state):
                return
        if self.blocked and not recorder.deciding:
            self.waiting = 'safety_filter'
            return
        if not recorder.deciding and not self._decide(state):
            return
        self._answer(state)

    def _answer(self, state: State) -> None:
        self._pending = None
        self.waiting = ''
        self._answered = state.stamp
        self._applied = None
        self._out.request(state.stamp, self._decider.follow(state.position, state.velocity))

    def _judge(self, state: State) -> bool:
        """Judge the state with the command before it; False where there is nothing to answer."""
        if self._applied is None:
            if state.mode == LOCKSTEP:
                self.waiting = 'effort_command'
                return False
            # A robot does not wait: the answer stands, the row is lost.
            self._drop_row()
            self._pending = state
            return True
        step = self.recorder.judge(state.position, state.velocity, self._applied)
        self._answered = -1
        if step.row is not None:
            self._observed = state.stamp
            ended = step.terminated or step.truncated
            self._out.row(step.row, ended or self.recorder.seq % self.flow.config.rows == 0)
            if ended:
                self.counts['episodes'] += 1
                if state.mode != HARDWARE or self.homes:
                    self._ask_reset(self.blocked)
                    return False
                self._begin(self.recorder.task.sample_goal(self._rng), state)
        return True

    def _current_block(self) -> int:
        return self.recorder.seq // self.flow.config.rows

    def _decide(self, state: State) -> bool:
        """Open a row with a new action; False where weights or the learner are missing."""
        if not self._choose_weights(state):
            return False
        if self._new_goal is not None:
            self.recorder.task.begin(self._new_goal)
            self._out.goal(self._new_goal)
            self._new_goal = None
            self._observed = -1
        if self._observed != state.stamp:
            self.recorder.observe(state.position, state.velocity)
            self._observed = state.stamp
        decision = self._decider.decide(self.recorder.observation, state.position,
                                        state.velocity, not self.evaluate)
        extra = {'log_prob': decision.log_prob} if 'log_prob' in self._columns else {}
        self.recorder.decide(decision.action, extra, state.stamp, self.version, self.epoch,
                             self.evaluate)
        self.counts['decisions'] += 1
        return True

    def _choose_weights(self, state: State) -> bool:
        store, flow = self.store, self.flow
        if not flow.config.enabled or state.mode != LOCKSTEP or self.evaluate:
            store.swap()
        else:
            block = self._current_block()
            if block != self._block:
                if not flow.may_start(block, store.newest_version):
                    self.waiting = 'learner'
                    return False
                store.swap(flow.needed(block))
                self._block = block
            elif store.active is None:
                store.swap()
        if store.active is None:
            self.waiting = 'weights'
            return False
        self._decider.use(store.active)
        return True

    @property
    def simulated(self) -> bool:
        """Whether the states come from a simulator, which may be reset without a person."""
        return self._last is not None and self._last.mode != HARDWARE

    @property
    def version(self) -> int:
        """Version of the weights in use; 0 before the first."""
        return 0 if self._decider.weights is None else self._decider.weights.version
