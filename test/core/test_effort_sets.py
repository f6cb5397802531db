import pytest
from rl_robot_ros.core.effort_sets import CONTINUOUS
from rl_robot_ros.core.effort_sets import effort_set
from rl_robot_ros.core.effort_sets import EFFORT_SETS


def test_sets_of_two_motors():
    assert effort_set(CONTINUOUS, 2) == ()
    push = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
    assert effort_set('push', 2) == push
    assert effort_set('push_or_rest', 2) == (*push, (0.0, 0.0))


@pytest.mark.parametrize('name', EFFORT_SETS[1:])
@pytest.mark.parametrize('motors', [1, 7])
def test_choices_differ_and_fit(name, motors):
    efforts = effort_set(name, motors)
    assert len(set(efforts)) == len(efforts) >= 2 * motors
    assert all(len(row) == motors and max(map(abs, row)) <= 1.0 for row in efforts)


def test_unknown_sets_are_refused():
    with pytest.raises(ValueError, match="actions: got 'left', allowed are continuous, push"):
        effort_set('left', 1)
