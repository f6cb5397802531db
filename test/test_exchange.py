"""``rl-robot export`` and ``import``: out of a run, into a run, and through the graph."""

from dataclasses import replace
import json

from core.fakes import weight_set
import numpy as np
from onnx_models import linear
import pytest
from real_graph import running
from rl_robot_ros import cli
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.decider import Decider
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.weights import WeightStore
from rl_robot_ros.evaluation import open_for
from rl_robot_ros.in_process import make_evaluation_env
from rl_robot_ros.in_process import make_session
from rl_robot_ros.interchange.opening import may_be_pushed
from rl_robot_ros.interchange.opening import open_policy
from rl_robot_ros.learning.segments import head
from rl_robot_ros.learning.segments import pack
from rl_robot_ros.learning.segments import Record
from rl_robot_ros.policy_file import read_policy
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import Settings
import yaml

CARTPOLE = {'robot': 'cartpole', 'task': 'balance', 'algorithm.hidden': (16, 16),
            'algorithm.compile': 'off', 'algorithm.capacity': 1000, 'algorithm.batch': 32}
# Found by hand: force [N] per cart position, pole angle, cart and pole velocity.
GAINS = np.array([[2.0], [45.0], [3.5], [9.0]])
MAPPING = {
    'robot': 'cartpole', 'task': 'balance', 'dt': 0.02, 'gravity_compensated': False,
    'observation': [{'quantity': 'position', 'joints': ['slider', 'hinge']},
                    {'quantity': 'velocity', 'joints': ['slider', 'hinge']}],
    'action': {'kind': 'effort', 'joints': ['slider'], 'scale': 1.0, 'clip': [-10.0, 10.0]}}


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Make a run directory with weights that know nothing yet, as training leaves it."""
    folder = tmp_path_factory.mktemp('run')
    settings = Settings.resolve({**CARTPOLE, 'learner.run': str(folder)})
    session = make_session(settings)
    session.prepare()
    session.close()
    (folder / 'config.yaml').write_text(settings.yaml())
    return folder


@pytest.fixture
def new_import(tmp_path, capsys):
    """Import a linear model with a mapping; returns status, what was printed, and the folder."""
    def make(matrix=GAINS, mapping=MAPPING, metadata=None):
        (tmp_path / 'model.onnx').write_bytes(linear(matrix, metadata=metadata))
        (tmp_path / 'mapping.yaml').write_text(yaml.safe_dump(mapping))
        found = run(capsys, 'import', tmp_path / 'model.onnx', '--mapping',
                    tmp_path / 'mapping.yaml', '--output', tmp_path / 'imported')
        return *found, tmp_path / 'imported'
    return make


def test_training_leaves_a_contract(trained):
    file = read_policy(trained / 'policy.safetensors')
    assert file.description.robot == 'cartpole' and not file.model
    assert file.description.joints[0].unit == 'm'
    assert file.description.margins[0].position_margin == 0.02


def test_export(capsys, trained, tmp_path):
    status, out, _ = run(capsys, 'export', trained, '--onnx', tmp_path / 'policy.onnx')
    assert status == 0 and '10000 made-up observations' in out
    difference = float(out.split('observations')[-1].split(': ')[1].split(',')[0])
    assert difference <= 1e-5
    assert (tmp_path / 'policy.onnx').is_file()


def test_export_compares_recorded_rows(capsys, trained, tmp_path):
    file = read_policy(trained / 'policy.safetensors')
    run_folder = tmp_path / 'run'
    (run_folder / 'rows').mkdir(parents=True)
    save_policy(run_folder / 'policy.safetensors', file.weights, file.description)
    (run_folder / 'config.yaml').write_text((trained / 'config.yaml').read_text())
    from rl_robot_ros.env import RobotEnv
    env = RobotEnv.make('cartpole', 'balance')
    env.reset(seed=0)
    rows = []
    for _ in range(20):
        env.step(env.action_space.sample() * 0.0)
        rows.append(env.row)
    (run_folder / 'rows/000.rows').write_bytes(head(env.layout)
                                               + pack(Record(0, '', np.array(rows))))
    status, out, _ = run(capsys, 'export', run_folder, '--onnx', tmp_path / 'policy.onnx')
    assert status == 0 and '20 recorded rows' in out


@pytest.mark.parametrize('change, says', [
    ({'decision_period': 0.04}, 'decision period (dt): 0.04 s for the policy, 0.02 s'),
    ({'gravity_compensated': True}, 'gravity: '),
    ({'joints': ()}, 'joints: needs one or more')])
def test_a_contract_that_does_not_fit_is_refused(capsys, trained, tmp_path, change, says):
    file = read_policy(trained / 'policy.safetensors')
    save_policy(tmp_path / 'policy.safetensors', file.weights, replace(file.description, **change))
    (tmp_path / 'config.yaml').write_text((trained / 'config.yaml').read_text())
    for words in (('evaluate', tmp_path, '--in-process'),
                  ('export', tmp_path, '--onnx', tmp_path / 'x.onnx')):
        status, _, error = run(capsys, *words)
        assert status == 2 and says in error
    assert not (tmp_path / 'x.onnx').exists()


def test_a_contract_that_was_edited_is_noticed(trained, tmp_path):
    data = (trained / 'policy.safetensors').read_bytes()
    assert data.count(b'decision_period') == 1
    at = data.index(b'0.02', data.index(b'decision_period'))
    path = tmp_path / 'policy.safetensors'
    path.write_bytes(data[:at] + b'0.04' + data[at + 4:])
    with pytest.raises(ValueError, match='is damaged: identity: .* contract'):
        read_policy(path)


def test_import_and_evaluate(capsys, new_import):
    status, out, error, folder = new_import()
    assert status == 0, error
    assert 'acts on cartpole, every 0.02 s, by effort of slider' in out
    status, _, error = run(capsys, 'evaluate', folder, '--in-process', '--episodes', '2',
                           'task.max_episode_steps=450')
    assert status == 0, error
    report = json.loads((folder / 'evaluation.json').read_text())
    assert report['success_rate'] == 1.0
    status, _, error = run(capsys, 'export', folder, '--onnx', folder / 'x.onnx')
    assert status == 2 and 'it is an ONNX model already' in error
    again = new_import()
    assert again[0] == 2 and 'is not overwritten' in again[2]


def test_nobody_pushes_an_imported_policy_or_over_one(new_import):
    imported = read_policy(new_import()[3] / 'policy.safetensors').weights
    pushed = weight_set()
    store = WeightStore(lambda schema: '')
    assert may_be_pushed(imported, store).startswith('imported: a model is not pushed')
    assert not may_be_pushed(pushed, store) and not store.adopt(imported, 0.0)
    assert may_be_pushed(pushed, store).startswith('imported: this policy was trained elsewhere')
    with pytest.raises(ValueError, match='needs its model'):
        Policy(PolicyContract.parse(imported.schema).network, imported.weights)


def test_a_model_that_is_not_the_imported_one(new_import):
    folder = new_import()[3]
    path = folder / 'policy.safetensors'
    file = read_policy(path)
    save_policy(path, file.weights, file.description, linear(-GAINS))
    with pytest.raises(ValueError, match='model: it is not the one that was imported'):
        read_policy(path)


@pytest.mark.parametrize('changes, metadata, says', [
    ({'dt': 0.01}, None, 'dt: 0.01 s in the mapping, cartpole decides every 0.02 s'),
    ({'action': {**MAPPING['action'], 'joints': ['hinge']}}, None,
     'action: motor slider of cartpole gets none; action: cartpole has no motor hinge'),
    ({'action': {**MAPPING['action'], 'scale': 10.0}}, None,
     'action of slider: efforts up to 100, the limit of cartpole is 30'),
    ({}, {'joint_names': 'hinge,slider'}, 'joint order: number 1 is slider in the mapping and '
                                          'hinge in the joint_names'),
    ({'robot': 'pendulum', 'task': 'pendulum_swing_up', 'dt': 0.05}, None,
     'pendulum has no motor slider'),
    ({'robot': 'cartpool'}, None, "no robot 'cartpool'")])
def test_refusals_leave_nothing(new_import, changes, metadata, says):
    status, _, error, folder = new_import(mapping={**MAPPING, **changes}, metadata=metadata)
    assert status == 2 and says in error and not folder.exists()


def test_a_model_that_answers_nonsense(new_import):
    status, _, error, folder = new_import(np.full((4, 1), np.nan))
    assert status == 2 and 'it answers an ordinary observation with [nan]' in error
    assert not folder.exists()


def test_an_export_can_be_imported(capsys, trained, tmp_path):
    """What went out comes in again and does the same."""
    run(capsys, 'export', trained, '--onnx', tmp_path / 'policy.onnx')
    terms = ('cart_position', 'cart_velocity', 'pole_direction', 'pole_velocity')
    mapping = {**MAPPING, 'observation': [{'quantity': f'task.{name}'} for name in terms],
               'action': {'kind': 'effort', 'scale': 10.0, 'clip': [-1.0, 1.0]}}
    (tmp_path / 'mapping.yaml').write_text(yaml.safe_dump(mapping))
    status, _, error = run(capsys, 'import', tmp_path / 'policy.onnx', '--mapping',
                           tmp_path / 'mapping.yaml', '--output', tmp_path / 'back')
    assert status == 0, error
    task = Settings.resolve(CARTPOLE).make_task()
    ours, theirs = (open_policy(folder / 'policy.safetensors', task.robot, task, SafetyConfig())
                    for folder in (trained, tmp_path / 'back'))
    rng = np.random.default_rng(0)
    one, other = (opened.make(opened.file.description.network, opened.weights.weights)
                  for opened in (ours, theirs))
    for _ in range(100):
        observation = rng.normal(size=5)
        assert one.act(observation, rng).action == pytest.approx(
            other.act(observation, rng).action, abs=1e-5)


def test_a_target_is_followed_between_decisions(new_import):
    """The cart goes to 0.5 m and stays there, by gains that a held effort would overshoot with."""
    mapping = {**MAPPING, 'task': 'swing_up', 'observation': MAPPING['observation'][:1],
               'action': {'kind': 'position', 'scale': 0.1, 'offset': 0.5, 'joints': ['slider'],
                          'stiffness': 60.0, 'damping': 20.0, 'effort_limit': 30.0}}
    status, _, error, folder = new_import(np.zeros((2, 1)), mapping)
    assert status == 0, error
    settings = Settings.resolve({'robot': 'cartpole', 'task': 'swing_up'})
    opened = open_for(settings, folder / 'policy.safetensors')
    env = make_evaluation_env(settings, opened.weights)
    observation, _ = env.reset(seed=1)
    decider = Decider(PolicyContract.parse(opened.weights.schema), env.robot, env.np_random,
                      opened.make)
    decider.use(opened.weights)
    efforts = []

    def follow(position, velocity):
        efforts.append(float(decider.follow(position, velocity)[0]))
        return decider.effort
    for _ in range(150):
        action = decider.decide(observation, env.world.position, env.world.velocity, False).action
        observation, *_ = env.step_with(action, {}, 1, follow)
    assert env.world.position[0] == pytest.approx(0.5, abs=0.02)
    assert len(efforts) == 300 and len(set(efforts[:20])) > 15


def test_it_acts_in_the_graph(tmp_path, new_import):
    """The policy node runs the model, behind the filter; who listens hears all from the start."""
    folder = new_import()[3]
    parameters = {'mode': 'evaluate', 'sync.enabled': False, 'task.success_time': 0.5,
                  'task.max_episode_steps': 200,
                  'policy.checkpoint': str(folder / 'policy.safetensors')}
    with running(tmp_path, parameters, ('mujoco_sim', 'safety_filter', 'policy'), True) as graph:
        graph.until('episodes', lambda: graph.value('policy', 'episodes') >= 2)
        assert graph.value('policy', 'version') == 1
        assert graph.value('policy', 'rows_incomplete') == 0
        layout = graph.monitor.layout
        assert graph.monitor.take_rows()[0][0, layout.column('seq').start] == 0
