"""Which way an option of the safety filter may be turned while the robot moves."""

from __future__ import annotations

from dataclasses import fields

from rl_robot_ros.safety.config import SafetyConfig

# The side on which less is allowed to happen.  What is not listed (gains, windows) is neither
# tighter nor looser, and waits until nothing moves.
DOWN, UP = -1, 1
TIGHTER = {
    'start_hold': UP,
    'fade_in': UP,
    'command_timeout': DOWN,
    'state_timeout': DOWN,
    'resume_after_loss': DOWN,  # false is the tighter one
    'max_invalid_requests': DOWN,
    'max_invalid_states': DOWN,
    'position_margin': UP,
    'velocity_margin': UP,
    'velocity_noise': UP,
    'transport_delay': UP,  # more of it makes every braking distance longer
    'recover_velocity': DOWN,
    'standstill': DOWN,
    'position_tolerance': DOWN,
    'velocity_tolerance': DOWN,
    'max_position_jump': DOWN,
    'velocity_consistency': DOWN,
    'frozen_periods': DOWN,
    'frozen_effort': DOWN,
    'velocity_scale': DOWN,
}

# What the certificate was computed for: a new one takes a second, in which nobody filters.
AT_START = frozenset((
    'mode', 'payload', 'model_mass_error', 'effort_reserve', 'external_effort', 'min_braking',
    'certificate_samples', 'certificate_seed'))


def not_certified(old: SafetyConfig, new: SafetyConfig) -> list[str]:
    """
    Name every change that the certificate of the old options does not cover, in words.

    It does cover lower velocities.
    """
    found = [f'{name} from {getattr(old, name)} to {getattr(new, name)} (only at start)'
             for name in sorted(AT_START) if getattr(old, name) != getattr(new, name)]
    if new.velocity_scale > old.velocity_scale:
        found.append(f'velocity_scale from {old.velocity_scale} to {new.velocity_scale} (only '
                     'downwards, or at start)')
    return found


def not_tighter(old: SafetyConfig, new: SafetyConfig) -> list[str]:
    """
    Name every option whose new value is not tighter than the old one, in words.

    Empty where the change may be made while the robot moves.
    """
    found = []
    for item in fields(SafetyConfig):
        before, after = getattr(old, item.name), getattr(new, item.name)
        side = TIGHTER.get(item.name)
        if before == after or (side is not None and (after - before) * side > 0.0):
            continue
        allowed = {UP: 'only upwards', DOWN: 'only downwards', None: 'not at all'}[side]
        found.append(f'{item.name} from {before} to {after} ({allowed})')
    return found
