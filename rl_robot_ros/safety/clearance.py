"""Everything that is watched, as rows: pairs of capsules, and capsules before planes."""

from __future__ import annotations

import numpy as np
from rl_robot_ros.core.spec import Geometry
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.distance import PairDistance
from rl_robot_ros.safety.distance import PlaneDistance
from rl_robot_ros.safety.pairs import allowed_collisions
from rl_robot_ros.safety.pairs import FIXED
from rl_robot_ros.safety.pairs import pair_reach


class Clearance:
    """
    Distances of all watched rows, and by how much each joint can change them.

    ========== =============================== ===================================================
    attribute  shape                           meaning
    ========== =============================== ===================================================
    names      (rows,)                         such as ``link2 - link7`` and ``link5 - table``
    margin     (rows,) [m]                     distance that is kept
    slack      (rows,) [m]                     what a standing robot keeps beyond it
    reach      (rows, joints) [m/rad or 1]     change of distance <= reach @ change of position
    ========== =============================== ===================================================

    :raises ValueError: the robot is too near to something at home, or a limit makes no sense.
    """

    def __init__(self, robot: RobotSpec, geometry: Geometry, config: CollisionConfig) -> None:
        home = np.array(robot.home)[robot.actuated_index]
        self._geometry = geometry
        self.pairs, watched = allowed_collisions(
            geometry, home, np.array(robot.position_lower), np.array(robot.position_upper),
            2.0 * (config.margin + config.slack), config.pair_samples)
        self._apart = PairDistance(watched, geometry.radius, geometry.length)
        planes = _planes(config)
        moved = np.flatnonzero((geometry.moves * geometry.reach).max(axis=1) > FIXED)
        capsule = np.tile(moved, len(planes))
        axis, side, height, margin = (np.repeat(column, len(moved)) for column in (
            np.array([p[1:] for p in planes]).reshape(-1, 4).T))
        self._before = PlaneDistance(capsule, axis.astype(np.intp), side, height, geometry.radius)
        link = geometry.links
        self.names = [f'{link[a]} - {link[b]}' for a, b in watched] + [
            f'{link[c]} - {plane[0]}' for plane in planes for c in moved]
        self.reach = np.concatenate((pair_reach(geometry, watched),
                                     geometry.moves[capsule] * geometry.reach[capsule]))
        at_home = self.measure(home[None])[:, 0]
        near = at_home[:len(watched)]
        self.margin = np.concatenate((np.minimum(config.margin, 0.5 * near), margin))
        self.slack = np.full(len(at_home), config.slack)
        self.slack[:len(watched)] = np.minimum(config.slack, 0.25 * near)
        self._require_free(at_home)

    def measure(self, positions: Vector) -> Vector:
        """
        Return distances between surfaces [m], shape (rows, configurations).

        :param positions: [rad or m] shape (configurations, joints).
        """
        capsules = self._geometry.capsules(positions)
        return np.concatenate((self._apart(capsules), self._before(capsules)))

    def _require_free(self, at_home: Vector) -> None:
        for name, distance, margin, slack in zip(self.names, at_home, self.margin, self.slack):
            if not distance >= margin + slack:
                raise ValueError(f'{name}: {distance:.4f} m at home, needs {margin + slack:.4f} m '
                                 '(margin and slack); see table_height, table_margin, '
                                 'workspace_lower, workspace_upper, workspace_margin and slack')


def _planes(config: CollisionConfig) -> list[tuple[str, int, float, float, float]]:
    """Return name, axis, side, height and margin of every plane."""
    planes = []
    if config.table:
        planes.append(('table', 2, 1.0, config.table_height, config.table_margin))
    for name, side in (('lower', 1.0), ('upper', -1.0)):
        corner = getattr(config, f'workspace_{name}')
        if corner and len(corner) != 3:
            raise ValueError(f'workspace_{name}: got {corner}, needs x, y and z, or nothing')
        planes += [(f'workspace_{name} {letter}', axis, side, height, config.workspace_margin)
                   for axis, (letter, height) in enumerate(zip('xyz', corner))]
    return planes
