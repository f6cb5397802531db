"""
The safety filter and its state machine around any Gymnasium environment.

Declared constraints stand between a policy and an environment; where one does not hold, a fallback
acts::

    env = SafeWrapper(gymnasium.make('Pendulum-v1'), [
        JointConstraint(position=lambda o: np.arctan2(o[1], o[0]), velocity=2, limits=limits,
                        period=0.05, inertia=(1 / 3,), braking_acceleration=(2.0,)),
        KeepInside('speed', lambda observation, info: observation[2], -6.0, 6.0),
    ], fallback='brake')

================= ============================= ===================================================
constraint        what it limits                what keeps it
================= ============================= ===================================================
`JointConstraint` effort, effort rate,          :class:`~rl_robot_ros.safety.SafetyFilter`,
                  velocity, position            model-free, on every action
`KeepInside`      any number                    the fallback, from the first action after it left
                                                its interval: it notices, it does not foresee
================= ============================= ===================================================

================= =================================================================================
fallback          what acts while a `KeepInside` does not hold
================= =================================================================================
``brake``         the filter's controlled stop: joints brake evenly, then stay where they stand
``hold``          joints go back to where every constraint held last, and stay there
``last_safe``     the last action after which every constraint held; before there is one, the
                  action nearest to zero (of choices, the first)
a function        what it returns for the observation; where that is no action, ``last_safe``
an action         this action
================= =================================================================================

``brake`` and ``hold`` need a `JointConstraint`.  With one, actions of the fallback pass through
the filter too.  All of it is a mitigation, as the filter is: see :mod:`rl_robot_ros.safety`.

**Bad actions** (no numbers, not finite, wrong shape, not one of the choices) never reach the
environment and raise nothing.  The last accepted action is repeated for three steps (with a
`JointConstraint`: for `command_timeout`), then the fallback acts (the filter brakes).  A number
outside the bounds of its `Box` counts as the nearest one inside; that is no intervention.
"""

from rl_robot_ros.safe_wrapper.constraints import JointConstraint
from rl_robot_ros.safe_wrapper.constraints import KeepInside
from rl_robot_ros.safe_wrapper.wrapper import SafeWrapper

__all__ = ['JointConstraint', 'KeepInside', 'SafeWrapper']
