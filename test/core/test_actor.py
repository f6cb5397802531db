from core.fakes import Graph
from core.fakes import PERIOD
from core.fakes import position
from core.fakes import ROBOT
import numpy as np
import pytest
from rl_robot_ros.core.actor import PATIENCE
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.dialogue import PACED
from rl_robot_ros.core.dialogue import State
from rl_robot_ros.core.flow import FlowConfig

SCALE = ROBOT.action_to_effort


def kinds(said):
    return [words[0] for words in said]


# -- the conversation ---------------------------------------------------------------------------

def test_the_whole_conversation_in_lockstep():
    graph = Graph()
    graph.weights()
    assert graph.out.take() == [] and graph.actor.waiting == 'joint_states'
    # Whatever runs is not ours: a reset, and nothing is answered until the episode changes.
    graph.state(0, episode=4)
    graph.state(1, episode=4)
    assert graph.out.take() == [('reset', True)] and graph.actor.resetting
    graph.state(2, episode=5)
    said = graph.out.take()
    assert kinds(said) == ['goal', 'request'] and said[1][1] == 2 * PERIOD
    assert not graph.actor.resetting and graph.actor.waiting == ''
    first, goal = said[1][2], said[0][1][0]
    # One decision is held for two states; the command may be anything.
    graph.command(2, (10.0, -4.0))
    graph.state(3, episode=5)
    said = graph.out.take()
    assert kinds(said) == ['request'] and said[0][2].tolist() == first.tolist()
    graph.command(3, (5.0, 0.0), 'teleop')
    graph.state(4, episode=5)
    said = graph.out.take()
    assert kinds(said) == ['row', 'request'] and said[1][1] == 4 * PERIOD
    assert said[1][2].tolist() != first.tolist()
    row, layout = said[0][1], graph.layout
    assert layout.check(row[None]) == ''
    expected = layout.pack({
        'epoch': 77, 'stamp_nanosec': 2 * PERIOD, 'policy_version': 1, 'intervened': 1.0,
        'filtered': 1.0, 'reward': 3.5 - (1.0 + 1.0 + 0.25) / 2.0, 'action': (0.75, -0.5),
        'request': first / SCALE, 'obs': (2.0, 1.0, -1.0, 0.0, 0.0, goal),
        'next_obs': (4.0, 2.0, -1.0, 0.75, -0.5, goal), 'terms.number': 3.5,
        'terms.cost': -(1.0 + 1.0 + 0.25) / 2.0})
    expected[layout.column('log_prob')] = row[layout.column('log_prob')]
    assert row == pytest.approx(expected)
    assert graph.actor.counts == {
        'states': 5, 'states_old': 0, 'states_repeated': 0, 'decisions': 2, 'episodes': 0,
        'rows_incomplete': 0, 'episodes_cut': 0}
    assert (graph.actor.version, graph.actor.simulated) == (1, True)


def heard_at_judgement(graph, k):
    """Send state k; returns what had been said of it when the task judged it."""
    heard = []
    judge = graph.task.evaluate

    def evaluate(*arguments):
        heard.append(k in graph.requests())
        return judge(*arguments)

    graph.task.evaluate = evaluate
    graph.state(k)
    return heard


def test_a_held_effort_is_sent_before_the_state_is_judged():
    graph = Graph()
    graph.start()
    graph.command(1)
    assert heard_at_judgement(graph, 2) == [True]


@pytest.mark.parametrize('why', ['row', 'terminates', 'steps', 'label', 'stop'])
def test_what_may_complete_a_row_is_judged_before_the_answer(why):
    graph = Graph(train_steps=1 if why == 'steps' else 1000)
    if why == 'terminates':
        graph.task.terminal = {99}
    graph.start()
    if why == 'row':
        graph.steps(2, 2)
    if why == 'label':
        assert graph.actor.label_success()
    k = 3 if why == 'row' else 2
    graph.command(k - 1, source='stop' if why == 'stop' else 'policy')
    assert heard_at_judgement(graph, k) == [False]


def test_what_was_asked_for_and_let_through_is_not_filtered():
    graph = Graph()
    graph.start()
    graph.steps(2, 3)
    assert graph.cells('filtered').tolist() == [0.0] == graph.cells('intervened').tolist()
    assert graph.cells('action').ravel() == pytest.approx(graph.cells('request').ravel())


def test_before_anything_came():
    actor = Graph().actor
    assert not actor.label_success() and not actor.give_up_waiting()


