"""Where the safety filter has its limits from: datasheet, URDF, joint_limits.yaml."""

from __future__ import annotations

from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.own_limits import own_limits
from rl_robot_ros.own_limits import within
from rl_robot_ros.robots.urdf import parse_joints
from rl_robot_ros.safety.state_machine import Phase

BEFORE_MOTION = (Phase.UNCONFIGURED, Phase.IDLE)


class LimitSources:
    """
    The tightest of what datasheet, URDF and `joint_limits.yaml` say.

    The first two are mandatory: a datasheet without a model waits for `robot_description`.
    A description that comes before the first joint state, or that is waited for, may tighten the
    limits.  One that does not limit every motor, leaves nothing of a range, or comes too late to
    tighten anything keeps the robot from moving; while it moves the limits stay as they are.

    :param robot: the datasheet.
    :param joint_limits_file: ros2_control's joint_limits.yaml, empty for none.
    :param require_description: wait for `robot_description`.
    :raises ValueError: a file is no such file, or its limits do not fit.
    :raises FileNotFoundError: a file is not there.
    """

    def __init__(self, robot: RobotSpec, joint_limits_file: str,
                 require_description: bool) -> None:
        limits = own_limits(robot, joint_limits_file)
        modelled = bool(robot.urdf or robot.mjcf)
        self._own = limits
        self.limits = self._held = limits  # `_held`: those that a filter was made for
        self.refusal = 'waits for robot_description' if require_description or not modelled \
            else ''  # why nothing may move
        self.complaint = ''  # what is wrong although the robot may move
        self._text = ''

    def offer(self, text: str, phase: Phase) -> bool:
        """
        Take a `robot_description`; returns whether `limits` have changed.

        Then a filter must be made for them, and nothing may move before :meth:`accept`.

        :param text: URDF.
        :param phase: of the filter: only at the start can there be other limits.
        """
        if text == self._text:
            self.complaint = ''
            return False
        if phase not in BEFORE_MOTION:
            self.complaint = (f'a new robot_description came while the filter is {phase.value}: '
                              'ignored, restart the filter to use it')
            return False
        try:
            limits = within(self._own, parse_joints(text))
        except ValueError as error:
            self.refusal = str(error)
            return False
        if limits != self.limits and phase is not Phase.UNCONFIGURED:
            self.refusal = ('robot_description has other limits and came after the start: restart '
                            'the filter, with filter.require_description')
            return False
        changed = limits != self.limits
        self.refusal = 'makes a filter for the limits of robot_description' if changed else ''
        self.complaint = ''
        self.limits, self._text = limits, text
        return changed

    def accept(self) -> None:
        """Note that there is a filter for `limits`."""
        self._held, self.refusal = self.limits, ''

    def refuse(self, reason: str) -> None:
        """Note that no filter can be made for `limits`: who offers them again is told so again."""
        self.limits, self.refusal, self._text = self._held, reason, ''
