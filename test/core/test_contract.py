from dataclasses import replace
import math
import re

from core.fakes import contract
from core.fakes import EFFORTS
from core.fakes import FakeTask
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.spec import Term

WORD = st.from_regex(r'[a-z][a-z_0-9/]{0,6}', fullmatch=True)
TERMS = st.lists(st.builds(Term, WORD, st.integers(1, 40)), max_size=4).map(tuple)


@st.composite
def contracts(draw):
    joints = tuple(draw(st.lists(WORD, min_size=1, max_size=4, unique=True)))
    row = st.lists(st.floats(-1.0, 1.0), min_size=len(joints), max_size=len(joints)).map(tuple)
    efforts = tuple(draw(st.lists(row, max_size=3)))
    return PolicyContract(draw(st.sampled_from(('gaussian 3-2 tanh', 'x'))), joints, draw(TERMS),
                          draw(TERMS), efforts)


@given(contracts())
def test_schema_and_contract_are_the_same_thing(made):
    back = PolicyContract.parse(made.schema)
    assert back.schema == made.schema
    assert (back.network, back.joints, back.efforts) == (made.network, made.joints, made.efforts)
    assert back.misfit(made.joints, made.observation) == made.misfit(made.joints, back.observation)
    assert back.observation_size == made.observation_size
    assert back.action_size == (1 if made.efforts else len(made.joints))


@given(st.text(max_size=60), st.integers(0, 10**6))
def test_other_text_is_refused(text, at):
    schema = contract(discrete=True).schema
    at %= len(schema)
    for candidate in (text, 'v1 ' + text, schema + text, schema[:at] + text + schema[at:],
                      schema[:at] + schema[at + 1:]):
        try:
            assert PolicyContract.parse(candidate).schema == candidate
        except ValueError as error:
            assert 'policy schema' in str(error)


def test_schema_is_one_line_for_people():
    assert contract(discrete=True).schema == (
        'v1 categorical 6-3 tanh | joints b,a | obs position:3 previous_action:2 goal:1 | '
        'extra log_prob:1 effort:2 | efforts -1.0,0.0 0.0,0.0 1.0,0.5')
    assert contract(extra=()).schema.endswith('goal:1')


@pytest.mark.parametrize('schema', [
    '', 'v1 ', 'v2 x | joints a | obs x:1', 'v1 x', 'v1 x | joints a', 'v1 x | obs x:1',
    'v1 x | obs x:1 | joints a', 'v1 x | joints a | obs x', 'v1 x | joints a | obs x:y',
    'v1 x | joints a | obs x:1 | joints a', 'v1 x | joints a | obs x:1 | more y',
    'v1 x | joints a | obs x:1 | efforts one', 'v1 x | joints a | obs x:1 | efforts 1',
    'v1 x | joints a | obs x:01', 'v1 x | joints a | obs  x:1', 'v1 ' + 'x' * 100_001])
def test_refused_schemas(schema):
    with pytest.raises(ValueError, match='policy schema'):
        PolicyContract.parse(schema)


@pytest.mark.parametrize('change, says', [
    ({'joints': ('a', 'b')}, 'joints: have b,a, got a,b'),
    ({'observation': FakeTask.observation_terms[:2]}, 'obs: have position:3'),
    ({'efforts': ((1.0,),)}, 'efforts: every one needs 2 values'),
    ({'efforts': ((1.0, math.nan),)}, r'efforts: normalised ones lie in \[-1, 1\]'),
    ({'efforts': ((1.0, 1.5),)}, r'efforts: normalised ones lie in \[-1, 1\]'),
    ({'efforts': EFFORTS}, 'extra: discrete actions need the column effort:2'),
    ({'efforts': EFFORTS, 'extra': (Term('effort', 3),)}, 'the column effort:2')])
def test_misfits(change, says):
    misfit = replace(contract(), **change).misfit(ROBOT.actuated, FakeTask.observation_terms)
    assert re.search(says, misfit)


def test_a_trace_is_that_of_the_robot():
    traced = contract(extra=(Term('log_prob', 1), Term('trace', 26)))
    assert traced.misfit(ROBOT.actuated, FakeTask.observation_terms, 26) == ''
    for size in (0, 25):
        assert traced.misfit(ROBOT.actuated, FakeTask.observation_terms, size) \
            == f'extra: the column trace needs {size} numbers for this robot'


@pytest.mark.parametrize('discrete', [False, True])
def test_fits(discrete):
    assert contract(discrete).misfit(ROBOT.actuated, FakeTask.observation_terms) == ''
