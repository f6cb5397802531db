"""What an actor hears and says, and how it may act."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from typing import Protocol

from rl_robot_ros.core.config import option
from rl_robot_ros.core.spec import Vector

LOCKSTEP, PACED, HARDWARE = 'lockstep', 'paced', 'hardware'


class State(NamedTuple):
    """One joint state: when, in which mode and episode, and where the joints are."""

    stamp: int  # [ns]
    mode: str
    episode: int
    position: Vector
    velocity: Vector


class Command(NamedTuple):
    """One `effort_command`: what the filter let through for the state of this stamp."""

    stamp: int
    effort: Vector
    source: str


class Outbox(Protocol):
    """Where an actor's words go."""

    def request(self, stamp: int, effort: Vector) -> None:
        """Ask for an effort [N m or N] for the state of this stamp."""

    def row(self, row: Vector, last: bool) -> None:
        """Hand over a completed row; `last` where an episode or a block ends with it."""

    def reset(self, filter_too: bool) -> None:
        """Ask the simulator (and the filter, after a stop) for a new episode."""

    def goal(self, goal: Vector) -> None:
        """Tell everybody which goal is pursued now."""


@dataclass(frozen=True)
class ActorConfig:
    """How the policy acts."""

    mode: str = option('train', 'train explores; evaluate takes the most likely action and marks '
                       'its rows so that nobody learns from them', choices=('train', 'evaluate'))
