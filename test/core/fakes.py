"""A small robot, a task that checks who is joined to whom, and an outbox that remembers."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.actor import Actor
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import State
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.flow import Flow
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.core.weights import WeightStore

PERIOD = 10_000_000  # [ns]
EPOCH = 77
EFFORTS = ((-1.0, 0.0), (0.0, 0.0), (1.0, 0.5))
ROBOT = RobotSpec(
    name='fake', urdf='fake.urdf', joint_names=('a', 'passive', 'b'), actuated=('b', 'a'),
    position_lower=(-1e9,) * 2, position_upper=(1e9,) * 2, velocity_limit=(1.0,) * 2,
    effort_limit=(20.0, 8.0), effort_rate_limit=(100.0,) * 2, braking_acceleration=(1.0,) * 2,
    inertia=(1.0,) * 2, armature=(0.0,) * 2, home=(0.0,) * 3, control_period=PERIOD * 1e-9,
    decision_periods=2, physics_steps=1, action_scale=0.5, gravity_compensated=True)


class FakeTask:
    """
    A task whose states carry their own number, so that every join can be checked.

    `position[0]` is the number k of a state.  ``evaluate`` notes (k, action, previous action).
    """

    robot = ROBOT
    config = None
    observation_terms = (Term('position', 3), Term('previous_action', 2), Term('goal', 1))
    reward_terms = ('number', 'cost')
    goal = Goal(size=1, kind='joint')

    def __init__(self, train_steps=1000, max_steps=2000):
        self.train_episode_steps = train_steps
        self.max_episode_steps = max_steps
        self.terminal: set[int] = set()
        self.successes: set[int] = set()
        self.judged: list[tuple[int, np.ndarray, np.ndarray]] = []
        self.goals: list[float] = []
        self.current = np.zeros(1)

    @property
    def terminates(self):
        return bool(self.terminal)

    def initial_state(self, rng):
        return np.zeros(3), np.zeros(3)

    def sample_goal(self, rng):
        return rng.uniform(-1.0, 1.0, 1)

    def begin(self, goal):
        self.current = np.array(goal)
        self.goals.append(float(goal[0]))

    def observe(self, position, velocity, previous_action):
        return np.concatenate((position, previous_action, self.current))

    def evaluate(self, position, velocity, action, previous_action):
        k = int(position[0])
        self.judged.append((k, action.copy(), previous_action.copy()))
        terms = np.array([float(k), -float(action @ action)])
        return Outcome(float(terms.sum()), terms, k in self.successes, k in self.terminal)


class RecordingOutbox:
    """Everything that an actor says, in order."""

    def __init__(self):
        self.said: list[tuple] = []
        self.asked: dict[int, np.ndarray] = {}

    def request(self, stamp, effort):
        self.asked[stamp] = effort.copy()
        self.said.append(('request', stamp, effort.copy()))

    def row(self, row, last):
        self.said.append(('row', row.copy(), last))

    def reset(self, filter_too):
        self.said.append(('reset', filter_too))

    def goal(self, goal):
        self.said.append(('goal', goal.copy()))

    def all(self, kind):  # noqa: A003
        return [words[1:] for words in self.said if words[0] == kind]

    def take(self):
        said, self.said = self.said, []
        return said


def contract(discrete=False, extra=(Term('log_prob', 1),)):
    """Return a contract that fits the fake robot and task."""
    if discrete:
        return PolicyContract('categorical 6-3 tanh', ROBOT.actuated, FakeTask.observation_terms,
                              (*extra, Term('effort', 2)), EFFORTS)
    return PolicyContract('gaussian 6-4-2 tanh', ROBOT.actuated, FakeTask.observation_terms,
                          extra)


def weight_set(version=1, epoch=5, exploration='policy', scale=1.0, made_for=None, constant=None):
    """
    Return weights of the fake contract.

    :param constant: makes a policy whose mean action is this constant.
    """
    made_for = contract() if made_for is None else made_for
    weights = initial_weights(made_for.network, np.random.default_rng(version))
    if constant is not None:
        weights[:] = 0.0
        spec = NetworkSpec.parse(made_for.network)
        end = len(weights) - (spec.sizes[-1] if spec.kind == 'gaussian' else 0)
        weights[end - spec.sizes[-1]:end] = constant
    return WeightSet.make(epoch, version, made_for.schema, weights, exploration, scale)


class Graph:
    """An actor and what is around it, played by hand."""

    def __init__(self, flow=None, seed=3, train_steps=1000, discrete=False, max_steps=2000):
        self.task = FakeTask(train_steps, max_steps)
        self.contract = contract(discrete)
        self.layout = RowLayout(6, self.contract.action_size, FakeTask.reward_terms,
                                self.contract.extra)
        self.out = RecordingOutbox()
        self.store = WeightStore(lambda schema: '', 10.0)
        self.rng = np.random.default_rng(seed)
        self.actor = Actor(self.contract, Recorder(self.task, self.layout,
                                                   ROBOT.decision_periods, discrete),
                           self.store, Flow(flow or FlowConfig(enabled=False)), self.out,
                           self.rng, EPOCH)
        self.now = 0.0

    def weights(self, version=1, **options):
        """Push weights; returns the refusal."""
        self.now += 100.0
        reason = self.store.offer(weight_set(version, made_for=self.contract, **options), self.now)
        if not reason:
            self.actor.on_weights()
        return reason

    def state(self, k, episode=1, mode=LOCKSTEP):
        """Send state number k."""
        self.actor.on_state(State(k * PERIOD, mode, episode, position(k), -position(k)))

    def command(self, k, effort=None, source='policy'):
        """Send the applied command of state k; by default what was asked for."""
        if effort is None:
            effort = self.out.asked[k * PERIOD]
        self.actor.on_command(Command(k * PERIOD, np.array(effort, dtype=float), source))

    def start(self, version=1, **options):
        """Go through the first reset, into episode 1, with weights; state 1 is answered."""
        self.weights(version, **options)
        self.state(0, episode=0)
        self.state(1, episode=1)

    def steps(self, first, last, episode=1, mode=LOCKSTEP):
        """Play states `first` to `last`, each after the command of the one before."""
        for k in range(first, last + 1):
            self.command(k - 1)
            self.state(k, episode, mode)

    def rows(self):
        """Return all rows as one array."""
        return np.array([row for row, _ in self.out.all('row')]).reshape(-1, self.layout.width)

    def cells(self, name):
        """Return one column of all rows."""
        values = self.rows()[:, self.layout.column(name)]
        return values[:, 0] if values.shape[1] == 1 else values

    def requests(self):
        """Return the stamps that were answered, as state numbers, in order."""
        return [stamp // PERIOD for stamp, _ in self.out.all('request')]


def position(k):
    """Return the position of state number k."""
    return np.array([float(k), 0.5 * k, -1.0])
