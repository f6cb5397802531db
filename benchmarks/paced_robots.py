"""Datasheets of robots at other control rates; physics and decisions stay as fine as they are."""

from dataclasses import replace

from rl_robot_ros.core.resolve import resolve

RATES = (100, 250, 500)  # [Hz]


def __getattr__(name: str) -> object:
    """Make `ARM7_250` and its like: a robot at so many control periods a second."""
    robot, _, rate = name.rpartition('_')
    if not robot.isupper() or not rate.isdigit():
        raise AttributeError(name)
    base, period = resolve('robot', robot.lower()), 1.0 / int(rate)
    longer = period / base.control_period
    return replace(base, name=name.lower(), control_period=period,
                   decision_periods=max(1, round(base.decision_periods / longer)),
                   physics_steps=max(1, round(base.physics_steps * longer)))
