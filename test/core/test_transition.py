from hypothesis import assume
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import FLAGS
from rl_robot_ros.core.transition import HEAD
from rl_robot_ros.core.transition import MAX_WIDTH
from rl_robot_ros.core.transition import RowLayout

NAMES = st.from_regex(r'[a-z][a-z_0-9]{0,8}', fullmatch=True)
STANDARD = {*HEAD, 'obs', 'action', 'request', 'next_obs'}
EXAMPLE = RowLayout(3, 2, ('distance', 'bonus'), (Term('log_prob', 1), Term('effort', 2)))


@st.composite
def layouts(draw):
    terms = draw(st.lists(NAMES, unique=True, max_size=5))
    extra = draw(st.lists(st.tuples(NAMES.filter(lambda name: name not in STANDARD),
                                    st.integers(1, 9)), unique_by=lambda t: t[0], max_size=4))
    return RowLayout(draw(st.integers(1, 60)), draw(st.integers(1, 9)), tuple(terms),
                     tuple(Term(*pair) for pair in extra))


@st.composite
def good_rows(draw, layout=EXAMPLE):
    count = draw(st.integers(0, 4))
    rows = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(count, layout.width))
    for name in HEAD[:5]:
        rows[:, layout.column(name).start] = draw(st.integers(0, 2**53 - 1))
    for name in FLAGS:
        rows[:, layout.column(name).start] = draw(st.sampled_from((0.0, 1.0)))
    return rows


def test_schema_is_the_contract():
    assert EXAMPLE.schema == (
        'v1 epoch seq stamp_sec stamp_nanosec policy_version terminated truncated intervened '
        'filtered evaluation success reward obs:3 action:2 request:2 next_obs:3 terms.distance '
        'terms.bonus log_prob:1 effort:2')
    assert EXAMPLE.width == 12 + 3 + 2 + 2 + 3 + 2 + 3


@given(layouts())
def test_schema_and_layout_are_the_same_thing(layout):
    back = RowLayout.parse(layout.schema)
    assert back == layout and hash(back) == hash(layout)
    assert (back.width, back.terms, back.extra) == (layout.width, layout.terms, layout.extra)
    assert (back.observation_size, back.action_size) == (layout.observation_size,
                                                         layout.action_size)
    names = [term.name for term in layout.columns]
    where = [layout.column(name) for name in names]
    assert where[0].start == 0 and where[-1].stop == layout.width
    assert all(a.stop == b.start for a, b in zip(where, where[1:]))
    assert all(s.stop - s.start == term.size for s, term in zip(where, layout.columns))
    assert all(name in layout for name in names) and 'nothing' not in layout


@given(layouts(), layouts())
def test_layouts_differ_where_schemas_do(one, other):
    assert (one == other) == (one.schema == other.schema)
    assert one != one.schema


@given(st.text(max_size=80))
def test_other_text_is_refused(text):
    for schema in (text, EXAMPLE.schema + text, text + EXAMPLE.schema):
        try:
            assert RowLayout.parse(schema).schema == schema
        except ValueError:
            pass


@given(layouts(), st.data())
def test_damaged_schema_is_refused(layout, data):
    words = layout.schema.split(' ')
    i, j = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
    damage = data.draw(st.sampled_from(('drop', 'double', 'swap', 'size', 'space', 'unsized')))
    if damage == 'drop':
        del words[i]
    elif damage == 'double':
        words.insert(j, words[i])
    elif damage == 'swap':
        words[i], words[j] = words[j], words[i]
    elif damage == 'size':
        words[i] = words[i].partition(':')[0] + data.draw(st.sampled_from(
            (':0', ':-1', ':', ':x', ':1.5', ':1000000', ':٣', ':01', ':1:1', ': 1')))
    elif damage == 'unsized':
        words[i] = words[i].partition(':')[0]
    else:
        words[i] += ' '
    schema = ' '.join(words)
    assume(schema != layout.schema)
    try:
        assert RowLayout.parse(schema).schema == schema
    except ValueError:
        return
    # What is left may only be a layout of its own: other terms or extra columns.
    assert schema.startswith('v1 ' + ' '.join(HEAD) + ' obs:')


