"""
The safety filter: the last thing in front of the motors, in NumPy alone (no ROS, no torch).

**What it is not.** It is not a safety-rated function: no performance level.  Keep the hardware
emergency stop in your hand.  What it does promise, and under which assumptions, is in
`docs/safety.md`: with the robot's dynamics the velocity and position limits are certified at start
and hold against any request; without them they are a *mitigation*, joint by joint.

================ ==============================================================================
file             one concept each
================ ==============================================================================
`config`         :class:`SafetyConfig`: every option with unit, range and meaning
`limits`         :class:`JointLimits`: mandatory limits, `joint_limits.yaml` may only tighten them
`viability`      how much a joint may accelerate now so that it can still stop in time later
`certificate`    can every joint always be braked, with the motors that there are?
`observer`       what pushes the joints besides what the model knows
`torque_map`     from bounds on acceleration to effort: closed form, no solver
`model_limit`    :class:`ViabilityLimit`: all of these, with the robot's equation of motion
`bounds`         pure functions of the model-free limits: clamp, effort rate, braking envelope
`envelope`       :class:`BrakingEnvelope`: velocity and position limits without a model
`collision`      :class:`CollisionLimit`: links stay off each other, table and workspace
`stop_path`      :class:`StopPath`: where every joint goes when all of them brake
`clearance`      :class:`Clearance`: everything that is watched, as rows of distances
`pairs`          the allowed-collision matrix: which pairs of links are watched, and why not
`distance`       distances of capsules from each other and from planes
`monitor`        :class:`StateMonitor`: is this joint state finite, possible and inside the limits?
`intake`         :class:`RequestIntake`: complete, finite and fresh requests, of whom
`hold`           :class:`ControlledStop`: brake every joint to standstill, then hold it there
`realised`       :class:`RealisedEffort`: do the motors do what they were told?
`tightening`     which way an option may be turned while the robot moves
`state_machine`  :class:`StateMachine`: phases, latched stop and fault, reset, fade-in
`delivery`       :class:`Delivery`: every limit in order, and what it changed
`filter`         :class:`SafetyFilter`: all of it, one call per joint state
================ ==============================================================================
"""

from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.verdict import Verdict

__all__ = ['JointLimits', 'Phase', 'SafetyConfig', 'SafetyFilter', 'Verdict']
