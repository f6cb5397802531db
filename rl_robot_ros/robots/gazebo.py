"""
Every robot as Gazebo simulates it: `rl_robot_ros.robots.gazebo:arm7`.

A joint feels the rotor of its motor, through the gear, as `armature`; Gazebo has no word for it.
Without it an arm is so light at its wrist that the gains that are right for the real one swing.
So Gazebo's arm has a disc in the link of each such joint, `robots.model.DISC`, which the other
joints feel as well: the arm is more inert than the one that others simulate.  Filter and policy
need the model of the robot that is there, so in Gazebo they use this datasheet.  Rotors of
prismatic joints are left out, there and here.
"""

from dataclasses import replace

from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec


def __getattr__(name: str) -> RobotSpec:
    """Return the datasheet called `name`, or `module:attribute`, with discs for rotors."""
    if name.startswith('__') or name == 'ROBOT':  # asked for by importlib and `names`
        raise AttributeError(name)
    return replace(resolve('robot', name), discs=True)
