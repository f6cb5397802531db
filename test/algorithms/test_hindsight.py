"""Hindsight replay inside the algorithms that have it, and what it is refused with."""

import io

from algorithms import workbench
from core.fakes import ROBOT
from memory.goal_world import history
from memory.goal_world import layout_of
from memory.goal_world import Line
import numpy as np
import pytest
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.session import Session
from rl_robot_ros.memory.replay import Replay
from rl_robot_ros.settings import FlowConfig
from rl_robot_ros.settings import LearnerConfig
from rl_robot_ros.settings import Settings
from rl_robot_ros.settings import StopConfig
import torch

WITH_REPLAY = ['sac', 'td3', 'ddpg', 'dqn']
LENGTHS = (4, 6, 5, 3, 6)


def make(name, seed=0, hindsight='on', **values):
    cls = resolve('algorithm', name)
    known = {key: value for key, value in {**workbench.SMALL, 'hindsight': hindsight,
                                           'capacity': 60, **values}.items()
             if key in cls.Config.__dataclass_fields__}
    config = cls.Config(**known)
    contract = make_contract(ROBOT, Line(), cls, config, 'push' if name == 'dqn' else 'continuous')
    algorithm = cls(contract, RowLayout(6, contract.action_size, Line.reward_terms,
                                        contract.extra), config, seed)
    if cls.relabels(config, Line()):
        algorithm.take_task(Line())
    return algorithm


def rows_for(name, seed=0, lengths=LENGTHS):
    rows = history(seed, lengths, discrete=name == 'dqn')
    rows[:, layout_of(name == 'dqn').column('filtered')] = 0.0
    return rows


def test_who_has_it():
    assert [name for name in names('algorithm')
            if 'hindsight' in resolve('algorithm', name).Config.__dataclass_fields__] \
        == sorted(WITH_REPLAY)


@pytest.mark.parametrize('name', WITH_REPLAY)
@pytest.mark.parametrize('batch', [1, 5, 100])
def test_replay_is_the_same_whatever_the_batches(name, batch):
    rows = rows_for(name)
    whole, pieces = (make(name, capacity=500) for _ in range(2))
    whole.add(rows)
    for start in range(0, len(rows), batch):
        pieces.add(rows[start:start + batch])
    assert whole.replay.total == 5 * len(rows)
    assert np.array_equal(whole.replay.data, pieces.replay.data)
    assert np.array_equal(whole.actor_weights(), pieces.actor_weights())
    assert whole.counts.rows == len(rows)
    # Rows of an episode, then four copies of each.
    obs = whole.replay.columns['obs']
    first = whole.replay.data[:5 * LENGTHS[0], obs]
    assert np.array_equal(first[:LENGTHS[0]], rows[:LENGTHS[0], whole.replay.layout.column('obs')]
                          .astype(np.float32))
    assert np.array_equal(first[LENGTHS[0]::4, :5], first[:LENGTHS[0], :5])


@pytest.mark.parametrize('name', WITH_REPLAY)
def test_without_it_nothing_changes(name):
    """Rows have no trace, replay holds them and no others."""
    rows, plain = rows_for(name), make(name, hindsight='off', capacity=500)
    layout = plain.replay.layout
    assert 'trace' not in layout and 'hindsight_seed' not in plain.state_dict()
    traced = layout_of(name == 'dqn')
    bare = np.zeros((len(rows), layout.width))
    for column, _, _ in layout.columns:
        bare[:, layout.column(column)] = rows[:, traced.column(column)]
    plain.add(bare)
    replay = Replay(layout, 500, discrete=name == 'dqn')
    replay.add(bare)
    assert plain.replay.total == len(rows) and plain.memory_rows == 500
    assert np.array_equal(plain.replay.data, replay.data)


@pytest.mark.parametrize('name', WITH_REPLAY)
@pytest.mark.parametrize('capacity', [60, 500])
def test_resumed_is_as_if_never_stopped(name, capacity):
    rows = rows_for(name)
    cut = 13  # in the middle of the third episode
    straight = make(name, seed=3, capacity=capacity)
    straight.add(rows[:cut])
    for _ in range(4):
        straight.update()
    buffer = io.BytesIO()
    torch.save(straight.state_dict(), buffer)
    buffer.seek(0)
    resumed = make(name, seed=99, capacity=capacity)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    resumed.refill(rows[:cut][-resumed.memory_rows:])
    assert np.array_equal(resumed.replay.data, straight.replay.data)
    for algorithm in (straight, resumed):
        algorithm.add(rows[cut:])
        for _ in range(4):
            algorithm.update()
    assert np.array_equal(resumed.replay.data, straight.replay.data)
    assert np.array_equal(resumed.actor_weights(), straight.actor_weights())