@pytest.mark.parametrize('schema', [
    '', 'v1', 'v2' + EXAMPLE.schema[2:], EXAMPLE.schema.replace(' seq', ''),
    EXAMPLE.schema.replace('epoch seq', 'seq epoch'), EXAMPLE.schema + ' log_prob:1',
    EXAMPLE.schema.replace('next_obs:3', 'next_obs:4'), EXAMPLE.schema + ' obs:3',
    EXAMPLE.schema.replace('request:2', 'request:3'), EXAMPLE.schema + ' terms.late',
    EXAMPLE.schema.replace('reward', 'reward:1'), EXAMPLE.schema + ' bare'])
def test_refusals(schema):
    with pytest.raises(ValueError):
        RowLayout.parse(schema)


def test_huge_layouts_are_refused():
    with pytest.raises(ValueError, match='wider than'):
        RowLayout.parse(EXAMPLE.schema.replace('effort:2', 'effort:100000'))
    with pytest.raises(ValueError, match='size must be'):
        RowLayout.parse(EXAMPLE.schema.replace('effort:2', 'effort:1000000'))
    with pytest.raises(ValueError, match=str(MAX_WIDTH)):
        RowLayout(MAX_WIDTH, 1)


@pytest.mark.parametrize('extra', [Term('obs', 3), Term('seq', 1), Term('terms.distance', 1),
                                   Term('log_prob', 0), Term('log_prob', -3)])
def test_columns_that_cannot_be(extra):
    with pytest.raises(ValueError, match='names must differ, sizes must'):
        RowLayout(3, 2, ('distance',), (extra,))
    with pytest.raises(ValueError, match='sizes must'):
        RowLayout(0, 2)


def test_pack():
    row = EXAMPLE.pack({'seq': 4, 'obs': np.array([1.0, 2.0, 3.0]), 'effort': np.array([8.0, 9.0]),
                        'terms.bonus': 0.5})
    assert row.shape == (EXAMPLE.width,) and row[1] == 4.0
    assert row[EXAMPLE.column('obs')].tolist() == [1.0, 2.0, 3.0]
    assert row[-2:].tolist() == [8.0, 9.0] and row[EXAMPLE.column('terms.bonus')] == [0.5]
    assert np.count_nonzero(row) == 7
    with pytest.raises(KeyError):
        EXAMPLE.pack({'nothing': 1.0})
    with pytest.raises(KeyError):
        EXAMPLE.column('nothing')


@given(good_rows())
def test_good_rows_pass(rows):
    assert EXAMPLE.check(rows) == ''


@given(good_rows().filter(len), st.data())
def test_one_bad_value_is_found(rows, data):
    name = data.draw(st.sampled_from([term.name for term in EXAMPLE.columns]))
    bad = [np.nan, np.inf, -np.inf]
    if name in FLAGS:
        bad += [0.5, 2.0, -1.0, 1.0 + 1e-12]
    elif name in HEAD[:5]:
        bad += [-1.0, 0.5, 2.0**53, 1e300]
    where = EXAMPLE.column(name)
    value = data.draw(st.sampled_from(bad))
    rows[data.draw(st.integers(0, len(rows) - 1)),
         data.draw(st.integers(where.start, where.stop - 1))] = value
    reason = EXAMPLE.check(rows)
    if not np.isfinite(value):
        assert reason == f'column {name} is not finite'
    elif name in FLAGS:
        assert reason == 'a flag is neither 0 nor 1'
    else:
        assert 'no whole number' in reason


@pytest.mark.parametrize('name', (*HEAD, 'obs', 'next_obs', 'terms.bonus', 'effort'))
def test_every_column_is_looked_at(name):
    bad = {'nan': np.nan, 'inf': np.inf}
    if name in FLAGS:
        bad |= {'half': 0.5, 'two': 2.0, 'minus': -1.0}
    elif name in HEAD[:5]:
        bad |= {'half': 0.5, 'minus': -1.0, 'huge': 2.0**53}
    for value in bad.values():
        rows = np.zeros((3, EXAMPLE.width))
        assert EXAMPLE.check(rows) == ''
        rows[1, EXAMPLE.column(name).stop - 1] = value
        assert EXAMPLE.check(rows)


@given(st.lists(st.integers(0, 4), max_size=3).map(tuple))
def test_wrong_shapes_are_found(shape):
    assert 'have shape' in EXAMPLE.check(np.zeros(shape))
