"""What the safety filter says, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
import numpy as np
from rclpy.node import Node
from rl_robot_ros import wire
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.nodes.runtime import COMMAND_QOS
from rl_robot_ros.nodes.runtime import LAST_WORDS
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.verdict import Verdict
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

LEVELS = {Phase.FAULT: DiagnosticStatus.ERROR, Phase.STOP: DiagnosticStatus.ERROR,
          Phase.BRAKING: DiagnosticStatus.WARN, Phase.HOLD: DiagnosticStatus.WARN}


class FilterOutputs:
    """
    The publishers of the filter.  Nothing here is logged: a logger may block.

    :param node: publishes.
    :param joints: the order of efforts.
    """

    def __init__(self, node: Node, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._writer = wire.JointWriter(joints)
        self._efforts = wire.EffortsWriter()
        self.command = node.create_publisher(JointState, 'effort_command', COMMAND_QOS)
        self.controller = node.create_publisher(Float64MultiArray, 'effort_controller/commands',
                                                COMMAND_QOS)
        self.state = node.create_publisher(DiagnosticStatus, 'safety_filter/state', LATCHED_QOS)
        self.certificate = node.create_publisher(DiagnosticStatus, 'safety_filter/certificate',
                                                 LATCHED_QOS)
        self.intervention = node.create_publisher(JointState, 'safety_filter/intervention',
                                                  COMMAND_QOS)
        self.listeners = 0  # of interventions; counting them for every answer would cost more
        self._answered: JointState | None = None

    def topics(self) -> set[str]:
        """Return the names after remapping."""
        return {publisher.topic_name for publisher in (
            self.command, self.controller, self.state, self.certificate, self.intervention)}

    def answer(self, stamp: int, verdict: Verdict, request: Vector | None, lockstep: bool) -> None:
        """
        Give the one answer to the state of this stamp, first to the one who moves the robot.

        :param lockstep: whether that is a simulator that waits for `effort_command`.
        """
        self._answered = self._writer.write(stamp, verdict.source, effort=verdict.effort)
        if lockstep:
            self.command.publish(self._answered)
        self.controller.publish(self._efforts.write(verdict.motor_effort))
        if not lockstep:
            self.command.publish(self._answered)
        if self.listeners and request is not None:
            self.intervention.publish(wire.joint_state(
                self._joints, stamp, verdict.source, effort=verdict.effort - request))

    def repeat(self) -> None:
        """Give the last answer again."""
        if self._answered is not None:
            self.command.publish(self._answered)

    def drive(self, effort: Vector) -> None:
        """Command the motors, as the controller is told, where there is no state to answer."""
        self.controller.publish(wire.efforts_message(effort))

    def report(self, phase: Phase, reason: str) -> None:
        """Tell everybody the phase."""
        self.state.publish(wire.status('safety_filter', LEVELS.get(phase, DiagnosticStatus.OK),
                                       reason, {'phase': phase.value}))

    def certify(self, certificate: Certificate | None, file: str) -> None:
        """
        Tell everybody what the limits are worth.

        :param file: where to keep it as JSON too; empty: nowhere.
        """
        if certificate is None:
            self.certificate.publish(wire.status('safety_filter', DiagnosticStatus.WARN,
                                                 'model-free: mitigation, no guarantee', {}))
            return
        self.certificate.publish(wire.status(
            'safety_filter', DiagnosticStatus.OK, certificate.summary(), certificate.values()))
        if file:
            write_atomically(Path(file), certificate.to_json())

    def last_words(self, stamp: int, effort: Vector) -> None:
        """
        Leave a command that may stay for ever, as it does in an effort controller.

        :param effort: [N m or N] what holds a robot that stands still: a braking effort would
            speed a joint up again after it has stopped it.
        """
        self.drive(effort)
        self.command.publish(wire.joint_state(self._joints, stamp, 'stop',
                                              effort=np.zeros(len(self._joints))))
        for publisher in (self.controller, self.command):
            publisher.wait_for_all_acked(LAST_WORDS)
