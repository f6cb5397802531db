"""Every way to install the package leads to its files, with AMENT_PREFIX_PATH unset too."""

from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
from rl_robot_ros import share

ROOT = Path(__file__).parents[1]
ASK = ('from rl_robot_ros.share import data_file, share_directory; '
       'print(share_directory()); print(data_file("arm7.urdf"))')


def ask(code, home, **environment):
    """Run `ASK` on the package below `code` from the directory `home`; return its lines."""
    env = {key: value for key, value in os.environ.items()
           if key not in ('AMENT_PREFIX_PATH', 'PYTHONPATH')}
    done = subprocess.run(
        [sys.executable, '-c', ASK], cwd=home, capture_output=True, text=True, timeout=30,
        env={**env, 'PYTHONPATH': str(code), **environment})
    return done.returncode, done.stdout.split('\n'), done.stderr


def pip(*arguments):
    done = subprocess.run([sys.executable, '-m', 'pip', '--disable-pip-version-check', *arguments],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Build a wheel from a copy of the source, so that nothing is left in the checkout."""
    for tool in ('pip', 'setuptools', 'wheel'):
        if find_spec(tool) is None:  # imported, setuptools would patch distutils for all tests
            pytest.skip(f'needs {tool} to build a wheel')
    source = tmp_path_factory.mktemp('build') / 'source'
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(
        '.*', '__pycache__', '*.egg-info', 'build', 'install', 'log', 'runs', 'test'))
    pip('wheel', '--no-deps', '--no-build-isolation', '--no-index', '--wheel-dir',
        str(source.parent), str(source))
    return next(source.parent.glob('*.whl'))


def test_source_tree():
    assert share.share_directory() == ROOT
    assert (share.share_directory() / 'package.xml').is_file()


@pytest.mark.parametrize('option', ['--target', '--prefix'])
def test_installed_wheel(wheel, tmp_path, option):
    home = tmp_path / 'home'
    home.mkdir()
    where = tmp_path / 'where'
    pip('install', '--no-deps', '--no-index', '--no-compile', '--ignore-installed',
        '--no-warn-script-location', option, str(where), str(wheel))
    code = next(where.rglob('rl_robot_ros/share.py')).parents[1]
    status, lines, errors = ask(code, home)
    assert status == 0, errors
    assert Path(lines[0]) == where / 'share' / 'rl_robot_ros'
    assert Path(lines[1]) == code / 'rl_robot_ros' / 'data' / 'arm7.urdf'
    for folder, source in (('launch', ROOT / 'launch'), ('config', ROOT / 'config'),
                           ('urdf', ROOT / 'rl_robot_ros' / 'data')):
        for path in source.rglob('*'):
            if path.is_file() and path.suffix != '.pyc':
                assert (Path(lines[0]) / folder / path.relative_to(source)).is_file(), path


@pytest.fixture
def stray_code(tmp_path):
    """Copy the code alone to where no share directory is near."""
    code = tmp_path / 'stray'
    (code / 'rl_robot_ros' / 'data').mkdir(parents=True)
    for name in ('__init__.py', 'share.py', 'data/arm7.urdf'):
        shutil.copy(ROOT / 'rl_robot_ros' / name, code / 'rl_robot_ros' / name)
    return code


def test_ament_index(stray_code, tmp_path):
    pytest.importorskip('ament_index_python')
    prefix = tmp_path / 'prefix'
    marker = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    marker.mkdir(parents=True)
    shutil.copy(ROOT / 'resource' / 'rl_robot_ros', marker)
    (prefix / 'share' / 'rl_robot_ros').mkdir()
    shutil.copy(ROOT / 'package.xml', prefix / 'share' / 'rl_robot_ros')
    status, lines, errors = ask(stray_code, tmp_path, AMENT_PREFIX_PATH=str(prefix))
    assert status == 0, errors
    assert Path(lines[0]) == prefix / 'share' / 'rl_robot_ros'


@pytest.mark.parametrize('prefix', [None, '/nowhere'])
def test_nothing_found_says_what_to_do(stray_code, tmp_path, prefix):
    environment = {'AMENT_PREFIX_PATH': prefix} if prefix else {}
    status, _, errors = ask(stray_code, tmp_path, **environment)
    assert status != 0
    assert 'FileNotFoundError: No share directory of rl_robot_ros' in errors
    assert 'pip install' in errors and 'colcon build' in errors


def test_manifest_of_another_package_is_not_ours(tmp_path):
    (tmp_path / 'package.xml').write_text('<package><name>rl_robot</name></package>')
    assert not share._is_share(tmp_path)


def test_data_file_names_what_there_is(tmp_path):
    own = tmp_path / 'own.urdf'
    own.write_text('<robot/>')
    assert share.data_file(own) == own
    assert share.data_file('arm7.urdf').read_text().lstrip().startswith('<')
    with pytest.raises(FileNotFoundError, match=r'arm8\.urdf.*arm7\.urdf'):
        share.data_file('arm8.urdf')
    with pytest.raises(FileNotFoundError, match='absolute path'):
        share.data_file(tmp_path / 'missing.urdf')
