"""
Datasheet of `pendulum`, a rod on a motor too weak to lift it in one go; angle 0 is upright.

Mass, length, torque (action 1 is 2 N m) and decision period are those of Gymnasium's Pendulum-v1.
The motor itself can do 10 N m: gravity takes up to 4.9 N m, so that the safety filter, which is
not bound to `action_scale`, can brake the rod wherever it is.
"""

import math

from rl_robot_ros.core.spec import RobotSpec

ROBOT = RobotSpec(
    name='pendulum',
    urdf='pendulum.urdf',
    joint_names=('hinge',),
    actuated=('hinge',),
    position_lower=(-math.inf,),
    position_upper=(math.inf,),
    velocity_limit=(10.0,),
    effort_limit=(10.0,),
    effort_rate_limit=(1000.0,),
    braking_acceleration=(12.0,),
    inertia=(0.33,),
    armature=(0.0,),
    home=(math.pi,),
    control_period=0.01,
    decision_periods=5,
    physics_steps=4,
    action_scale=0.2,
    gravity_compensated=False,
    lifted=False,  # swinging up against gravity is the task
)
