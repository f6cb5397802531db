"""docs/own_robot.md: a URDF that is not ours goes to a policy and an ONNX file by its commands."""

from dataclasses import fields
import json
from pathlib import Path
import re
import shlex
import shutil

import numpy as np
import pytest
from rl_robot_ros import cli
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.interchange.model import open_model
from rl_robot_ros.robots.datasheet import Datasheet
from rl_robot_ros.robots.datasheet import JointSheet
from rl_robot_ros.runs import find_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / 'docs' / 'own_robot.md').read_text()
COMMANDS = [shlex.split(line.replace('\\\n', ' ')) for block in
            re.findall(r'^```bash\n(.*?)^```', TEXT, re.MULTILINE | re.DOTALL)
            for line in re.findall(r'(?:.*\\\n)*.+', block)]
QUICK = {'train': ['--steps', '2400', '--episodes', '0', 'algorithm.hidden=32,32',
                   'algorithm.learning_starts=256', 'algorithm.compile=off'],
         'evaluate': ['--episodes', '1']}


def follow(folder, monkeypatch, quick):
    """Run the commands of the document in `folder`, as they stand there but for `quick`."""
    monkeypatch.chdir(folder)
    for program, *words in COMMANDS:
        if program == 'cp':
            shutil.copy(ROOT / words[0], folder)
            continue
        assert program == 'rl-robot'
        if words[0] == 'doctor':  # tests of its own
            continue
        if quick:
            plain = re.sub(r' --steps \S+| --episodes \S+', '', shlex.join(words))
            words = [*shlex.split(plain), *QUICK.get(words[0], [])]
        assert cli.main(words) == 0, words


def test_every_key_is_documented():
    table = re.findall(r'^\| (`.*?) \|', TEXT, re.MULTILINE)
    told = set(re.findall(r'`\.?(\w+)`', ' '.join(table)))
    assert told == {field.name for cls in (Datasheet, JointSheet)
                    for field in fields(cls)} | {'joints'}


def test_from_urdf_to_onnx(tmp_path, monkeypatch, capsys):
    assert [words[1] for words in COMMANDS if words[0] == 'rl-robot'] == [
        'robot', 'robot', 'certify', 'doctor', 'train', 'evaluate', 'export']
    follow(tmp_path, monkeypatch, quick=True)
    told = capsys.readouterr().out
    assert 'no differences' in told and 'certified: ' in told and 'note: ' in told
    run = tmp_path / 'runs' / 'bench_arm'
    copy = Path(str(find_config(run)['robot']))
    assert copy == run / 'robot' / tmp_path.name / 'bench_arm.yaml'
    assert resolve('robot', str(copy)).tip_link == 'left_tool'
    model = open_model((tmp_path / 'bench_arm.onnx').read_bytes(), '')
    contract = json.loads(model.metadata['contract'])
    assert [joint['name'] for joint in contract['joints']] == list(
        resolve('robot', str(copy)).actuated)
    the_run_goes_on(run, capsys)


def the_run_goes_on(run, capsys):
    """Whatever becomes of the files, and refuses another robot by name of the joint."""
    sheet = run.parents[1] / 'bench_arm.yaml'
    changed = sheet.read_text().replace('effort: 70.0', 'effort: 60.0')
    sheet.write_text(changed)
    again = ['train', '--resume', str(run), '--in-process', '--steps', '2500', '--episodes', '0']
    assert cli.main(again) == 0
    told = capsys.readouterr().out
    assert f'{sheet} has changed since this run began: it goes on with its own copy' in told
    assert cli.main([*again, f'robot={sheet}']) == 2
    assert ('joint left_crook_joint: effort limit 70 N m for the policy, 60 N m for the robot'
            in capsys.readouterr().err)
    sheet.unlink()
    moved = run.rename(run.parent / 'moved')
    assert cli.main(['evaluate', str(moved), '--in-process', '--episodes', '1']) == 0
    assert f'{sheet} is gone since this run began' in capsys.readouterr().out
    shutil.rmtree(moved / 'robot')
    assert cli.main(['evaluate', str(moved), '--in-process', '--episodes', '1']) == 2
    assert 'no datasheet at ' in capsys.readouterr().err


@pytest.mark.own
@pytest.mark.timeout(3600)
def test_as_it_stands(tmp_path, monkeypatch):
    follow(tmp_path, monkeypatch, quick=False)
    report = json.loads((tmp_path / 'runs' / 'bench_arm' / 'evaluation.json').read_text())
    assert report['success_rate'] >= 0.8
    assert np.isfinite(report['return_mean'])
