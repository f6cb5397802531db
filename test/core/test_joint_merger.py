"""States in several messages become one, and none where a joint is late."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.joint_merger import JointMerger

NAMES = ('a', 'b', 'c')


def test_parts_make_a_state():
    merger = JointMerger(NAMES, 0.1)
    assert not merger.splits
    assert not merger.add(['c', 'other'], 10, 0.0, [3.0, 9.0], [0.3, 0.9])
    assert merger.splits and merger.late(0.05) == ['a', 'b']
    assert merger.add(['b', 'a'], 12, 0.01, [2.0, 1.0], [0.2, 0.1])
    assert merger.position.tolist() == [1.0, 2.0, 3.0]
    assert merger.velocity.tolist() == [0.1, 0.2, 0.3]
    assert merger.stamp == 12
    # The next state needs every joint again.
    assert not merger.add(['a', 'b'], 22, 0.02, [1.5, 2.5], [0.0, 0.0])
    assert merger.add(['c'], 20, 0.02, [3.5], [0.0]) and merger.stamp == 22
    merger.forget()
    assert not merger.splits and merger.late(0.02) == list(NAMES)


def test_a_late_joint_keeps_the_state_back():
    merger = JointMerger(NAMES, 0.1)
    merger.add(['c'], 10, 0.0, [3.0], [0.3])
    assert not merger.add(['a', 'b'], 30, 0.2, [1.0, 2.0], [0.1, 0.2])
    assert merger.late(0.2) == ['c']
    assert merger.add(['c'], 40, 0.21, [3.0], [0.3])


def test_an_older_value_is_not_taken():
    merger = JointMerger(NAMES, 0.1)
    merger.add(['a', 'b'], 20, 0.0, [1.0, 2.0], [0.0, 0.0])
    merger.add(['b'], 10, 0.01, [9.0], [9.0])
    assert merger.add(['c'], 15, 0.02, [3.0], [0.0])
    assert merger.position.tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize('names, position, says', [
    (['a', 'a'], [1.0, 2.0], 'twice'), (['a'], [], 'length'), (['a'], [float('nan')], 'finite'),
    (['a'], [1.0, 2.0], 'length')])
def test_bad_parts(names, position, says):
    merger = JointMerger(NAMES, 0.1)
    with pytest.raises(ValueError, match=says):
        merger.add(names, 1, 0.0, position, [0.0] * len(names))
    assert not merger.splits and merger.late(0.0) == list(NAMES)


@given(st.lists(st.lists(st.sampled_from(['a', 'b', 'c', 'x']), max_size=4, unique=True),
                max_size=30), st.integers(1, 5))
def test_whatever_comes_a_state_is_new_and_young(messages, age):
    """A complete state has of each joint the newest value, and all of them are young."""
    merger = JointMerger(NAMES, float(age))
    newest, used = dict.fromkeys(NAMES, -99), dict.fromkeys(NAMES, -99)
    for now, names in enumerate(messages):
        complete = merger.add(names, now, float(now), [float(now)] * len(names),
                              [0.0] * len(names))
        newest |= {name: now for name in names if name in newest}
        expected = all(newest[n] > used[n] and now - newest[n] <= age for n in NAMES)
        assert complete == expected
        if complete:
            used = dict(newest)
            assert merger.position.tolist() == [newest[n] for n in NAMES]
            assert merger.stamp == max(newest.values()) and not np.isnan(merger.position).any()
