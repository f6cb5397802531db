from dataclasses import dataclass
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.config import option
from rl_robot_ros.core.config import parse
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters


@dataclass(frozen=True)
class Example:
    rate: float = option(0.5, 'a rate', unit='Hz', low=0.0, high=10.0)
    count: int = option(3, 'a count', low=1)
    on: bool = option(True, 'a switch')
    kind: str = option('a', 'a kind', choices=('a', 'b'))
    name: str = option('', 'any text')
    scales: tuple[float, ...] = option((), 'some numbers', low=-1.0, high=1.0)
    sizes: tuple[int, ...] = option((8, 8), 'some whole numbers')


PRESETS = {'fast': {'rate': 9.0, 'count': 5}, 'named': {'name': 'x', 'count': 6}}
# What a command line, a YAML file or a parameter server may bring.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=2), max_leaves=5)
EXAMPLES = st.builds(
    Example, st.floats(0.0, 10.0), st.integers(1, 10**9), st.booleans(), st.sampled_from('ab'),
    st.text(max_size=5), st.lists(st.floats(-1.0, 1.0), max_size=3).map(tuple),
    st.lists(st.integers(0, 9), min_size=1, max_size=3).map(tuple))


def test_defaults():
    assert resolve_config(Example, {}) == Example()


@given(EXAMPLES)
def test_parameters_and_back(config):
    parameters = to_parameters(config, 'my.')
    assert list(parameters) == ['my.' + field.name for field in fields(Example)]
    assert not any(isinstance(value, tuple) for value in parameters.values())
    assert resolve_config(Example, parameters, 'my.') == config


@given(EXAMPLES)
def test_text_and_back(config):
    """The command line says everything as text."""
    text = {name: ','.join(map(repr, value)) if isinstance(value, list) else str(value)
            for name, value in to_parameters(config).items() if name not in ('name', 'sizes')}
    back = resolve_config(Example, text)
    assert [getattr(back, name) for name in text] == [getattr(config, name) for name in text]


@given(st.sampled_from([field.name for field in fields(Example)]), ANYTHING)
def test_anything_is_taken_or_refused_by_name(name, value):
    try:
        config = resolve_config(Example, {f'my.{name}': value}, 'my.')
    except ValueError as error:
        assert f'my.{name}' in str(error)
        return
    assert resolve_config(Example, to_parameters(config)) == config
    assert 0.0 <= config.rate <= 10.0 and config.count >= 1 and config.kind in ('a', 'b')
    assert all(-1.0 <= value <= 1.0 for value in config.scales)
    for field in fields(Example):
        assert type(getattr(config, field.name)) is type(getattr(Example(), field.name))


@pytest.mark.parametrize('name, value, read', [
    ('rate', 2, 2.0), ('rate', '2e0', 2.0), ('count', 4.0, 4), ('count', ' 4 ', 4),
    ('on', 'False', False), ('on', 'no', False), ('on', '1', True), ('on', 'yes', True),
    ('name', '1.5', '1.5'), ('name', ' padded ', ' padded '), ('scales', '[0.5, -1]', (0.5, -1.0)),
    ('scales', '(1,)', (1.0,)), ('scales', '', ()), ('scales', '[]', ()), ('scales', [1], (1.0,)),
    ('sizes', [64.0, 32], (64, 32)), ('kind', 'b', 'b')])
def test_values_are_brought_to_their_type(name, value, read):
    taken = getattr(resolve_config(Example, {name: value}), name)
    assert taken == read and type(taken) is type(read)


@pytest.mark.parametrize('name, value, says', [
    ('rate', 'fast', 'rate=fast: expected a float'),
    ('rate', float('nan'), r'got nan, allowed is'),
    ('rate', 10.5, r'rate: got 10.5, allowed is \[0.0, 10.0\] Hz'),
    ('rate', True, 'expected float'),
    ('count', 0, r'allowed is \[1, inf\]'), ('count', 1.5, 'expected int, got 1.5'),
    ('count', True, 'expected int, got True'), ('count', '1.5', 'count=1.5: expected a int'),
    ('count', float('inf'), 'expected int'), ('on', 'perhaps', 'on=perhaps: expected a bool'),
    ('on', 1, 'expected bool, got 1'), ('kind', 'c', "kind: got 'c', allowed are a, b"),
    ('name', 3, 'expected str, got 3'), ('name', None, 'expected str, got None'),
    ('scales', [0.0, 1.5], r'got 1.5, allowed is \[-1.0, 1.0\]'),
    ('scales', 0.5, 'scales: expected a list of float, got 0.5'),
    ('scales', ['x'], 'scales: expected a list of float'),
    ('scales', '1,x', 'scales=1,x: expected a'), ('scales', None, 'scales: expected a list'),
    ('scales', [None], 'scales: expected a list'),
    ('sizes', ['x'], 'sizes: expected a list of int'),
    ('scales', [float('nan')], 'got nan')])
def test_refusals_say_what_is_allowed(name, value, says):
    with pytest.raises(ValueError, match=says):
        resolve_config(Example, {name: value})


def test_unknown_names_are_refused_and_others_are_not_ours():
    with pytest.raises(ValueError, match=r'unknown parameter my\.rat; allowed are my\.rate, '):
        resolve_config(Example, {'my.rat': 1.0}, 'my.')
    assert resolve_config(Example, {'your.rat': 1.0}, 'my.') == Example()


def test_presets_come_before_values_and_in_order():
    values = {'my.rate': 1.0}
    config = resolve_config(Example, values, 'my.', PRESETS, ('fast', 'named', 'of_another_part'))
    assert (config.rate, config.count, config.name) == (1.0, 6, 'x')
    config = resolve_config(Example, {}, 'my.', PRESETS, ('named', 'fast'))
    assert (config.rate, config.count) == (9.0, 5)
    with pytest.raises(ValueError, match='unknown parameter wrong'):
        resolve_config(Example, {}, '', {'bad': {'wrong': 1}}, ('bad',))
    with pytest.raises(ValueError, match='count: got 0'):
        resolve_config(Example, {}, '', {'bad': {'count': 0}}, ('bad',))


@given(st.text(max_size=12), st.sampled_from((bool, int, float, str, tuple[float, ...])))
def test_parse(text, kind):
    try:
        value = parse(text, 'name', kind)
    except ValueError as error:
        assert str(error).startswith('name=')
        return
    assert isinstance(value, tuple if kind not in (bool, int, float, str) else kind)
