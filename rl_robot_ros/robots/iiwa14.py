"""
Datasheet of `iiwa14`, the KUKA LBR iiwa 14 R820.

Position and velocity limits are those of `joint_limits.yaml` in lbr_fri_ros2_stack and of
iiwa_ros, rounded down to 0.1 mrad; effort limits are those of iiwa_ros.  The arm compensates its
own gravity: over the Fast Robot Interface a torque of 0 holds it still.

We know of no public figures for the rest, so it is our choice: stopping from full speed takes
about 0.4 s, full effort is reached in 50 ms, the rotor inertia is that of `arm7`.  200 Hz as for
`arm7`, so that it trains as fast.

`inertia` is 1 / (M^-1)_ii, which is what a motor feels while the other joints are free: its 5 %
quantile over 20 000 configurations, uniform inside the limits, rounded down.
"""

import math

from rl_robot_ros.core.spec import RobotSpec

JOINTS = tuple(f'lbr_A{i}' for i in range(1, 8))

ROBOT = RobotSpec(
    name='iiwa14',
    urdf='iiwa14.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-2.967, -2.0943, -2.967, -2.0943, -2.967, -2.0943, -3.0543),
    position_upper=(2.967, 2.0943, 2.967, 2.0943, 2.967, 2.0943, 3.0543),
    velocity_limit=(1.4835, 1.4835, 1.7453, 1.3089, 2.2689, 2.3561, 2.3561),
    effort_limit=(320.0, 320.0, 176.0, 176.0, 110.0, 40.0, 40.0),
    effort_rate_limit=(6400.0, 6400.0, 3520.0, 3520.0, 2200.0, 800.0, 800.0),
    braking_acceleration=(3.7, 3.7, 4.3, 3.2, 5.6, 5.8, 5.8),
    inertia=(0.23, 1.29, 0.13, 0.27, 0.1, 0.1, 0.1),
    armature=(0.1,) * 7,
    home=(0.0, math.pi / 6, 0.0, -math.pi / 2, 0.0, math.pi / 3, 0.0),
    control_period=0.005,
    decision_periods=4,
    physics_steps=2,
    action_scale=0.3,
    gravity_compensated=True,
    tip_link='lbr_link_ee',
)
