import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.resolve import KINDS
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.robots.arm7 import ROBOT


def test_what_there_is():
    assert {'arm7', 'cartpole'} <= set(names('robot'))
    assert {'reach', 'balance', 'swing_up'} <= set(names('task'))
    assert 'model' not in names('robot') and 'base' not in names('algorithm')
    assert {'sac', 'random'} <= set(names('algorithm'))


@pytest.mark.parametrize('kind', KINDS)
def test_every_name_is_found(kind):
    assert names(kind) == sorted(names(kind)) != []
    for name in names(kind):
        package, attribute = KINDS[kind]
        assert resolve(kind, name) is resolve(kind, f'{package}.{name}:{attribute}')


def test_ones_own(tmp_path, monkeypatch):
    (tmp_path / 'their_package').mkdir()
    (tmp_path / 'their_package' / 'robots.py').write_text('MINE = object()\n')
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve('robot', 'their_package.robots:MINE') is sys.modules[
        'their_package.robots'].MINE
    assert resolve('robot', 'arm7') is ROBOT


@pytest.mark.parametrize('name', [
    'arm8', '', ':', ':ROBOT', 'arm7:', 'arm7.x', 'no_such_package:ROBOT', 'model', 'os:no_such',
    'rl_robot_ros.robots.arm7:NOTHING', '.arm7:ROBOT', '..', 'a b', 'arm7:ROBOT:x', 'x\0y',
    '../x'])
def test_refusals_name_what_there_is(name):
    with pytest.raises(ValueError, match=r'no robot .*: there are arm7, cartpole.*my_package'):
        resolve('robot', name)


@given(st.text(alphabet='abz_.:/\\ \0-ä1', max_size=12))
def test_any_text_is_refused(name):
    with pytest.raises(ValueError, match='no task '):
        resolve('task', name)


@pytest.mark.parametrize('line', ['import no_such_module_anywhere',
                                  'from rl_robot_ros.core.spec import NoSuchName'])
def test_a_module_with_a_need_of_its_own_says_so_itself(tmp_path, monkeypatch, line):
    (tmp_path / 'needy.py').write_text(f'{line}\n')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match='no_such_module_anywhere|NoSuchName'):
        resolve('robot', 'needy:ROBOT')