def test_command_before_or_after_the_next_state():
    """State k+1 may overtake command k: the answer waits, and everything else is the same."""
    one, other = Graph(), Graph()
    for graph in (one, other):
        graph.start()
    for k in range(1, 9):
        one.command(k)
        one.state(k + 1)
        other.state(k + 1)
        assert other.actor.waiting == 'effort_command' and other.requests()[-1] == k
        other.command(k)
        assert other.actor.waiting == ''
    assert one.rows().shape == (4, one.layout.width)
    assert one.rows().tolist() == other.rows().tolist()
    assert [(s, e.tolist()) for s, e in one.out.all('request')] \
        == [(s, e.tolist()) for s, e in other.out.all('request')]


def test_commands_of_other_states_are_not_joined():
    graph = Graph()
    graph.start()
    for k in (0, 2, 3):
        graph.command(k, (1.0, 1.0))
    graph.state(2)
    assert graph.actor.waiting == 'effort_command'
    graph.command(1, (10.0, 4.0))
    assert graph.task.judged[0][1].tolist() == [1.0, 1.0]
    graph.command(2, (10.0, 4.0))
    graph.command(2, (0.0, 0.0))  # there is one answer to a state: the first one counts
    graph.state(3)
    assert graph.task.judged[1][1].tolist() == [1.0, 1.0]


def test_a_repeated_state_repeats_the_answer_and_nothing_else():
    plain, repeated = Graph(), Graph()
    plain.start()
    plain.steps(2, 9)
    repeated.start()
    for k in range(2, 10):
        repeated.state(k - 1)
        repeated.state(k - 1)
        again = repeated.out.all('request')[-3:]
        assert {(stamp, tuple(effort)) for stamp, effort in again} \
            == {(again[0][0], tuple(again[0][1]))}
        repeated.command(k - 1)
        repeated.state(k - 1)
        repeated.state(k)
    assert repeated.rows().tolist() == plain.rows().tolist()
    assert len(repeated.task.judged) == len(plain.task.judged)
    assert repeated.rng.random() == plain.rng.random()
    assert repeated.actor.counts['states_repeated'] == 3 * 8
    assert repeated.actor.counts['states'] == plain.actor.counts['states']


def test_old_states_are_ignored():
    graph = Graph()
    graph.state(-1)
    assert graph.out.said == [] and graph.actor.counts['states_old'] == 1
    graph.start()
    graph.steps(2, 4)
    graph.out.take()
    graph.state(3)
    graph.state(2, episode=9)
    graph.state(-5, mode=HARDWARE)
    assert graph.out.said == [] and graph.actor.counts['states_old'] == 4
    assert not graph.actor.resetting


def test_a_simulator_that_insists_on_an_older_state_is_answered():
    graph = Graph()
    graph.start()
    graph.steps(2, 4)
    graph.state(10**6)  # from somebody else
    graph.out.take()
    for _ in range(2):
        graph.state(5)
        assert graph.out.said == []
    graph.state(5)
    assert graph.out.take() == [('reset', True)]
    graph.state(6, episode=2)
    assert graph.requests() == [6]
    assert graph.actor.counts['states_old'] == 3 and graph.actor.counts['episodes_cut'] == 1


def test_a_simulator_that_is_not_the_only_one_is_not_believed():
    graph = Graph()
    graph.start()
    graph.steps(2, 4)
    for k in range(5, 25):
        graph.state(2)
        graph.steps(k, k)
    assert graph.actor.counts['states_old'] == 20 and graph.actor.counts['episodes_cut'] == 0


def test_a_repeated_state_asks_for_the_reset_again():
    graph = Graph()
    graph.weights()
    for _ in range(3):
        graph.state(0, episode=0)
    assert graph.out.all('reset') == [(True,), (False,), (False,)]


# -- lost messages ------------------------------------------------------------------------------

def test_a_lost_command_does_not_stall_lockstep():
    graph = Graph()
    graph.start()
    graph.state(2)
    graph.out.take()
    for _ in range(PATIENCE - 1):
        graph.state(2)
        assert graph.out.said == [] and graph.actor.waiting == 'effort_command'
    graph.state(2)
    assert kinds(graph.out.said) == ['request'] and graph.actor.counts['rows_incomplete'] == 1
    graph.command(1, (1.0, 1.0))  # too late
    graph.steps(3, 4)
    assert graph.cells('seq').tolist() == [0.0] and graph.cells('obs')[0][0] == 2.0


