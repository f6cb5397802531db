"""The safe wrapper around Gymnasium's environments and around our own physics."""

import math
from pathlib import Path
import re
import warnings

import gymnasium
from gymnasium.spaces import Box
from gymnasium.spaces import Discrete
from gymnasium.spaces import MultiBinary
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from rl_robot_ros.env import RobotEnv
from rl_robot_ros.safe_wrapper import JointConstraint
from rl_robot_ros.safe_wrapper import KeepInside
from rl_robot_ros.safe_wrapper import SafeWrapper
from rl_robot_ros.safety import JointLimits
from safety.robots import at_once
from safety.robots import make_robot
from safety.robots import Plant

EVERYWHERE = {'position_lower': (-math.inf,), 'position_upper': (math.inf,)}
PAGE = Path(__file__).parents[1] / 'docs' / 'safe_wrapper.md'


class Joints(gymnasium.Env):
    """Joints that do not know of each other; one step is one control period."""

    observation_space = Box(-np.inf, np.inf, (4,), np.float64)
    action_space = Box(-1.0, 1.0, (2,), np.float64)

    def __init__(self, start=(0.0, 0.0), velocity=(0.0, 0.0)):
        self.robot = make_robot(2)
        self.start, self.velocity = np.array(start), np.array(velocity)
        self.broken = None  # an observation to show instead
        self.given = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.plant = Plant(self.robot, self.start.copy(), self.velocity.copy())
        self.given = []
        return self._observation(), {}

    def step(self, action):
        assert self.action_space.contains(action)
        self.given.append(action.copy())
        self.plant.move(action * np.array(self.robot.effort_limit))
        action[:] = np.nan  # nobody else may depend on it
        return self._observation(), 1.0, False, False, {}

    def _observation(self):
        if self.broken is not None:
            return self.broken
        return np.concatenate((self.plant.position, self.plant.velocity))


def joints_constraint(**changes):
    robot = make_robot(2)
    values = {'position': slice(0, 2), 'velocity': [2, 3],
              'limits': JointLimits.from_robot(robot), 'period': robot.control_period,
              'inertia': robot.inertia, 'braking_acceleration': robot.braking_acceleration,
              'scale': robot.effort_limit}
    return JointConstraint(**{**values, **changes})


def near(low=-0.5, high=0.5, **options):
    return KeepInside('reach', lambda observation, info: observation[:2], low, high, **options)


def make_joints(*more, fallback='brake', start=(0.0, 0.0), velocity=(0.0, 0.0), **options):
    return SafeWrapper(Joints(start, velocity), [joints_constraint(), *more], fallback, **options)


def pendulum_constraint(**limits):
    values = {'velocity': (8.0,), 'effort': (2.0,), 'effort_rate': (80.0,), **limits}
    return JointConstraint(position=lambda seen: np.arctan2(seen[1], seen[0]), velocity=2,
                           limits=JointLimits(('swing',), **EVERYWHERE, **values), period=0.05,
                           inertia=(1.0 / 3.0,), braking_acceleration=(2.0,))


def speed(limit=5.0, **options):
    return KeepInside('speed', lambda seen, info: abs(seen[2]), upper=limit, **options)


def make_pendulum(*more, fallback='brake', **options):
    return SafeWrapper(gymnasium.make('Pendulum-v1'), [pendulum_constraint(), *more], fallback,
                       **options)


def make_cartpole(limit=0.1, fallback=1, **options):
    pole = KeepInside('pole', lambda seen, info: seen[2], -limit, limit)
    return SafeWrapper(gymnasium.make('CartPole-v1'), [pole], fallback, **options)


def make_free_pendulum(fallback, **options):
    return SafeWrapper(gymnasium.make('Pendulum-v1'), [speed()], fallback, **options)


MAKERS = {
    'pendulum': lambda: make_pendulum(speed(), intervention_penalty=0.1),
    'free pendulum': lambda: make_free_pendulum('last_safe'),
    'cartpole': lambda: make_cartpole(0.05),
    'robot': lambda: SafeWrapper(RobotEnv.make('cartpole', 'balance'), [
        KeepInside('cart', lambda seen, info: seen[0], -0.5, 0.5)], 'last_safe'),
    'joints': lambda: make_joints(near(-0.01, 0.01)),
}
ALL = pytest.mark.parametrize('kind', MAKERS)


