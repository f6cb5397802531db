"""``rl-robot compare`` on made-up runs."""

import pytest
from rl_robot_ros import cli
from run_folders import make_run
from run_folders import seeds


@pytest.fixture
def compare(capsys, tmp_path, monkeypatch):
    """Run the command in an empty directory; returns status and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        status = cli.main(['compare', *map(str, words)])
        printed = capsys.readouterr()
        return status, printed.out, printed.err
    return run


def test_seeds_and_set_ups(compare, tmp_path):
    runs = [*seeds(tmp_path, 'sac', 3, 0.9), *seeds(tmp_path, 'td3', 2, 0.6, algorithm='td3')]
    status, out, error = compare(*runs, '--plot', 'success', '--threshold', '0.5')
    assert status == 0 and not error
    assert 'algorithm=sac  3 ' in out and 'algorithm=td3  2 ' in out
    assert 'reached success 50.0%' in out and '3 of 3' in out
    assert 'learning curves: comparison.png' in out and (tmp_path / 'comparison.png').is_file()
    output = tmp_path / 'else.png'
    assert compare(*runs, *runs, '--against', 'time', '--output', output)[0] == 0
    assert output.is_file()


def test_a_damaged_run_is_named_and_the_others_go_on(compare, tmp_path):
    runs = [*seeds(tmp_path, 'sac', 2, 0.9), make_run(tmp_path, 'empty', ()),
            make_run(tmp_path, 'untrained', (), metrics=''), tmp_path / 'none']
    status, out, error = compare(*runs)
    assert status == 1
    assert 'cartpole balance sac  2 ' in out and 'learning curves:' in out
    assert f'{tmp_path}/empty is left out: metrics.csv has no line with both' in error
    assert f'{tmp_path}/untrained is left out: no metrics.csv' in error
    assert f'{tmp_path}/none is left out: there is no such directory' in error
    assert len(error.splitlines()) == 3


def test_nothing_to_compare(compare, tmp_path):
    status, _, error = compare(tmp_path / 'none')
    assert status == 2 and 'none of the runs can be compared' in error
    assert not (tmp_path / 'comparison.png').exists()


@pytest.mark.parametrize('words, says', [
    (['--plot', 'success', '--threshold', '90'], '--threshold 90.0: allowed is [0, 1], a rate'),
    (['--plot', 'success', '--threshold', 'nan'], 'allowed is [0, 1]'),
    (['--threshold', 'inf'], 'allowed is a finite number')])
def test_bad_thresholds(compare, tmp_path, words, says):
    status, _, error = compare(tmp_path, *words)
    assert status == 2 and says in error
