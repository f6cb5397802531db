"""
Datasheet of `arm7`, a 7-joint torque-controlled arm in the class of the Franka Emika Panda.

Position, velocity and effort limits and the torque rate are those of the Panda (Franka Control
Interface documentation, "Robot and interface specifications").  The braking accelerations are
those that Franka publishes, inside its position-dependent speed limits, for the FR3 (half of the
second constant of each curve).  Rotor inertia 0.1 kg m^2 is the figure of MuJoCo Menagerie's
Panda.  Like the Panda, the arm compensates its own gravity: effort 0 holds it still.
"""

import math

from rl_robot_ros.core.spec import RobotSpec

JOINTS = tuple(f'joint{i}' for i in range(1, 8))

ROBOT = RobotSpec(
    name='arm7',
    urdf='arm7.urdf',
    joint_names=JOINTS,
    actuated=JOINTS,
    position_lower=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973),
    position_upper=(2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973),
    velocity_limit=(2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61),
    effort_limit=(87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0),
    effort_rate_limit=(1000.0,) * 7,
    braking_acceleration=(6.0, 2.6, 3.5, 4.0, 17.0, 5.5, 17.0),
    inertia=(0.35, 0.6, 0.25, 0.5, 0.1, 0.1, 0.1),
    armature=(0.1,) * 7,
    home=(0.0, -math.pi / 4, 0.0, -3 * math.pi / 4, 0.0, math.pi / 2, math.pi / 4),
    control_period=0.005,
    decision_periods=4,
    physics_steps=2,
    action_scale=0.3,
    gravity_compensated=True,
    tip_link='tip',
)
