r"""
The collision limit: links stay off each other, off the table and inside the workspace.

**Rule.**  A state is *free* when every watched distance keeps its margin along the stop path
(:class:`~rl_robot_ros.safety.stop_path.StopPath`): all joints brake as hard as they are certified
to, each until it stands.  An acceleration may act for a control period when the chord to the next
state and the stop path from there are free.  Otherwise it is scaled towards braking,
``b + s (a - b)``, with the largest s of 1/2, 1/4, ... that is free; s = 0 is braking itself and
always allowed, since it leads along a path that was found free before.  So once free, free for
ever: nothing has to be found in time for the guarantee to hold.

**Between samples.**  A path is looked at in few positions.  Between two of them, where joints move
by dq_j in one direction each, no watched distance changes by more than L = sum_j reach_j |dq_j|,
so it is at least half of (one distance + the other - L).  That bound, not the samples, has to keep
the margin.  The limit may therefore act too early, never too late.  A standing robot keeps `slack`
on top of the margin; a path may use it up, or a robot that stands at its margin could never prove
that it may leave.

**Claim.**  No watched distance falls below its margin, in continuous time, if

- the first state after :meth:`CollisionLimit.begin` is free and keeps `slack` as well,
- the joints do what they are told over each period: acceleration b + s (a - b), constant, where b
  is :meth:`~rl_robot_ros.safety.stop_path.StopPath.brake`,
- every joint can always brake with the `braking_acceleration` given here,
- shapes, table and workspace are where the configuration says, and positions are within limits.

**With errors** the margin has to be larger by what the robot may stray from the path.  Per joint,
with an acceleration error of at most e over a stop from speed v and an error of q and v in the
state, that is at most

    dq = v^2 / 2 (1 / (a_b - e) - 1 / a_b) + e T^2 / 2 + |q error| + |v error| (T + v / a_b)

and the margin has to be at least its own use plus ``reach @ dq``.  The first term vanishes where
braking is tracked (the joint is told to make up for what it lost) and e T^2 / 2 + |v error| T is
left per period.

**Outside.**  A robot that starts too near may move as long as nothing comes nearer than it is,
`slack` aside.  One that was pushed there may do so after it has braked for as long as the longest
stop takes.  That is help, no guarantee.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.spec import Geometry
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.clearance import Clearance
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.pairs import LinkPair
from rl_robot_ros.safety.stop_path import StopPath

COUNTERS = ('steps', 'measured', 'sampled', 'scaled', 'braked', 'outside')


class Ahead(NamedTuple):
    """Where some accelerations lead, every array of shape (accelerations, joints)."""

    position: Vector  # [rad or m] after one period
    velocity: Vector  # [rad/s or m/s] after one period
    step: Vector  # [rad or m] bound on what each joint covers within the period
    total: Vector  # [rad or m] and until it stands


class CollisionLimit:
    """
    Scale accelerations so that the robot can always stop before it touches something.

    One call of :meth:`scale` per control period.  Far from everything it costs a few small
    products: distances measured once are good for as long as the robot is near that position.

    :param robot: datasheet; home, control period and position limits are taken from it.
    :param geometry: the robot's capsules, for its actuated joints.
    :param braking_acceleration: [rad/s^2 or m/s^2] that every joint can always brake with.
    :raises ValueError: an option is out of range, or home is not free.
    """

    def __init__(self, robot: RobotSpec, geometry: Geometry, braking_acceleration: Vector,
                 config: CollisionConfig = CollisionConfig()) -> None:
        self.config = resolve_config(CollisionConfig, to_parameters(config))
        self.path = StopPath(braking_acceleration, robot.control_period)
        self.clearance = Clearance(robot, geometry, self.config)
        self._period = robot.control_period
        self._level = self.clearance.margin + self.clearance.slack
        self._longest_stop = int(np.ceil(np.max(
            np.array(robot.velocity_limit) / braking_acceleration) / self._period)) + 1
        self._per_slack = (self.clearance.reach / self.clearance.slack[:, None]).T
        self._scales = 0.5 ** np.arange(1.0, self.config.scales + 1.0)[:, None]
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.begin()

    @property
    def pairs(self) -> list[LinkPair]:
        """Return the allowed-collision matrix: every pair of links, and why it is not watched."""
        return self.clearance.pairs

    def begin(self) -> None:
        """Forget everything: the next state has nothing to do with the last one."""
        self._floor = np.full_like(self._level, -np.inf)
        self._inside = False
        self._braking_for = 0
        self._measured_at = np.zeros(self.clearance.reach.shape[1])
        self._measured = self._level.copy()

    def scale(self, position: Vector, velocity: Vector, brake: Vector, acceleration: Vector
              ) -> float:
        """
        Return s in [0, 1] so that ``brake + s (acceleration - brake)`` may act for one period.

        Exactly 1 where the acceleration itself may.

        :param position: [rad or m] per joint, finite.
        :param velocity: [rad/s or m/s] per joint, finite.
        :param brake: [rad/s^2 or m/s^2] what `path.brake(velocity)` returns.
        :param acceleration: [rad/s^2 or m/s^2] that was asked for, per joint.
        """
        self.counters['steps'] += 1
        scale = self._largest(position, velocity, brake, acceleration)
        self._braking_for = 0 if scale > 0.0 else self._braking_for + 1
        return scale

    def free(self, position: Vector, velocity: Vector) -> bool:
        """Say whether every watched distance keeps its margin from here to standstill."""
        now = self.clearance.measure(position[None])[:, 0]
        nowhere = Ahead(position[None], velocity[None], np.zeros_like(velocity)[None],
                        self.path.travel(velocity)[None])
        return bool(self._free(now, position, nowhere, self._level)[0])

    def nearest(self, position: Vector) -> tuple[str, float]:
        """Return the row nearest its margin, such as ``link2 - link7``, and its distance [m]."""
        if not self.clearance.names:
            return '', np.inf
        distance = self.clearance.measure(position[None])[:, 0]
        row = int(np.argmin(distance - self.clearance.margin))
        return self.clearance.names[row], float(distance[row])

    def _largest(self, position: Vector, velocity: Vector, brake: Vector, acceleration: Vector
                 ) -> float:
        """Try 1 in ways that cost more and more, then all smaller scales at once."""
        ahead = self._look_ahead(position, velocity, acceleration[None])
        total = ahead.total[0]
        if self._inside and self._keeps(total + np.abs(position - self._measured_at)):
            return 1.0
        self._measure(position)
        if self._inside and self._keeps(total):
            return 1.0
        self.counters['sampled'] += 1
        if self._free(self._measured, position, ahead, self._floor)[0]:
            return 1.0
        self.counters['scaled'] += 1
        less = self._look_ahead(position, velocity,
                                brake + self._scales * (acceleration - brake))
        free = self._free(self._measured, position, less, self._floor)
        if free.any():
            return float(self._scales[free.argmax(), 0])
        self.counters['braked'] += 1
        return 0.0

    def _look_ahead(self, position: Vector, velocity: Vector, acceleration: Vector) -> Ahead:
        after = velocity + self._period * acceleration
        # Speed is linear in time, so what is covered is below the trapezoid, turned or not.
        step = (0.5 * self._period) * (np.abs(velocity) + np.abs(after))
        return Ahead(position + (0.5 * self._period) * (velocity + after), after, step,
                     step + self.path.travel(after))

    def _keeps(self, moved: Vector) -> bool:
        """Say whether no distance can fall below its level, `moved` away from where measured."""
        return bool((self._measured - self.clearance.reach @ moved >= self._level).all())

    def _measure(self, position: Vector) -> None:
        """
        Measure all distances, and note the least that has to be kept at standstill.

        That is the margin and slack; outside of it, the most that was ever reached.  It is given
        up only after braking for so long that the robot stands: a path that was found free ends
        above it, so nobody can get nearer step by step.
        """
        self.counters['measured'] += 1
        self._measured = self.clearance.measure(position[None])[:, 0]
        self._measured_at = position.copy()
        reached = np.minimum(self._measured, self._level)
        np.maximum(self._floor, reached, out=self._floor)
        if self._braking_for > self._longest_stop:
            self._floor = reached
        self._inside = bool((self._floor >= self._level).all())
        self.counters['outside'] += not self._inside

    def _free(self, now: Vector, position: Vector, ahead: Ahead, floor: Vector
              ) -> NDArray[np.bool_]:
        """
        Look at samples of several paths, and at the bound on what lies between them.

        :param now: distances at `position`, where all paths begin, shape (rows,).
        :param floor: distances that have to be kept at standstill, shape (rows,).
        :returns: which paths are free, shape (paths,).
        """
        reach, slack = self.clearance.reach, self.clearance.slack
        # Intervals of 2 slack refuse nothing that the samples allow: more would be no use.
        most = np.dot(ahead.total, self._per_slack).max(initial=1.0)
        paths, joints = ahead.position.shape
        count = int(min(self.config.samples, 0.5 * most + 1.0))
        passed = np.empty((count + 1, paths, joints))
        passed[0] = ahead.position
        passed[1:] = self.path.positions(ahead.position, ahead.velocity, count)
        covered = np.empty_like(passed)
        covered[0] = ahead.step
        np.absolute(passed[1:] - passed[:-1], out=covered[1:])
        apart = np.empty((len(now), count + 2, paths))
        apart[:, 0] = now[:, None]
        apart[:, 1:] = self.clearance.measure(passed.reshape(-1, joints)).reshape(
            len(now), count + 1, paths)
        between = apart[:, :-1] + apart[:, 1:]
        between -= (reach @ covered.reshape(-1, joints).T).reshape(between.shape)
        least = between.min(axis=1) >= 2.0 * (floor - slack)[:, None]
        free: NDArray[np.bool_] = (least & (apart[:, -1] >= floor[:, None])).all(axis=0)
        return free
