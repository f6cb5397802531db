"""`rl-robot certify`: no certificate for what the filter would not start with."""

import json

import pytest
from rl_robot_ros.cli import main

ARM = ('certify', '--robot', 'planar2')


def told(capsys, *words):
    status = main(list(words))
    out = capsys.readouterr()
    return status, out.out + out.err


def test_it_prints_and_stores_what_holds(tmp_path, capsys):
    path = tmp_path / 'certificate.json'
    status, text = told(capsys, *ARM, '--output', str(path))
    assert status == 0 and 'certified' in text and json.loads(path.read_text())['joints']


@pytest.mark.parametrize('words, complaint', [
    (('safety.velocity_margin=0.9', 'safety.velocity_noise=10'), 'nothing is left of its'),
    (('safety.mode=model_free',), 'has no certificate'),
    (('--gravity-compensated',), 'go with --urdf'),
    (('--stop-time', '0.4'), 'go with --urdf'),
    (('--stop-time', '0', '--urdf', 'any.urdf'), 'must be above 0'),
    (('sim.delay=1',), 'only parameters that begin with safety.')])
def test_what_the_filter_would_refuse_is_refused(words, complaint, capsys):
    status, text = told(capsys, *(ARM if '--urdf' not in words else ARM[:1]), *words)
    assert status == 2 and complaint in text
