"""Training without ROS: it learns, resumes and evaluates; a failure ends it."""

import multiprocessing
import os
import re
import signal

import numpy as np
import pytest
from rl_robot_ros import in_process
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.in_process import make_evaluation_env
from rl_robot_ros.in_process import make_session
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.settings import Settings

SMALL = {'robot': 'cartpole', 'task': 'balance', 'algorithm.hidden': (16, 16),
         'algorithm.batch': 32, 'algorithm.learning_starts': 64, 'algorithm.compile': 'off',
         'algorithm.capacity': 5000, 'sync.rows': 32, 'seed': 1}


def settings(run, **values):
    known = resolve('algorithm', values.get('algorithm', 'sac')).Config.__dataclass_fields__
    small = {name: value for name, value in SMALL.items()
             if not name.startswith('algorithm.') or name.removeprefix('algorithm.') in known}
    return Settings.resolve({**small, 'learner.run': str(run), **values})


def episodes(given, weights, count):
    env = make_evaluation_env(given, weights)
    return len(run_episodes(env, weights, count, 7).episodes)


def test_train_resume_evaluate(tmp_path):
    snapshots = []
    assert train_in_process(settings(tmp_path, **{'stop.steps': 800}), [], snapshots.append) == ''
    assert snapshots
    resumed = settings(tmp_path, **{'stop.steps': 1600, 'learner.resume': True})
    session = make_session(resumed)
    assert session.resumed and session.trainer.rows == 416
    before = session.trainer.rows
    session.close()
    assert train_in_process(resumed, [], snapshots.append) == ''
    session = make_session(resumed)
    assert session.trainer.rows > before
    assert session.trainer.inbox.counts['duplicates'] == 0, 'a resumed run has rows of its own'
    session.close()
    assert episodes(resumed, load_policy(tmp_path / 'policy.safetensors'), 2) == 2


def test_time_ends_it(tmp_path):
    """Also while rows wait to be learned from."""
    given = settings(tmp_path, **{'stop.minutes': 0.01, 'sync.rows': 8})
    assert train_in_process(given, [], lambda snapshot: None) == ''


def test_a_failure_ends_it(tmp_path, monkeypatch):
    from rl_robot_ros.algorithms.base import NonFiniteLoss
    from rl_robot_ros.algorithms.sac import Sac

    def update(self):
        raise NonFiniteLoss('loss is nan')
    monkeypatch.setattr(Sac, 'update', update)
    assert 'loss is nan' in train_in_process(settings(tmp_path), [], lambda snapshot: None)


def test_a_loss_without_bounds_ends_it_before_it_is_saved(tmp_path):
    values = {'task.upright': 1e36, 'algorithm.reward_scale': 1e6}
    failure = train_in_process(settings(tmp_path, **values), [], lambda snapshot: None)
    assert 'the last good weights stay: critic loss is inf' in failure
    assert [path.name for path in tmp_path.glob('checkpoints/*.pt')] == [
        'checkpoint-000000000000.pt'], 'no other than that of the start'


@pytest.mark.parametrize('algorithm, values', [
    ('td3', {'algorithm.noise': 'coloured'}), ('ddpg', {'preset': 's1_ou'}),
    ('dqn', {'actions': 'push'}), ('q_learning', {'actions': 'push', 'preset': 'cartpole'}),
    ('ppo', {'algorithm.minibatch': 16}), ('a2c', {'actions': 'push_or_rest'}),
    ('reinforce', {'actions': 'push'})])
def test_every_algorithm_trains_and_acts(tmp_path, algorithm, values):
    given = settings(tmp_path, **{'algorithm': algorithm, 'stop.steps': 400, 'sync.lag': 0,
                                  **values})
    given.check_fit()
    assert train_in_process(given, [], lambda snapshot: None) == ''
    weights = load_policy(tmp_path / 'policy.safetensors')
    assert weights.version > 3 and weights.damage() == ''
    episodes(given, weights, 1)
    session = make_session(Settings.resolve({**given.values, 'learner.resume': True}))
    assert session.trainer.updates > 0 and session.trainer.rows == 224
    session.close()


def test_a_person_ends_it(tmp_path):
    assert train_in_process(settings(tmp_path), [2], lambda snapshot: None) == ''


