"""The programs in benchmarks/ take long; that they start is asked for here."""

from pathlib import Path
import subprocess
import sys

import pytest

FOLDER = Path(__file__).parents[1] / 'benchmarks'


PROGRAMS = [path.name for path in sorted(FOLDER.glob('*.py'))
            if 'ArgumentParser' in path.read_text()]


@pytest.mark.parametrize('name', PROGRAMS)
def test_it_starts(name):
    if name == 'mutation.py':
        pytest.importorskip('cosmic_ray', reason='of make mutants alone')
    found = subprocess.run([sys.executable, FOLDER / name, '--help'], capture_output=True,
                           text=True, timeout=120.0)
    assert found.returncode == 0 and 'usage: ' in found.stdout, found.stderr
