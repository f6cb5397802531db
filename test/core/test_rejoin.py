"""Rows from a recording are the rows that an actor made, where nothing of it is missing."""

from core.fakes import FakeTask
from core.fakes import Graph
from core.fakes import PERIOD
from core.fakes import position
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core import rejoin
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.rejoin import HeardGoal
from rl_robot_ros.core.rejoin import HeardState
from rl_robot_ros.core.rejoin import Rejoiner
from rl_robot_ros.core.rejoin import StampedCommands
from rl_robot_ros.core.rejoin import UnstampedCommands
from rl_robot_ros.core.transition import RowLayout

LAYOUT = RowLayout(6, 2, FakeTask.reward_terms)
SAME = ('stamp_sec', 'stamp_nanosec', 'terminated', 'truncated', 'intervened', 'filtered',
        'reward', 'obs', 'action', 'next_obs', 'terms.number', 'terms.cost')
COUNT = 110  # states
FEW = settings(max_examples=12)  # each plays a whole session
STEPS, LATE = 17, 4  # control periods of an episode; those before a reset comes, where paced


class Tape:
    """An actor that plays alone, and what somebody else has recorded of it."""

    def __init__(self, mode, seed, slow_goals=False):
        self.slow_goals = slow_goals
        self.rng = np.random.default_rng(seed)
        self.graph = Graph(train_steps=STEPS, seed=seed)
        task = self.graph.task
        task.terminal = set(range(0, 10_000, 23))
        task.successes = set(range(0, 10_000, 5))
        self.mode, self.clock, self.said, self.labelled = mode, 0, 0, set()
        self.states, self.commands, self.requests, self.goals = [], {}, {}, []
        self.graph.weights()
        self.episode, self.over = 0, 0
        for k in range(1, COUNT):
            self.play(k)

    def tick(self):
        self.clock += 1_000_000
        return self.clock

    def play(self, k):
        """Let one state be answered, by the actor and by the filter."""
        if self.over and self.mode != HARDWARE:
            self.over -= 1
            if not self.over:
                self.episode += 1
        self.states.append(HeardState(k * PERIOD, self.tick(), self.mode, self.episode,
                                      position(k), -position(k)))
        self.graph.state(k, self.episode, self.mode)
        asked = None
        for kind, *words in self.new_words():
            if kind == 'request':
                asked = words[1]
            elif kind == 'goal':
                # What is announced at a state may come after the following state.
                self.goals.append(HeardGoal(self.tick() + 1_500_000 * self.slow_goals, words[0]))
            elif kind == 'reset' and not self.over:
                self.over = 1 if self.mode == LOCKSTEP else LATE
        if asked is not None:
            self.requests[k * PERIOD] = asked
        if asked is not None or self.mode != LOCKSTEP:
            self.answer(k, np.zeros(2) if asked is None else asked)

    def new_words(self):
        words = self.graph.out.said
        new, self.said = words[self.said:], len(words)
        return new

    def answer(self, k, asked):
        source = str(self.rng.choice(['policy', 'policy', 'policy', 'teleop']))
        effort = asked + (0.1 if self.rng.random() < 0.3 or source == 'teleop' else 0.0)
        self.commands[k * PERIOD] = Command(k * PERIOD, effort, source)
        self.graph.command(k, effort, source)
        # Where nobody hears of the next episode, nobody knows that a label has ended this one.
        if self.mode != HARDWARE and k < COUNT - 2 * STEPS and self.rng.random() < 0.02 \
                and self.graph.actor.label_success():
            self.labelled.add(k)
        if self.rng.random() < 0.1 and not self.slow_goals:
            self.graph.actor.on_goal(self.rng.normal(size=1))

    def rejoined(self, **changes):
        given = {'commands': StampedCommands(self.commands), 'requests': self.requests,
                 'goals': self.goals, 'announced': True, **changes}
        joiner = Rejoiner(anew(self.graph.task), LAYOUT, **given)
        return joiner.rows(self.states), joiner.notes

    def made(self):
        return self.graph.rows()

    def column(self, rows, name, layout=LAYOUT):
        return rows[:, layout.column(name)]


def anew(task):
    """Make the task again: it must not remember what it was asked before."""
    made = FakeTask(task.train_episode_steps, task.max_episode_steps)
    made.terminal, made.successes = task.terminal, task.successes
    return made


def same(tape, joined, made):
    for name in SAME:
        assert np.array_equal(tape.column(joined, name),
                              tape.column(made, name, tape.graph.layout)), name
    assert np.allclose(tape.column(joined, 'request'),
                       tape.column(made, 'request', tape.graph.layout), rtol=1e-12)


