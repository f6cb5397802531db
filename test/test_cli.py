import pytest
from rl_robot_ros import cli
from rl_robot_ros import commands
from rl_robot_ros.core.teleop import TeleopConfig
from rl_robot_ros.recording import node_arguments
from rl_robot_ros.settings import Settings


def run(capsys, *words):
    """Run the command line; returns status and what it printed."""
    status = cli.main(words)
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.mark.parametrize('words', [[], ['train'], ['play'], ['evaluate'], ['compare'],
                                   ['demonstrate'], ['teleop'], ['record'], ['import-bag'],
                                   ['doctor']])
def test_help_teaches(capsys, words):
    with pytest.raises(SystemExit) as end:
        cli.main([*words, '--help'])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert len(text) > 150 and 'usage: rl-robot' in text
    if words in ([], ['train']):
        assert 'examples:' in text and 'task.bonus=2' in text


@pytest.mark.parametrize('words, says', [
    (['task.bonsu=2'], 'unknown parameter task.bonsu'),
    (['task.bonus=many'], 'expected a float'),
    (['task.bonus'], 'expected name=value'),
    (['nonsense=1'], "unknown parameter 'nonsense'"),
    (['algorithm.gamma=1.5'], r'allowed is [0.0, 1.0]'),
    (['algorithm.batch=2000000'], 'allowed is'),
    (['algorithm.lr_actor=-1e-3'], 'algorithm.lr_actor: got -0.001, allowed is [0.0, 1.0]'),
    (['algorithm.capacity=100'], 'algorithm.batch: got 256, it must not exceed '
                                 'algorithm.capacity = 100'),
    (['--algorithm', 'dqn', 'actions=continuous'], 'dqn needs discrete actions, got '
                                                   'actions=continuous: set actions to one of'),
    (['--algorithm', 'td3', 'actions=push'], 'td3 needs continuous actions'),
    (['--algorithm', 'q_learning'], 'algorithm.bins: got (10,), that makes'),
    (['actions=left'], "actions: got 'left', allowed are continuous, push, push_or_rest"),
    (['--robot', 'arm9'], "no robot 'arm9'"),
    (['--task', 'fly'], "no task 'fly'"),
    (['--algorithm', 'magic'], "no algorithm 'magic'"),
    (['--preset', 'magic'], "preset 'magic'"),
    (['--until', 'return=5'], 'expected success=0.95'),
    (['--robot', 'cartpole'], 'tip_link'),
    (['--params-file', '/no/such/file.yaml'], 'No such file'),
    (['--resume', '/no/such/run'], 'give a run directory'),
])
def test_bad_words_are_explained(capsys, tmp_path, words, says):
    status, _, error = run(capsys, 'train', '--runs', str(tmp_path), *words)
    assert status == 2
    assert says in error and error.startswith('rl-robot train: ')
    assert not list(tmp_path.iterdir()), 'a refused command leaves no run behind'


@pytest.mark.parametrize('words, says', [
    (['teleop', '--robot', 'arm9'], "no robot 'arm9'"),
    (['teleop', 'task.bonus=2'], 'unknown parameter task.bonus; allowed are those that begin with '
                                 'teleop.'),
    (['teleop', 'teleop.rate=1'], 'teleop.rate: got 1.0, allowed is [10.0, 500.0] Hz'),
    (['teleop', 'teleop.axes='], 'teleop.axes: got none'),
    (['record', 'record.queues=3'], 'unknown parameter record.queues'),
    (['import-bag', '/no/such/bag', '--output', '/no/such/rows'], 'there is no bag /no/such/bag'),
])
def test_recording_is_refused_before_a_node_starts(capsys, words, says):
    status, _, error = run(capsys, *words)
    assert status == 2 and says in error, error


def test_a_node_gets_its_parameters_as_they_were_meant():
    given = {'teleop.demonstrations': '2026', 'teleop.axes': '3', 'teleop.rate': '20'}
    assert node_arguments(given, TeleopConfig, 'teleop.', '/arm/') == [
        '--ros-args', '-p', 'teleop.demonstrations:="2026"', '-p', 'teleop.axes:=[3]',
        '-p', 'teleop.rate:=20.0', '-r', '__ns:=/arm']


@pytest.mark.parametrize('command', ['play', 'evaluate'])
def test_a_run_that_is_not_there(capsys, tmp_path, command):
    status, _, error = run(capsys, command, str(tmp_path))
    assert status == 2 and 'no policy at' in error


def test_list_shows_every_value_with_its_unit(capsys):
    status, out, _ = run(capsys, 'train', '--list', 'task.bonus=2.5', '--seed', '3')
    assert status == 0
    assert '    task.bonus: 2.5  # [1] reward at the target' in out.splitlines()
    assert '    seed: 3' in out
    assert len(out.splitlines()) > 70


def test_an_existing_run_is_not_overwritten(capsys, tmp_path):
    (tmp_path / 'mine').mkdir()
    status, _, error = run(capsys, 'train', '--runs', str(tmp_path), '--name', 'mine')
    assert status == 2 and 'is not overwritten' in error and '--resume' in error


def parse(*words):
    """Return the parameters that a command line of train asks for."""
    options = cli.build_parser().parse_args(['train', *words])
    return commands.training_parameters(options, cli.parse_values(options.values))


def test_precedence_and_stop():
    parameters = parse('--minutes', '3', '--until', 'success=0.9', 'sync.rows=8')
    values = Settings.resolve(parameters).values
    assert values['stop.minutes'] == 3.0 and values['stop.success'] == 0.9
    assert values['sync.rows'] == 8 and values['use_sim_time'] is True
    assert commands.stop_text(values) == '90% success or 3 min'


def test_algorithm_brings_what_it_needs_of_the_graph():
    assert Settings.resolve(parse('--algorithm', 'reinforce')).values['sync.lag'] == 0
    assert Settings.resolve(parse()).values['sync.lag'] == 1


def test_resume_takes_the_parameters_of_the_run(tmp_path):
    settings = Settings.resolve({'task.bonus': 7.0, 'stop.minutes': 5.0})
    (tmp_path / 'config.yaml').write_text(settings.yaml())
    with pytest.raises(ValueError, match='no checkpoint to go on from'):
        parse('--resume', str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints/checkpoint-000000000001.pt').touch()
    values = Settings.resolve(parse('--resume', str(tmp_path), '--steps', '100')).values
    assert values['task.bonus'] == 7.0 and values['learner.resume'] is True
    assert values['stop.minutes'] == 0.0 and values['stop.steps'] == 100
