"""
Effort sets: discrete actions as named lists of efforts, for robots with any number of motors.

============= ======== ====================================================================
name          choices  meaning, n motors
============= ======== ====================================================================
continuous    none     no set: one number per motor
push          2 n      one motor alone at action 1 or -1, in the order of the motors
push_or_rest  2 n + 1  the same, then no effort at all
============= ======== ====================================================================

A policy learns the set from the schema of its first weights (`core.contract`).
"""

from __future__ import annotations

CONTINUOUS = 'continuous'
EFFORT_SETS = (CONTINUOUS, 'push', 'push_or_rest')


def effort_set(name: str, motors: int) -> tuple[tuple[float, ...], ...]:
    """
    Return the efforts of a set, normalised, shape (choices, motors); empty for `continuous`.

    :raises ValueError: there is no such set.
    """
    if name not in EFFORT_SETS:
        raise ValueError(f'actions: got {name!r}, allowed are {", ".join(EFFORT_SETS)}')
    if name == CONTINUOUS:
        return ()
    pushes = tuple(tuple(sign if motor == i else 0.0 for motor in range(motors))
                   for i in range(motors) for sign in (1.0, -1.0))
    return pushes + ((0.0,) * motors,) * (name == 'push_or_rest')
