"""The Gymnasium environment: Gymnasium's own checker, and the same rows as the graph's."""

import warnings

from gymnasium.spaces import Box
from gymnasium.spaces import Discrete
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.env import make_task
from rl_robot_ros.env import RobotEnv

PUSHES = ((-1.0,), (0.0,), (1.0,))
KINDS = {'arm7-reach': ('arm7', 'reach', {}), 'cartpole-balance': ('cartpole', 'balance', {}),
         'cartpole-swing_up': ('cartpole', 'swing_up', {}),
         'discrete': ('cartpole', 'balance', {'efforts': PUSHES})}
ALL = pytest.mark.parametrize('kind', KINDS)


def make(kind, **options):
    robot, task, more = KINDS[kind]
    return RobotEnv.make(robot, task, **{**more, **options})


def play(env, steps, seed=3):
    """Return all rows of a seeded run with random actions, and what `step` returned."""
    observation, _ = env.reset(seed=seed)
    env.action_space.seed(seed)
    rows, returned = [], [(observation, 0.0, False, False, {})]
    for _ in range(steps):
        returned.append(env.step(env.action_space.sample()))
        rows.append(env.row.copy())
        if returned[-1][2] or returned[-1][3]:
            env.reset()
    return np.array(rows), returned


def column(env, rows, name):
    values = rows[:, env.layout.column(name)]
    return values[:, 0] if values.shape[1] == 1 else values


@ALL
def test_gymnasium_is_content(kind):
    env = make(kind)
    with warnings.catch_warnings():
        # It would like bounds on observations; joint positions have none that a task must know.
        warnings.filterwarnings('ignore', message='.*(infinity|observation space m).*')
        check_env(env, skip_render_check=True)
    assert isinstance(env.action_space, Discrete if kind == 'discrete' else Box)


@ALL
def test_same_seed_same_rows(kind):
    one, other = make(kind), make(kind)
    rows, _ = play(one, 40)
    assert rows.tolist() == play(other, 40)[0].tolist()
    # Also in an environment that has seen other things, apart from counters and stamps.
    play(other, 25, seed=8)
    again = play(other, 40)[0]
    assert again[:, 5:].tolist() == rows[:, 5:].tolist()
    assert play(other, 40, seed=4)[0][:, 12:].tolist() != rows[:, 12:].tolist()


@ALL
def test_rows_are_good_and_numbered(kind):
    env = make(kind)
    rows, _ = play(env, 120)
    assert env.layout.check(rows) == ''
    assert column(env, rows, 'seq').tolist() == list(range(120))
    stamps = column(env, rows, 'stamp_sec') * 1e9 + column(env, rows, 'stamp_nanosec')
    periods = np.diff(stamps) / (env.robot.control_period * 1e9)
    ended = (column(env, rows, 'terminated') + column(env, rows, 'truncated'))[:-1]
    assert (periods[ended == 0.0] == env.robot.decision_periods).all()
    assert (periods <= env.robot.decision_periods).all() and (periods >= 1).all()
    # Rows of one episode are a chain.
    following = ended == 0.0
    assert column(env, rows, 'next_obs')[:-1][following].tolist() \
        == column(env, rows, 'obs')[1:][following].tolist()


@ALL
def test_what_step_returns_is_what_the_row_says(kind):
    env = make(kind)
    rows, returned = play(env, 60)
    for row, (observation, reward, terminated, truncated, info) in zip(rows, returned[1:]):
        cell = {term.name: row[env.layout.column(term.name)] for term in env.layout.columns}
        assert observation.tolist() == cell['next_obs'].tolist()
        assert reward == cell['reward'][0]
        assert reward == pytest.approx(sum(cell[f'terms.{name}'][0] for name in env.layout.terms))
        assert (terminated, truncated and not terminated) == (cell['terminated'][0],
                                                              cell['truncated'][0])
        assert {name: info[name] for name in ('success', 'intervened', 'filtered')} \
            == {name: bool(cell[name][0]) for name in ('success', 'intervened', 'filtered')}
        assert all(info[f'terms.{name}'] == cell[f'terms.{name}'][0] for name in env.layout.terms)
    assert returned[0][0].tolist() == rows[0][env.layout.column('obs')].tolist()


