"""A task on a line whose goals can be exchanged, and episodes of it made of random states."""

from core.fakes import ROBOT
import numpy as np
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout

TRACE = Trace.of(ROBOT)
NEAR, FAR = 0.3, 4.0  # from the goal: what is a success, and what ends an episode


class Line:
    """Bring `position[0]` to the goal; beyond `FAR` of it the episode is lost."""

    robot = ROBOT
    config = None
    observation_terms = (Term('position', 3), Term('previous_action', 2), Term('goal', 1))
    reward_terms = ('miss', 'energy')
    goal = Goal(size=1, kind='joint')
    terminates = True
    max_episode_steps = train_episode_steps = 1000

    def __init__(self, robot=ROBOT, config=None):
        self.target = np.zeros(1)

    def initial_state(self, rng):
        return rng.uniform(-1.0, 1.0, 3), np.zeros(3)

    def sample_goal(self, rng):
        return rng.uniform(-2.0, 2.0, 1)

    def begin(self, goal):
        self.target = np.array(goal)

    def achieved_goal(self, position, velocity):
        return position[:1]

    def observe(self, position, velocity, previous_action):
        return np.concatenate((position, previous_action, self.target))

    def evaluate(self, position, velocity, action, previous_action):
        distance = abs(float(position[0] - self.target[0]))
        terms = np.array([0.0 if distance < NEAR else -1.0, -0.1 * float(action @ action)])
        return Outcome(float(terms.sum()), terms, distance < NEAR, distance > FAR)


def layout_of(discrete=False):
    """Return the layout of rows with a trace."""
    extra = (TRACE.term, Term('effort', 2)) if discrete else (TRACE.term,)
    return RowLayout(6, 1 if discrete else 2, Line.reward_terms, extra)


def episode(rng, decisions, epoch=1, first=0, stop=False, discrete=False, spread=1.0):
    """
    Record an episode of at most so many decisions, with states that know nothing of physics.

    :param stop: whether the safety filter ends it.
    """
    recorder = Recorder(Line(), layout_of(discrete), 2, discrete)
    recorder.seq = first
    recorder.max_steps = 2 * decisions - int(rng.integers(2))  # the last row may be a short one
    recorder.begin(rng.uniform(-1.0, 1.0, 1), rng.normal(size=3), rng.normal(size=3))
    rows, ended = [], False
    while not ended:
        request = rng.integers(0, 3, 1) if discrete else rng.normal(size=2)
        recorder.decide(request, {}, 10 * recorder.seq, 5, epoch, False)
        row = None
        while row is None:
            last = recorder.steps + 1 == recorder.max_steps
            applied = Applied(rng.normal(size=2), 'stop' if stop and last else 'policy',
                              bool(rng.integers(2)))
            row, terminated, truncated = recorder.judge(spread * rng.normal(size=3),
                                                        rng.normal(size=3), applied)
        rows.append(row)
        ended = terminated or truncated
    return np.array(rows)


def history(seed, lengths=(3, 5, 1, 4), epoch=1, **options):
    """Record episodes one after another, numbered through."""
    rng, rows = np.random.default_rng(seed), []
    for length in lengths:
        rows += list(episode(rng, length, epoch, len(rows), **options))
    return np.array(rows)
