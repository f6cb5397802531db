from dataclasses import replace
import math

from core.fakes import ROBOT
import pytest


def test_robot_numbers():
    assert ROBOT.actuated_index.tolist() == [2, 0]
    assert ROBOT.action_to_effort.tolist() == [10.0, 4.0]
    assert ROBOT.decision_period == pytest.approx(0.02)


@pytest.mark.parametrize('change, says', [
    ({'effort_limit': (1.0,)}, 'effort_limit has 1 values, needs 2'),
    ({'home': (0.0,)}, 'home has 1 values, needs 3'),
    ({'armature': (0.0, 0.0, 0.0)}, 'armature has 3 values'),
    ({'velocity_limit': (1.0, 0.0)}, 'velocity_limit must be positive'),
    ({'velocity_limit': (1.0, math.nan)}, 'velocity_limit must be positive'),
    ({'inertia': (-1.0, 1.0)}, 'inertia must be positive'),
    ({'inertia': (float('inf'), 1.0)}, 'inertia and armature must be finite'),
    ({'position_lower': (1e9, 0.0)}, 'position_lower must be below'),
    ({'position_lower': (math.nan, 0.0)}, 'position_lower must be below'),
    ({'actuated': ('b', 'c')}, r"actuated joints \['c'\] are not in"),
    ({'joint_names': ('a', 'a', 'b')}, 'a name is there twice'),
    ({'control_period': 0.0}, 'control_period, decision_periods'),
    ({'control_period': math.nan}, 'control_period, decision_periods'),
    ({'decision_periods': 0}, 'must be positive'), ({'physics_steps': 0}, 'must be positive'),
    ({'action_scale': 0.0}, r'action_scale must lie in \(0, 1\], got 0.0'),
    ({'action_scale': 1.5}, 'got 1.5'), ({'action_scale': math.nan}, 'got nan')])
def test_datasheets_that_cannot_be(change, says):
    with pytest.raises(ValueError, match='fake: .*' + says):
        replace(ROBOT, **change)