@ALL
def test_what_is_observed_is_where_the_robot_is(kind):
    env = make(kind)
    observation, _ = env.reset(seed=5)
    env.action_space.seed(5)
    nothing = np.zeros(len(env.robot.actuated))
    applied = nothing
    for _ in range(30):
        expected = env.task.observe(env.world.position, env.world.velocity, applied)
        assert observation.tolist() == expected.tolist()
        observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
        name = 'effort' if kind == 'discrete' else 'action'
        applied = np.atleast_1d(column(env, env.row[None], name)[0])
        if terminated or truncated:
            observation, applied = env.reset()[0], nothing


def test_rows_mean_the_same_as_those_of_the_graph():
    """The policy node builds its layout from the contract; here it is built from the task."""
    log_prob, effort = Term('log_prob', 1), Term('effort', 1)
    for kind, network, efforts, extra, given_extra in (
            ('arm7-reach', 'squashed_gaussian 40-14 relu', (), (log_prob,), (log_prob,)),
            ('discrete', 'categorical 5-3 tanh', PUSHES, (log_prob, effort), (log_prob,)),
            ('discrete', 'categorical 5-3 tanh', PUSHES, (effort, log_prob), (effort, log_prob))):
        robot = resolve('robot', KINDS[kind][0])
        task = make_task(robot, KINDS[kind][1])
        line = PolicyContract(network, robot.actuated, task.observation_terms, extra, efforts)
        contract = PolicyContract.parse(line.schema)
        assert contract.misfit(robot.actuated, task.observation_terms) == ''
        assert NetworkSpec.parse(network).misfit(contract) == ''
        layout = RowLayout(contract.observation_size, contract.action_size, task.reward_terms,
                           contract.extra)
        assert make(kind, extra=given_extra).layout == layout


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_actions_reach_the_motors(seed):
    """Small smooth actions come through the filter as they are, in the right units."""
    env = RobotEnv.make('arm7', 'reach')
    env.reset(seed=seed)
    action = np.random.default_rng(seed).uniform(-0.05, 0.05, 7)
    _, _, _, _, info = env.step(action)
    assert column(env, env.row[None], 'request')[0] == pytest.approx(action)
    assert column(env, env.row[None], 'action')[0] == pytest.approx(action)
    assert not info['filtered'] and not info['intervened']
    applied = env.world.data.qfrc_applied[env.world._motors]
    assert applied == pytest.approx(action * env.robot.action_to_effort)


def test_the_filter_stands_before_the_motors():
    env = RobotEnv.make('arm7', 'reach')
    env.reset(seed=0)
    _, _, _, _, info = env.step(np.ones(7))  # from 0 to 26 N m at once is over the effort rate
    assert info['filtered']
    executed = column(env, env.row[None], 'action')[0]
    assert column(env, env.row[None], 'request')[0].tolist() == [1.0] * 7
    assert (executed[:4] < 0.9).all() and (executed > 0.0).all()


@ALL
def test_interventions_are_reported(kind):
    env = make(kind)
    env.reset(seed=3)
    env.action_space.seed(3)
    changed = 0
    for _ in range(80):
        action = env.action_space.sample()
        _, _, terminated, truncated, info = env.step(action)
        name = 'effort' if kind == 'discrete' else 'action'
        wanted = np.array(PUSHES[action]) if kind == 'discrete' else action
        applied = np.atleast_1d(column(env, env.row[None], name)[0])
        assert info['intervention'] == pytest.approx(applied - wanted, abs=1e-12)
        assert info['intervention'].shape == (len(env.robot.actuated),)
        assert info['filtered'] or not info['intervention'].any()
        changed += bool(info['intervention'].any())
        if terminated or truncated:
            env.reset()
    if kind == 'arm7-reach':  # seven random efforts are over some effort rate
        assert changed > 40


def test_no_joint_leaves_its_limits():
    env = RobotEnv.make('arm7', 'reach', {'task.train_episode_steps': 4000})
    env.reset(seed=1)
    for push in (1.0, -1.0):
        for _ in range(100):
            env.step(np.full(7, push))
            assert (env.world.position <= np.array(env.robot.position_upper) + 0.05).all()
            assert (env.world.position >= np.array(env.robot.position_lower) - 0.05).all()