@pytest.mark.parametrize('mode', [LOCKSTEP, PACED, HARDWARE])
@FEW
@given(seed=st.integers(0, 10**6))
def test_rows_are_those_of_the_actor(mode, seed):
    tape = Tape(mode, seed)
    joined, notes = tape.rejoined()
    made = tape.made()
    # An actor that begins has the simulator reset: its first state belongs to nobody.
    unused = {LOCKSTEP: 1, PACED: LATE, HARDWARE: 0}[mode]
    assert notes.counts.get(rejoin.NO_START, 0) == unused
    assert set(notes.counts) <= {rejoin.NO_START, rejoin.NO_END}
    assert len(made) > 20 and len(joined) == len(made)
    same(tape, joined, made)
    success = tape.column(joined, 'success') == tape.column(made, 'success', tape.graph.layout)
    assert success.sum() >= len(made) - len(tape.labelled), "a label is in nobody else's ear"


def stamped(rows, layout):
    return np.hstack([rows[:, layout.column(name)] for name in SAME])


@FEW
@given(seed=st.integers(0, 10**6), lost=st.sets(st.integers(0, COUNT - 1), max_size=20),
       kind=st.sampled_from(['states', 'commands', 'requests']))
def test_what_is_missing_costs_rows_and_is_counted(seed, lost, kind):
    tape = Tape(LOCKSTEP, seed)
    if kind == 'states':
        tape.states = [state for i, state in enumerate(tape.states) if i not in lost]
    else:
        for k in lost:
            getattr(tape, kind).pop(k * PERIOD, None)
    joined, notes = tape.rejoined()
    assert LAYOUT.check(joined) == '' and len(joined) <= len(tape.made())
    reason = {'states': rejoin.GAPS, 'commands': rejoin.NO_COMMAND,
              'requests': rejoin.SILENT}[kind]
    assert set(notes.counts) <= {reason, rejoin.NO_PAST, rejoin.NO_START, rejoin.NO_END}


@pytest.mark.parametrize('mode', [LOCKSTEP, PACED])  # hardware does not say where episodes end
@FEW
@given(seed=st.integers(0, 10**6), late=st.integers(1, COUNT // 2),
       kind=st.sampled_from(['commands', 'requests']))
def test_a_recorder_that_hears_a_topic_late(mode, seed, late, kind):
    tape = Tape(mode, seed)
    for k in range(late):
        getattr(tape, kind).pop(k * PERIOD, None)
    made = {tuple(row[:2]): row for row in stamped(tape.made(), tape.graph.layout)}
    for row in stamped(tape.rejoined()[0], LAYOUT):
        assert (row == made.get(tuple(row[:2]), row)).all(), 'of the actor, or of no decision'


def test_one_command_less_is_one_row_less():
    tape = Tape(LOCKSTEP, 1)
    tape.graph.task.terminal = set()
    whole, _ = tape.rejoined()
    begun = tape.states[1].stamp
    del tape.commands[begun + PERIOD]  # the second one in the first row
    joined, notes = tape.rejoined()
    assert (notes.counts[rejoin.NO_COMMAND], notes.first[rejoin.NO_COMMAND]) == (1, begun + PERIOD)
    stamps = whole[:, LAYOUT.column('stamp_sec')] * 1e9 + whole[:, LAYOUT.column('stamp_nanosec')]
    later = stamps[:, 0] >= begun + STEPS * PERIOD
    assert np.array_equal(joined[-later.sum():, 2:], whole[later][:, 2:])


def test_without_requests_what_was_done_was_asked_for():
    tape = Tape(LOCKSTEP, 2)
    joined, _ = tape.rejoined(requests={})
    assert len(joined) == len(tape.made())
    assert np.array_equal(tape.column(joined, 'request'), tape.column(joined, 'action'))
    assert not tape.column(joined, 'filtered').any()


@pytest.mark.parametrize('mode', [LOCKSTEP, PACED])
def test_a_goal_that_comes_late_is_still_that_of_its_episode(mode):
    tape = Tape(mode, 4, slow_goals=True)
    assert tape.goals[0].heard > tape.states[2].heard or mode == PACED
    same(tape, tape.rejoined()[0], tape.made())


def test_a_goal_that_is_not_known():
    tape = Tape(LOCKSTEP, 3)
    joined, notes = tape.rejoined(goals=[])
    assert not len(joined) and notes.counts[rejoin.NO_GOAL] == len(tape.states) - 1
    joined, notes = tape.rejoined(goals=[HeardGoal(-1, np.array([5.0]))], announced=False)
    assert len(joined) and (tape.column(joined, 'obs')[:, -1] == 5.0).all()


def test_the_newest_command_of_a_controller():
    states = [HeardState(k * PERIOD, k * PERIOD, HARDWARE, 0, position(k), -position(k))
              for k in range(12)]
    heard = [k * PERIOD + 3_000_000 for k in range(6)]
    efforts = np.array([[k, -k] for k in range(6)]) * ROBOT.action_to_effort
    joiner = Rejoiner(FakeTask(), LAYOUT, UnstampedCommands(heard, efforts, PERIOD), {},
                      [HeardGoal(-1, np.zeros(1))], False)
    rows = joiner.rows(states)
    action = rows[:, LAYOUT.column('action')]
    assert action.tolist() == [[0.5, -0.5], [2.5, -2.5], [4.5, -4.5]]
    assert joiner.notes.counts == {rejoin.NO_COMMAND: 5}
