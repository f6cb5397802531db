"""
Datasheet of `cartpole`, a cart on a rail with a pole on a free hinge; angle 0 is upright.

Masses and length are those of Barto, Sutton and Anderson (1983), the rail of 2.4 m to each side
and a force of up to 10 N (`action_scale` of 30 N) too.
"""

from rl_robot_ros.core.spec import RobotSpec

ROBOT = RobotSpec(
    name='cartpole',
    urdf='cartpole.urdf',
    joint_names=('slider', 'hinge'),
    actuated=('slider',),
    position_lower=(-2.4,),
    position_upper=(2.4,),
    velocity_limit=(5.0,),
    effort_limit=(30.0,),
    effort_rate_limit=(3000.0,),
    braking_acceleration=(15.0,),
    inertia=(1.0,),
    armature=(0.0,),
    home=(0.0, 0.0),
    control_period=0.01,
    decision_periods=2,
    physics_steps=4,
    action_scale=1.0 / 3.0,
    gravity_compensated=False,  # the rail is level, so there is nothing to compensate
)
