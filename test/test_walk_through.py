"""CONTRIBUTING.md's robot, task and algorithm of one's own run as they are written there."""

import json
import os
from pathlib import Path
import re
import shlex
import subprocess
import sys

import pytest

TEXT = (Path(__file__).parents[1] / 'CONTRIBUTING.md').read_text()
FILES = dict(re.findall(r'^`(my_package/[a-z_.]+)`\n\n```[a-z]+\n(.*?)^```', TEXT,
                        re.MULTILINE | re.DOTALL))


@pytest.fixture
def environment(tmp_path):
    """Write the files down; returns the environment in which they are found."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    path = os.pathsep.join(filter(None, [str(tmp_path), str(Path(__file__).parents[1]),
                                         os.environ.get('PYTHONPATH', '')]))
    return {**os.environ, 'PYTHONPATH': path}


def test_it_trains_what_is_written(environment, tmp_path):
    assert len(FILES) == 4
    assert max(len(content.splitlines()) for content in FILES.values()) < 80
    (command,) = re.findall(r'^rl-robot (train --robot my_package(?:.*\\\n)*.*)$', TEXT,
                            re.MULTILINE)
    words = shlex.split(command.replace('\\\n', ' '))
    found = subprocess.run([sys.executable, '-m', 'rl_robot_ros.cli', *words, '--in-process',
                            '--runs', str(tmp_path), '--name', 'run',
                            '--episodes', '20'],
                           env=environment, cwd=tmp_path, capture_output=True, text=True,
                           timeout=200.0)
    assert found.returncode == 0, found.stderr
    report = json.loads((tmp_path / 'run' / 'evaluation.json').read_text())
    assert report['success_rate'] >= 0.9
