"""The set-ups of benchmarks/learning.py and the counting of env_steps.py; nothing learns here."""

from importlib.util import module_from_spec
from importlib.util import spec_from_file_location
from pathlib import Path
import sys

import pytest
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.resolve import resolve

FOLDER = Path(__file__).parents[1] / 'benchmarks'


def load(name):
    """Import one under a name of its own: there is a package `learning` of tests, too."""
    spec = spec_from_file_location(f'program_{name}', FOLDER / f'{name}.py')
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def program(monkeypatch):
    """Import programs of benchmarks/ by name, and forget them and what they imported."""
    monkeypatch.syspath_prepend(FOLDER)
    before = set(sys.modules)
    yield load
    for name in set(sys.modules) - before:
        if str(FOLDER) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


def test_setups_name_options_and_peers_that_there_are(program):
    setups = program('learning_setups')
    assert {peer for setup in setups.SETUPS.values() for peer in setup.zoo} == set(setups.ZOO)
    for setup in setups.SETUPS.values():
        cls = resolve('algorithm', setup.algorithm)
        resolve_config(cls.Config, setup.ours, '', cls.PRESETS,
                       [setup.preset] if setup.preset else [])
        # A peer works on the same environment.
        assert all(peer.split()[0] == setup.env for peer in setup.zoo)


def test_a_line_has_the_peer_that_it_is_about(program):
    learning = program('learning')
    run = {'return': -100.0, 'cpu_s': 10.0, 'curve': [[250, -300.0], [500, -150.0]]}
    worse = {**run, 'return': -200.0, 'cpu_s': 20.0, 'curve': [[250, -300.0]]}
    line = learning.line_of('pendulum_default', 'Pendulum-v1 tqc', [run] * 3, [worse] * 2, -1100.0)
    assert line == ['pendulum_default', '2000', '-100 (3)', 'tqc', '-200 (2)',
                    '1.11 [1.11, 1.11]', '500', '> 2000', '10.0', '20.0',
                    'median <= 1500 steps']
    # One seed has no interval.
    line = learning.line_of('pendulum_default', 'Pendulum-v1 tqc', [run], [worse] * 2, -1100.0)
    assert line[5] == '1.11'
    helpless = {**worse, 'return': -1100.0}
    line = learning.line_of('pendulum_default', 'Pendulum-v1 tqc', [run] * 2, [helpless] * 2,
                            -1100.0)
    assert line[5] == 'inf [inf, inf]'


def test_the_better_number_of_threads_counts_in_each_round(program):
    env_steps = program('env_steps')
    rounds = [{'rates': dict(zip(env_steps.CONTENDERS, rates))}
              for rates in ((20.0, 30.0, 25.0, 10.0, 5.0, 90.0),
                            (40.0, 20.0, 30.0, 10.0, 20.0, 90.0))]
    lines = env_steps.lines_of(env_steps.CASES['sac_robot'], rounds)
    assert [line[2:] for line in lines[:2]] == [['30', '2.00 (2.00 to 2.00)', '>= 1.75'],
                                                ['25', '2.00 (1.00 to 3.00)', '>= 1.75']]
