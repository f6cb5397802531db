"""
Datasheet of `ur5e`, the Universal Robots UR5e, as a torque-controlled arm that carries itself.

Limits are those of `config/ur5e/joint_limits.yaml` in Universal_Robots_ROS2_Description 2.4.5,
which cites the maker's manual and table of joint torques; rounded down to 0.1 mrad.  Rotor inertia
0.1 kg m^2 is the figure of MuJoCo Menagerie's UR5e.  500 Hz is the update rate of
Universal_Robots_ROS2_Driver for the e-Series.

The maker publishes neither accelerations nor torque rates, so these are our choice: stopping from
full speed takes about 0.4 s, full effort is reached in 50 ms.

`inertia` is 1 / (M^-1)_ii, which is what a motor feels while the other joints are free: its 5 %
quantile over 20 000 configurations, uniform inside the limits, rounded down.
"""

import math

from rl_robot_ros.core.spec import RobotSpec

JOINTS = ('shoulder_pan_joint', 'shoulder_lift_joint', 'elbow_joint', 'wrist_1_joint',
          'wrist_2_joint', 'wrist_3_joint')

ROBOT = RobotSpec(
    name='ur5e',
    urdf='ur5e.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-6.2831, -6.2831, -3.1415, -6.2831, -6.2831, -6.2831),
    position_upper=(6.2831, 6.2831, 3.1415, 6.2831, 6.2831, 6.2831),
    velocity_limit=(3.1415,) * 6,
    effort_limit=(150.0, 150.0, 150.0, 28.0, 28.0, 28.0),
    effort_rate_limit=(3000.0, 3000.0, 3000.0, 560.0, 560.0, 560.0),
    braking_acceleration=(8.0,) * 6,
    inertia=(0.29, 0.7, 0.22, 0.11, 0.1, 0.1),
    armature=(0.1,) * 6,
    home=(0.0, -math.pi / 2, math.pi / 2, -math.pi / 2, -math.pi / 2, 0.0),
    control_period=0.002,
    decision_periods=10,
    physics_steps=2,
    action_scale=0.3,
    gravity_compensated=False,
    tip_link='tool0',
)
