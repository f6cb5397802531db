from dataclasses import replace
import math

import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import MujocoDynamics


@pytest.mark.parametrize('lower', [(-math.inf, -0.4), (-0.4, -math.inf)])
def test_a_prismatic_joint_needs_both_ends(lower):
    """It never comes back to where it was: no certificate can look at all of its positions."""
    robot = replace(resolve('robot', 'gantry'), position_lower=lower)
    with pytest.raises(ValueError, match=r'prismatic joint . has position limits \[-inf, .*both'):
        MujocoDynamics(robot)
