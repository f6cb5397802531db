"""Datasheets of `arm7` at other control rates, for `paced.py`; decisions stay at 50 Hz."""

from dataclasses import replace

from rl_robot_ros.core.resolve import resolve

RATES = (100, 250, 500)  # [Hz]


def __getattr__(name: str) -> object:
    """Make `HZ_250` and its like: the arm at so many control periods a second."""
    prefix, _, rate = name.partition('_')
    if prefix != 'HZ' or not rate.isdigit():
        raise AttributeError(name)
    period = 1.0 / int(rate)
    # Physics no coarser than that of the arm itself, 2.5 ms.
    return replace(resolve('robot', 'arm7'), name=name.lower(), control_period=period,
                   decision_periods=max(1, int(rate) // 50),
                   physics_steps=max(1, round(period / 0.0025)))
