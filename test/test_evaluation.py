"""``rl-robot evaluate`` without ROS: one run, several seeds, and what is wrong with a run."""

import json

import pytest
from rl_robot_ros import cli
from rl_robot_ros import evaluation
from rl_robot_ros.in_process import make_session
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.settings import Settings

CARTPOLE = {'robot': 'cartpole', 'task': 'balance', 'algorithm.hidden': (16, 16),
            'algorithm.compile': 'off', 'algorithm.capacity': 1000, 'algorithm.batch': 32}


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    run = str(tmp_path_factory.mktemp('run'))
    session = make_session(Settings.resolve({**CARTPOLE, 'learner.run': run}))
    session.prepare()
    pushed, = session.take_pushes()
    session.close()
    return pushed


@pytest.fixture
def new_run(tmp_path, monkeypatch, weights):
    """Make a run directory with weights that know nothing yet."""
    monkeypatch.chdir(tmp_path)

    def make(name, **values):
        (tmp_path / name).mkdir()
        settings = Settings.resolve({**CARTPOLE, **values})
        (tmp_path / name / 'config.yaml').write_text(settings.yaml())
        save_policy(tmp_path / name / 'policy.safetensors', weights)
        return name
    return make


def evaluate(capsys, *words):
    status = cli.main(['evaluate', *words, '--in-process', '--episodes', '3'])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_one_run(capsys, tmp_path, new_run):
    run = new_run('one')
    status, out, _ = evaluate(capsys, run)
    assert status == 0
    assert 'report: one/evaluation.json, picture: one/evaluation.png' in out
    report = json.loads((tmp_path / 'one/evaluation.json').read_text())
    assert report['episodes'] == 3 and len(report['returns']) == 3
    low, high = report['intervals']['return_mean']
    assert low < report['return_mean'] < high
    first = (tmp_path / 'one/evaluation.json').read_bytes()
    assert evaluate(capsys, f'{run}/policy.safetensors')[0] == 0
    assert (tmp_path / 'one/evaluation.json').read_bytes() == first, 'it can be repeated'
    assert evaluate(capsys, run, 'task.max_episode_steps=4', '--output', 'short.json')[0] == 0
    assert json.loads((tmp_path / 'short.json').read_text())['returns'] != report['returns']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['one', 'short.json', 'short.png']


def test_several_runs(capsys, tmp_path, new_run):
    runs = [new_run('seed1', seed=1), new_run('lr=2', seed=2)]
    status, out, error = evaluate(capsys, *runs, 'seed1', 'task.max_episode_steps=200')
    assert status == 0 and not error
    assert '2 runs' in out and 'report of all: evaluation.json' in out
    stored = json.loads((tmp_path / 'evaluation.json').read_text())
    assert stored['setups'] == {'cartpole balance sac': runs} and list(stored['runs']) == runs
    for run in runs:
        each = json.loads((tmp_path / run / 'evaluation.json').read_text())
        assert each == stored['runs'][run]
        assert (tmp_path / run / 'evaluation.png').is_file()
    assert (tmp_path / 'evaluation.png').is_file()


def test_the_others_go_on(capsys, tmp_path, new_run):
    good, torn, bare = new_run('good'), new_run('torn'), new_run('bare')
    (tmp_path / 'torn/policy.safetensors').write_bytes(b'no policy')
    (tmp_path / 'bare/config.yaml').unlink()
    status, out, error = evaluate(capsys, torn, good, bare, 'none')
    assert status == 1 and '1 run  ' in out
    assert 'evaluate: torn: torn/policy.safetensors is no intact policy file' in error
    assert 'evaluate: bare: no config.yaml at' in error
    assert 'evaluate: none: no policy at none' in error
    stored = json.loads((tmp_path / 'evaluation.json').read_text())
    assert list(stored['runs']) == ['good'] and list(stored['failed']) == ['torn', 'bare', 'none']
    status, _, error = evaluate(capsys, torn, bare)
    assert status == 2 and 'none of the runs could be evaluated' in error
    assert evaluate(capsys, torn)[0] == 2


def test_a_person_stops_it(capsys, tmp_path, new_run, monkeypatch):
    runs = [new_run('a'), new_run('b')]
    collect = evaluation._collect_in_process

    def then_stop(values, policy, episodes, stop):
        collector = collect(values, policy, episodes, stop)
        stop.append(2)
        return collector
    monkeypatch.setattr(evaluation, '_collect_in_process', then_stop)
    status, _, _ = evaluate(capsys, *runs)
    stored = json.loads((tmp_path / 'evaluation.json').read_text())
    assert status == 1 and list(stored['runs']) == ['a']
    assert stored['failed'] == {'b': 'not begun, a person stopped it'}


@pytest.mark.parametrize('words, says', [
    (['a', '--output', 'x.png'], 'name the JSON report'), (['x=1'], 'give a run directory'),
    (['a', 'task.bonsu=2'], 'unknown parameter task.bonsu')])
def test_bad_words(capsys, new_run, words, says):
    new_run('a')
    status, _, error = evaluate(capsys, *words)
    assert status == 2 and says in error
