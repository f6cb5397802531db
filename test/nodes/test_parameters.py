"""Configuration dataclasses as parameters of a real node."""

from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import fields

import pytest
import rclpy
from rclpy.node import Node
from rclpy.parameter import Parameter
from rl_robot_ros.core.config import option
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.parameters import declare_config
from rl_robot_ros.settings import EXTRA
from rl_robot_ros.settings import GraphConfig
from rl_robot_ros.settings import SECTIONS
from rl_robot_ros.settings import Settings


@dataclass(frozen=True)
class Example:
    rate: float = option(0.5, 'a rate', unit='Hz', low=0.0, high=10.0)
    scale: float = option(1.0, 'a scale', low=0.0)
    free: float = option(-1.0, 'any number')
    count: int = option(3, 'a count', low=1)
    on: bool = option(True, 'a switch')
    kind: str = option('a', 'a kind', choices=('a', 'b'))
    point: tuple[float, ...] = option((), 'some numbers', unit='m')
    sizes: tuple[int, ...] = option((8, 8), 'some whole numbers')


@contextmanager
def node(*arguments, name='example'):
    context = rclpy.Context()
    rclpy.init(args=['--ros-args', *arguments] if arguments else None, context=context)
    try:
        made = Node(name, context=context, start_parameter_services=False, enable_rosout=False)
        yield made
        made.destroy_node()
    finally:
        rclpy.shutdown(context=context)


def declare(made, change=None, prefix='my.', cls=Example, presets=None, chosen=()):
    return declare_config(made, cls, prefix, presets or {}, chosen, change)


def parameters(**values):
    words = []
    for name, value in values.items():
        words += ['-p', f'my.{name}:={value}']
    return words


def test_defaults_and_descriptors():
    with node() as made:
        assert declare(made) == Example()
        assert made.get_parameter('my.rate').value == 0.5
        assert list(made.get_parameter('my.point').value) == []
        assert list(made.get_parameter('my.sizes').value) == [8, 8]
        rate = made.describe_parameter('my.rate')
        assert rate.description == 'a rate [Hz]' and rate.read_only
        allowed = rate.floating_point_range[0]
        assert (allowed.from_value, allowed.to_value) == (0.0, 10.0)
        assert made.describe_parameter('my.count').integer_range[0].from_value == 1
        assert made.describe_parameter('my.scale').floating_point_range[0].to_value > 1e300
        assert not made.describe_parameter('my.free').floating_point_range
        assert made.describe_parameter('my.kind').description == 'a kind; one of a, b'
        result = made.set_parameters([Parameter('my.rate', value=1.0)])[0]
        assert not result.successful and 'read-only' in result.reason


def test_what_the_user_asked_for():
    words = parameters(rate=2, count=7, on='false', kind='b', point='[1.0, 2.5]', sizes='[4]',
                       free='1e3')
    with node(*words) as made:
        config = declare(made)
        assert config == Example(2.0, 1.0, 1000.0, 7, False, 'b', (1.0, 2.5), (4,))
        # The server says the same, in the types of the fields: 2 has become 2.0.
        for name, value in to_parameters(config, 'my.').items():
            held = made.get_parameter(name).value
            assert (list(held) if isinstance(value, list) else held) == value
        assert isinstance(made.get_parameter('my.rate').value, float)


@pytest.mark.parametrize('words, says', [
    (parameters(rate=11.0), r'my.rate: got 11.0, allowed is \[0.0, 10.0\] Hz'),
    (parameters(rate='fast'), 'my.rate=fast: expected a float'),
    (parameters(count=1.5), 'my.count: expected int, got 1.5'),
    (parameters(kind='c'), "my.kind: got 'c', allowed are a, b"),
    (parameters(point=3.0), 'my.point: expected a list'),
    (parameters(rat=3.0), r'unknown parameter my\.rat; allowed are my\.rate'),
    (parameters(on=3), 'my.on: expected bool')])
def test_refusals_come_before_the_node_runs(words, says):
    with node(*words) as made, pytest.raises(ValueError, match=says):
        declare(made)


def test_parameters_of_others_are_not_ours():
    with node('-p', 'yours.rate:=99.0', '-p', 'use_sim_time:=true') as made:
        assert declare(made) == Example()
        assert declare_config(made, GraphConfig, '', {}, (), None) == GraphConfig()


