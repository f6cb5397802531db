"""
Datasheet of `planar2`, a 2-joint torque-controlled arm in a vertical plane that carries itself.

All figures are our own and after no particular arm.  Nothing compensates gravity: level and
stretched out, the shoulder needs 17 of its 45 N m only to hold still.  Stopping from full speed
takes 0.4 s; the motors reach full effort in 50 ms.

The control rate is 500 Hz because the forearm is light: in 2 ms its motor can change the elbow's
speed by an eighth of the limit, in 5 ms it would be a third.

`inertia` is 1 / (M^-1)_ii, which is what a motor feels while the other joint is free: its 5 %
quantile over 20 000 configurations, uniform inside the limits, rounded down.
"""

from rl_robot_ros.core.spec import RobotSpec

JOINTS = ('shoulder_joint', 'elbow_joint')

ROBOT = RobotSpec(
    name='planar2',
    urdf='planar2.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-2.5, -2.4),
    position_upper=(2.5, 2.4),
    velocity_limit=(3.0, 4.0),
    effort_limit=(45.0, 12.0),
    effort_rate_limit=(900.0, 240.0),
    braking_acceleration=(7.5, 10.0),
    inertia=(0.45, 0.046),
    armature=(0.05, 0.02),
    home=(0.6, -1.2),
    control_period=0.002,
    decision_periods=10,
    physics_steps=2,
    action_scale=0.3,
    gravity_compensated=False,
    tip_link='tip',
)
