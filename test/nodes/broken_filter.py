"""The real safety filter with faults built in, which a message sets off."""

import sys
import time

from rl_robot_ros.nodes import safety_filter
from rl_robot_ros.safety.filter import SafetyFilter

RAISE, RAISE_ALWAYS, SLOW = 7.0, 8.0, 9.0  # [N m] asked of the first joint
BAD_SPEED = 1e-3  # [rad/s] of the first joint
BLOCK = 1e6  # [N m] asked by a person

see, answer = SafetyFilter.see, SafetyFilter.answer
on_teleop = safety_filter.SafetyFilterNode._on_teleop


def broken_see(self, position, velocity, periods=1):
    if velocity is not None and velocity[0] == BAD_SPEED:
        raise ZeroDivisionError('built in')
    see(self, position, velocity, periods)


def broken_answer(self, request, teleop=None):
    asked = 0.0 if request is None else request[0]
    if asked:
        self.always = asked == RAISE_ALWAYS
    if asked == RAISE or getattr(self, 'always', False):
        raise ZeroDivisionError('built in')
    if asked == SLOW:
        time.sleep(0.015)
    return answer(self, request, teleop)


def broken_on_teleop(self, message):
    if message.effort[0] == BLOCK:
        time.sleep(3.0)
    else:
        on_teleop(self, message)


if __name__ == '__main__':
    SafetyFilter.see, SafetyFilter.answer = broken_see, broken_answer
    safety_filter.SafetyFilterNode._on_teleop = broken_on_teleop
    sys.exit(safety_filter.main())
