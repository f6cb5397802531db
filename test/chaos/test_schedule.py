"""Schedules follow from their seeds, and every fault comes up."""

from chaos import schedule
from chaos.processes import damage
from chaos.processes import is_intact
import pytest
from rl_robot_ros.learning.checkpoint import Checkpoints


def test_the_same_seed_is_the_same_schedule():
    assert schedule.schedule(5) == schedule.schedule(5) != schedule.schedule(6)


def test_all_faults_come_up_and_fit():
    seen = set()
    for seed in range(100):
        events = schedule.schedule(seed)
        assert [event.at for event in events] == sorted(event.at for event in events)
        for event in events:
            assert 0.0 <= event.at <= schedule.LENGTH
            assert 0.0 < event.lasts <= schedule.LONGEST
            assert event.target in schedule.FAULTS[event.fault][1]
            seen.add(event.fault)
    assert seen == set(schedule.FAULTS)


@pytest.fixture
def run(tmp_path):
    """Leave what a learner does: three checkpoints, two segments of rows and an empty one."""
    checkpoints = Checkpoints(tmp_path / 'checkpoints')
    for number in range(3):
        checkpoints.save(number, {'number': number})
    (tmp_path / 'rows').mkdir()
    for number, size in ((0, 9000), (1, 5000), (2, 0)):
        (tmp_path / f'rows/{number:015d}.rows').write_bytes(bytes(size))
    return tmp_path


@pytest.mark.parametrize('how', ['cut', 'garbled'])
def test_one_checkpoint_is_left(run, how):
    assert [damage(run, f'checkpoint {how}', seed) for seed in range(3)] == [True, True, False]
    intact = [path for path in run.glob('checkpoints/*.pt') if is_intact(path)]
    assert [path.name for path in intact] == ['checkpoint-000000000000.pt']


@pytest.mark.parametrize('how', ['cut', 'garbled'])
@pytest.mark.parametrize('seed', range(5))
def test_only_the_tail_of_the_log_is_damaged(run, how, seed):
    assert damage(run, f'log {how}', seed)
    older, newest, _ = (path.read_bytes() for path in sorted(run.glob('rows/*.rows')))
    assert older == bytes(9000)
    assert newest[:1000] == bytes(1000) and newest != bytes(5000)
    assert len(newest) < 5000 if how == 'cut' else len(newest) == 5000


def test_there_may_be_nothing_to_damage(tmp_path):
    assert not any(damage(tmp_path, what, 0) for what in schedule.DAMAGES)
