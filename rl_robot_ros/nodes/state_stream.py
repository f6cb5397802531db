"""Joint states as they come: newest only, each once, whole, and aged by time of receipt."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rl_robot_ros import wire
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.dialogue import LOCKSTEP
from rl_robot_ros.core.insistence import Insistence
from rl_robot_ros.core.joint_merger import JointMerger
from rl_robot_ros.core.spec import Vector
from sensor_msgs.msg import JointState

MOST_PERIODS = 1000  # a gap that is longer counts as this many control periods
COUNTERS = ('states_refused', 'states_old', 'states_ahead', 'states_partial', 'states_foreign')


class Sample(NamedTuple):
    """One complete joint state."""

    stamp: int  # [ns]
    mark: tuple[str, int]  # mode and episode
    position: Vector  # [rad or m]
    velocity: Vector  # [rad/s or m/s]
    effort: Vector | None  # [N m or N] measured, where it is
    periods: int  # control periods since the last one
    seen: float  # [s] on the steady clock


NOTHING = Sample(-1, (HARDWARE, -1), np.zeros(0), np.zeros(0), None, 1, 0.0)


class StateStream:
    """
    Turns messages into samples, or says why not.

    A stamp names a state and orders states; it never makes one fresh.  One that runs ahead of the
    time that has passed here is refused (in lockstep no time passes between two states), as is a
    state without a stamp: requests find their state by it.  An older one is ignored, unless a
    simulator in lockstep insists on it.

    :param names: joints of a sample, in this order.
    :param period: [s] control period, in the robot's time.
    :param steady_period: [s] the same on the steady clock.
    :param timeout: [s] on the steady clock: by how much a stamp may run ahead, and how long one
        joint of a state that comes in parts may be silent.
    :param with_effort: whether to read measured effort too.
    :param counts: where to count, see `COUNTERS`.
    :param warn: called with a key and a sentence.
    """

    def __init__(self, names: Sequence[str], period: float, steady_period: float, timeout: float,
                 with_effort: bool, counts: dict[str, int],
                 warn: Callable[[str, str], None]) -> None:
        self._names = set(names)
        self._reader = wire.JointReader(names)
        self._efforts = wire.JointReader(names)
        self._merger = JointMerger(names, timeout)
        self._period_ns = period * 1e9
        self._steady_period = steady_period
        self._timeout = timeout
        self._with_effort = with_effort
        self._counts = counts
        self._warn = warn
        self._insistence = Insistence()

    def is_again(self, message: JointState, last: Sample) -> bool:
        """Say whether this is the last state once more."""
        return wire.stamp_of(message.header.stamp) == last.stamp and not self._merger.splits

    def take(self, message: JointState, last: Sample, now: float) -> Sample | None:
        """
        Return the state that this message completes, None where it is old, bad or a part.

        :param last: the newest state so far; with stamp -1 any state is newer.
        :param now: [s] time of receipt on the steady clock.
        """
        stamp, mark = wire.stamp_of(message.header.stamp), wire.parse_mark(message.header.frame_id)
        if stamp <= last.stamp and not self._merger.splits:
            self._counts['states_old'] += stamp < last.stamp
            if mark[0] != LOCKSTEP or not self._insistence.older(stamp, last.stamp):
                return None
            self._warn('insists', 'a simulator waits for the answer to a state that is older than '
                                  'the newest one: somebody else publishes joint_states')
        if stamp == 0 and mark[0] == HARDWARE:
            self._refuse('stamp', 'it has no stamp, by which requests find their state')
            return None
        try:
            position, velocity = self._reader.read(message, 'position', 'velocity')
        except wire.WireError as error:
            if self._names <= set(message.name):
                self._refuse(error.kind, str(error))
                return None
            if not self._merge(message, stamp, now):
                return None
            position, velocity = self._merger.position.copy(), self._merger.velocity.copy()
            stamp = self._merger.stamp
        else:
            if self._merger.splits:
                self._merger.forget()
        effort = self._measured_effort(message) if self._with_effort else None
        sample = self._placed(Sample(stamp, mark, position, velocity, effort, 1, now), last)
        if sample is not None and stamp > last.stamp:
            self._insistence.newer()
        return sample

    def _measured_effort(self, message: JointState) -> Vector | None:
        """Read the effort of every joint; drivers that do not measure it send NaN or nothing."""
        try:
            return self._efforts.read(message, 'effort')[0]
        except wire.WireError:
            return None

    def _merge(self, message: JointState, stamp: int, now: float) -> bool:
        """Put a message in that has some of the joints, or none."""
        if self._names.isdisjoint(message.name):
            self._counts['states_foreign'] += 1  # a gripper, another robot
            return False
        try:
            complete = self._merger.add(message.name, stamp, now, message.position,
                                        message.velocity)
        except ValueError as error:
            self._refuse('part', str(error))
            return False
        self._counts['states_partial'] += 1
        if not complete:
            late = self._merger.late(now)
            if late:
                self._warn('part', f'joint_states come in parts, and {", ".join(late)} '
                                   f'did not come for {self._timeout:g} s')
        return complete

    def _placed(self, sample: Sample, last: Sample) -> Sample | None:
        """Count the control periods since the last sample, which a stamp may not stretch."""
        if last.stamp < 0:
            return sample
        gap = (sample.stamp - last.stamp) / self._period_ns
        if sample.mark[0] != LOCKSTEP and sample.mark == last.mark:
            passed = (sample.seen - last.seen + self._timeout) / self._steady_period
            if gap > passed + 1.0:
                self._counts['states_ahead'] += 1
                self._refuse('ahead', f'its stamp is {gap:.0f} control periods after the last '
                                      f'one, but no more than {passed:.0f} have passed')
                return None
        return sample._replace(periods=max(1, round(min(gap, MOST_PERIODS))))

    def _refuse(self, kind: str, reason: str) -> None:
        self._counts['states_refused'] += 1
        self._warn(f'state {kind}', f'joint_states refused: {reason}')
