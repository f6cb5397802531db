from core.fakes import contract
from core.fakes import EPOCH
from core.fakes import FakeTask
from core.fakes import PERIOD
from core.fakes import position
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout

GOAL = np.array([0.25])


def recorder(periods=3, discrete=False, max_steps=100, extra=(Term('log_prob', 1),)):
    made = Recorder(FakeTask(max_steps=max_steps),
                    RowLayout(6, 1 if discrete else 2, FakeTask.reward_terms, extra), periods,
                    discrete)
    made.begin(GOAL, position(0), -position(0))
    return made


def decide(made, request=(0.5, -0.5), stamp=1_500_000_000, version=7, evaluation=False, **extra):
    made.decide(np.array(request), extra, stamp, version, EPOCH, evaluation)


def judge(made, k, action=(0.1, 0.2), source='policy', filtered=False):
    return made.judge(position(k), -position(k), Applied(np.array(action), source, filtered))


def cell(made, row, name):
    values = row[made.layout.column(name)]
    return values[0] if len(values) == 1 else values.tolist()


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 999))
def test_rows_are_means_over_their_states(periods, decisions, seed):
    """Against a slow bookkeeping of the same history."""
    rng = np.random.default_rng(seed)
    made = recorder(periods)
    previous, k = [0.0, 0.0], 0
    for number in range(decisions):
        observation = [*position(k), *previous, 0.25]
        request = rng.normal(size=2)
        decide(made, request, stamp=k * PERIOD, version=number, log_prob=-number)
        actions, row = [], None
        for _ in range(periods):
            assert row is None and made.deciding
            k += 1
            actions.append(rng.normal(size=2))
            row, terminated, truncated = judge(made, k, actions[-1])
        judged = range(k - periods + 1, k + 1)
        costs = [-(a[0] ** 2 + a[1] ** 2) for a in actions]
        mean = [sum(a[i] for a in actions) / periods for i in range(2)]
        assert not terminated and not truncated and not made.deciding
        assert cell(made, row, 'seq') == number
        assert cell(made, row, 'epoch') == EPOCH
        assert cell(made, row, 'policy_version') == number
        assert cell(made, row, 'stamp_sec') * 10**9 + cell(made, row, 'stamp_nanosec') \
            == (k - periods) * PERIOD
        assert cell(made, row, 'obs') == observation
        assert cell(made, row, 'request') == request.tolist()
        assert cell(made, row, 'action') == pytest.approx(mean)
        assert cell(made, row, 'next_obs') == pytest.approx([*position(k), *mean, 0.25])
        assert cell(made, row, 'terms.number') == pytest.approx(sum(judged) / periods)
        assert cell(made, row, 'terms.cost') == pytest.approx(sum(costs) / periods)
        assert cell(made, row, 'reward') == pytest.approx((sum(judged) + sum(costs)) / periods)
        assert cell(made, row, 'log_prob') == -number
        assert made.observation.tolist() == cell(made, row, 'next_obs')
        assert made.layout.check(row[None]) == ''
        previous = cell(made, row, 'action')
    assert [k for k, _, _ in made.task.judged] == list(range(1, periods * decisions + 1))


def test_stamp_is_split_into_seconds_and_nanoseconds():
    made = recorder(1)
    decide(made, stamp=12_000_000_345)
    row = judge(made, 1).row
    assert (cell(made, row, 'stamp_sec'), cell(made, row, 'stamp_nanosec')) == (12.0, 345.0)


@pytest.mark.parametrize('at', [1, 2, 3])
def test_a_flag_set_in_any_state_is_set_in_the_row(at):
    for name, source, filtered in (('intervened', 'teleop', False), ('filtered', 'policy', True)):
        made = recorder(3)
        decide(made)
        steps = [judge(made, k, source=source if k == at else 'policy',
                       filtered=filtered and k == at) for k in (1, 2, 3)]
        flags = {flag: cell(made, steps[-1].row, flag)
                 for flag in ('intervened', 'filtered', 'success', 'evaluation')}
        assert flags == {'intervened': 0.0, 'filtered': 0.0, 'success': 0.0, 'evaluation': 0.0,
                         name: 1.0}
    made = recorder(3)
    made.task.successes = {at}
    decide(made, evaluation=True)
    row = [judge(made, k).row for k in (1, 2, 3)][-1]
    assert cell(made, row, 'success') == cell(made, row, 'evaluation') == 1.0
    assert cell(made, row, 'terminated') == cell(made, row, 'truncated') == 0.0


