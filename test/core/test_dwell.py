import pytest
from rl_robot_ros.core.dwell import Dwell


@pytest.mark.parametrize('seconds, states', [(0.0, 1), (0.005, 1), (0.0051, 2), (0.2, 40)])
def test_it_counts_states_in_a_row(seconds, states):
    dwell = Dwell(seconds, 0.005)
    for _ in range(2):
        assert [dwell.held(True) for _ in range(states + 2)] == [False] * (states - 1) + [True] * 3
        dwell.begin()
    assert not dwell.held(False)
    assert dwell.held(True) is (states == 1)
