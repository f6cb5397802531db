"""Options of the collision limit."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.config import option


@dataclass(frozen=True)
class CollisionConfig:
    """What is kept apart, how far, and how much computing it may cost."""

    enabled: bool = option(
        False, 'keep links off each other, off the table and inside the workspace')
    margin: float = option(
        0.01, 'distance that is kept between links; a pair that is nearer at home keeps half of '
        'its distance there', unit='m', low=0.0, high=1.0)
    table: bool = option(False, 'whether there is a table: a level plane that no link may touch')
    table_height: float = option(
        0.0, 'height of the table in the base frame', unit='m', low=-100.0, high=100.0)
    table_margin: float = option(
        0.01, 'distance that is kept from the table', unit='m', low=0.0, high=1.0)
    workspace_lower: tuple[float, ...] = option(
        (), 'x, y, z that no link may get below, in the base frame; empty: no such limit',
        unit='m', low=-100.0, high=100.0)
    workspace_upper: tuple[float, ...] = option(
        (), 'x, y, z that no link may get above, in the base frame; empty: no such limit',
        unit='m', low=-100.0, high=100.0)
    workspace_margin: float = option(
        0.01, 'distance that is kept from the sides of the workspace',
        unit='m', low=0.0, high=1.0)
    slack: float = option(
        0.002, 'distance beyond the margin at which a robot has to stand; what lies between two '
        'samples of a path may use it up', unit='m', low=1e-5, high=0.1)
    samples: int = option(
        16, 'most positions at which one stop path is looked at; fewer make the limit act '
        'earlier, never later', low=2, high=200)
    scales: int = option(
        3, 'how many scales below 1 are tried before all joints brake: 1/2, 1/4, ...',
        low=1, high=10)
    pair_samples: int = option(
        2048, 'positions in which a pair of links must never be near to be left out',
        low=100, high=1000000)
