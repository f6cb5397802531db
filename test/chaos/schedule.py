"""What goes wrong and when: everything follows from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

LENGTH = 6.0  # [s] in which faults begin
LONGEST = 2.5  # [s] that one of them lasts
ROBOTS = ('a', 'b')
PARTS = ('mujoco_sim', 'safety_filter', 'policy')
LEARNER = 'learner'
POLICIES = tuple(f'{robot}/policy' for robot in ROBOTS)
ALL = (LEARNER, *(f'{robot}/{part}' for robot in ROBOTS for part in PARTS))
# Topic of a robot, or of the learner's input, that is flooded.
TOPICS = ('experience', 'joint_states', 'effort_request', 'effort_command')
# How damaged weights are wrong, see `attacker`.
WEIGHTS = ('unsigned', 'forged', 'tampered', 'replayed', 'foreign', 'not finite')
# What is damaged while the learner is dead.
DAMAGES = ('checkpoint cut', 'checkpoint garbled', 'log cut', 'log garbled')
# Fault: (weight in the draw, whom it may meet).
FAULTS: dict[str, tuple[float, tuple[str, ...]]] = {
    'kill learner': (2.0, (LEARNER,)),
    'kill policy': (2.0, POLICIES),
    'kill filter': (1.0, tuple(f'{robot}/safety_filter' for robot in ROBOTS)),
    'kill simulator': (1.0, tuple(f'{robot}/mujoco_sim' for robot in ROBOTS)),
    'kill learner and policies': (1.0, (LEARNER,)),
    'stop and continue': (2.0, ALL),
    'end and start': (1.0, (LEARNER, *POLICIES)),
    **{f'{damage}, learner killed': (1.0, (LEARNER,)) for damage in DAMAGES},
    **{f'garbage on {topic}': (0.7, ROBOTS) for topic in TOPICS},
    'old rows again': (1.0, ROBOTS),
    'resend asked for in a burst': (0.7, POLICIES),
    **{f'weights {kind}': (0.7, POLICIES) for kind in WEIGHTS},
    'weights replayed to a new policy': (1.0, POLICIES),
}


@dataclass(frozen=True)
class Event:
    """One fault."""

    at: float  # [s] after the start of the schedule
    fault: str
    target: str
    lasts: float  # [s] that a process is gone or stands still, or that a flood goes on
    seed: int  # of what else has to be drawn, such as the bytes that are damaged


def schedule(seed: int, events: int = 6) -> list[Event]:
    """Return the faults of a seed in their order, one learner's death at a time."""
    rng = np.random.default_rng([20261122, seed])
    names = list(FAULTS)
    weights = np.array([FAULTS[name][0] for name in names])
    chosen = rng.choice(names, size=events, p=weights / weights.sum())
    times = np.sort(rng.uniform(0.0, LENGTH, events))
    found = []
    for at, fault in zip(times.tolist(), chosen.tolist()):
        targets = FAULTS[fault][1]
        found.append(Event(round(at, 3), fault, targets[int(rng.integers(len(targets)))],
                           round(float(rng.uniform(0.2, LONGEST)), 3), int(rng.integers(2**31))))
    return found
