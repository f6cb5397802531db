"""Rows in which a person was in command: each once, up to a bound."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.memory.demonstrations import save_demonstrations
from rl_robot_ros.memory.interventions import Interventions

LAYOUT = RowLayout(2, 1, ('term',))


def row(seq, epoch=1, **flags):
    return LAYOUT.pack({'epoch': epoch, 'seq': seq, **flags})


def batch(*rows):
    return np.array(rows).reshape(-1, LAYOUT.width)


@given(st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.booleans()))))
def test_each_of_a_persons_rows_once(batches):
    kept = Interventions(LAYOUT, 1000)
    wanted = {}
    for part in batches:
        new = [row(seq, epoch, intervened=seq % 2, truncated=end) for epoch, seq, end in part]
        before = len(wanted)
        for one, (epoch, seq, _) in zip(new, part):
            if seq % 2:
                wanted.setdefault((epoch, seq), one)
        assert kept.add(batch(*new)) == len(wanted) - before
    assert np.array_equal(kept.collected(), batch(*wanted.values()))
    assert kept.counts['rows'] == len(wanted)
    assert bool(kept.refusal) == (not any(one[LAYOUT.column('truncated')]
                                          for one in wanted.values()))


def test_what_is_too_much_is_counted():
    kept = Interventions(LAYOUT, 2)
    kept.add(batch(*(row(seq, intervened=1) for seq in range(5))))
    kept.add(batch(row(0, intervened=1)))
    assert kept.counts == {'rows': 2, 'episodes': 0, 'successes': 0, 'left_out': 3}


def test_a_file_of_them(tmp_path):
    kept = Interventions(LAYOUT, 10)
    assert 'in no row' in kept.refusal
    kept.add(batch(row(0, intervened=1), row(1)))
    assert 'in 1 rows, but at the end of no episode' in kept.refusal
    kept.add(batch(row(2, intervened=1, evaluation=1, success=1, truncated=1),
                   row(3, intervened=1, terminated=1)))
    assert (kept.counts['episodes'], kept.counts['successes'], kept.refusal) == (2, 1, '')
    save_demonstrations(tmp_path / 'shown', LAYOUT, kept.collected())
    read = load_demonstrations(tmp_path / 'shown', LAYOUT)
    assert read.rows[:, LAYOUT.column('seq').start].tolist() == [0.0, 2.0, 3.0]
