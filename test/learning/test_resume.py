"""Stopping and going on, with everything that a learner leaves; kills: benchmarks/resume.py."""

from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.learning.row_log import RowLog
from rl_robot_ros.learning.store import Store
from rl_robot_ros.learning.trainer import Trainer
from rl_robot_ros.learning.versions import Versions
from rl_robot_ros.settings import LearnerConfig

R = 10
FLOW = FlowConfig(enabled=True, rows=R)


class Learner:
    """What a learning session is made of, in one folder."""

    def __init__(self, name, folder):
        self.algorithm = workbench.make(name, capacity=60, learn_from='both')
        self.layout = workbench.layout_of(self.algorithm)
        self.trainer = Trainer(self.algorithm, self.layout, FLOW)
        self.trainer.versions = Versions(folder / 'versions.json')
        self.store = Store(folder, self.layout, LearnerConfig(), self.trainer)
        self.store.begin()

    def learn(self, blocks):
        """Take rows that depend on nothing but their number; returns the weights pushed last."""
        for block in blocks:
            rows = workbench.act_rows(self.algorithm, self.layout, R,
                                      np.random.default_rng(block), first=block * R)
            rows[::3, self.layout.column('filtered')] = 1.0
            self.trainer.ingest(rows)
            push = self.work()
        return push.weights

    def work(self):
        push = self.trainer.work(0.0)
        self.trainer.versions.issue()
        self.algorithm.policy_version = self.trainer.versions.pushes
        return push

    def load(self):
        self.store.log.close()
        self.store.restore(self.store.load())


@pytest.mark.parametrize('name', ['sac', 'reinforce'])
def test_half_and_half_is_the_whole(name, tmp_path):
    straight, first = (Learner(name, tmp_path / folder) for folder in 'ab')
    wanted = straight.learn(range(16))
    first.learn(range(9))
    first.store.save({})
    first.learn(range(9, 11))  # not in any checkpoint: the process died
    first.store.log.flush()
    second = Learner(name, tmp_path / 'b')
    second.store.restore(second.store.load())
    second.algorithm.policy_version = second.trainer.versions.pushes
    assert second.trainer.rows == 90 and second.trainer.inbox.waiting == 20
    second.work()
    second.work()
    assert np.array_equal(second.learn(range(11, 16)), wanted)
    assert second.trainer.updates == straight.trainer.updates > 0
    assert second.trainer.rows == 160


def test_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path):
    """Its rows are still there, and those behind it as well."""
    first, second = (Learner('sac', tmp_path) for _ in range(2))
    first.learn(range(8))
    first.store.save({})
    kept = first.algorithm.replay.data.copy()
    first.learn(range(8, 12))
    first.store.save({})
    newest = first.store.checkpoints.files()[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    second.load()
    assert second.trainer.rows == 80 and second.trainer.inbox.waiting == 40
    assert np.array_equal(second.algorithm.replay.data, kept)


def test_rows_that_the_disk_lost_are_told_and_wanted_again(tmp_path, caplog):
    first, second = (Learner('sac', tmp_path) for _ in range(2))
    first.learn(range(3))
    first.store.save({})
    first.learn(range(3, 6))
    first.store.log.close()
    path = next(tmp_path.glob('rows/*.rows'))
    path.write_bytes(path.read_bytes()[:-5])
    second.load()
    assert second.trainer.inbox.waiting == 20 and 'ends in' in caplog.text
    second.trainer.ingest(workbench.act_rows(second.algorithm, second.layout, R,
                                             np.random.default_rng(1), first=60))
    assert second.trainer.inbox.missing(1) == R


def test_rows_that_a_checkpoint_has_learned_and_the_log_has_lost_are_reported(tmp_path, caplog):
    """At once, and no more of them when there are newer rows behind."""
    first, second, third = (Learner('sac', tmp_path) for _ in range(3))
    first.learn(range(5))
    first.store.save({})
    first.store.log.close()
    path = next(tmp_path.glob('rows/*.rows'))
    path.write_bytes(path.read_bytes()[:-5])
    second.load()
    lost = second.store.log.counts['log_lost']
    assert lost > 0
    assert f'{lost} rows' in caplog.text and 'in front of the checkpoint' in caplog.text
    second.store.log = RowLog(tmp_path / 'rows', second.layout)
    second.store.begin()
    second.learn(range(5, 7))
    second.store.log.close()
    third.load()
    assert third.store.log.counts['log_lost'] == lost
    assert third.trainer.rows + third.trainer.inbox.waiting == 70


def test_without_a_checkpoint_all_rows_are_learned_from(tmp_path):
    first, second = (Learner('sac', tmp_path) for _ in range(2))
    wanted = first.learn(range(5))
    first.store.log.flush()
    second.load()
    pushes = [second.work() for _ in range(5)]
    assert np.array_equal(pushes[-1].weights, wanted)


def test_a_run_of_the_old_format_is_refused(tmp_path):
    learner = Learner('sac', tmp_path)
    (tmp_path / 'replay').mkdir()
    (tmp_path / 'replay' / '000000.rows').write_bytes(bytes(80))
    with pytest.raises(ValueError, match='cannot be resumed'):
        learner.store.load()
    assert Store.occupied(tmp_path)


@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'),
                                   PermissionError(13, 'Permission denied'),
                                   OSError(30, 'Read-only file system')])
def test_a_disk_that_refuses_leaves_the_last_checkpoint(tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    learner = Learner('sac', tmp_path)
    learner.learn(range(3))
    learner.store.save({})
    good = learner.store.checkpoints.files()
    for call in ('fsync', 'open'):
        monkeypatch.setattr(f'os.{call}', refuse)
        learner.learn(range(3, 5) if call == 'fsync' else range(5, 7))
        with pytest.raises(OSError, match=error.strerror):
            learner.store.save({})
        assert not learner.store.due  # not at once again
        monkeypatch.undo()
    assert learner.store.checkpoints.files() == good
    learner.store.log.flush()
    learner.store.save({})
    again = Learner('sac', tmp_path)
    again.load()
    assert again.trainer.rows == 70