def pump(observation):
    return 2.0 * np.sign(observation[2:])


@ALL
def test_gymnasium_is_content(kind):
    env = MAKERS[kind]()
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', module='gymnasium')
        check_env(env, skip_render_check=True)


# -- nothing to limit ------------------------------------------------------------------------


@pytest.mark.parametrize('dtype', [np.float32, np.float64])
def test_what_needs_no_limiting_is_bit_identical(dtype):
    env = make_pendulum(speed(9.0))
    plain = gymnasium.make('Pendulum-v1')
    assert env.reset(seed=4)[0].tolist() == plain.reset(seed=4)[0].tolist()
    random = np.random.default_rng(4)
    for _ in range(150):
        action = random.uniform(-2.0, 2.0, 1).astype(dtype)
        mine, theirs = env.step(action), plain.step(action)
        assert mine[0].tolist() == theirs[0].tolist()
        assert mine[1:4] == theirs[1:4]
        info = mine[4]
        assert info['filtered'] is False and info['intervention'].tolist() == [0.0]
        assert info['safety'] == {'phase': 'active', 'reason': '', 'source': 'policy',
                                  'latched': False, 'violated': ()}


def test_a_choice_passes_as_it_is():
    env = make_cartpole(1.0)
    plain = gymnasium.make('CartPole-v1')
    assert env.reset(seed=4)[0].tolist() == plain.reset(seed=4)[0].tolist()
    for index in range(8):
        mine, theirs = env.step(np.int64(index % 2)), plain.step(index % 2)
        assert mine[0].tolist() == theirs[0].tolist()
        assert mine[4]['intervention'] == 0.0 and not mine[4]['filtered']


# -- JointConstraint -------------------------------------------------------------------------


def test_effort_and_its_rate_are_limited():
    env = SafeWrapper(gymnasium.make('Pendulum-v1'),
                      [pendulum_constraint(effort=(1.5,), effort_rate=(10.0,))])
    env.reset(seed=1)
    for expected in (0.5, 1.0, 1.5, 1.5):
        _, _, _, _, info = env.step(np.array([2.0]))
        assert env.unwrapped.last_u == pytest.approx(expected)
        assert info['intervention'] == pytest.approx(np.array([expected - 2.0]))
        assert info['filtered'] and info['safety']['reason'] == 'limited by effort or effort rate'


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_no_joint_leaves_its_limits(seed):
    env = make_joints()
    env.reset()
    random = np.random.default_rng(seed)
    limits, plant = env.joints.limits, env.unwrapped.plant
    for _ in range(12):
        push = random.choice((-1.0, 1.0), 2)
        for _ in range(100):
            _, _, _, _, info = env.step(push)
            assert (plant.position <= limits.position_upper).all()
            assert (plant.position >= limits.position_lower).all()
            assert (np.abs(plant.velocity) <= limits.velocity).all()
    assert info['safety']['phase'] == 'active'


def test_a_broken_state_is_a_fault_until_reset():
    env = make_joints(near(-9.0, 9.0))
    env.reset()
    env.step(np.full(2, 0.1))
    env.unwrapped.broken = np.full(4, np.nan)
    for _ in range(5):
        _, _, _, _, info = env.step(np.full(2, 0.1))
    env.unwrapped.broken = None
    _, _, _, _, info = env.step(np.full(2, 0.1))
    assert info['safety']['source'] == 'stop' and info['safety']['latched']
    assert info['safety']['phase'] == 'fault'
    assert info['safety']['reason'] == 'joint state is not finite: joint1, joint2'
    env.reset()
    _, _, _, _, info = env.step(np.full(2, 0.01))
    assert info['safety']['phase'] == 'active' and not info['filtered']


def test_an_action_may_be_scaled_backwards():
    env = SafeWrapper(Joints(), [joints_constraint(scale=(-87.0, 87.0))])
    env.reset()
    _, _, _, _, info = env.step(np.array([1.0, 1.0]))
    assert info['intervention'] == pytest.approx(np.full(2, 5.0 / 87.0 - 1.0))


# -- KeepInside ------------------------------------------------------------------------------


def falling(observation):
    return observation[2] + 0.5 * observation[3]


