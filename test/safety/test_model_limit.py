from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.dynamics import MujocoDynamics
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.model_limit import ViabilityLimit
from rl_robot_ros.safety.viability import is_viable

ARM = resolve('robot', 'arm7')
LIMITS = JointLimits.from_robot(ARM)
CONFIG = SafetyConfig(certificate_samples=300, latency_periods=0)
DYNAMICS = MujocoDynamics(ARM)
CERTIFICATE = certify(ARM, LIMITS, CONFIG, DYNAMICS)
BRAKING, EFFORT = np.array(CERTIFICATE.braking), np.array(LIMITS.effort)
LOWER = np.array(LIMITS.position_lower) + CONFIG.position_margin
UPPER = np.array(LIMITS.position_upper) - CONFIG.position_margin
SPEED = LIMITS.usable_speed(CONFIG.velocity_margin, CONFIG.velocity_noise)
PERIOD, HOME, STILL = ARM.control_period, np.array(ARM.home), np.zeros(7)


def make(**changes):
    return ViabilityLimit(ARM, LIMITS, replace(CONFIG, **changes), DYNAMICS, CERTIFICATE)


def limited(limit, position, velocity, effort):
    result = np.array(effort, dtype=float)
    limit.see(position, velocity)
    limit.limit(result)
    limit.sent(result)
    return result


def random_viable_state(rng, edge):
    """Return a state inside the limits; `edge` puts speeds where they just can stop."""
    position = rng.uniform(LOWER, UPPER)
    fastest = np.minimum(SPEED, np.sqrt(2.0 * BRAKING * (UPPER - position)))
    slowest = -np.minimum(SPEED, np.sqrt(2.0 * BRAKING * (position - LOWER)))
    part = rng.choice([0.0, 1.0], 7) if edge else rng.uniform(0.0, 1.0, 7)
    return position, slowest + part * (fastest - slowest)


def all_viable(position, velocity, slack):
    return (is_viable(UPPER - position, velocity, SPEED, BRAKING, slack).all()
            and is_viable(position - LOWER, -velocity, SPEED, BRAKING, slack).all())


@pytest.mark.parametrize('edge', [False, True])
def test_from_viable_states_any_request_leads_to_viable_states(edge):
    rng = np.random.default_rng(int(edge))
    limit = make(kappa=1.0)
    for _ in range(600):
        position, velocity = random_viable_state(rng, edge)
        limit.begin()
        effort = limited(limit, position, velocity, rng.uniform(-1.5, 1.5, 7) * EFFORT)
        assert np.isfinite(effort).all() and (np.abs(effort) <= EFFORT * (1.0 + 1e-12)).all()
        mass, bias = DYNAMICS.evaluate(position, velocity)
        acceleration = np.linalg.solve(mass, effort - bias)
        after = position + PERIOD * velocity + 0.5 * PERIOD**2 * acceleration
        assert all_viable(after, velocity + PERIOD * acceleration, 1e-6)


def test_what_respects_the_bounds_is_not_touched():
    rng, limit, untouched = np.random.default_rng(3), make(), 0
    for _ in range(300):
        position = HOME + rng.uniform(-0.2, 0.2, 7)
        velocity = rng.uniform(-0.3, 0.3, 7)
        wanted = rng.uniform(-0.3, 0.3, 7) * EFFORT
        limit.begin()
        limit.recovering = False
        effort = limited(limit, position, velocity, wanted)
        mass, bias = DYNAMICS.evaluate(position, velocity)
        lower, upper = limit._bounds(limit._horizon, np.zeros(7))
        acceleration = np.linalg.solve(mass, wanted - bias)
        if ((acceleration > lower + 1e-9) & (acceleration < upper - 1e-9)).all():
            untouched += 1
            assert effort.tobytes() == wanted.tobytes()
    assert untouched > 100


def test_commands_on_their_way_are_taken_into_account():
    """A joint that the command in flight will bring to its limit is braked now."""
    position, velocity = HOME.copy(), STILL.copy()
    distance = 0.3
    velocity[0] = np.sqrt(2.0 * BRAKING[0] * distance) - 0.05
    position[0] = UPPER[0] - distance
    push = STILL.copy()
    push[0] = 60.0
    late, prompt = make(latency_periods=1), make()
    late.see(position, velocity)
    late.sent(push)
    state = position + PERIOD * velocity, velocity
    assert limited(late, *state, STILL)[0] < limited(prompt, *state, STILL)[0] - 1.0


def test_a_lost_state_means_that_the_last_command_stayed():
    limit = make(latency_periods=2)
    for effort in (1.0, 2.0):
        limit.see(HOME, STILL)
        limit.sent(np.full(7, effort))
    limit.see(HOME, STILL, periods=2)
    assert [sent[0] for sent in limit._in_flight] == [2.0, 2.0]
    limit.set_latency(0)
    assert not limit._in_flight


def test_started_outside_a_joint_comes_back_slowly_and_goes_no_further():
    limit, rng = make(), np.random.default_rng(5)
    position, velocity = HOME.copy(), STILL.copy()
    position[0] = LIMITS.position_upper[0] + 0.01
    furthest, fastest = position[0], 0.0
    for step in range(400):
        wanted = rng.uniform(-1.0, 1.0, 7) * EFFORT if step < 200 else -0.2 * EFFORT
        effort = limited(limit, position, velocity, wanted)
        mass, bias = DYNAMICS.evaluate(position, velocity)
        acceleration = np.linalg.solve(mass, effort - bias)
        position = position + PERIOD * velocity + 0.5 * PERIOD**2 * acceleration
        velocity = velocity + PERIOD * acceleration
        furthest = max(furthest, position[0])
        if position[0] > LIMITS.position_upper[0]:
            assert limit.recovering
            fastest = max(fastest, -velocity[0])
    assert furthest <= LIMITS.position_upper[0] + 0.0101
    assert fastest <= CONFIG.recover_velocity + 1e-6
    assert position[0] < LIMITS.position_upper[0] and not limit.recovering


def test_margins_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match='joint6: nothing is left between the position limits'):
        ViabilityLimit(
            ARM, replace(LIMITS, position_lower=(-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, 3.75,
                                                 -2.8973)), CONFIG, DYNAMICS, CERTIFICATE)
    even = replace(LIMITS, position_lower=(-0.25, *LIMITS.position_lower[1:]),
                   position_upper=(0.25, *LIMITS.position_upper[1:]))
    with pytest.raises(ValueError, match='joint1: nothing is left .* position_margin of 0.25'):
        ViabilityLimit(ARM, even, replace(CONFIG, position_margin=0.25), DYNAMICS, CERTIFICATE)
