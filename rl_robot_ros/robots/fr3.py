"""
Datasheet of `fr3`, the Franka Research 3 without its hand.

Position, velocity and effort limits are those of franka_description 1.0.1
(`robots/fr3/joint_limits.yaml`), the torque rate is that of libfranka (`rate_limiting.h`).  The
braking accelerations are Franka's own: half of the second constant of each position-dependent
speed limit in `rate_limiting.h`, see `safety.bounds.envelope`.  Rotor inertia and joint damping
are the figures of MuJoCo Menagerie's FR3.  The arm compensates its own gravity: effort 0 holds it
still.

The real arm is commanded at 1 kHz; 200 Hz as for `arm7`, so that it trains as fast.

`inertia` is 1 / (M^-1)_ii, which is what a motor feels while the other joints are free: its 5 %
quantile over 20 000 configurations, uniform inside the limits, rounded down.
"""

import math

from rl_robot_ros.core.spec import RobotSpec

JOINTS = tuple(f'fr3_joint{i}' for i in range(1, 8))

ROBOT = RobotSpec(
    name='fr3',
    urdf='fr3.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-2.7437, -1.7837, -2.9007, -3.0421, -2.8065, 0.5445, -3.0159),
    position_upper=(2.7437, 1.7837, 2.9007, -0.1518, 2.8065, 4.5169, 3.0159),
    velocity_limit=(2.62, 2.62, 2.62, 2.62, 5.26, 4.18, 5.26),
    effort_limit=(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0),
    effort_rate_limit=(1000.0,) * 7,
    braking_acceleration=(6.0, 2.585, 3.5, 4.0, 17.0, 5.5, 17.0),
    inertia=(0.34, 0.76, 0.26, 0.37, 0.09, 0.09, 0.07),
    armature=(0.195, 0.195, 0.195, 0.195, 0.074, 0.074, 0.074),
    home=(0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4),
    control_period=0.005,
    decision_periods=4,
    physics_steps=2,
    action_scale=0.3,
    gravity_compensated=True,
    tip_link='fr3_link8',
)