def lifetime(env, steps=300):
    env.reset(seed=1)
    random = np.random.default_rng(1)
    return next((step for step in range(steps) if env.step(random.integers(2))[2]), steps)


def test_a_random_policy_no_longer_drops_the_pole():
    pole = KeepInside('pole', lambda seen, info: falling(seen), -0.05, 0.05)
    plain = gymnasium.make('CartPole-v1')
    kept = SafeWrapper(gymnasium.make('CartPole-v1'), [pole], lambda seen: int(falling(seen) > 0))
    assert lifetime(plain) < 50
    assert lifetime(kept) == 300


def test_a_choice_is_replaced_while_the_pole_is_out():
    env = make_cartpole(0.05, fallback=1)
    env.reset(seed=0)
    violated, acted = (), 0
    for _ in range(11):
        observation, _, _, _, info = env.step(0)
        assert info['filtered'] == bool(violated) == (info['safety']['source'] == 'fallback')
        assert info['safety']['phase'] == ('braking' if violated else 'active')
        assert info['intervention'] == (1.0 if violated else 0.0)
        violated = info['safety']['violated']
        assert violated == (('pole',) if abs(observation[2]) > 0.05 else ())
        acted += info['filtered']
    assert 0 < acted < 11


def test_brake_lowers_the_speed_of_a_pumped_pendulum():
    """Its gravity is stronger than the motor, so more than lowering cannot be had."""
    fastest = {}
    for name, env in (('alone', gymnasium.make('Pendulum-v1')),
                      ('kept', make_pendulum(speed(3.0)))):
        observation, _ = env.reset(seed=0)
        speeds = []
        for _ in range(200):
            observation, _, _, _, _ = env.step(pump(observation))
            speeds.append(abs(observation[2]))
        fastest[name] = np.sort(speeds)[-20]
    assert fastest['kept'] < 0.75 * fastest['alone']


FALLBACKS = {'brake': 'brake', 'hold': 'hold', 'last_safe': 'last_safe',
             'function': lambda seen: -0.05 * np.sign(seen[:2]),
             'action': np.array([-0.05, -0.05])}


@pytest.mark.parametrize('name', FALLBACKS)
def test_every_fallback_acts_and_hands_back(name):
    env = make_joints(near(-0.3, 0.3), fallback=FALLBACKS[name])
    env.reset()
    push, infos, places = np.full(2, 0.05), [], []
    for _ in range(600):
        infos.append(env.step(push)[4])
        places.append(env.unwrapped.plant.position.max())
    trip = next(step for step, place in enumerate(places) if place > 0.3)
    assert infos[trip]['safety']['violated'] == ('reach',)
    assert not any(info['filtered'] for info in infos[:trip + 1])
    # The next action is the fallback's, and nobody else's until the joints are back.
    for info, place in zip(infos[trip + 1:], places[trip:]):
        assert (info['safety']['source'] != 'policy') == (place > 0.3)
        assert (info['safety']['phase'] in ('braking', 'hold')) == (place > 0.3)
        assert ('reach is ' in info['safety']['reason']) == (place > 0.3)
    came_back = min(places[trip:]) < 0.3
    first = env.unwrapped.given[trip + 1]
    if name == 'brake':  # stands where it came to rest, which is outside
        assert not came_back and np.abs(env.unwrapped.plant.velocity).max() < 1e-3
        assert (first < -0.05).all() and infos[trip + 1]['safety']['source'] == 'hold'
    elif name == 'last_safe':  # pushes on, up to what the filter allows
        assert not came_back and first.tolist() == push.tolist()
        bound = 1.5 - env.filter.config.position_margin
        assert places[-1] == pytest.approx(bound, abs=0.001)
        assert infos[-1]['safety']['source'] == 'fallback' and infos[-1]['filtered']
    else:
        assert came_back and max(places) < 0.7 and (first < 0.05).all()
        assert infos[trip + 1]['safety']['source'] == 'fallback'


def test_hold_goes_back_to_where_all_held():
    env = make_joints(near(-0.3, 0.3), fallback='hold', latch=True)
    observation, info = env.reset()
    while not info['safety']['violated']:
        safe = observation[:2]
        observation, _, _, _, info = env.step(np.array([0.2, 0.1]))
    assert (safe <= 0.3).all() and observation[0] > 0.3
    for _ in range(800):
        observation, _, _, _, info = env.step(np.array([0.2, 0.1]))
    assert observation[:2] == pytest.approx(safe, abs=1e-3)
    assert info['safety']['latched'] and info['safety']['source'] == 'fallback'