@pytest.mark.parametrize('why', ['task', 'stop'])
def test_termination_completes_a_short_row(why):
    made = recorder(3)
    made.task.terminal = {2} if why == 'task' else set()
    decide(made)
    assert judge(made, 1, (0.0, 0.0)).row is None
    step = judge(made, 2, (1.0, 0.0), 'stop' if why == 'stop' else 'policy')
    assert (step.terminated, step.truncated) == (True, False)
    assert (cell(made, step.row, 'terminated'), cell(made, step.row, 'truncated')) == (1.0, 0.0)
    assert cell(made, step.row, 'terms.number') == 1.5
    assert cell(made, step.row, 'action') == [0.5, 0.0]


def test_running_out_of_time_is_truncation():
    made = recorder(3, max_steps=5)
    decide(made)
    assert not any(judge(made, k).truncated for k in (1, 2, 3))
    decide(made)
    assert judge(made, 4).row is None
    step = judge(made, 5)
    assert (step.terminated, step.truncated) == (False, True)
    assert (cell(made, step.row, 'terminated'), cell(made, step.row, 'truncated')) == (0.0, 1.0)


def test_termination_outranks_truncation():
    made = recorder(1, max_steps=1)
    made.task.terminal = {1}
    decide(made)
    row = judge(made, 1).row
    assert (cell(made, row, 'terminated'), cell(made, row, 'truncated')) == (1.0, 0.0)


def test_an_episode_begins_afresh_but_seq_goes_on():
    made = recorder(1, max_steps=2)
    for k in (1, 2):
        decide(made)
        judge(made, k, (0.4, 0.4))
    observation = made.begin(np.array([0.75]), position(10), -position(10))
    assert observation.tolist() == [10.0, 5.0, -1.0, 0.0, 0.0, 0.75]
    assert (made.steps, made.seq, made.previous_action.tolist()) == (0, 2, [0.0, 0.0])
    decide(made)
    step = judge(made, 11)
    assert not step.truncated and cell(made, step.row, 'seq') == 2


def test_previous_action_is_that_of_the_decision_before():
    made = recorder(2)
    for first in (1, 3, 5):
        decide(made)
        judge(made, first, (first, 0.0))
        judge(made, first + 1, (first + 1.0, 0.0))
    assert [previous[0] for _, _, previous in made.task.judged] == [0.0, 0.0, 1.5, 1.5, 3.5, 3.5]


def test_discrete_rows_hold_the_index_and_the_effort():
    made = recorder(2, discrete=True, extra=contract(discrete=True).extra)
    decide(made, request=(2.0,))
    judge(made, 1, (1.0, 0.5))
    row = judge(made, 2, (0.0, 0.25)).row
    assert cell(made, row, 'action') == cell(made, row, 'request') == 2.0
    assert cell(made, row, 'effort') == [0.5, 0.375]
    assert cell(made, row, 'next_obs')[3:5] == [0.5, 0.375]


def test_a_label_ends_the_episode_as_a_success():
    made = recorder(3)
    assert not made.label_success()
    decide(made)
    judge(made, 1)
    assert made.label_success()
    step = judge(made, 2)
    assert (step.terminated, step.truncated) == (False, True)
    assert cell(made, step.row, 'success') == 1.0
    decide(made)  # a label counts for its own row only
    assert judge(made, 3) == (None, False, False)
    judge(made, 4)
    assert cell(made, judge(made, 5).row, 'success') == 0.0


def test_a_dropped_row_leaves_no_trace_but_what_the_motors_did():
    made = recorder(2)
    assert not made.drop()
    decide(made)
    judge(made, 1, (0.5, 0.0))
    assert made.drop() and not made.deciding and not made.drop()
    assert made.previous_action.tolist() == [0.5, 0.0] and made.seq == 0
    made.observe(position(2), -position(2))
    decide(made)
    judge(made, 3, (0.0, 0.0))
    row = judge(made, 4, (0.0, 0.0)).row
    assert cell(made, row, 'seq') == 0 and cell(made, row, 'obs')[:4] == [2.0, 1.0, -1.0, 0.5]
    assert cell(made, row, 'terms.number') == 3.5


def test_dropped_before_anything_was_applied():
    made = recorder(1)
    decide(made)
    judge(made, 1, (0.5, 0.5))
    decide(made)
    assert made.drop() and made.previous_action.tolist() == [0.5, 0.5]


def test_nothing_to_judge():
    made = recorder()
    with pytest.raises(RuntimeError, match=r'judge\(\) before'):
        judge(made, 1)


def test_rows_are_not_shared():
    made = recorder(1)
    decide(made)
    one = judge(made, 1).row
    kept = one.copy()
    decide(made)
    judge(made, 2)
    assert one.tolist() == kept.tolist()
    assert len(ROBOT.actuated) == 2
