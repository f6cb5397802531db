"""
The safety filter: the last thing in front of the motors, in NumPy alone (no ROS, no torch).

**What it is not.** It is not a safety-rated function: no performance level, no guarantee.  It
works model-free, joint by joint, from a datasheet: a *mitigation* that holds for joints that are
decoupled and can really brake as the datasheet says.  A real arm is coupled, so it can still be
driven somewhat over its limits on purpose.  Keep the hardware emergency stop in your hand.  The
certified mathematics (which needs the robot's dynamics) composes as one more
:class:`~rl_robot_ros.safety.envelope.EffortLimit`.

================ ==============================================================================
file             one concept each
================ ==============================================================================
`config`         :class:`SafetyConfig`: every option with unit, range and meaning
`limits`         :class:`JointLimits`: mandatory limits, `joint_limits.yaml` may only tighten them
`bounds`         pure functions, one per limit: clamp, effort rate, braking envelope, effort bounds
`envelope`       :class:`BrakingEnvelope`: velocity and position limits as bounds on effort
`monitor`        :class:`StateMonitor`: is this joint state finite, possible and inside the limits?
`intake`         :class:`RequestIntake`: complete, finite and fresh requests, of whom
`hold`           :class:`ControlledStop`: brake every joint to standstill, then hold it there
`realised`       :class:`RealisedEffort`: do the motors do what they were told?
`tightening`     which way an option may be turned while the robot moves
`state_machine`  :class:`StateMachine`: phases, latched stop and fault, reset, fade-in
`filter`         :class:`SafetyFilter`: all of it, one call per joint state
================ ==============================================================================
"""

from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.filter import Verdict
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.state_machine import Phase

__all__ = ['JointLimits', 'Phase', 'SafetyConfig', 'SafetyFilter', 'Verdict']
