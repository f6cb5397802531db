from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.robots.cartpole import ROBOT as CARTPOLE
from rl_robot_ros.sim.world import World

ZERO = np.zeros(7)
HOME = np.array(ROBOT.home)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep the file into which MuJoCo writes its warnings."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope='module')
def world():
    return World(ROBOT)


def trajectory(world, seed, steps=20):
    rng = np.random.default_rng(seed)
    world.reset(HOME + 0.1 * rng.normal(size=7), rng.normal(size=7))
    states = []
    for _ in range(steps):
        world.step(rng.uniform(-10.0, 10.0, 7))
        states.append([*world.position, *world.velocity])
    return states


def test_it_begins_at_home(world):
    fresh = World(ROBOT)
    assert fresh.position.tolist() == HOME.tolist() and not fresh.velocity.any()


@settings(max_examples=10)
@given(seed=st.integers(0, 999))
def test_a_reset_forgets_everything(seed):
    """Same start and same efforts give the same motion, bit by bit, whatever was before."""
    used = World(ROBOT)
    trajectory(used, seed + 1)
    assert trajectory(used, seed) == trajectory(World(ROBOT), seed)


def test_efforts_do_not_outlive_a_reset(world):
    world.step(np.full(7, 10.0))
    world.reset(HOME, ZERO)
    world.step(ZERO)
    assert np.abs(world.velocity).max() < 1e-9


@pytest.mark.parametrize('joint', range(7))
def test_effort_moves_its_own_joint_its_own_way(world, joint):
    for sign in (1.0, -1.0):
        world.reset(HOME, ZERO)
        world.step(sign * 5.0 * np.eye(7)[joint])
        assert sign * world.velocity[joint] > 0.0
        assert sign * (world.position - HOME)[joint] > 0.0


def test_only_the_cart_has_a_motor():
    world = World(CARTPOLE)
    world.step(np.array([5.0]))
    cart, pole = world.velocity
    # Newton, for 1.1 kg less what the free pole leaves behind, over one period.
    assert 0.8 * 5.0 / 1.1 * 0.01 < cart < 5.0 * 0.01 and pole < 0.0


def test_one_step_is_one_control_period(world):
    world.reset(HOME, ZERO)
    before = world.data.time
    world.step(ZERO)
    assert world.data.time - before == pytest.approx(ROBOT.control_period, abs=1e-12)
    world.reset(HOME, np.eye(7)[6])
    world.step(ZERO)
    assert (world.position - HOME)[6] == pytest.approx(ROBOT.control_period, rel=0.1)


def test_states_are_copies(world):
    world.reset(HOME, ZERO)
    position, velocity = world.position, world.velocity
    world.step(np.full(7, 10.0))
    assert position.tolist() == HOME.tolist() and not velocity.any()
    world.position[:] = 9.0
    assert world.position.max() < 9.0


@pytest.mark.parametrize('effort', [np.nan, np.inf, 1e9, 1e300])
def test_a_simulation_that_diverges_says_so(effort):
    world = World(ROBOT)
    with pytest.raises(FloatingPointError, match='simulation of arm7 diverged under effort'):
        for _ in range(200):
            world.step(np.full(7, effort))
    # A new episode is a new beginning.
    world.reset(HOME, ZERO)
    for _ in range(10):
        world.step(ZERO)
    assert world.position == pytest.approx(HOME, abs=1e-9)


def test_the_floor_holds_the_arm(world):
    assert [world.model.geom(i).name for i in range(world.model.ngeom)].count('floor') == 1
    assert 'floor' not in [World(CARTPOLE).model.geom(i).name
                           for i in range(World(CARTPOLE).model.ngeom)]
    world.reset(np.array([0.0, 1.7, 0.0, -0.3, 0.0, 1.9, 0.0]), ZERO)
    for _ in range(200):
        world.step(np.array([0.0, 60.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
    assert world.data.ncon > 0
    assert min(world.data.xpos[1:, 2]) > -0.01