def make_told(inside, fallback, **options):
    """Make an environment whose constraint says what it is told, first at reset."""
    told = list(inside)
    return SafeWrapper(gymnasium.make('Pendulum-v1'), [
        KeepInside('told', lambda seen, info: float(told.pop(0)), lower=0.5)], fallback, **options)


@pytest.mark.parametrize('latch', [False, True])
def test_latch_lasts_until_reset(latch):
    env = make_told([True, False, True, True, True, True], np.zeros(1), latch=latch)
    env.reset(seed=0)
    infos = [env.step(np.ones(1))[4]['safety'] for _ in range(4)]
    assert [info['source'] for info in infos] == ['policy', 'fallback', *(
        ['fallback'] * 2 if latch else ['policy'] * 2)]
    assert [info['latched'] for info in infos] == [False, latch, latch, latch]
    assert infos[1]['phase'] == ('fault' if latch else 'braking')
    assert 'told is 0' in infos[1]['reason']
    assert infos[3]['reason'] == (infos[1]['reason'] if latch else '')
    env.predicates[0] = KeepInside('fine', lambda seen, info: 0.0, upper=1.0)
    env.reset(seed=0)
    assert env.step(np.ones(1))[4]['safety'] == {'phase': 'active', 'reason': '',
                                                 'source': 'policy', 'latched': False,
                                                 'violated': ()}


def test_a_violation_at_reset_acts_at_once():
    env = make_free_pendulum(np.array([0.25], np.float32))
    env.predicates[0] = KeepInside('never', lambda seen, info: math.nan, upper=1.0)
    _, info = env.reset(seed=0)
    assert info['safety']['violated'] == ('never',) and 'never is nan' in info['safety']['reason']
    env.step(np.array([1.0], np.float32))
    assert env.unwrapped.last_u == 0.25
    env = make_joints(near(), start=(0.6, 0.0), velocity=(0.4, 0.0))
    env.reset()
    for _ in range(200):
        env.step(np.ones(2))
    assert np.abs(env.unwrapped.plant.velocity).max() < 1e-2


def test_the_last_safe_action_is_the_last_safe_one():
    env = make_told([True, True, False, False], 'last_safe')
    env.reset(seed=0)
    sent = []
    for action in (0.1, 0.2, 0.3):
        _, _, _, _, info = env.step(np.array([action], np.float32))
        sent.append(float(env.unwrapped.last_u))
    # Safe at reset and after 0.1, not after 0.2.
    assert sent == pytest.approx([0.1, 0.2, 0.1]) and info['safety']['violated'] == ('told',)
    assert info['intervention'] == pytest.approx(np.array([-0.2]))


def tell(env, inside):
    env.predicates[0] = KeepInside('told', lambda seen, info: float(inside), lower=0.5)


def test_brake_hands_back_as_soon_as_all_holds():
    env = make_joints(near())
    tell(env, True)
    env.reset()
    for inside in (True, False, True):
        tell(env, inside)
        for _ in range(20):
            _, _, _, _, info = env.step(np.full(2, 0.05))
    assert info['safety']['source'] == 'policy' and not info['filtered']
    tell(env, False)
    env.step(np.full(2, 0.05))
    tell(env, True)
    sources = [env.step(np.full(2, 0.05))[4]['safety']['source'] for _ in range(2)]
    assert sources == ['hold', 'policy']  # moving, and not waiting for standstill
    assert env.unwrapped.plant.velocity.min() > 0.1


def test_hold_goes_to_a_new_place_each_time():
    env = make_joints(near(), fallback='hold')
    tell(env, True)
    env.reset()
    places = []
    for _ in range(2):
        tell(env, True)
        for _ in range(70):
            env.step(np.full(2, 0.05))
        places.append(env.unwrapped.plant.position.copy())
        tell(env, False)
        for _ in range(300):
            env.step(np.full(2, 0.05))
        assert env.unwrapped.plant.position == pytest.approx(places[-1], abs=0.02)
    assert (places[1] > places[0] + 0.1).all()


