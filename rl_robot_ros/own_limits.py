"""The limits of a robot as they are known before anybody speaks: from its files."""

from __future__ import annotations

from pathlib import Path

from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.robots.joint_limits import load_joint_limits
from rl_robot_ros.robots.mjcf import described_joints
from rl_robot_ros.robots.urdf import limits_of
from rl_robot_ros.robots.urdf import UrdfJoint
from rl_robot_ros.safety.limits import JointLimits


def own_limits(robot: RobotSpec, joint_limits_file: str = '') -> JointLimits:
    """
    Return the tightest of what datasheet, model and `joint_limits.yaml` say.

    An MJCF file stands for a URDF where there is none; it knows no velocity limits.

    :param joint_limits_file: ros2_control's joint_limits.yaml, empty for none.
    :raises ValueError: a file is no such file, or its limits do not fit.
    :raises FileNotFoundError: a file is not there.
    """
    limits = JointLimits.from_robot(robot)
    if joint_limits_file:
        limits = limits.tightened(**load_joint_limits(Path(joint_limits_file)))
    return within(limits, described_joints(robot)) if robot.urdf or robot.mjcf else limits


def within(limits: JointLimits, joints: dict[str, UrdfJoint]) -> JointLimits:
    """Return the tighter of limits and of what a description says of these joints."""
    return limits.intersected(*limits_of(joints, limits.joints))
