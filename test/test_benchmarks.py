"""The programs in benchmarks/ take long; that they start is asked for here."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

FOLDER = Path(__file__).parents[1] / 'benchmarks'
PROGRAMS = [path.name for path in sorted(FOLDER.glob('*.py'))
            if 'parse_args(' in path.read_text()]
# One process for all of them: most of the time goes into importing torch and rclpy.
ASK = """
import runpy
import sys
for path in sys.argv[1:]:
    sys.argv[1:] = ['--help']
    print('>', path)
    try:
        runpy.run_path(path, run_name='__main__')
    except SystemExit as end:
        if end.code:
            raise
"""


def starts(names):
    path = os.pathsep.join(filter(None, [str(FOLDER), os.environ.get('PYTHONPATH', '')]))
    found = subprocess.run([sys.executable, '-c', ASK, *(FOLDER / name for name in names)],
                           env={**os.environ, 'PYTHONPATH': path}, text=True,
                           capture_output=True, timeout=200.0)
    assert found.returncode == 0, found.stdout[-500:] + found.stderr
    assert found.stdout.count('usage: ') == len(names)


def test_they_start():
    assert len(PROGRAMS) > 10
    starts([name for name in PROGRAMS if name != 'mutation.py'])


def test_mutation_starts():
    pytest.importorskip('cosmic_ray', reason='of make mutants alone')
    starts(['mutation.py'])


def test_damaged_messages_are_read_right_or_refused():
    done = subprocess.run([sys.executable, FOLDER / 'fuzz_wire.py', '--count', '4000'], text=True,
                          capture_output=True, timeout=200.0)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