def test_a_run_is_never_begun_over_another(tmp_path, caplog):
    """Not even over one that was killed before it could learn; going on has to be asked for."""
    session = make_session(settings(tmp_path))
    session.trainer.ingest(np.zeros((1, session.layout.width)), '/')
    session.store.log.flush()
    for _ in range(2):
        with pytest.raises(FileExistsError, match='holds a trained run: set learner.resume'):
            make_session(settings(tmp_path))
        session.close()  # now there is a checkpoint as well
    resumed = make_session(settings(tmp_path, **{'learner.resume': True, 'algorithm.batch': 16}))
    assert resumed.resumed and resumed.trainer.inbox.waiting == 1
    assert 'the run goes on with another algorithm.batch' in caplog.text
    resumed.close()


def test_hindsight_trains_and_resumes(tmp_path):
    """Two halves of a seeded run hold what the log says, whole episodes with their copies."""
    sparse = {'robot': 'planar2', 'task': 'reach', 'preset': 'sparse', 'sync.lag': 0,
              'algorithm.hindsight': 'on', 'task.train_episode_steps': 200}
    given = settings(tmp_path, **sparse, **{'stop.steps': 1280})
    assert train_in_process(given, [], lambda snapshot: None) == ''
    session = make_session(settings(tmp_path, **sparse, **{'learner.resume': True}))
    algorithm, rows = session.trainer.algorithm, session.trainer.rows
    assert session.resumed and rows == 128
    # Episodes of 20 rows: six are whole, the seventh is under way.
    assert algorithm.replay.total == rows + 4 * 20 * 6
    reward = algorithm.replay.data[:algorithm.replay.size, algorithm.replay.columns['reward']]
    assert (reward == -1.0).any() and (reward == 0.0).sum() > 50
    session.close()
    weights = load_policy(tmp_path / 'policy.safetensors')
    assert episodes(given, weights, 1) == 1


BESIDE = {'in_process.actors': 2, 'sync.rows': 48, 'stop.steps': 600, 'stop.minutes': 2.0}


def test_several_act_at_once_and_a_seed_repeats_it(tmp_path):
    """Ahead of the learner and however fast each of them is, two runs are the same run."""
    weights, rows = [], []
    for name in 'ab':
        run = tmp_path / name
        given = settings(run, **BESIDE)
        assert train_in_process(given, [], lambda snapshot: None) == ''
        weights.append(load_policy(run / 'policy.safetensors').weights.tolist())
        session = make_session(Settings.resolve({**given.values, 'learner.resume': True}))
        replay = session.trainer.algorithm.replay
        rows.append(replay.data[:replay.size].tolist())
        assert session.trainer.rows == session.trainer.algorithm.counts.rows == 336
        # No row earns an update before 64 rows are there, then every one earns one.
        assert session.trainer.updates == 336 - 48
        session.close()
    assert weights[0] == weights[1] and rows[0] == rows[1] and len(rows[0]) == 336


def test_on_policy_methods_learn_from_all_of_them(tmp_path):
    given = settings(tmp_path, **{**BESIDE, 'algorithm': 'ppo', 'algorithm.batch': 60,
                                  'algorithm.minibatch': 20, 'sync.rows': 60, 'sync.lag': 0})
    told = []
    assert train_in_process(given, [], told.append) == ''
    session = make_session(Settings.resolve({**given.values, 'learner.resume': True}))
    assert session.trainer.algorithm.updates == session.trainer.rows // 60 == 5
    assert told[-1]['masked_rows'] == 0.0
    session.close()


def test_one_that_dies_ends_it_and_nothing_is_lost(tmp_path):
    def kill(snapshot):
        actors = multiprocessing.active_children()
        if snapshot['rows'] >= 48 and len(actors) > 1:
            os.kill(actors[1].pid, signal.SIGKILL)
    failure = train_in_process(settings(tmp_path, **{**BESIDE, 'stop.steps': 10**6}), [], kill)
    assert re.fullmatch('the process of actor [12] of 2 ended with exit status -9', failure)
    assert not multiprocessing.active_children()
    assert load_policy(tmp_path / 'policy.safetensors').damage() == ''


def test_one_that_cannot_begin_says_so(tmp_path, monkeypatch):
    """It prints why itself."""
    beside = in_process.Beside

    def with_bad_seed(count, values, schema, seed, rest):
        return beside(count, values, schema, (-1,), rest)
    monkeypatch.setattr(in_process, 'Beside', with_bad_seed)
    failure = train_in_process(settings(tmp_path, **BESIDE), [], lambda snapshot: None)
    assert 'ended with exit status 1' in failure
