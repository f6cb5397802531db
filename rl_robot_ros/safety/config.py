"""Options of the safety filter, each with its unit, range and meaning."""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.config import option


@dataclass(frozen=True)
class SafetyConfig:
    """
    What people may tune.  There is no option that switches limiting off.

    Times are turned into whole control periods: the filter never reads a clock, so that the same
    inputs always give the same outputs.
    """

    start_hold: float = option(
        0.1, 'every joint must have stood still this long before a request is faded in; '
        '0 takes over a moving robot at once', unit='s', low=0.0, high=60.0)
    fade_in: float = option(
        0.5, 'time over which a request is blended in after start and reset',
        unit='s', low=0.0, high=60.0)
    command_timeout: float = option(
        0.05, 'brake when no valid request came for this long (at least 3 control periods)',
        unit='s', low=0.001, high=10.0)
    state_timeout: float = option(
        0.05, 'fault when no joint state came for this long (at least 3 control periods); '
        'timed by the node', unit='s', low=0.001, high=10.0)
    answer_window: float = option(
        0.4, 'how long the node waits for the request that answers a state',
        unit='control periods', low=0.05, high=1.0)
    resume_after_loss: bool = option(
        False, 'simulation only: a fresh request after a loss is faded in without a reset')
    max_invalid_requests: int = option(
        5, 'brake at this many invalid requests in a row', low=1, high=1000)
    max_invalid_states: int = option(
        3, 'fault at this many unusable joint states in a row', low=1, high=100)

    position_margin: float = option(
        0.02, 'distance to the position limit at which a joint must stand still',
        unit='rad or m', low=0.0, high=1.0)
    velocity_margin: float = option(
        0.12, 'part of the velocity limit that is kept free', low=0.0, high=0.9)
    velocity_noise: float = option(
        0.01, 'error of a measured velocity (its standard deviation); as much more of the '
        'velocity limit is kept free, model mode', unit='rad/s or m/s', low=0.0, high=10.0)
    envelope_gain: float = option(
        0.3, 'part of a velocity error that the limits may take away in one control period; '
        'more is stiffer, and chatters when joints are coupled or commands are late',
        low=0.02, high=0.7)
    envelope_integral: float = option(
        0.3, 'part of the effort that brings a joint back into its envelope that is added again '
        'in every control period it stays outside', low=0.0, high=0.5)
    transport_delay: float = option(
        0.0, 'age of the state plus the time until the effort acts', unit='s', low=0.0, high=1.0)
    recover_velocity: float = option(
        0.0175, 'speed allowed back inside for a joint that starts outside its limits',
        unit='rad/s or m/s', low=0.0, high=1.0)

    hold_frequency: float = option(
        2.0, 'natural frequency of the hold (lowered where the motor is too weak for it)',
        unit='Hz', low=0.05, high=50.0)
    hold_damping: float = option(1.0, 'damping ratio of the hold', low=0.1, high=10.0)
    standstill: float = option(
        0.02, 'a joint stands still below this part of its velocity limit', low=1e-6, high=0.5)
    blind_brake: float = option(
        0.3, 'without a usable state, brake along the last known motion for this long, '
        'then zero effort', unit='s', low=0.0, high=1.0)

    position_tolerance: float = option(
        0.05, 'fault when a joint is this far beyond a position limit',
        unit='rad or m', low=0.0, high=1.0)
    velocity_tolerance: float = option(
        1.0, 'fault when a joint is this part faster than its velocity limit',
        low=0.0, high=5.0)
    max_position_jump: float = option(
        2.0, 'reject a state whose position is off the expected one by more than this many '
        'control periods of motion at the velocity limit', low=0.1, high=100.0)
    velocity_consistency: float = option(
        0.25, 'fault when position and velocity disagree, over `consistency_window`, by this part '
        'of the velocity limit', low=0.01, high=10.0)
    consistency_window: int = option(
        20, 'memory of that comparison', unit='control periods', low=2, high=1000)
    frozen_periods: int = option(
        20, 'fault after this many bit-identical states while the motors push',
        unit='control periods', low=2, high=10000)
    frozen_effort: float = option(
        0.05, 'motors push when one exceeds this part of its effort limit', low=0.0, high=1.0)

    mode: str = option(
        'auto', 'model: limits that are certified with the dynamics of the robot; model_free: a '
        'mitigation joint by joint; auto: model where every joint has a motor',
        choices=('auto', 'model', 'model_free'))
    velocity_scale: float = option(
        1.0, 'part of the velocity limits that may be used, model mode', low=0.01, high=1.0)
    kappa: float = option(
        3.0, 'an acceleration is taken to be held for this long; more forgives more error of the '
        'model, and brakes more gently', unit='control periods', low=1.0, high=20.0)
    latency_periods: int = option(
        1, 'commands that are on their way when a state arrives; in lockstep there are none',
        unit='control periods', low=0, high=20)
    extra_braking: float = option(
        20.0, 'braking beyond the certified one that may be used where the motors have it',
        unit='rad/s^2 or m/s^2', low=0.0, high=1000.0)
    observer_gain: float = option(
        0.1, 'part of an unexpected acceleration that is believed at once', low=0.0, high=1.0)
    mismatch_time: float = option(
        0.5, 'fault when the observer has been at its limit this long; 0 never does', unit='s',
        low=0.0, high=60.0)
    model_mass_error: float = option(
        0.1, 'largest relative error of the masses and inertias of the model', low=0.0, high=1.0)
    payload: float = option(
        0.0, 'mass held at the tip, known to the model', unit='kg', low=0.0, high=1000.0)
    effort_reserve: float = option(
        0.03, 'part of the effort limits that the certificate leaves unused', low=0.0, high=0.9)
    external_effort: float = option(
        0.0, 'largest push on each joint, as part of its effort limit, that must not lead out of '
        'the limits; costs braking, range and speed', low=0.0, high=0.9)
    min_braking: float = option(
        0.1, 'part of the braking acceleration of the datasheet that must be certified',
        low=0.01, high=1.0)
    certificate_samples: int = option(
        5_000, 'states at which the certificate is checked, before the search for worse ones',
        low=100, high=10_000_000)
    certificate_seed: int = option(0, 'where the even sequence of those states starts', low=0)