@pytest.mark.parametrize('mode', [PACED, HARDWARE])
def test_a_missing_command_costs_the_row_where_nobody_waits(mode):
    graph = Graph()
    graph.weights()
    graph.state(0, 0, mode)
    graph.state(1, 1, mode)
    graph.state(2, 1, mode)  # nobody said what was applied to state 1
    assert graph.requests()[-2:] == [1, 2]
    assert graph.actor.counts['rows_incomplete'] == (2 if mode == HARDWARE else 1)
    graph.steps(3, 4, 1, mode)
    assert graph.cells('obs')[:, 0].tolist() == [2.0] and graph.cells('seq').tolist() == [0.0]


def test_missing_in_the_middle_of_a_decision():
    graph = Graph()
    graph.weights()
    graph.state(0, 0, PACED)
    graph.state(1, 1, PACED)
    graph.command(1, (10.0, 4.0))
    graph.state(2, 1, PACED)
    graph.state(3, 1, PACED)
    assert graph.actor.counts['rows_incomplete'] == 1
    graph.steps(4, 5, 1, PACED)
    # What is known of the motors is still observed.
    assert graph.cells('obs')[0].tolist()[:5] == [3.0, 1.5, -1.0, 1.0, 1.0]


@pytest.mark.parametrize('mode', [LOCKSTEP, PACED])
@pytest.mark.parametrize('gap, lost', [(1.0, 0), (1.5, 0), (1.6, 1), (2.0, 1), (50.0, 1)])
def test_a_gap_in_the_stamps_costs_the_row(mode, gap, lost):
    graph = Graph()
    graph.weights()
    graph.state(0, 0, mode)
    graph.state(1, 1, mode)
    graph.command(1)
    k = 1 + gap
    graph.actor.on_state(State(round(k * PERIOD), mode, 1, position(k), -position(k)))
    assert graph.actor.counts['rows_incomplete'] == lost
    assert len(graph.task.judged) == 1 - lost
    assert graph.out.all('request')[-1][0] == round(k * PERIOD)


# -- episodes -----------------------------------------------------------------------------------

@pytest.mark.parametrize('terminal', [set(), {5}])
def test_at_the_end_of_an_episode(terminal):
    graph = Graph(train_steps=4)
    graph.task.terminal = terminal
    graph.start()
    graph.steps(2, 5)
    assert graph.cells('terminated').tolist() == [0.0, float(bool(terminal))]
    assert graph.cells('truncated').tolist() == [0.0, float(not terminal)]
    assert graph.cells('next_obs')[-1][0] == 5.0
    graph.out.take()
    graph.state(6)  # of the old episode, on its way
    graph.state(6)
    assert graph.out.take() == [('reset', False)]
    graph.state(7, episode=2)
    assert kinds(graph.out.take()) == ['goal', 'request']
    assert graph.actor.counts['episodes'] == 1 and graph.actor.counts['episodes_cut'] == 0
    graph.steps(8, 9, episode=2)
    assert graph.cells('obs')[0].tolist()[:5] == [7.0, 3.5, -1.0, 0.0, 0.0]
    assert graph.cells('seq').tolist() == [2.0]
    assert len(graph.task.goals) == 2 and len(set(graph.task.goals)) == 2


@pytest.mark.parametrize('half', [False, True])
def test_a_change_of_episode_that_nobody_asked_for_drops_the_open_row(half):
    graph = Graph()
    graph.start()
    graph.steps(2, 4 if half else 5)
    graph.command(4 if half else 5)
    graph.state(9, episode=8)
    counts = graph.actor.counts
    assert (counts['episodes_cut'], counts['rows_incomplete'], counts['episodes']) == (1, 1, 0)
    assert graph.out.all('reset') == [(True,)] and graph.requests()[-1] == 9
    graph.steps(10, 11, episode=8)
    assert graph.cells('obs')[-1][0] == 9.0 and graph.cells('seq').tolist()[-2:] == [
        *([0.0] if half else [1.0]), 1.0 if half else 2.0]
    # A command of the old episode that comes late is nobody's.
    assert all(k not in (5, 6, 9) for k, _, _ in graph.task.judged[-2:])


def test_another_mode_is_another_episode():
    graph = Graph()
    graph.start()
    graph.state(2, episode=1, mode=PACED)
    assert graph.actor.counts['episodes_cut'] == 1 and graph.requests() == [1, 2]


