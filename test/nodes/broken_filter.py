"""The real safety filter with faults built in, which a message sets off."""

import sys
import time

from rl_robot_ros.nodes import safety_filter
from rl_robot_ros.safety.filter import SafetyFilter

RAISE, SLOW = 7.0, 9.0  # [N m] asked of the first joint
BLOCK = 1e6  # [N m] asked by a person

step = SafetyFilter.step
on_teleop = safety_filter.SafetyFilterNode._on_teleop


def broken_step(self, position, velocity, request, *others):
    if request is not None and request[0] == RAISE:
        raise ZeroDivisionError('built in')
    if request is not None and request[0] == SLOW:
        time.sleep(0.015)
    return step(self, position, velocity, request, *others)


def broken_on_teleop(self, message):
    if message.effort[0] == BLOCK:
        time.sleep(3.0)
    else:
        on_teleop(self, message)


if __name__ == '__main__':
    SafetyFilter.step = broken_step
    safety_filter.SafetyFilterNode._on_teleop = broken_on_teleop
    sys.exit(safety_filter.main())
