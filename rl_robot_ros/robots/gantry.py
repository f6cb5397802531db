"""
Datasheet of `gantry`, a carriage on two level rails that run in grease; our own figures.

Action 1 is 10 N, which the grease turns into 0.5 m/s: a push of one decision, 0.4 s, moves the
carriage by 0.2 m in the end, of which 0.05 m (along x) come while it runs out.
"""

from rl_robot_ros.core.spec import RobotSpec

JOINTS = ('x', 'y')

ROBOT = RobotSpec(
    name='gantry',
    urdf='gantry.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-0.47, -0.47),
    position_upper=(0.47, 0.47),
    velocity_limit=(0.7, 0.7),
    effort_limit=(20.0, 20.0),
    effort_rate_limit=(2000.0, 2000.0),
    braking_acceleration=(1.8, 3.6),
    inertia=(2.0, 1.0),
    armature=(0.0, 0.0),
    home=(0.0, 0.0),
    control_period=0.02,
    decision_periods=20,
    physics_steps=10,
    action_scale=0.5,
    gravity_compensated=False,  # the rails are level, so there is nothing to compensate
    tip_link='tip',
)
