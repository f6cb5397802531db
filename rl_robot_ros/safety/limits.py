"""Joint limits: mandatory for every motor, and only ever tightened."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
import math
from typing import Any

import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector

# flag of ros2_control's joint_limits.yaml -> the keys that it switches on
ENFORCED = {
    'has_position_limits': ('min_position', 'max_position'),
    'has_velocity_limits': ('max_velocity',),
    'has_effort_limits': ('max_effort',),
}
# Known to ros2_control, but not enforced here: refused when switched on, so that nobody relies on
# them.
NOT_ENFORCED = {
    'has_acceleration_limits': ('max_acceleration',),
    'has_deceleration_limits': ('max_deceleration',),
    'has_jerk_limits': ('max_jerk',),
    'has_soft_limits': ('soft_lower_limit', 'soft_upper_limit', 'k_position', 'k_velocity'),
}


@dataclass(frozen=True)
class JointLimits:
    """
    Limits of every actuated joint, in the order of `joints`.

    :param joints: names of the actuated joints.
    :param position_lower: [rad or m], ``-inf`` where the joint is continuous.
    :param position_upper: [rad or m], ``inf`` where the joint is continuous.
    :param velocity: [rad/s or m/s], symmetric.
    :param effort: [N m or N], symmetric.
    :param effort_rate: [N m/s or N/s], symmetric.
    :raises ValueError: a limit is missing, NaN, or not positive.
    """

    joints: tuple[str, ...]
    position_lower: tuple[float, ...]
    position_upper: tuple[float, ...]
    velocity: tuple[float, ...]
    effort: tuple[float, ...]
    effort_rate: tuple[float, ...]

    def __post_init__(self) -> None:
        """Refuse anything that is not a limit."""
        if not self.joints:
            raise ValueError('no actuated joint: there is nothing to limit')
        for item in fields(self):
            if len(getattr(self, item.name)) != len(self.joints):
                raise ValueError(f'{item.name} has {len(getattr(self, item.name))} values, '
                                 f'needs one for each of {", ".join(self.joints)}')
        for name in ('velocity', 'effort', 'effort_rate'):
            for joint, value in zip(self.joints, getattr(self, name)):
                if not 0.0 < value < math.inf:
                    raise ValueError(f'{joint}: {name} limit is {value}, it must be positive and '
                                     'finite; give it in the robot datasheet or the URDF')
        for joint, low, high in zip(self.joints, self.position_lower, self.position_upper):
            if not low < high:
                raise ValueError(f'{joint}: position limits are [{low}, {high}], the lower must '
                                 'be below the upper (-inf and inf for a continuous joint)')

    @classmethod
    def from_robot(cls, robot: RobotSpec) -> JointLimits:
        """Take the limits of the datasheet."""
        return cls(robot.actuated, robot.position_lower, robot.position_upper,
                   robot.velocity_limit, robot.effort_limit, robot.effort_rate_limit)

    def tightened(self, /, **joints: Mapping[str, Any]) -> JointLimits:
        """
        Return a copy that is tightened by `joint_limits.yaml`.

        :param joints: joint name to a mapping with keys of ros2_control's `joint_limits.yaml`
            (`has_velocity_limits`, `max_velocity`, ...) and `max_effort_rate`, which has no flag.
            A value counts only where its flag is true.
        :raises ValueError: an unknown joint or key, a value without its flag or a flag without
            its value, or a limit that is wider than this one.
        """
        values = {item.name: list(getattr(self, item.name)) for item in fields(self)}
        for joint, given in joints.items():
            if joint not in self.joints:
                raise ValueError(f'{joint}: not an actuated joint, allowed are '
                                 + ', '.join(self.joints))
            index = self.joints.index(joint)
            for key, value in _switched_on(joint, given).items():
                name, upper = TIGHTENS[key]
                allowed = values[name][index]
                inside = value <= allowed if upper else value >= allowed
                if not inside:  # NaN lands here too
                    raise ValueError(f'{joint}: {key} is {value}, may only tighten the limit: '
                                     f'{"at most" if upper else "at least"} {allowed} is allowed')
                values[name][index] = value
        return replace(self, **{name: tuple(value) for name, value in values.items()})

    def slowed(self, scale: float) -> JointLimits:
        """Return a copy with velocity limits times `scale`, in (0, 1]."""
        return replace(self, velocity=tuple(scale * value for value in self.velocity))

    def usable_speed(self, margin: float, noise: float) -> Vector:
        """
        Return how fast each joint may be measured to move [rad/s or m/s].

        :param margin: part of the velocity limit that is kept free.
        :param noise: [rad/s or m/s] error of a measured velocity.
        :raises ValueError: nothing is left.
        """
        speed: Vector = (1.0 - margin) * np.array(self.velocity) - noise
        for joint, limit, left in zip(self.joints, self.velocity, speed):
            if not left > 0.0:
                raise ValueError(
                    f'{joint}: nothing is left of its velocity limit of {limit:.3g} after '
                    f'safety.velocity_margin ({margin:g} of it) and safety.velocity_noise '
                    f'({noise:g}); raise safety.velocity_scale or lower one of these')
        return speed

    def intersected(self, lower: Sequence[float], upper: Sequence[float],
                    velocity: Sequence[float], effort: Sequence[float]) -> JointLimits:
        """
        Return the tighter one of these limits and others, joint by joint.

        :param lower: [rad or m] one per joint, like the other three.
        :raises ValueError: one of them is no limit, or nothing is left between two of them.
        """
        for name, values in (('lower', lower), ('upper', upper), ('velocity', velocity),
                             ('effort', effort)):
            for joint, value in zip(self.joints, values):
                if math.isnan(value):
                    raise ValueError(f'{joint}: {name} limit is not a number')
        return replace(self, position_lower=tuple(map(max, self.position_lower, lower)),
                       position_upper=tuple(map(min, self.position_upper, upper)),
                       velocity=tuple(map(min, self.velocity, velocity)),
                       effort=tuple(map(min, self.effort, effort)))

    def require_within(self, widest: JointLimits) -> None:
        """Raise ValueError where a limit is wider than in `widest`, or the joints differ."""
        if self.joints != widest.joints:
            raise ValueError(f'limits are for {", ".join(self.joints)}, the robot has '
                             + ', '.join(widest.joints))
        widest.tightened(**{joint: {
            'has_position_limits': True, 'min_position': self.position_lower[index],
            'max_position': self.position_upper[index],
            'has_velocity_limits': True, 'max_velocity': self.velocity[index],
            'has_effort_limits': True, 'max_effort': self.effort[index],
            'max_effort_rate': self.effort_rate[index],
        } for index, joint in enumerate(self.joints)})


# key -> (field of JointLimits, whether a smaller value is the tighter one)
TIGHTENS = {
    'min_position': ('position_lower', False),
    'max_position': ('position_upper', True),
    'max_velocity': ('velocity', True),
    'max_effort': ('effort', True),
    'max_effort_rate': ('effort_rate', True),
}


def _switched_on(joint: str, given: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers whose flag is true; refuse what would silently not be enforced."""
    known = {'max_effort_rate'}
    for flag, keys in {**ENFORCED, **NOT_ENFORCED}.items():
        known.update((flag, *keys))
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(f'{joint}: unknown limit {unknown[0]}, allowed are '
                         + ', '.join(sorted(known)))
    for flag in NOT_ENFORCED:
        if given.get(flag, False):
            raise ValueError(f'{joint}: {flag} is true, but this filter does not enforce it; '
                             'set it to false')
    numbers = {key: given[key] for key in ('max_effort_rate',) if key in given}
    for flag, keys in ENFORCED.items():
        present = [key for key in keys if key in given]
        if flag not in given and present:
            raise ValueError(f'{joint}: {present[0]} is given without {flag}; '
                             'say true or false')
        if given.get(flag, False):
            if len(present) != len(keys):
                raise ValueError(f'{joint}: {flag} is true, so {" and ".join(keys)} must be given')
            numbers.update({key: given[key] for key in keys})
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f'{joint}: {key} is {value!r}, must be a number')
    return {key: float(value) for key, value in numbers.items()}
