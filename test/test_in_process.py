"""Training without ROS: it learns, resumes and evaluates; a failure ends it."""

import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.in_process import make_evaluation_env
from rl_robot_ros.in_process import make_session
from rl_robot_ros.in_process import run_episodes
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.policy_file import load_policy
from rl_robot_ros.settings import Settings
import torch

SMALL = {'robot': 'cartpole', 'task': 'balance', 'algorithm.hidden': (16, 16),
         'algorithm.batch': 32, 'algorithm.learning_starts': 64, 'algorithm.compile': 'off',
         'algorithm.capacity': 5000, 'sync.rows': 32, 'seed': 1}


@pytest.fixture(autouse=True)
def leave_the_thread_as_it_was():
    """Undo `prepare_torch`: it is meant for the thread that learns, here it is that of pytest."""
    yield
    torch.set_flush_denormal(False)


def settings(run, **values):
    return Settings.resolve({**SMALL, 'learner.run': str(run), **values})


def episodes(given, weights, count):
    env = make_evaluation_env(given, weights)
    return len(run_episodes(env, weights, count, 7).episodes)


def test_train_resume_evaluate(tmp_path):
    snapshots = []
    assert train_in_process(settings(tmp_path, **{'stop.steps': 800}), [], snapshots.append) == ''
    assert snapshots
    resumed = settings(tmp_path, **{'stop.steps': 1600, 'learner.resume': True})
    _, session = make_session(resumed)
    assert session.resumed and session.trainer.rows == 416
    before = session.trainer.rows
    session.close()
    assert train_in_process(resumed, [], snapshots.append) == ''
    _, session = make_session(resumed)
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
    assert not list(tmp_path.glob('checkpoints/*.pt'))


@pytest.mark.parametrize('algorithm, values', [
    ('td3', {'algorithm.noise': 'coloured'}), ('ddpg', {'preset': 's1_ou'}),
    ('dqn', {'actions': 'push'}), ('q_learning', {'actions': 'push', 'preset': 'cartpole'}),
    ('ppo', {'algorithm.minibatch': 16}), ('a2c', {'actions': 'push_or_rest'}),
    ('reinforce', {'actions': 'push'})])
def test_every_algorithm_trains_and_acts(tmp_path, algorithm, values):
    known = resolve('algorithm', algorithm).Config.__dataclass_fields__
    small = {name: value for name, value in SMALL.items()
             if not name.startswith('algorithm.') or name.removeprefix('algorithm.') in known}
    given = Settings.resolve({**small, 'algorithm': algorithm, 'learner.run': str(tmp_path),
                              'stop.steps': 400, 'sync.lag': 0, **values})
    given.check_fit()
    assert train_in_process(given, [], lambda snapshot: None) == ''
    weights = load_policy(tmp_path / 'policy.safetensors')
    assert weights.version > 3 and weights.damage() == ''
    episodes(given, weights, 1)
    _, session = make_session(Settings.resolve({**given.values, 'learner.resume': True}))
    assert session.trainer.updates > 0 and session.trainer.rows == 224
    session.close()


def test_a_person_ends_it(tmp_path):
    assert train_in_process(settings(tmp_path), [2], lambda snapshot: None) == ''


def test_hindsight_trains_and_resumes(tmp_path):
    """Two halves of a seeded run hold what the log says, whole episodes with their copies."""
    sparse = {'robot': 'planar2', 'task': 'reach', 'preset': 'sparse', 'sync.lag': 0,
              'algorithm.hindsight': True, 'task.train_episode_steps': 200}
    given = settings(tmp_path, **sparse, **{'stop.steps': 1280})
    assert train_in_process(given, [], lambda snapshot: None) == ''
    _, session = make_session(settings(tmp_path, **sparse, **{'learner.resume': True}))
    algorithm, rows = session.trainer.algorithm, session.trainer.rows
    assert session.resumed and rows == 128
    # Episodes of 20 rows: six are whole, the seventh is under way.
    assert algorithm.replay.total == rows + 4 * 20 * 6
    reward = algorithm.replay.data[:algorithm.replay.size, algorithm.replay.columns['reward']]
    assert (reward == -1.0).any() and (reward == 0.0).sum() > 50
    session.close()
    weights = load_policy(tmp_path / 'policy.safetensors')
    assert episodes(given, weights, 1) == 1
