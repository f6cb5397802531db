"""``rl-robot demonstrate``: from a script, from a run; what it writes can be learned from."""

import numpy as np
import pytest
from rl_robot_ros import cli
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.demonstrate import rows_of
from rl_robot_ros.in_process import make_session
from rl_robot_ros.in_process import train_in_process
from rl_robot_ros.learning.segments import head
from rl_robot_ros.learning.segments import pack
from rl_robot_ros.learning.segments import Record
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.settings import Settings
from run_folders import make_run

SMALL = {'robot': 'planar2', 'task': 'reach', 'algorithm.hidden': (16, 16), 'algorithm.batch': 32,
         'algorithm.compile': 'off', 'algorithm.learning_starts': 32, 'sync.rows': 32,
         'sync.lag': 0, 'seed': 1}


@pytest.fixture(scope='module')
def shown(tmp_path_factory):
    path = tmp_path_factory.mktemp('shown') / 'reach.safetensors'
    assert cli.main(['demonstrate', '--expert', 'planar2', '--episodes', '2', '--output',
                     str(path)]) == 0
    return path


def settings(run, algorithm, shown, **values):
    known = resolve('algorithm', algorithm).Config.__dataclass_fields__
    small = {name: value for name, value in SMALL.items()
             if not name.startswith('algorithm.') or name.removeprefix('algorithm.') in known}
    return Settings.resolve({**small, 'algorithm': algorithm, 'learner.run': str(run),
                             'algorithm.demonstrations': str(shown), **values})


@pytest.mark.parametrize('algorithm', ['behavior_cloning', 'dagger', 'sac'])
def test_a_script_shows_and_everybody_learns(tmp_path, shown, algorithm):
    given = settings(tmp_path, algorithm, shown, **{'stop.steps': 300})
    assert load_demonstrations(shown, rows_of(given)[1]).episodes == 2
    assert train_in_process(given, [], lambda snapshot: None) == ''
    again = settings(tmp_path, algorithm, shown, **{'learner.resume': True})
    session = make_session(again)
    assert session.resumed and session.trainer.updates > 0
    session.close()
    gone = settings(tmp_path, algorithm, tmp_path / 'gone', **{'learner.resume': True})
    with pytest.raises(FileNotFoundError, match='there is no file .*gone'):
        make_session(gone)


@pytest.mark.parametrize('words, says', [
    (['--algorithm', 'behavior_cloning'], 'behavior_cloning has nothing else to learn from'),
    (['algorithm.demonstrations=/no/such/file'], 'there is no file /no/such/file'),
    (['algorithm.demonstrations=SHOWN'], 'give demonstrations of the same robot')])
def test_bad_demonstrations_are_refused_before_a_run_begins(capsys, tmp_path, shown, words, says):
    words = [word.replace('SHOWN', str(shown)) for word in words]
    assert cli.main(['train', '--runs', str(tmp_path), *words]) == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def recorded(folder, persons):
    """Make a run of three episodes of four rows; `persons` are the decisions of a person."""
    run = make_run(folder, 'run', [], robot='planar2', task='reach')
    layout = rows_of(Settings.resolve({'robot': 'planar2'}))[1]
    rows = np.zeros((12, layout.width))
    rows[:, layout.column('seq').start] = np.arange(12)
    rows[3::4, layout.column('truncated')] = 1.0
    rows[persons, layout.column('intervened')] = 1.0
    (run / 'rows').mkdir()
    (run / 'rows' / '000.rows').write_bytes(head(layout) + pack(Record(0, '', rows)))
    return run, layout, rows


def test_a_person_shows_in_a_run(capsys, tmp_path):
    run, layout, rows = recorded(tmp_path, [0, *range(4, 12)])
    for episodes, wanted in (('5', rows[4:]), ('1', rows[8:])):
        assert cli.main(['demonstrate', '--run', str(run), '--episodes', episodes, '--output',
                         str(tmp_path / 'shown')]) == 0
        assert np.array_equal(load_demonstrations(tmp_path / 'shown', layout).rows, wanted)
    assert '1 demonstrations, 4 rows' in capsys.readouterr().out


def test_runs_that_show_nothing(capsys, tmp_path):
    run, *_ = recorded(tmp_path, [0, 1, 5])
    make_run(tmp_path, 'bare', [])
    for words, says in (
            (['--run', str(run)], '3 whole episodes, a person made every decision in none of them '
                                  '(3 of 12 decisions '
                                  'were)'),
            (['--run', str(tmp_path / 'bare')], 'keeps no rows'),
            (['--run', str(tmp_path)], 'no config.yaml'),
            (['--run', str(run), 'task.bonus=1'], 'a run has its parameters already'),
            (['--expert', 'cartpole'], 'tip_link'),
            (['--expert', 'planar2', '--episodes', '0'], 'at least 1'),
            (['--expert', 'planar2', '--episodes', '1', 'task.train_episode_steps=4'],
             'the expert succeeded in 0 of 20 episodes')):
        assert cli.main(['demonstrate', '--output', str(tmp_path / 'never'), *words]) == 2
        assert says in capsys.readouterr().err
    assert not (tmp_path / 'never').exists()
