"""``rl-robot robot``: what it writes, what it compares, and how it ends."""

from pathlib import Path

import pytest
from rl_robot_ros import cli
from rl_robot_ros.doctor import check_datasheet
from rl_robot_ros.robots.datasheet import load_datasheet

OWN = Path(__file__).parent / 'own_robot' / 'bench_arm.urdf'


def run(capsys, *words):
    """Run the command line; returns status and what it printed."""
    status = cli.main(['robot', *map(str, words)])
    printed = capsys.readouterr()
    return status, printed.out, printed.err


@pytest.fixture
def model(tmp_path):
    path = tmp_path / OWN.name
    path.write_bytes(OWN.read_bytes())
    return path


def test_new_and_check(capsys, model):
    """A new datasheet has no differences; a changed one has, by name of the joint."""
    status, told, _ = run(capsys, 'new', model, '--without', 'left_finger_joint',
                          'control_rate=250', 'joints.armature=0.1',
                          'joints.left_nod_joint.effort=15')
    sheet = model.with_suffix('.yaml')
    assert status == 0 and f'wrote {sheet}' in told and 'no differences' in told
    robot = load_datasheet(sheet)
    assert robot.control_period == 0.004 and robot.effort_limit[4] == 15.0
    status, told, _ = run(capsys, 'check', sheet, '--with', OWN)
    assert status == 0 and 'is not in the datasheet: it is held at 0' in told
    heavier = model.with_name('heavier.urdf')
    heavier.write_text(OWN.read_text().replace('<mass value="3.5"/>', '<mass value="3.7"/>'))
    status, told, _ = run(capsys, 'check', sheet, '--with', heavier)
    assert status == 1 and ('differs: joint left_lift_joint: mass [kg] of what it carries is 3.5 '
                            'in bench_arm.urdf, 3.7 in heavier.urdf') in told
    assert run(capsys, 'check', sheet, '--with', heavier, '--tolerance', '0.1')[0] == 0
    sheet.write_text(sheet.read_text().replace('effort: 15.0', 'effort: 150.0'))
    status, told, _ = run(capsys, 'check', sheet)
    assert status == 1 and ('differs: joint left_nod_joint: effort is 20.0 in bench_arm.urdf, the '
                            'datasheet says 150.0') in told
    assert check_datasheet(str(sheet)).status == 'warn'
    assert check_datasheet('arm9').status == 'fail' and check_datasheet('arm7').status == 'ok'


def test_refusals(capsys, model):
    model.with_suffix('.yaml').touch()
    for words, says in (
            (['new', model], 'exists and is not overwritten'),
            (['new', model, '--output', model.with_name('arm.txt')], 'must end in .yaml'),
            (['new', model, '--output', model.parents[1] / 'arm.yaml'], 'must lie beside'),
            (['new', model.with_name('none.urdf')], 'no model at'),
            (['check', model], "no robot '"),
            (['check', model.with_suffix('.yaml')], 'a datasheet: expected named values'),
            (['check', 'arm7', '--tolerance', '2'], '--tolerance: got 2.0, allowed is [0, 1)'),
            (['check', 'arm7', '--with', model.with_name('none.xml')], 'no model at')):
        status, _, error = run(capsys, *words)
        assert status == 2 and says in error, error
        assert error.startswith('rl-robot robot: ')
