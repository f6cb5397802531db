"""A learner is really killed, fed with a recorded stream; `benchmarks/resume.py` does it more."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

PROGRAM = Path(__file__).parents[2] / 'benchmarks/resume.py'


@pytest.mark.timeout(180)
@pytest.mark.parametrize('case', ['dqn', 'ppo'])
def test_a_killed_learner_comes_back_as_the_one_that_never_died(tmp_path, case):
    """While rows, checkpoints and pushes are written; with replay and without."""
    done = subprocess.run([sys.executable, PROGRAM, '--points', '3', '--blocks', '3', '--only',
                           case, '--results', tmp_path], text=True, capture_output=True,
                          timeout=170,
                          env={**os.environ, 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('| yes | yes |') == 3