@pytest.mark.parametrize('fallback', ['brake', 'hold', 'last_safe'])
@pytest.mark.parametrize('broken', [
    [math.inf, 0.0, -math.inf, 0.0], [math.nan] * 4, [1e300] * 4, [0.0] * 9])
def test_a_fallback_without_a_state(fallback, broken):
    env = SafeWrapper(Joints(velocity=(0.5, 0.5)), [
        joints_constraint(velocity=slice(2, None)), near(-9.0, 9.0)], fallback)
    env.reset()
    tell(env, False)
    env.step(np.zeros(2))
    env.unwrapped.broken = np.array(broken)
    for _ in range(200):
        _, _, _, _, info = env.step(np.ones(2))
    assert info['safety']['phase'] == 'fault' and info['safety']['source'] == 'stop'
    assert np.array(env.unwrapped.given[-1]).tolist() == [0.0, 0.0]  # nothing better is known


def test_margin_acts_before_the_bound():
    for margin in (0.0, 0.1):
        env = make_joints(near(-0.3, 0.3, margin=margin))
        env.reset()
        for _ in range(1500):
            _, _, _, _, info = env.step(np.array([0.02, 0.02]))
        assert bool(info['safety']['violated']) == (margin == 0.0)
        assert info['safety']['phase'] in ('braking', 'hold')


@pytest.mark.parametrize('value, violated', [
    (0.0, False), (1.0, False), (1.1, True), (math.nan, True), (None, True), (-math.inf, True),
    ([0.0, 0.5], False), ([0.0, 2.0], True), ([[0.0], [math.nan]], True), ([], False)])
def test_what_is_inside(value, violated):
    said, why = KeepInside('x', lambda seen, info: value, -1.0, 1.0).judge(None, {})
    assert said == violated == bool(why)


@pytest.mark.parametrize('value, acts', [
    (-0.8, False), (-0.85, True), (0.8, False), (0.85, True), ([0.0, -0.9], True)])
def test_what_is_inside_by_a_margin(value, acts):
    constraint = KeepInside('x', lambda seen, info: value, -1.0, 1.0, margin=0.2)
    violated, why = constraint.judge(None, {})
    assert not violated and bool(why) == acts


# -- bad actions -----------------------------------------------------------------------------


class Awkward:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError('no')


GARBAGE = st.one_of(
    st.sampled_from([None, 'push', '1.0', ['1.0'], {}, [], [[1.0], [2.0, 3.0]], object(), 10**400,
                     [10**400], 1j, np.array([1j]), math.nan, math.inf, Awkward(), [Awkward()],
                     np.array([np.nan], np.float32), True, 7, -1, np.int64(1), np.array(1),
                     np.datetime64('2000-01-01'), np.ma.masked,
                     np.array([1e4000], np.longdouble)]),
    hnp.arrays(st.sampled_from([np.float32, np.float64, np.int8]),
               hnp.array_shapes(min_dims=0, max_dims=2, max_side=3)),
    st.lists(st.floats(), max_size=3))


@ALL
@settings(max_examples=25, deadline=None)
@given(actions=st.lists(GARBAGE, min_size=1, max_size=12))
def test_garbage_never_reaches_the_environment(kind, actions):
    env = MAKERS[kind]()
    space, inner = env.action_space, env.unwrapped
    step = inner.step

    def checked(action):
        if isinstance(space, Discrete):
            assert space.contains(action)
        else:
            assert action.shape == space.shape and np.isfinite(action).all()
            assert (action >= space.low).all() and (action <= space.high).all()
        return step(action)

    inner.step = checked
    env.reset(seed=0)
    for action in actions:
        observation, reward, terminated, _, info = env.step(action)
        assert np.isfinite(observation).all() and math.isfinite(reward)
        assert np.isfinite(info['intervention']).all()
        if terminated:
            env.reset()


