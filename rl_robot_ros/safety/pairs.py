"""Which pairs of links have to be kept apart: the allowed-collision matrix, computed at start."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Geometry
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safety.distance import PairDistance

# The words of MoveIt's setup assistant.
ADJACENT, RIGID, DEFAULT, NEVER = 'adjacent', 'rigid', 'default', 'never'
CHUNK = 512
ROUNDS = 30
# No joint changes a distance that none changes by more than this [m/rad or 1].
FIXED = 1e-9


class LinkPair(NamedTuple):
    """
    One row of the allowed-collision matrix.

    ========== ==================================================================================
    allowed    why the pair is not watched; empty where it is
    ========== ==================================================================================
    adjacent   a single joint connects the links
    rigid      no joint changes their distance
    default    they touch at home, so the shapes are wrong or meant to
    never      in none of the samples were they nearer than asked for
    ========== ==================================================================================
    """

    first: str
    second: str
    allowed: str
    at_home: float  # [m] between the surfaces
    nearest: float  # [m] in all samples
    samples: int


def as_text(pairs: list[LinkPair]) -> str:
    """Return the allowed-collision matrix as a table for people."""
    rows = [('link', 'link', 'at home', 'nearest', 'allowed')]
    rows += [(pair.first, pair.second, f'{pair.at_home:.3f} m', f'{pair.nearest:.3f} m',
              pair.allowed or 'watched') for pair in pairs]
    width = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join('  '.join(cell.ljust(w) for cell, w in zip(row, width)).rstrip()
                     for row in rows)


def low_discrepancy(count: int, lower: Vector, upper: Vector) -> Vector:
    """
    Spread points over a box evenly, without a seed.

    Roberts, "The unreasonable effectiveness of quasirandom sequences" (2018): the additive
    recurrence with the powers of the root of x^(n+1) = x + 1.

    :returns: shape (count, joints).
    """
    joints = len(lower)
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (joints + 1))
    share = (0.5 + np.outer(np.arange(1, count + 1), root ** -np.arange(1.0, joints + 1))) % 1.0
    spread: Vector = lower + share * (upper - lower)
    return spread


def pair_reach(geometry: Geometry, pairs: NDArray[np.intp]) -> Vector:
    """
    Bound how much the distance of two capsules changes with each joint.

    A joint that carries both or neither changes nothing.  One that carries one of them turns that
    one about its axis, or, seen from there, the other one: the nearer to the axis decides.

    :returns: [m/rad or 1] shape (pairs, joints).
    """
    first, second = pairs.reshape(-1, 2).T
    between = geometry.moves[first] ^ geometry.moves[second]
    return np.where(between, np.minimum(geometry.reach[first], geometry.reach[second]), 0.0)


def allowed_collisions(geometry: Geometry, home: Vector, lower: Vector, upper: Vector,
                       near: float, samples: int) -> tuple[list[LinkPair], NDArray[np.intp]]:
    """
    Compute the allowed-collision matrix.

    :param home: position of the joints that is known to be fine [rad or m].
    :param lower: position limits of the joints, and `upper`.
    :param near: [m] a pair that never comes nearer than this is not watched.
    :param samples: how many positions "never" means; evidence, not proof.
    :returns: every pair of links, and the pairs of capsules to watch, shape (watched, 2).
    """
    count = len(geometry.links)
    pairs = np.array([(a, b) for a in range(count) for b in range(a + 1, count)
                      if geometry.links[a] != geometry.links[b]], dtype=np.intp).reshape(-1, 2)
    if not len(pairs):
        return [], pairs
    distance = PairDistance(pairs, geometry.radius, geometry.length)
    at_home = distance(geometry.capsules(home[None]))[:, 0]
    nearest = np.minimum(at_home, _nearest(
        geometry, distance, np.where(np.isfinite(lower), lower, -np.pi),
        np.where(np.isfinite(upper), upper, np.pi), samples))
    rigid = np.all(pair_reach(geometry, pairs) <= FIXED, axis=1)
    joints = (geometry.moves[pairs[:, 0]] ^ geometry.moves[pairs[:, 1]]).sum(axis=1)
    rows: dict[tuple[str, str], list[int]] = {}
    for row, (a, b) in enumerate(pairs):
        rows.setdefault((geometry.links[a], geometry.links[b]), []).append(row)
    table: list[LinkPair] = []
    watched: list[int] = []
    for (first, second), these in rows.items():
        home_gap, least = float(at_home[these].min()), float(nearest[these].min())
        allowed = (ADJACENT if joints[these[0]] == 1 else RIGID if rigid[these].all()
                   else DEFAULT if home_gap <= 0.0 else NEVER if least >= near else '')
        table.append(LinkPair(first, second, allowed, home_gap, least, samples))
        watched += [] if allowed else these
    return table, pairs[watched]


def _nearest(geometry: Geometry, distance: PairDistance, lower: Vector, upper: Vector,
             samples: int) -> Vector:
    """Return the least distance found for every pair [m]: the samples, and downhill from there."""
    positions = low_discrepancy(samples, lower, upper)
    seen = np.concatenate([distance(geometry.capsules(positions[start:start + CHUNK]))
                           for start in range(0, samples, CHUNK)], axis=1)
    pairs, best = np.arange(len(seen)), seen.min(axis=1)
    at = positions[seen.argmin(axis=1)]
    # Compass search: try each joint in both ways, halve the step where nothing is nearer.
    ways = np.concatenate((np.diag(upper - lower), np.diag(lower - upper)))
    step = np.full((len(seen), 1, 1), 0.125)
    for _ in range(ROUNDS):
        around = np.clip(at[:, None] + step * ways, lower, upper)
        found = distance(geometry.capsules(around.reshape(-1, len(lower))))
        mine = found.reshape(len(seen), len(seen), -1)[pairs, pairs]
        way = mine.argmin(axis=1)
        nearer = mine[pairs, way] < best
        best = np.minimum(best, mine[pairs, way])
        at[nearer] = around[pairs, way][nearer]
        step[~nearer] *= 0.5
    return np.asarray(best)