def test_rewards_of_copies_count_as_rewards():
    """The check for critics that diverge must know them."""
    rows = rows_for('td3')
    rows[:, layout_of().column('reward')] = 0.0
    algorithm = make('td3')
    algorithm.add(rows)
    assert algorithm._largest_reward > 0.5


def session(tmp_path, name='sac', **values):
    settings = Settings.resolve({
        'robot': 'planar2', 'task': 'reach', 'preset': 'sparse', 'algorithm': name,
        'algorithm.hindsight': 'on', 'algorithm.hidden': (8, 8), 'algorithm.compile': 'off',
        **values})
    robot, cls = resolve('robot', 'planar2'), resolve('task', 'reach')
    return Session(robot, cls(robot, settings.task), resolve('algorithm', name),
                   settings.algorithm, FlowConfig(), LearnerConfig(run=str(tmp_path)),
                   StopConfig(), 1)


def test_a_session_judges_with_a_task_of_its_own(tmp_path):
    """The one it is given may be in the middle of an episode, as it is in process."""
    made = session(tmp_path, **{'algorithm.hindsight_goals': 2})
    hindsight = made.trainer.algorithm._hindsight
    assert hindsight.goals == 2 and hindsight.task.config.bonus_shape == 'miss'
    assert hindsight.layout == made.layout
    assert made.contract.schema.endswith('| extra trace:68')
    other = session(tmp_path / 'b', **{'algorithm.hindsight': 'off'})
    assert other.trainer.algorithm._hindsight is None and 'trace' not in other.layout


@pytest.mark.parametrize('values, says', [
    ({'robot': 'cartpole', 'task': 'balance'},
     'algorithm.hindsight: got on, but task Balance has no goals .* choose a task'),
    ({'preset': 's1_reach'}, 'Reach does not observe its goal .*task.observe_task=true'),
    ({'robot': 'cartpole', 'task': 'swing_up', 'algorithm': 'dqn', 'actions': 'push'},
     'task SwingUp has no goals')])
def test_tasks_without_goals_are_refused(values, says):
    settings = Settings.resolve({'algorithm.hindsight': 'on', **values})
    with pytest.raises(ValueError, match=says):
        settings.check_fit()
    robot = resolve('robot', settings.graph.robot)
    task = resolve('task', settings.graph.task)(robot, settings.task)
    with pytest.raises(ValueError, match=says):
        make_contract(robot, task, resolve('algorithm', settings.graph.algorithm),
                      settings.algorithm, settings.graph.actions)


@pytest.mark.parametrize('values, on', [
    ({}, True), ({'preset': 'sparse'}, True), ({'algorithm.hindsight': 'off'}, False),
    ({'preset': 's1_reach'}, False), ({'robot': 'cartpole', 'task': 'balance'}, False)])
def test_it_is_on_where_there_are_goals(values, on):
    settings = Settings.resolve(values)
    settings.check_fit()
    task = resolve('task', settings.graph.task)(resolve('robot', settings.graph.robot),
                                                settings.task)
    contract = make_contract(task.robot, task, resolve('algorithm', 'sac'), settings.algorithm,
                             'continuous')
    assert [term.name for term in contract.extra] == ['trace'] * on


def test_what_it_can_be_asked_for():
    Settings.resolve({'algorithm.hindsight': 'on'}).check_fit()
    with pytest.raises(ValueError, match='unknown parameter algorithm.hindsight'):
        Settings.resolve({'algorithm': 'ppo', 'algorithm.hindsight': 'on'})
    for goals in (0, 65):
        with pytest.raises(ValueError, match='algorithm.hindsight_goals'):
            resolve_config(resolve('algorithm', 'sac').Config,
                           {'algorithm.hindsight_goals': goals}, 'algorithm.')