def test_bad_actions_are_repeated_then_the_fallback_acts():
    for latch in (False, True):
        env = make_free_pendulum(np.array([-1.0], np.float32), latch=latch)
        env.reset(seed=0)
        sent, infos = [], []
        good = np.array([0.5], np.float32)
        for action in (good, None, [math.nan], np.zeros(2), 'x', good, good):
            infos.append(env.step(action)[4])
            sent.append(float(env.unwrapped.last_u))
        assert sent == [0.5] * 4 + [-1.0] + [-1.0 if latch else 0.5] * 2
        assert 'shape (2,), needs (1,)' in infos[3]['safety']['reason']
        assert '4 invalid requests in a row' in infos[4]['safety']['reason']
        assert [info['filtered'] for info in infos] == [False] + [True] * 4 + [latch] * 2
        assert infos[-1]['safety']['phase'] == ('hold' if latch else 'active')
        env.reset(seed=0)
        assert env.step(np.array([0.5], np.float32))[4]['safety']['source'] == 'policy'


@pytest.mark.parametrize('action', [
    None, 0.5, 'x', '0.5', ['0.5'], [None], [[0.5]], [0.5, 0.5], [0.5j], [object()], [10**400],
    [math.nan], [-math.inf], np.array([0.5 + 0j]), np.array([b'0.5']), Awkward(), {}, [Awkward()]])
def test_what_is_no_action(action):
    env = make_free_pendulum(np.array([0.25], np.float32))
    env.reset(seed=0)
    env.step(np.array([1.0]))
    env.reset(seed=0)
    _, _, _, _, info = env.step(action)  # what was accepted in another episode is not repeated
    assert env.unwrapped.last_u == 0.25 and info['safety']['source'] == 'fallback'
    assert info['filtered'] and info['safety']['reason'].startswith('action ')


@pytest.mark.parametrize('action', [
    [0.5], (0.5,), np.array([0.5]), np.array([0.5], np.float16), np.array([0.5], np.longdouble)])
def test_what_is_an_action(action):
    env = make_free_pendulum('last_safe')
    env.reset(seed=0)
    _, _, _, _, info = env.step(action)
    assert env.unwrapped.last_u == 0.5 and not info['filtered']


def test_bad_actions_make_the_filter_brake():
    env = make_joints(fallback='last_safe')
    env.reset()
    for _ in range(100):
        env.step(np.full(2, 0.05))
    assert env.unwrapped.plant.velocity.min() > 0.5
    for _ in range(400):
        _, _, _, _, info = env.step(np.full(2, math.nan))
    assert info['safety']['phase'] == 'hold' and info['intervention'].tolist() == [0.0, 0.0]
    assert np.abs(env.unwrapped.plant.velocity).max() < 1e-2
    assert 'invalid requests in a row' in info['safety']['reason']
    _, _, _, _, info = env.step(np.full(2, 0.01))
    assert info['safety']['phase'] == 'active' and info['safety']['source'] == 'policy'


def test_a_fallback_that_fails_is_replaced():
    env = make_free_pendulum(lambda seen: math.nan)
    env.predicates[0] = KeepInside('never', lambda seen, info: None, upper=1.0)
    env.reset(seed=0)
    env.step(np.array([1.0]))
    assert env.unwrapped.last_u == 0.0


def test_too_much_counts_as_the_bound():
    env = make_free_pendulum('last_safe')
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.array([50.0]))
    assert env.unwrapped.last_u == 2.0
    assert not info['filtered']


# -- what is reported ------------------------------------------------------------------------


def test_penalty():
    rewards = {}
    for penalty in (0.0, 0.5):
        env = make_joints(intervention_penalty=penalty)
        env.reset()
        _, rewards[penalty], _, _, info = env.step(np.array([1.0, 0.5]))
    assert np.abs(info['intervention']).min() > 0.1
    assert rewards[0.0] == 1.0
    assert rewards[0.5] == pytest.approx(1.0 - 0.5 * np.sum(info['intervention'] ** 2))


def test_interventions_of_the_environment_count_too():
    env = SafeWrapper(RobotEnv.make('arm7', 'reach'), [
        KeepInside('never', lambda seen, info: None, upper=1.0)], np.zeros(7))
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.ones(7))
    assert info['filtered'] and info['intervention'].tolist() == [-1.0] * 7
    env.predicates[0] = KeepInside('always', lambda seen, info: 0.0, upper=1.0)
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.ones(7))  # the robot's own filter limits the effort rate
    assert info['filtered'] and info['intervention'].min() < -0.1
    assert info['safety']['source'] == 'policy'
    row = env.unwrapped.row[None]
    applied = row[:, env.unwrapped.layout.column('action')][0]
    assert info['intervention'] == pytest.approx(applied - 1.0)


