"""An algorithm that only remembers what it was asked to do, and rows to feed a trainer with."""

import numpy as np
from rl_robot_ros.algorithms.base import Algorithm
from rl_robot_ros.core.transition import RowLayout

LAYOUT = RowLayout(1, 1, ('distance', 'bonus'))
EPOCH = LAYOUT.column('epoch').start
SEQ = LAYOUT.column('seq').start


class Recorder(Algorithm):
    """`calls` holds ('add', [(epoch, seq), ...]) and ('update', rows so far) in order."""

    def __init__(self, utd=1.0, starts=0, on_policy=False, fails_at=None):
        self.calls = []
        self.rows = self.updates = 0
        self._utd, self.starts, self.fails_at = utd, starts, fails_at
        self.on_policy = on_policy
        self.weights = np.zeros(3)
        self.kind = 'policy'

    @classmethod
    def network(cls, config, observation_size, action_size, choices=0):
        return f'gaussian {observation_size}-{action_size} tanh'

    @property
    def utd(self):
        return self._utd

    @property
    def ready(self):
        if self.on_policy:
            return self.collected >= self.starts > 0
        return self.rows >= self.starts

    @property
    def collected(self):
        """Rows since the last update."""
        last = max((i for i, call in enumerate(self.calls) if call[0] == 'update'), default=-1)
        return sum(len(call[1]) for call in self.calls[last + 1:])

    def add(self, rows):
        self.rows += len(rows)
        self.calls.append(('add', rows[:, [EPOCH, SEQ]].astype(int).tolist()))

    def update(self):
        if self.updates == self.fails_at:
            from rl_robot_ros.algorithms.base import NonFiniteLoss
            raise NonFiniteLoss('loss is nan')
        self.updates += 1
        self.weights = self.weights + 1.0
        self.calls.append(('update', self.rows))
        return {'loss': float(self.updates)}

    def actor_weights(self):
        return self.weights.copy()

    def exploration(self):
        return self.kind, 1.0

    def state_dict(self):
        return {'rows': self.rows, 'updates': self.updates, 'weights': self.weights.tolist()}

    def load_state_dict(self, state):
        self.rows, self.updates = state['rows'], state['updates']
        self.weights = np.array(state['weights'])

    @property
    def added(self):
        return [tuple(pair) for name, pairs in self.calls if name == 'add' for pair in pairs]


def make_rows(seqs, epoch=1, **values):
    """Build rows of one policy; values are columns, numbers or one per row."""
    rows = np.zeros((len(seqs), LAYOUT.width))
    rows[:, EPOCH] = epoch
    rows[:, SEQ] = seqs
    for name, value in values.items():
        rows[:, LAYOUT.column(name)] = np.reshape(value, (-1, 1))
    return rows