def test_on_hardware_nobody_is_reset():
    graph = Graph(train_steps=4)
    graph.weights()
    graph.state(1, 0, HARDWARE)
    assert graph.requests() == [1] and graph.out.all('reset') == []
    assert not graph.actor.simulated
    graph.steps(2, 7, 0, HARDWARE)
    assert graph.out.all('reset') == [] and graph.requests() == list(range(1, 8))
    assert graph.cells('truncated').tolist() == [0.0, 1.0, 0.0]
    assert graph.cells('obs')[2].tolist()[:5] == [5.0, 2.5, -1.0, 0.0, 0.0]
    assert graph.actor.counts['episodes'] == 1 and len(graph.task.goals) == 2


def test_length_of_episodes():
    graph = Graph(train_steps=2, max_steps=6)
    graph.start()
    graph.steps(2, 3)
    assert graph.cells('truncated').tolist() == [1.0]
    graph.actor.evaluate = True
    graph.state(4, episode=2)
    graph.steps(5, 10, episode=2)
    assert graph.cells('truncated').tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_labelled_success_ends_the_episode():
    graph = Graph()
    graph.start()
    assert graph.actor.label_success()
    graph.steps(2, 2)
    assert graph.cells('success').tolist() == [1.0] == graph.cells('truncated').tolist()
    assert graph.actor.resetting and not graph.actor.label_success()


# -- a stop -------------------------------------------------------------------------------------

def test_a_stop_terminates_blocks_and_waits_for_the_filter():
    graph = Graph()
    graph.start()
    graph.command(1, (0.0, 0.0), 'stop')
    graph.state(2)
    assert graph.cells('terminated').tolist() == [1.0] and graph.cells('truncated').tolist() == [0]
    assert graph.out.all('reset')[1:] == [(True,)] and graph.actor.blocked
    graph.out.take()
    graph.state(2)
    assert graph.out.take() == [('reset', True)]  # still both
    graph.state(3, episode=2)
    assert kinds(graph.out.take()) == ['goal'] and graph.actor.waiting == 'safety_filter'
    graph.state(3, episode=2)
    assert graph.out.take() == []
    graph.actor.unblock()
    assert kinds(graph.out.take()) == ['request'] and graph.actor.waiting == ''
    graph.steps(4, 5, episode=2)
    assert graph.cells('terminated').tolist() == [0.0] and graph.cells('obs')[0][0] == 3.0


def test_unblocked_before_the_new_episode_is_there():
    graph = Graph()
    graph.start()
    graph.command(1, (0.0, 0.0), 'stop')
    graph.state(2)
    graph.actor.unblock()
    assert graph.requests() == [1]
    graph.state(3, episode=2)
    assert graph.requests() == [1, 3]


def test_on_hardware_a_stop_ends_with_a_command_of_somebody_else():
    graph = Graph()
    graph.weights()
    graph.state(1, 0, HARDWARE)
    graph.command(1, (0.0, 0.0), 'stop')
    graph.state(2, 0, HARDWARE)
    graph.command(2, (0.0, 0.0), 'stop')
    graph.state(3, 0, HARDWARE)
    assert graph.requests() == [1] and graph.actor.waiting == 'safety_filter'
    assert graph.cells('terminated').tolist() == [1.0] and graph.out.all('reset') == []
    graph.command(3, (0.0, 0.0), 'hold')
    assert graph.requests() == [1, 3] and not graph.actor.blocked
    graph.state(4, 0, HARDWARE)
    # State 3 was held by the filter: that is what its row says.
    assert graph.task.judged[-1][0] == 4 and graph.task.judged[-1][1].tolist() == [0.0, 0.0]


def test_a_stop_in_the_middle_of_a_decision():
    graph = Graph()
    graph.start()
    graph.steps(2, 2)
    graph.command(2, (2.0, 0.0), 'stop')
    graph.state(3)
    assert graph.cells('terminated').tolist() == [1.0] == graph.cells('filtered').tolist()
    assert graph.cells('terms.number').tolist() == [2.5]


# -- weights and the learner --------------------------------------------------------------------

def test_without_weights_nothing_is_asked():
    graph = Graph()
    graph.state(0, episode=0)
    graph.state(1)
    graph.state(1)
    assert graph.requests() == [] and graph.actor.waiting == 'weights'
    graph.weights(1)
    assert graph.requests() == [1] and graph.actor.waiting == ''