@pytest.mark.parametrize('words, build', [
    ('at least one', lambda: make_env()),
    ('at most one JointConstraint', lambda: make_joints(joints_constraint())),
    ("'brake' needs a JointConstraint", lambda: make_free_pendulum('brake')),
    ("'hold' needs a JointConstraint", lambda: make_cartpole(fallback='hold')),
    ("fallback is 'holt', allowed are", lambda: make_joints(fallback='holt')),
    ('fallback: action is not finite', lambda: make_joints(fallback=[math.nan, 0.0])),
    (r'fallback: action has shape \(3,\)', lambda: make_joints(fallback=np.zeros(3))),
    ('fallback: action is not one of', lambda: make_cartpole(fallback=2)),
    ('intervention_penalty is -1', lambda: make_joints(intervention_penalty=-1.0)),
    ('must be a Box of floats', lambda: make_env(near(), space=MultiBinary(2))),
    ('must be a Box of floats', lambda: make_env(near(), space=Box(0, 3, (2,), np.int64))),
    ('must be 2 efforts', lambda: make_env(joints_constraint(), space=Discrete(2))),
    ('must be 2 efforts', lambda: make_env(joints_constraint(), space=Box(-1.0, 1.0, (3,)))),
    ('gives only 43.5', lambda: make_env(joints_constraint(scale=43.5))),
    ('gives only 0', lambda: make_env(joints_constraint(), space=Box(0.0, 1.0, (2,)))),
    ('scale is 0', lambda: make_env(joints_constraint(scale=0.0))),
    ('inertia has 1 values', lambda: make_env(joints_constraint(inertia=(1.0,)))),
    ('control_period', lambda: make_env(joints_constraint(period=0.0))),
    (r'position finds shape \(3,\)',
     lambda: make_env(joints_constraint(position=slice(0, 3))).reset()),
    ('nothing is left', lambda: KeepInside('x', None, 1.0, 0.0)),
    ('nothing is left', lambda: KeepInside('x', None, 0.0, 1.0, margin=0.6)),
    ('nothing is left', lambda: KeepInside('x', None, math.nan, 1.0)),
    ('margin is -1', lambda: KeepInside('x', None, 0.0, 1.0, margin=-1.0)),
    ('lower, upper or both', lambda: KeepInside('x', None)),
])
def test_misfits_are_told(words, build):
    with pytest.raises(ValueError, match=words):
        build()


def make_env(*constraints, space=None):
    env = Joints()
    if space is not None:
        env.action_space = space
    return SafeWrapper(env, constraints)


def test_options_of_the_filter_are_kept():
    config = at_once(envelope_gain=0.2, resume_after_loss=True)
    env = SafeWrapper(Joints(), [joints_constraint(config=config)], latch=True)
    assert env.filter.config.envelope_gain == 0.2
    assert env.filter.config.resume_after_loss is False


def test_the_spec_makes_it_again():
    class Distance:
        def __deepcopy__(self, memo):
            raise TypeError('half of a simulator')

        def __call__(self, observation, info):
            return 0.0

    env = SafeWrapper(gymnasium.make('Pendulum-v1'), [KeepInside('x', Distance(), upper=1.0)],
                      'last_safe', latch=True)
    again = gymnasium.make(env.spec)
    assert isinstance(again, SafeWrapper) and again.latch and again.predicates == env.predicates


def test_a_step_before_reset_is_refused_as_always():
    for env in (make_pendulum(speed()), make_cartpole()):
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(env.action_space.sample())


def test_a_stop_outlasts_the_episode():
    env = make_joints()
    env.reset()
    env.filter.stop('somebody')
    for _ in range(2):
        _, _, _, _, info = env.step(np.full(2, 0.1))
        assert info['safety']['phase'] == 'stop' and info['safety']['source'] == 'stop'
        env.reset()
    env.filter.release()
    env.reset()
    assert env.step(np.full(2, 0.01))[4]['safety']['phase'] == 'active'


def test_the_example_of_the_documentation_runs(capsys):
    code = re.search(r'```python\n(.*?)```', PAGE.read_text(), re.DOTALL)[1]
    names = {}
    exec(compile(code, str(PAGE), 'exec'), names)
    assert "'phase': 'braking'" in capsys.readouterr().out
    assert names['env'].joints is names['joint']
