from hypothesis import given
from hypothesis import strategies as st
from learning.recorder import LAYOUT
from learning.recorder import make_rows
from learning.recorder import Recorder
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import NonFiniteLoss
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.learning import trainer as module
from rl_robot_ros.learning.trainer import Trainer

R = 4
SYNC = FlowConfig(enabled=True, rows=R, lag=1)
FREE = FlowConfig(enabled=False)


class Clock:
    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(module.time, 'monotonic', lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def make(flow=SYNC, push_period=1.0, **options):
    algorithm = Recorder(**options)
    return algorithm, Trainer(algorithm, LAYOUT, flow, push_period)


def drain(trainer):
    """Work until there is nothing left to do; returns the pushes."""
    pushes = []
    while True:
        before = (trainer.inbox.waiting, trainer.updates)
        push = trainer.work(0.0)
        pushes += [push] if push else []
        if push is None and (trainer.inbox.waiting, trainer.updates) == before:
            return pushes


# -- sync: one block, exactly R * utd updates, one push ---------------------------------------


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.sampled_from((0.5, 1.0, 3.0)),
       st.booleans())
def test_block_accounting_does_not_depend_on_batches(sizes, utd, at_once):
    algorithm, trainer = make(utd=utd)
    total = sum(sizes)
    pushes = []
    for part in np.split(make_rows(range(total)), np.cumsum(sizes)[:-1]):
        trainer.ingest(part)
        if not at_once:
            pushes += drain(trainer)
    pushes += drain(trainer)
    blocks = total // R
    assert len(pushes) == blocks
    assert algorithm.updates == blocks * R * utd
    # Every update saw the rows of its block and of those before, and no later one.
    per_block = int(R * utd)
    seen = [rows for name, rows in algorithm.calls if name == 'update']
    assert seen == [R * (i // per_block + 1) for i in range(len(seen))]
    assert algorithm.added == [(1, seq) for seq in range(total)]
    assert [push.weights[0] for push in pushes] == [per_block * (i + 1) for i in range(blocks)]


def test_updates_that_do_not_come_out_even_are_carried_over():
    algorithm, trainer = make(utd=0.375)  # one and a half per block
    counts = []
    for block in range(4):
        trainer.ingest(make_rows(range(block * R, (block + 1) * R)))
        drain(trainer)
        counts.append(algorithm.updates)
    assert counts == [1, 3, 4, 6]


def test_warm_up_pushes_without_updates():
    algorithm, trainer = make(starts=3 * R)
    trainer.ingest(make_rows(range(2 * R)))
    assert len(drain(trainer)) == 2
    assert algorithm.updates == 0
    trainer.ingest(make_rows(range(2 * R, 3 * R)))
    assert len(drain(trainer)) == 1
    assert algorithm.updates <= R  # rows of the warm-up are not made up for


@given(st.lists(st.integers(1, 3 * R), min_size=1, max_size=12), st.integers(1, 3 * R))
def test_warm_up_ends_alike_whatever_the_batches(sizes, starts):
    """The block in which it ends earns all of its updates, those before none."""
    algorithm, trainer = make(starts=starts)
    rows = 4 * R
    cuts = [cut for cut in np.cumsum(sizes) if cut < rows]
    for part in np.split(make_rows(range(rows)), cuts):
        trainer.ingest(part)
    assert len(drain(trainer)) == 4
    assert algorithm.updates == rows - R * ((starts - 1) // R)


def test_several_policies_from_the_start():
    """A push waits for a block of each, and their rows earn all of their updates."""
    algorithm, trainer = make()
    trainer.policies = 5
    for epoch in range(1, 6):
        assert drain(trainer) == []
        trainer.ingest(make_rows(range(R), epoch=epoch))
    assert len(drain(trainer)) == 1
    assert algorithm.updates == 5 * R and trainer.owed == 0.0


def test_lost_row_inside_a_block_does_not_stall():
    algorithm, trainer = make()
    trainer.ingest(make_rows([0, 2, 3]))
    assert len(drain(trainer)) == 1
    assert trainer.inbox.counts['gaps'] == 1
    assert algorithm.updates <= R


def test_lost_last_row_of_a_block_does_not_stall():
    _, trainer = make()
    trainer.ingest(make_rows([0, 1, 2]))
    assert drain(trainer) == []
    trainer.ingest(make_rows([4]))
    assert len(drain(trainer)) == 1
    trainer.ingest(make_rows([5, 6, 7]))
    assert len(drain(trainer)) == 1


def test_duplicates_are_learned_once():
    algorithm, trainer = make()
    trainer.ingest(make_rows(range(6)))
    trainer.ingest(make_rows(range(8)))
    trainer.ingest(make_rows([3, 3]))
    assert len(drain(trainer)) == 2
    assert algorithm.added == [(1, seq) for seq in range(8)]
    assert trainer.inbox.counts['duplicates'] == 8


def test_rows_sent_again_are_learned_and_end_no_block_twice():
    algorithm, trainer = make()
    trainer.ingest(make_rows([0, 2, 3]))
    assert len(drain(trainer)) == 1
    # The missing row comes in one batch with the whole next block.
    trainer.ingest(make_rows([1, 4, 5, 6, 7]))
    assert len(drain(trainer)) == 1
    assert sorted(algorithm.added) == [(1, seq) for seq in range(8)]
    assert trainer.inbox.counts['gaps'] == 0


def test_push_waits_for_every_live_policy():
    algorithm, trainer = make()
    trainer.ingest(make_rows([0], epoch=2))
    trainer.ingest(make_rows(range(R), epoch=1))
    assert drain(trainer) == []
    trainer.ingest(make_rows(range(1, R), epoch=2))
    assert len(drain(trainer)) == 1
    assert algorithm.updates == 2 * R


def test_a_policy_that_fell_silent_is_not_waited_for(clock):
    algorithm, trainer = make()
    trainer.ingest(make_rows([0, 1], epoch=2))
    drain(trainer)
    clock.now += module.LIVE + 1.0
    trainer.ingest(make_rows(range(R), epoch=1))
    assert len(drain(trainer)) == 1
    assert algorithm.updates == R + 2


def test_a_policy_that_falls_silent_while_another_waits_is_given_up(clock):
    _, trainer = make()
    trainer.ingest(make_rows([0, 1], epoch=2))
    trainer.ingest(make_rows(range(R), epoch=1))
    assert drain(trainer) == []
    clock.now += module.LIVE + 1.0
    assert len(drain(trainer)) == 1  # nobody sends a row any more: the waiting one may not


def test_rows_of_evaluation_count_but_teach_nothing():
    algorithm, trainer = make()
    trainer.ingest(make_rows(range(R), evaluation=[0, 1, 1, 0]))
    assert len(drain(trainer)) == 1
    assert algorithm.added == [(1, 0), (1, 3)]
    assert trainer.evaluation_rows == 2 and trainer.rows == 2
    assert algorithm.updates <= 2


def test_on_policy_updates_when_there_is_enough():
    algorithm, trainer = make(on_policy=True, starts=6)
    pushes = []
    for block in range(4):
        trainer.ingest(make_rows(range(block * R, (block + 1) * R)))
        pushes.append(len(drain(trainer)))
    assert pushes == [1, 1, 1, 1]
    assert [rows for name, rows in algorithm.calls if name == 'update'] == [8, 16]


def test_lag_is_counted_in_versions():
    algorithm, trainer = make()
    algorithm.policy_version = 9
    trainer.ingest(make_rows(range(R), policy_version=[7, 7, 8, 8]))
    drain(trainer)
    assert trainer.lag == 1


# -- no sync: as fast as the machine can, never more than earned -------------------------------


def test_free_running_spends_what_rows_earned(clock):
    algorithm, trainer = make(FREE, utd=2.0)
    trainer.ingest(make_rows(range(7)))
    for _ in range(20):
        trainer.work(0.0)
    assert algorithm.updates == 14
    trainer.ingest(make_rows([7], evaluation=1.0))
    for _ in range(5):
        trainer.work(0.0)
    assert algorithm.updates == 14


def test_free_running_pushes_by_the_clock_and_only_news(clock):
    _, trainer = make(FREE, push_period=1.0)
    trainer.first_push()
    trainer.ingest(make_rows([0]))
    assert trainer.work(0.0) is None
    clock.now += 1.01
    assert trainer.work(0.0) is not None
    clock.now += 1.01
    assert trainer.work(0.0) is None  # nothing has changed
    trainer.ingest(make_rows([1]))
    assert trainer.work(0.0) is not None


def test_a_learner_that_is_too_slow_does_not_catch_up_for_ever(clock):
    _, trainer = make(FREE, utd=100.0)
    trainer.ingest(make_rows(range(1000)))
    trainer.work(0.0)
    assert trainer.owed <= module.MOST_OWED


def test_a_piece_of_work_is_small(clock):
    algorithm, trainer = make(FREE, utd=10.0)
    trainer.ingest(make_rows(range(100)))
    trainer.work(0.0)
    assert algorithm.updates <= module.UPDATES_AT_ONCE


# -- failures and restarts ---------------------------------------------------------------------


@pytest.mark.parametrize('flow', [SYNC, FREE])
def test_failed_learning_pushes_nothing(flow):
    _, trainer = make(flow, fails_at=2)
    trainer.ingest(make_rows(range(R)))
    with pytest.raises(NonFiniteLoss):
        drain(trainer)


def test_weights_that_are_not_finite_are_not_pushed():
    algorithm, trainer = make()
    algorithm.weights = np.array([1.0, np.nan, 2.0])
    trainer.ingest(make_rows(range(R)))
    with pytest.raises(NonFiniteLoss, match='weights'):
        drain(trainer)


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from((0.375, 1.0)))
def test_resumed_is_as_if_never_stopped(before, after, utd):
    straight, trainer = make(utd=utd)
    trainer.ingest(make_rows(range(before)))
    drain(trainer)
    resumed = Recorder(utd=utd)
    second = Trainer(resumed, LAYOUT, SYNC)
    second.load_state_dict(trainer.state_dict())
    pushes = []
    for each in (trainer, second):
        # The policy sends again what it has kept.
        each.ingest(make_rows(range(before + after)))
        pushes.append(drain(each))
    assert (second.rows, second.updates, second.owed) == (trainer.rows, trainer.updates,
                                                          trainer.owed)
    assert [p.weights.tolist() for p in pushes[0]] == [p.weights.tolist() for p in pushes[1]]
    assert straight.rows == resumed.rows == before + after


def test_a_block_without_its_last_row_ends_after_a_restart_too():
    _, trainer = make()
    trainer.ingest(make_rows([0, 1, 2]))
    drain(trainer)
    _, second = make()
    second.load_state_dict(trainer.state_dict())
    second.ingest(make_rows(range(4, 8)))
    assert len(drain(second)) == 2


def test_rows_that_wait_at_a_checkpoint_are_asked_for_again():
    _, trainer = make()
    trainer.ingest(make_rows(range(R)))
    drain(trainer)
    trainer.ingest(make_rows(range(R, 2 * R)))  # waits while the checkpoint is written
    resumed = Recorder()
    second = Trainer(resumed, LAYOUT, SYNC)
    second.load_state_dict(trainer.state_dict())
    second.ingest(make_rows(range(2 * R)))
    drain(second)
    assert resumed.added == [(1, seq) for seq in range(R, 2 * R)]


def test_a_new_policy_process_is_not_held_back_by_the_one_before(clock):
    _, trainer = make()
    trainer.ingest(make_rows([0, 1], epoch=2), 'arm_1')
    drain(trainer)
    trainer.ingest(make_rows(range(R), epoch=3), 'arm_1')
    assert len(drain(trainer)) == 1
    trainer.ingest(make_rows([0], epoch=4), 'arm_2')  # another robot is waited for
    trainer.ingest(make_rows(range(R, 2 * R), epoch=3), 'arm_1')
    assert drain(trainer) == []