def test_weights_change_between_two_decisions_only():
    graph = Graph()
    graph.start(1, exploration='none', constant=0.1)
    graph.weights(2, exploration='none', constant=0.2)
    graph.steps(2, 6)
    assert graph.cells('policy_version').tolist() == [1.0, 2.0]
    assert [effort[0] / SCALE[0] for _, effort in graph.out.all('request')] \
        == pytest.approx([0.1, 0.1, 0.2, 0.2, 0.2, 0.2])


def test_rollback_acts_from_the_next_decision_on():
    graph = Graph()
    graph.start(1)
    graph.weights(2)
    graph.steps(2, 5)
    graph.store.rollback()
    graph.steps(6, 9)
    assert graph.cells('policy_version').tolist() == [1.0, 2.0, 2.0, 1.0]


def play_with_learner(graph, states, late):
    """Play lockstep; a learner pushes after each block of rows, at once or when waited for."""
    rows, version = graph.actor.flow.config.rows, 1
    graph.start(1, exploration='policy', constant=0.0)
    for k in range(2, states):
        graph.command(k - 1)
        graph.state(k)
        due = len(graph.out.all('row')) // rows + 1
        while version < due and (not late or graph.actor.waiting == 'learner'):
            version += 1
            assert graph.weights(version, constant=0.01 * version) == ''
        assert graph.requests()[-1] == k
    return graph