def test_presets_and_what_the_user_says_after_them():
    presets = {'fast': {'rate': 9.0, 'count': 5, 'point': (1.0,)}}
    with node(*parameters(count=6)) as made:
        config = declare(made, presets=presets, chosen=('fast', 'of_another'))
        assert (config.rate, config.count, config.point) == (9.0, 6, (1.0,))


def test_an_empty_list_of_the_user_is_an_empty_list(tmp_path):
    """Also where a preset says otherwise: the written configuration of a run wins."""
    path = tmp_path / 'params.yaml'
    path.write_text('/**: {ros__parameters: {my.point: [], my.count: 4}}')
    with node('--params-file', str(path)) as made:
        config = declare(made, presets={'there': {'point': (1.0, 2.0)}}, chosen=('there',))
        assert (config.point, config.count) == ((), 4)
        assert list(made.get_parameter('my.point').value) == []


def test_changes_at_run_time():
    changes = []

    def change(config):
        changes.append(config)
        return 'not today' if config.count == 13 else ''

    with node(*parameters(rate=2.0)) as made:
        declare(made, change)
        made.declare_parameter('other', 3)
        assert changes == []
        assert made.set_parameters([Parameter('my.count', value=4)])[0].successful
        assert changes[-1] == Example(rate=2.0, count=4)
        refused = made.set_parameters([Parameter('my.count', value=13)])[0]
        assert (refused.successful, refused.reason) == (False, 'not today')
        refused = made.set_parameters([Parameter('my.kind', value='c')])[0]
        assert not refused.successful and 'allowed are a, b' in refused.reason
        assert not made.set_parameters([Parameter('my.rate', value=11.0)])[0].successful
        assert not made.set_parameters([Parameter('my.on', value=1)])[0].successful
        assert made.get_parameter('my.count').value == 4
        # What was refused is forgotten, what was accepted stays.
        assert made.set_parameters([Parameter('my.on', value=False)])[0].successful
        assert changes[-1] == Example(rate=2.0, count=4, on=False)
        before = len(changes)
        assert made.set_parameters([Parameter('other', value=5)])[0].successful
        assert len(changes) == before
        together = made.set_parameters_atomically([Parameter('my.rate', value=1.0),
                                                   Parameter('my.kind', value='c')])
        assert not together.successful and made.get_parameter('my.rate').value == 2.0


@pytest.mark.parametrize('given', [
    {}, {'robot': 'cartpole', 'task': 'balance', 'algorithm': 'random'},
    {'preset': 's1_reach', 'task.bonus': 3, 'sync.timeout': 0, 'learner.run': '/a b/1e5: # "x"',
     'sim.clock_file': 'yes', 'policy.checkpoint': 'd ' * 100, 'seed': 5,
     'policy.key_file': 'y', 'learner.policies': '1e5', 'learner.key_file': 'inf'},
    {'preset': 's1_reach', 'task.fixed_target': ''}], ids=['default', 'other', 'odd', 'emptied'])
def test_every_node_reads_a_written_configuration_as_it_was_meant(tmp_path, given):
    """`Settings.yaml` goes through ROS's own parser and back into the same configurations."""
    resolved = Settings.resolve(given)
    path = tmp_path / 'config.yaml'
    path.write_text(resolved.yaml())
    task, algorithm = type(resolved.task), type(resolved.algorithm)
    presets = {'task.': resolve('task', resolved.graph.task).PRESETS,
               'algorithm.': resolve('algorithm', resolved.graph.algorithm).PRESETS}
    with node('--params-file', str(path)) as made:
        for prefix, section in {**SECTIONS, 'task.': task, 'algorithm.': algorithm}.items():
            read = declare_config(made, section, prefix, presets.get(prefix, {}),
                                  resolved.graph.presets, None)
            assert read == resolve_config(section, {
                name: value for name, value in resolved.values.items()
                if name.startswith(prefix) and (prefix or name in GraphConfig.__dataclass_fields__)
            }, prefix)
            for field in fields(section):
                value = made.get_parameter(prefix + field.name).value
                expected = resolved.values[prefix + field.name]
                assert (list(value) if isinstance(expected, list) else value) == expected
        assert not set(made._parameter_overrides) - set(EXTRA)
