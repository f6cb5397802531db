"""Compares the effort that a robot measures with what was commanded, where it measures any."""

from __future__ import annotations

from collections.abc import Callable

from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.state_stream import Sample
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.realised import RealisedEffort
from rl_robot_ros.settings import FilterConfig


class MotorCheck:
    """
    Feeds :class:`RealisedEffort` with samples.

    While the robot stands, what it finds keeps the robot from moving: a wrong
    `gravity_compensated` shows there.  While it moves, the caller makes a fault of it.

    :param robot: the datasheet.
    :param limits: effort limits.
    :param options: what is measured, how much it may differ, and for how long.
    :raises ValueError: gravity is measured, but there is no model of it.
    """

    def __init__(self, robot: RobotSpec, limits: JointLimits, options: FilterConfig) -> None:
        self._check: RealisedEffort | None = None
        if options.measured_effort != 'off':
            gravity: Callable[[Vector], Vector] | None = None
            if options.measured_effort == 'total' and robot.gravity_compensated:
                dynamics = dynamics_of(robot)
                if dynamics is None:
                    raise ValueError(f'filter.measured_effort is total, but robot {robot.name} '
                                     'has no model to tell its gravity: use command or off')
                gravity = dynamics.gravity
            self._check = RealisedEffort(limits, options.effort_tolerance, options.effort_window,
                                         gravity)
        self.refusal = ''  # what is wrong now, empty where nothing is
        self.commanded: Vector | None = None  # [N m or N] what was sent last

    def begin(self) -> None:
        """Forget what was: the robot was put elsewhere, or did not hear us."""
        self.refusal, self.commanded = '', None
        if self._check is not None:
            self._check.begin()

    def take(self, sample: Sample) -> str:
        """Take one state; returns what is wrong, empty where nothing is or can be known."""
        if self._check is None or self.commanded is None:
            return ''
        if sample.effort is None:
            self._check.begin()
            self.refusal = ''
        else:
            self.refusal = self._check.check(sample.effort, self.commanded, sample.position,
                                             sample.periods)
        return self.refusal