@pytest.mark.parametrize('lag', [0, 1, 3])
@pytest.mark.parametrize('rows', [1, 3])
def test_versions_of_blocks_do_not_depend_on_speed(lag, rows):
    config = FlowConfig(rows=rows, lag=lag)
    fast = play_with_learner(Graph(config), 60, late=False)
    slow = play_with_learner(Graph(config), 60, late=True)
    assert fast.rows().tolist() == slow.rows().tolist()
    versions = fast.cells('policy_version')
    expected = [1 + max(0, seq // rows - lag) for seq in range(len(versions))]
    assert len(versions) == 29 and versions.tolist() == expected


def test_a_policy_waits_for_its_learner_at_the_end_of_a_block():
    graph = Graph(FlowConfig(rows=2, lag=0))
    graph.start()
    graph.steps(2, 5)
    assert graph.actor.waiting == 'learner' and graph.requests() == [1, 2, 3, 4]
    graph.state(5)  # repeated: nothing more
    assert graph.requests() == [1, 2, 3, 4] and len(graph.rows()) == 2
    graph.weights(2)
    assert graph.actor.waiting == '' and graph.requests()[-1] == 5
    graph.steps(6, 9)
    assert graph.actor.waiting == 'learner'
    assert graph.cells('policy_version').tolist() == [1.0, 1.0, 2.0, 2.0]


def test_a_policy_that_gives_up_runs_on_until_the_next_push():
    graph = Graph(FlowConfig(rows=1, lag=0))
    graph.start()
    graph.steps(2, 3)
    assert graph.actor.waiting == 'learner' and graph.actor.give_up_waiting()
    assert not graph.actor.give_up_waiting() and graph.requests()[-1] == 3
    graph.steps(4, 13)
    assert graph.actor.waiting == '' and len(graph.rows()) == 6
    graph.weights(2)
    graph.steps(14, 17)
    assert graph.actor.waiting == 'learner'
    assert graph.cells('policy_version').tolist() == [1.0] * 7 + [2.0]


def test_a_new_learner_takes_over_in_the_middle():
    graph = Graph(FlowConfig(rows=2, lag=1))
    graph.start()
    graph.steps(2, 9)
    assert graph.actor.waiting == 'learner'
    graph.weights(100, epoch=6)
    assert graph.actor.waiting == ''
    graph.steps(10, 17)
    assert graph.actor.waiting == 'learner'
    graph.weights(101, epoch=6)
    graph.steps(18, 21)
    assert graph.cells('policy_version').tolist() == [1.0] * 4 + [100.0] * 4 + [101.0] * 2


@pytest.mark.parametrize('mode', [PACED, HARDWARE])
def test_a_robot_never_waits_for_the_learner(mode):
    graph = Graph(FlowConfig(rows=1, lag=0))
    graph.weights()
    graph.state(0, 0, mode)
    graph.state(1, 1, mode)
    graph.steps(2, 9, 1, mode)
    assert graph.requests()[-8:] == list(range(2, 10)) and graph.actor.waiting == ''


def test_last_row_of_a_block_or_an_episode_is_announced():
    for flow in (FlowConfig(rows=3, lag=4), FlowConfig(rows=3, enabled=False)):
        graph = Graph(flow, train_steps=8)
        graph.start()
        graph.steps(2, 9)
        assert [last for _, last in graph.out.all('row')] == [False, False, True, True]


# -- goals and evaluation -----------------------------------------------------------------------

def test_a_goal_takes_effect_at_the_next_row():
    graph = Graph()
    graph.start()
    old = graph.task.goals[-1]
    graph.steps(2, 2)
    graph.actor.on_goal(np.array([0.875]))
    assert len(graph.out.all('goal')) == 1
    graph.steps(3, 5)
    assert [goal.tolist() for goal, in graph.out.all('goal')] == [[old], [0.875]]
    assert graph.cells('obs')[:, 5].tolist() == [old, 0.875]
    assert graph.cells('next_obs')[:, 5].tolist() == [old, 0.875]
    # Everything else of the new observation is that of the same state.
    assert graph.cells('obs')[1, :5].tolist() == graph.cells('next_obs')[0, :5].tolist()
    assert graph.task.goals == [old, 0.875]


def test_a_goal_that_comes_between_two_episodes():
    graph = Graph(train_steps=2)
    graph.start()
    graph.steps(2, 3)
    graph.actor.on_goal(np.array([0.875]))
    graph.state(4, episode=2)
    assert graph.task.goals[1:] == [0.875] and graph.out.all('goal')[-1][0].tolist() == [0.875]
    graph.steps(5, 6, episode=2)
    graph.state(7, episode=3)
    assert graph.task.goals[2] != 0.875


def test_evaluation_takes_the_most_likely_action_and_marks_its_rows():
    graph = Graph(FlowConfig(rows=1, lag=0))
    graph.actor.evaluate = True
    graph.start(constant=0.25)
    graph.weights(2, constant=0.5)
    graph.steps(2, 5)  # and waits for no learner
    assert graph.cells('evaluation').tolist() == [1.0, 1.0]
    assert graph.cells('policy_version').tolist() == [1.0, 2.0]
    assert graph.cells('request').ravel() == pytest.approx([0.25, 0.25, 0.5, 0.5])
    graph.actor.evaluate = False
    graph.weights(50, constant=0.5)
    graph.steps(6, 7)
    assert graph.actor.waiting == 'learner'
    graph.weights(51, constant=0.5)
    graph.steps(8, 9)
    assert graph.cells('evaluation').tolist() == [1.0, 1.0, 1.0, 0.0]
    assert graph.cells('request')[3].tolist() != [0.5, 0.5]


def test_exploration_of_the_weights_is_obeyed():
    graph = Graph()
    graph.start(exploration='gaussian', scale=0.0, constant=0.25)
    assert graph.out.all('request')[0][1] == pytest.approx(0.25 * SCALE)
    assert graph.actor.version == 1
    graph.steps(2, 3)
    assert graph.cells('log_prob').tolist() == [0.0]


def test_discrete_actions_choose_from_the_effort_set():
    graph = Graph(discrete=True)
    graph.start(exploration='uniform')
    graph.steps(2, 61)
    index = graph.cells('request')
    assert set(index) == {0.0, 1.0, 2.0} and index.tolist() == graph.cells('action').tolist()
    expected = np.array(graph.contract.efforts)[index.astype(int)]
    assert graph.cells('effort') == pytest.approx(expected)
    efforts = [effort for _, effort in graph.out.all('request')][::2][:len(index)]
    assert np.array(efforts) == pytest.approx(expected * SCALE)
    assert graph.cells('log_prob') == pytest.approx(np.log(1.0 / 3.0))


def test_on_hardware_somebody_may_drive_the_robot_home():
    graph = Graph(train_steps=4)
    graph.weights()
    graph.actor.homes = True
    graph.state(1, 0, HARDWARE)
    assert graph.out.take() == [('reset', True)] and graph.actor.resetting
    graph.state(2, 1, HARDWARE)  # its episode counts arrivals
    graph.steps(3, 6, 1, HARDWARE)
    assert graph.cells('truncated').tolist() == [0.0, 1.0] and graph.requests() == [2, 3, 4, 5]
    assert graph.out.all('reset') == [(False,)] and graph.actor.resetting
    graph.state(100, 2, HARDWARE)
    assert graph.requests()[-1] == 100 and not graph.actor.resetting
    assert graph.actor.counts['rows_incomplete'] == 0 == graph.actor.counts['episodes_cut']
