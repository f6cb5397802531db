from core.fakes import EPOCH
from core.fakes import FakeTask
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout

TRACE = Trace.of(ROBOT)  # 3 joints, 2 motors, decisions of 2 control periods
LAYOUT = RowLayout(6, 2, FakeTask.reward_terms, (TRACE.term, Term('log_prob', 1)))


def test_the_column_holds_every_state_of_a_decision():
    assert TRACE.term == Term('trace', 2 + 3 * (3 + 3 + 2))


@given(st.integers(1, 4), st.integers(0, 2), st.booleans(), st.integers(0, 999))
def test_a_recorder_traces_what_it_saw_and_judged(decisions, before_end, stop, seed):
    """Against a list of all states and actions."""
    rng = np.random.default_rng(seed)
    task = FakeTask(max_steps=2 * decisions - before_end % 2)
    recorder = Recorder(task, LAYOUT, 2)
    k, action = 0, np.zeros(2)
    positions, velocities = rng.normal(size=(2, 2 * decisions + 1, 3))
    positions[:, 0] = range(len(positions))
    recorder.begin(np.zeros(1), positions[0], velocities[0])
    for number in range(decisions):
        wanted = [(positions[k], velocities[k], action)]
        recorder.decide(rng.normal(size=2), {'log_prob': 3.0}, 0, 0, EPOCH, False)
        step, applied = None, []
        while step is None or step.row is None:
            k += 1
            applied.append(rng.normal(size=2))
            last = number == decisions - 1 and (k % 2 == 0 or k == task.max_episode_steps)
            source = 'stop' if stop and last else 'policy'
            step = recorder.judge(positions[k], velocities[k],
                                  Applied(applied[-1], source, False))
            wanted.append((positions[k], velocities[k], applied[-1]))
        action = np.mean(applied, axis=0)
        cells = step.row[LAYOUT.column('trace')]
        got = TRACE.states(cells)
        assert [[part.tolist() for part in state] for state in got] \
            == [[part.tolist() for part in state] for state in wanted]
        assert TRACE.stopped(cells) == (stop and last)
        assert step.row[LAYOUT.column('log_prob')] == [3.0]


def test_rows_that_need_no_trace_have_none():
    layout = RowLayout(6, 2, FakeTask.reward_terms)
    recorder = Recorder(FakeTask(), layout, 2)
    recorder.begin(np.zeros(1), np.zeros(3), np.zeros(3))
    recorder.decide(np.zeros(2), {}, 0, 0, EPOCH, False)
    rows = [recorder.judge(np.ones(3), np.ones(3), Applied(np.ones(2), 'policy', False)).row
            for _ in range(2)]
    assert rows[0] is None and rows[1].shape == (layout.width,)