def test_discrete_actions_choose_from_the_effort_set():
    env = make('discrete')
    env.reset(seed=0)
    for index in range(len(PUSHES)):
        env.step(np.int64(index))
        row = env.row[None]
        assert column(env, row, 'action').tolist() == [index] == column(
            env, row, 'request').tolist()
    for _ in range(3):
        env.reset(seed=0)
        env.step(2)
        assert column(env, env.row[None], 'effort')[0] == pytest.approx(1.0, abs=0.7)
        assert column(env, env.row[None], 'effort')[0] > 0.0


def test_episode_lengths():
    for evaluation, name in ((False, 'train_episode_steps'), (True, 'max_episode_steps')):
        env = RobotEnv.make('arm7', 'reach', {'task.train_episode_steps': 10,
                                              'task.max_episode_steps': 18},
                            evaluation=evaluation)
        env.reset(seed=0)
        ends = [env.step(np.zeros(7))[3] for _ in range(5 if evaluation else 3)]
        assert ends == [False] * (len(ends) - 1) + [True]
        assert env.recorder.steps == getattr(env.task, name)
        assert column(env, env.row[None], 'evaluation').tolist() == [float(evaluation)]


def test_a_goal_may_be_given():
    env = RobotEnv.make('arm7', 'reach')
    target = [0.4, 0.1, 0.5]
    observation, info = env.reset(seed=0, options={'goal': target})
    assert info['goal'].tolist() == target and target in [observation[i:i + 3].tolist()
                                                          for i in range(len(observation) - 2)]
    start = observation[:14].tolist()
    observation, info = env.reset(seed=0)
    assert info['goal'].tolist() != target and observation[:14].tolist() == start


def test_a_stopped_filter_ends_the_episode_and_is_reset():
    env = RobotEnv.make('cartpole', 'balance')
    env.reset(seed=0)
    env.filter.stop('test')
    _, _, terminated, _, _ = env.step(np.zeros(1))
    assert terminated and column(env, env.row[None], 'terminated').tolist() == [1.0]
    env.filter.release()
    env.reset(seed=0)
    _, _, terminated, _, _ = env.step(np.zeros(1))
    assert not terminated and not env.filter.latched


def test_extra_columns_and_versions_are_recorded():
    env = RobotEnv.make('cartpole', 'balance', extra=(Term('log_prob', 1),))
    env.reset(seed=0)
    env.step_with(np.zeros(1), {'log_prob': -1.5}, 12)
    assert column(env, env.row[None], 'log_prob').tolist() == [-1.5]
    assert column(env, env.row[None], 'policy_version').tolist() == [12.0]


def test_parameters_and_presets():
    env = RobotEnv.make('arm7', 'reach', {'task.bonus': 7, 'safety.position_margin': 0.02,
                                          'algorithm.lr': 1.0}, ('s1_reach',))
    assert env.observation_space.shape == (14,) and env.task.config.bonus == 7.0
    assert env.filter.config.position_margin == 0.02
    assert env.metadata['render_fps'] == 50
    with pytest.raises(ValueError, match='unknown parameter task.bonuss'):
        RobotEnv.make('arm7', 'reach', {'task.bonuss': 7})
    with pytest.raises(ValueError, match="no robot 'arm8'"):
        RobotEnv.make('arm8', 'reach')
    with pytest.raises(ValueError, match='cartpole has no tip_link'):
        RobotEnv.make('cartpole', 'reach')


def test_tighter_limits_hold_in_process_too(tmp_path):
    path = tmp_path / 'joint_limits.yaml'
    name = resolve('robot', 'planar2').actuated[0]
    path.write_text(f'joint_limits: {{{name}: {{has_velocity_limits: true, max_velocity: 0.5}}}}')
    tight = RobotEnv.make('planar2', 'reach', {'filter.joint_limits_file': str(path)})
    assert tight.filter.limits.velocity[0] == 0.5
    assert RobotEnv.make('planar2', 'reach').filter.limits.velocity[0] > 0.5
    path.write_text(f'joint_limits: {{{name}: {{has_velocity_limits: true, max_velocity: 99.0}}}}')
    with pytest.raises(ValueError, match=name):
        RobotEnv.make('planar2', 'reach', {'filter.joint_limits_file': str(path)})


def test_closing_twice_is_fine():
    env = RobotEnv.make('cartpole', 'balance')
    env.close()
    env.close()
