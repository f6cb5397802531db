"""Stopping and going on, with everything that a checkpoint consists of."""

from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.core.flow import FlowConfig
from rl_robot_ros.learning.checkpoint import Checkpoints
from rl_robot_ros.learning.checkpoint import RowLog
from rl_robot_ros.learning.trainer import Trainer

R = 10
FLOW = FlowConfig(enabled=True, rows=R)


class Learner:
    """What a learning session is made of, in one folder."""

    def __init__(self, name, folder):
        self.algorithm = workbench.make(name, capacity=60, learn_from='both')
        self.layout = workbench.layout_of(self.algorithm)
        self.trainer = Trainer(self.algorithm, self.layout, FLOW)
        self.checkpoints = Checkpoints(folder)
        self.log = RowLog(folder / 'replay', self.layout.width, self.algorithm.memory_rows)

    def learn(self, blocks):
        """Take rows that depend on nothing but their number; returns the weights pushed last."""
        for block in blocks:
            rows = workbench.act_rows(self.algorithm, self.layout, R,
                                      np.random.default_rng(block), first=block * R)
            rows[::3, self.layout.column('filtered')] = 1.0
            self.trainer.ingest(rows)
            push = self.trainer.work(0.0)
            self.algorithm.policy_version += 1
            if self.trainer.newest is not None:
                self.log.append(self.trainer.newest)
        return push.weights

    def save(self):
        rows = self.log.flush()
        self.checkpoints.save(self.trainer.rows, {'trainer': self.trainer.state_dict(),
                                                  'rows': rows})

    def load(self):
        state = self.checkpoints.load(print)
        self.trainer.load_state_dict(state['trainer'])
        self.algorithm.refill(self.log.restore(state['rows']))


@pytest.mark.parametrize('name', ['sac', 'reinforce'])
def test_half_and_half_is_the_whole(name, tmp_path):
    straight, first, second = (Learner(name, tmp_path / folder) for folder in 'abb')
    wanted = straight.learn(range(16))
    first.learn(range(9))
    first.save()
    first.learn(range(9, 11))  # lost: the process died before it saved again
    second.load()
    second.algorithm.policy_version = 9
    assert np.array_equal(second.learn(range(9, 16)), wanted)
    assert second.trainer.updates == straight.trainer.updates > 0
    assert second.trainer.rows == 160


def test_damaged_newest_checkpoint_falls_back_to_its_own_rows(tmp_path):
    first, second = (Learner('sac', tmp_path) for _ in range(2))
    first.learn(range(8))
    first.save()
    kept = first.algorithm.replay.data.copy()
    first.learn(range(8, 12))
    first.save()
    newest = first.checkpoints.files()[-1]
    newest.write_bytes(newest.read_bytes()[:-5])
    second.load()
    assert second.trainer.rows == 80
    assert np.array_equal(second.algorithm.replay.data, kept)
