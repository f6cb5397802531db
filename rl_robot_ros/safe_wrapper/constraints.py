"""What has to hold: constraints that are declared, not programmed."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits

Where = int | slice | Sequence[int] | Callable[[Any], ArrayLike]

# An environment is reset to a known state: nothing to wait for before the first action.
AT_ONCE = SafetyConfig(start_hold=0.0, fade_in=0.0)


@dataclass(frozen=True)
class JointConstraint:
    """
    Joint limits, kept by a model-free :class:`~rl_robot_ros.safety.SafetyFilter`.

    Every entry of the action is the effort of one joint, in the order of `limits`.  The position
    of a joint without position limits may wrap at a full turn.

    :param position: where the joint positions [rad or m] stand in the observation: an index, a
        slice, several indices, or a function of the observation.
    :param velocity: the same for the joint velocities [rad/s or m/s].
    :param limits: of every joint.
    :param period: [s] between two actions.
    :param inertia: [kg m^2 or kg] per joint, see `RobotSpec`.
    :param braking_acceleration: [rad/s^2 or m/s^2] per joint, see `RobotSpec`.
    :param scale: [N m or N] effort of action 1, for all joints or per joint.
    :param config: of the filter; `resume_after_loss` is taken from `SafeWrapper`'s `latch`.
    """

    position: Where
    velocity: Where
    limits: JointLimits
    period: float
    inertia: tuple[float, ...]
    braking_acceleration: tuple[float, ...]
    scale: float | tuple[float, ...] = 1.0
    config: SafetyConfig = AT_ONCE

    def read(self, observation: Any) -> tuple[Vector, Vector]:
        """Return positions and velocities, shape (n_joints,) each, in arrays of their own."""
        return _pick(observation, self.position), _pick(observation, self.velocity)

    def robot(self) -> RobotSpec:
        """Return the datasheet that the filter needs; raises ValueError that names the field."""
        limits = self.limits
        none = (0.0,) * len(limits.joints)
        return RobotSpec(
            name='JointConstraint', urdf='', joint_names=limits.joints, actuated=limits.joints,
            position_lower=limits.position_lower, position_upper=limits.position_upper,
            velocity_limit=limits.velocity, effort_limit=limits.effort,
            effort_rate_limit=limits.effort_rate, inertia=self.inertia,
            braking_acceleration=self.braking_acceleration, armature=none, home=none,
            control_period=self.period, decision_periods=1, physics_steps=1, action_scale=1.0,
            gravity_compensated=True)  # the filter adds nothing to an action


def _pick(observation: Any, where: Where) -> Vector:
    if callable(where):
        return np.array(where(observation), dtype=np.float64, ndmin=1)
    index = where if isinstance(where, int | slice) else list(where)
    return np.array(observation[index], dtype=np.float64, ndmin=1)


@dataclass(frozen=True)
class KeepInside:
    """
    A number that has to stay in an interval: a distance, a height, a speed.

    :param name: for people.
    :param value: function of observation and info (of `reset` too) that returns a number, or an
        array all of whose entries have to stay inside; NaN and None are outside.  What it raises
        is raised.
    :param lower: in the unit of `value`, -inf where there is no lower bound.
    :param upper: in the unit of `value`, inf where there is no upper bound.
    :param margin: the fallback acts already this close to a bound.
    """

    name: str
    value: Callable[[Any, dict[str, Any]], ArrayLike | None]
    lower: float = -math.inf
    upper: float = math.inf
    margin: float = 0.0

    def __post_init__(self) -> None:
        """Refuse an interval in which nothing can stay."""
        if not 0.0 <= self.margin < math.inf:
            raise ValueError(f'{self.name}: margin is {self.margin}, must be finite and >= 0')
        if not self.lower + self.margin <= self.upper - self.margin:  # NaN lands here too
            raise ValueError(f'{self.name}: nothing is left between lower {self.lower} and upper '
                             f'{self.upper} with a margin of {self.margin}')
        if math.isinf(self.lower) and math.isinf(self.upper):
            raise ValueError(f'{self.name}: give lower, upper or both')

    def judge(self, observation: Any, info: dict[str, Any]) -> tuple[bool, str]:
        """Say whether the bounds are violated, and why the fallback should act, or nothing."""
        value = np.asarray(self.value(observation, info), dtype=np.float64)
        # Written so that NaN is outside.
        violated = not ((value >= self.lower) & (value <= self.upper)).all()
        inner = (value >= self.lower + self.margin) & (value <= self.upper - self.margin)
        if inner.all():
            return violated, ''
        return violated, (f'{self.name} is {value[~inner].flat[0]:g}, allowed is '
                          f'[{self.lower:g}, {self.upper:g}] with a margin of {self.margin:g}')
