"""
What holds for all tests: who runs beside whom, and profiles of hypothesis.

Tests that start processes of the graph run one after another, beside the others (pytest-xdist with
``-n 2 --dist loadgroup``, as `make test` does).  Profiles are chosen by HYPOTHESIS_PROFILE.

`suite` (default): the same examples in every run, no files written.  `quick`: a few of
them.  `explore`: new and many ones.
"""

import os
from pathlib import Path
import sys

from hypothesis import HealthCheck
from hypothesis import settings
import pytest

GRAPHS = ('nodes', 'test_bringup.py', 'test_cli.py', 'test_doctor.py', 'test_launch.py')
COMMON = {'deadline': None, 'suppress_health_check': [HealthCheck.too_slow]}
settings.register_profile('suite', max_examples=40, derandomize=True, **COMMON)
settings.register_profile('quick', max_examples=8, derandomize=True, **COMMON)
settings.register_profile('explore', max_examples=1500, print_blob=True, **COMMON)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'suite'))
# What is learned is compared bit by bit, and a GPU adds in another order.
os.environ['CUDA_VISIBLE_DEVICES'] = ''


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Keep graphs from each other: deadlines of the real nodes are on the steady clock."""
    if not config.pluginmanager.hasplugin('xdist'):
        return
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in GRAPHS:
            item.add_marker(pytest.mark.xdist_group('graph'))


def pytest_collection_finish(session):
    """Say so where pytest-xdist does not do what it is asked for, as with pytest 9.2.0."""
    if getattr(session.config.option, 'loadgroup', False):
        lost = [item.nodeid for item in session.items
                if item.get_closest_marker('xdist_group') and '@graph' not in item.nodeid]
        if lost:
            raise pytest.UsageError(f'{len(lost)} tests would run beside each other: this '
                                    f'pytest ({pytest.__version__}) and pytest-xdist do not fit')


@pytest.fixture(autouse=True)
def whole_floats():
    """Take back what a learner in this process has asked for: hypothesis wants tiny numbers."""
    if 'torch' in sys.modules:
        sys.modules['torch'].set_flush_denormal(False)
