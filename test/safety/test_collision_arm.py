"""The collision limit on arm7's shapes; whether links touch is for MuJoCo to say."""

import mujoco
import numpy as np
import pytest
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.safety.collision import CollisionLimit
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.sim.world import World

LOWER, UPPER = np.array(ROBOT.position_lower), np.array(ROBOT.position_upper)
FASTEST, BRAKING = np.array(ROBOT.velocity_limit), np.array(ROBOT.braking_acceleration)
PERIOD = ROBOT.control_period
PARTS = np.arange(1, 5)[:, None] * PERIOD / 4.0
GEOMETRY = MujocoGeometry(ROBOT)
WORLD = World(ROBOT)  # with a floor at height 0


@pytest.fixture(scope='module')
def limit():
    return CollisionLimit(ROBOT, GEOMETRY, BRAKING, CollisionConfig(table=True, pair_samples=500))


def touches(position):
    """Whether MuJoCo sees a contact, of links or with the floor."""
    WORLD.data.qpos[:] = position
    mujoco.mj_kinematics(WORLD.model, WORLD.data)
    mujoco.mj_collision(WORLD.model, WORLD.data)
    return WORLD.data.ncon > 0


def bang_bang(rng, position, velocity, memory):
    if 'asked' not in memory or rng.random() < 0.01:
        memory['asked'] = 6.0 * BRAKING * rng.choice([-1.0, 1.0], 7)
    return memory['asked']


def seek(rng, position, velocity, memory):
    """Push the pair or link that is nearest, or any other, together."""
    if 'asked' not in memory or rng.random() < 0.1:
        clearance = memory['limit'].clearance
        gap = clearance.measure(np.concatenate((position[None],
                                                position + 1e-4 * np.eye(7))))
        if 'row' not in memory or rng.random() < 0.05:
            memory['row'] = (gap[:, 0] - clearance.margin).argmin()
        row = gap[memory['row']]
        memory['asked'] = -6.0 * BRAKING * np.sign(row[1:] - row[0])
    return memory['asked']


def resonant(rng, position, velocity, memory):
    return 6.0 * BRAKING * np.sign(velocity + rng.uniform(-0.05, 0.05, 7))


def run(limit, adversary, seed, use, steps=400):
    """Drive joints that do what they are told; return contacts, seen four times per period."""
    rng, memory, contacts = np.random.default_rng(seed), {'limit': limit}, 0
    position, velocity = np.array(ROBOT.home), np.zeros(7)
    limit.begin()
    for _ in range(steps):
        brake = limit.path.brake(velocity)
        asked = adversary(rng, position, velocity, memory)
        # Position and velocity limits are somebody else's: brake where these would be passed.
        after = velocity + PERIOD * asked
        end = (position + 0.5 * PERIOD * (velocity + after)
               + np.sign(after) * limit.path.travel(after))
        asked = np.where((end > LOWER) & (end < UPPER) & (np.abs(after) < FASTEST), asked, brake)
        if use:
            scale = limit.scale(position, velocity, brake, asked)
            asked = asked if scale == 1.0 else brake + scale * (asked - brake)
        passed = position + velocity * PARTS + 0.5 * asked * PARTS**2
        contacts += sum(map(touches, passed))
        position, velocity = passed[-1], velocity + PERIOD * asked
    return contacts


@pytest.mark.parametrize('adversary, seed', [(bang_bang, 1), (seek, 1), (resonant, 0)])
def test_nothing_ever_touches(limit, adversary, seed):
    assert run(limit, adversary, seed, use=False) > 0
    assert run(limit, adversary, seed, use=True) == 0


def test_free_is_never_said_of_a_path_that_is_not(limit):
    rng = np.random.default_rng(4)
    free = 0
    for position in rng.uniform(0.9 * LOWER, 0.9 * UPPER, (60, 7)):
        position[1] = rng.uniform(0.8, 1.7)  # leans towards the floor
        velocity = rng.uniform(-FASTEST, FASTEST)
        if limit.free(position, velocity):
            free += 1
            path = limit.path.positions(position[None], velocity[None], 300)[:, 0]
            least = limit.clearance.measure(path) - limit.clearance.margin[:, None]
            assert least.min() >= -1e-9
    assert 5 < free < 55


def test_a_pair_that_is_near_at_home_keeps_half_of_that(limit):
    row = limit.clearance.names.index('link5 - link7')
    at_home = limit.clearance.measure(np.array(ROBOT.home)[None])[row, 0]
    assert at_home < limit.config.margin
    assert limit.clearance.margin[row] == pytest.approx(0.5 * at_home)
    assert limit.free(np.array(ROBOT.home), np.zeros(7))
