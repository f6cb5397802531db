"""Options of the safety watchdog, each with its unit, range and meaning."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.config import option


@dataclass(frozen=True)
class WatchdogConfig:
    """When the safety watchdog gives the filter up, and what it does then."""

    periods: int = option(3, 'a joint state may wait this long for the output of the filter',
                          unit='control periods', low=2, high=1000)
    min_silence: float = option(0.06, 'but at least this long: Python on a busy machine stalls '
                                'without being dead (compare waited_max_ms in /diagnostics)',
                                unit='s', low=0.005, high=1.0)
    controller_manager: str = option('controller_manager', 'node whose switch_controller takes '
                                     'the effort controller away')
    effort_controller: str = option('effort_controller', 'controller to deactivate')
    fallback_controllers: str = option('', 'controllers to activate in its place, separated by '
                                       'commas; empty: none')
    wrong_length: bool = option(False, 'where no service stops the robot, send the effort '
                                'controller a command of wrong length: ros2_control deactivates '
                                'it then, and activates its own fallback_controllers')

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """Return the names in `fallback_controllers`."""
        return tuple(name.strip() for name in self.fallback_controllers.split(',')
                     if name.strip())
