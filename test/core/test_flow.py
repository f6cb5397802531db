from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.flow import Flow
from rl_robot_ros.core.flow import FlowConfig

LAGS = pytest.mark.parametrize('lag', [0, 1, 2, 4])


def started(lag, version=1, block=0, epoch=9):
    flow = Flow(FlowConfig(rows=10, lag=lag))
    flow.on_push(epoch, version, block)
    return flow


@LAGS
def test_block_b_needs_the_push_after_block_b_minus_1_minus_lag(lag):
    """Version 1 is the initial push, so the push after block n has version n + 2."""
    flow = started(lag)
    for block in range(12):
        after = block - 1 - lag
        assert flow.needed(block) == (1 if after < 0 else after + 2)
        assert not flow.may_start(block, flow.needed(block) - 1)
        assert flow.may_start(block, flow.needed(block))
        assert flow.may_start(block, flow.needed(block) + 1)


def test_switched_off_it_waits_for_nobody():
    flow = Flow(FlowConfig(enabled=False))
    assert flow.may_start(1000, 0)


@LAGS
def test_two_in_step_never_wait_for_ever(lag):
    """A learner that pushes after every block and a policy that obeys: no deadlock."""
    flow = started(lag)
    newest, block = 1, 0
    ahead = 0
    while block < 50:
        if flow.may_start(block, newest):
            block += 1
            ahead = max(ahead, block - (newest - 1))
        else:
            newest += 1
            flow.on_push(9, newest, block)
        assert newest - 1 <= block
    assert ahead == lag + 1


@LAGS
def test_a_new_learner_is_counted_from_its_first_push(lag):
    flow = started(lag, version=1, block=0, epoch=9)
    flow.on_push(10, 41, 6)
    assert flow.needed(6) == 41
    assert flow.needed(7 + lag) == 42


def test_a_repeated_push_counts_once():
    flow = started(1)
    flow.on_push(9, 2, 1)
    flow.on_push(9, 2, 5)
    assert [flow.needed(block) for block in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_a_jump_in_versions_is_counted_from_there():
    """The learner went on after a restart: versions between are reserved and never come."""
    flow = started(1)
    flow.on_push(9, 2, 1)
    flow.on_push(9, 10_001, 3)
    assert [flow.needed(block) for block in (3, 4, 5, 6)] == [10_001, 10_001, 10_002, 10_003]


@pytest.mark.parametrize('epoch, version', [(9, 20), (10, 3)])
def test_who_comes_back_late_owes_nothing_for_the_time_away(epoch, version):
    flow = started(1)
    flow.on_push(9, 2, 1)
    flow.on_push(epoch, version, 50)
    assert [flow.needed(block) - version for block in (50, 51, 52, 53)] == [0, 0, 1, 2]


@given(st.integers(0, 4), st.lists(st.integers(0, 3), max_size=60))
def test_a_backlog_does_not_freeze_the_weights(lag, pushes):
    """A learner that works off old rows pushes too often; what is needed stays near the newest."""
    flow = started(lag)
    newest = 1
    for block, count in enumerate(pushes):
        for _ in range(count):
            newest += 1
            flow.on_push(9, newest, block)
        assert flow.needed(block) >= newest - 1 - lag - 1
        if not flow.may_start(block, newest):
            newest = flow.needed(block)
            flow.on_push(9, newest, block)


def test_in_step_nothing_is_rebased():
    """Early or late by a race, the version of a block is the same: runs can be repeated."""
    early, late = started(1), started(1)
    for block in range(1, 30):
        needed = {early.needed(block), late.needed(block)}
        early.on_push(9, block + 1, block)  # the push after block-1 came before block began
        late.may_start(block, block)
        late.on_push(9, block + 1, block)
        assert needed == {early.needed(block), late.needed(block)} == {block}


@LAGS
def test_forgiveness_ends_with_the_wait_until_the_next_push(lag):
    flow = started(lag)
    block = lag + 1
    assert not flow.may_start(block, 1)
    flow.forgive(block, 1)
    # Dead: one time-out is enough, however many blocks follow.
    assert all(flow.may_start(b, 1) for b in range(block, block + 20))
    # Late: it has pushed again, so it is waited for again, as far behind as it now is.
    block += 20
    flow.on_push(9, 2, block)
    assert flow.may_start(block, 2) and not flow.may_start(block + 1, 2)
    assert flow.may_start(block + 1, 3)
    # It has caught up: nothing is forgiven any more.
    needed = flow.needed(block + 2)
    assert flow.may_start(block + 2, needed) and flow.forgiven == 0
    assert not flow.may_start(block + 3, needed)


def test_a_new_learner_is_not_forgiven_what_the_old_one_owed():
    flow = started(0)
    flow.forgive(5, 1)
    flow.on_push(10, 7, 5)
    assert flow.forgiven == 0
    assert flow.may_start(5, 7) and not flow.may_start(6, 7)


@pytest.mark.parametrize('values', [{'sync.rows': 0}, {'sync.rows': 100_001}, {'sync.lag': -1},
                                    {'sync.lag': 5}, {'sync.timeout': -1.0}])
def test_ranges(values):
    with pytest.raises(ValueError, match=r'sync\.\w+: got .* allowed is'):
        resolve_config(FlowConfig, values, 'sync.')
