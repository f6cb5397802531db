from dataclasses import replace
import json

from core.fakes import contract
from core.fakes import FakeTask
from core.fakes import ROBOT
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.compatibility import differences
from rl_robot_ros.core.compatibility import remarks
from rl_robot_ros.core.description import Margins
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.spec import Term

UNITS = ('rad', 'm')
MARGINS = Margins('auto', 0.02, 0.12, 1.0, 0.03)


def described(discrete=False, task=None):
    return PolicyDescription.of(contract(discrete), ROBOT, task or FakeTask(), UNITS, (MARGINS,))


@pytest.mark.parametrize('discrete', [False, True])
def test_round_trip(discrete):
    given_one = described(discrete)
    weights = initial_weights(given_one.network, np.random.default_rng(0))
    full = given_one.with_normaliser(weights)
    assert PolicyDescription.from_json(full.to_json()) == full
    assert full.normaliser.mean == (0.0,) * 6 and full.normaliser.clip == 10.0
    assert full.input_size == 6 and full.native
    assert full.action.kind == ('choice' if discrete else 'effort')
    assert [(joint.name, joint.unit, joint.effort) for joint in full.joints] == [
        ('b', 'rad', 20.0), ('a', 'm', 8.0)]
    assert full.action.scale == (10.0, 4.0)


def test_a_joint_that_turns_for_ever_has_no_limits():
    robot = replace(ROBOT, position_lower=(-np.inf, -1.0), position_upper=(np.inf, 1.0))
    made = PolicyDescription.of(contract(), robot, FakeTask(), UNITS)
    assert [joint.position for joint in made.joints] == [(), (-1.0, 1.0)]
    assert PolicyDescription.from_json(made.to_json()) == made
    assert not differences(made, robot, FakeTask(), UNITS)
    assert differences(made, ROBOT, FakeTask(), UNITS)[0].startswith(
        'joint b: position limits none rad for the policy, -1e+09 to 1e+09 rad')


def robot(**changes):
    return replace(ROBOT, **changes)


class OtherTask(FakeTask):
    observation_terms = (Term('position', 3, 'm'), Term('goal', 1), Term('previous_action', 2))


@pytest.mark.parametrize('other, task, units, says', [
    (robot(actuated=('a', 'b')), FakeTask(), UNITS,
     ('joint order: number 1 is b for the policy and a for the robot',
      'joint order: number 2 is a for the policy and b for the robot')),
    (robot(joint_names=('a', 'passive', 'c'), actuated=('c', 'a')), FakeTask(), UNITS,
     ('joint c: the robot has it, the policy does not',
      'joint b: the policy has it, the robot does not')),
    (robot(effort_limit=(20.0, 9.0)), FakeTask(), UNITS,
     ('joint a: effort limit 8 N for the policy, 9 N for the robot', 'action of a: 1 means 4 ')),
    (robot(action_scale=0.25), FakeTask(), UNITS, ('action of b: 1 means 10 ', 'action of a')),
    (robot(velocity_limit=(1.0, 2.0)), FakeTask(), UNITS,
     ('joint a: velocity limit 1 m/s for the policy, 2 m/s for the robot',)),
    (robot(position_upper=(1e9, 0.5)), FakeTask(), UNITS, ('joint a: position limits',)),
    (ROBOT, FakeTask(), ('m', 'm'), ('joint b: moves in rad for the policy, in m',)),
    (robot(decision_periods=4), FakeTask(), UNITS,
     ('decision period (dt): 0.02 s for the policy, 0.04 s for the robot',)),
    (robot(control_period=0.02, decision_periods=1), FakeTask(), UNITS,
     ('control period: 0.01 s for the policy, 0.02 s',)),
    (robot(gravity_compensated=False), FakeTask(), UNITS, ('gravity: ',)),
    (ROBOT, OtherTask(), UNITS, ('observation position: 3 numbers in 1 for the policy, 3 in m',))])
def test_every_difference_is_named(other, task, units, says):
    found = differences(described(), other, task, units)
    for part in says:
        assert any(text.startswith(part) for text in found), found
    assert not differences(described(), ROBOT, FakeTask(), UNITS)


def test_terms_in_another_order():
    class Swapped(FakeTask):
        observation_terms = tuple(reversed(FakeTask.observation_terms))
    assert differences(described(), ROBOT, Swapped(), UNITS) == (
        'observation: task.position task.previous_action task.goal for the policy, task.goal '
        'task.previous_action task.position for the task',)


def test_remarks():
    assert not remarks(described(), ROBOT, MARGINS)
    found = remarks(described(), robot(name='other'), replace(MARGINS, position_margin=0.1))
    assert found == ('robot: trained on fake, runs on other',
                     'safety.position_margin: trained behind 0.02, runs behind 0.1')


@pytest.mark.parametrize('path, value, says', [
    (('format',), 'rl_robot_ros policy contract 2', 'format: have'),
    (('joints', 0, 'effort'), None, 'joints[0].effort: expected a finite number, got None'),
    (('joints', 0, 'effort'), 1e999, 'joints[0].effort: expected a finite number'),
    (('joints', 1, 'name'), 'b', 'joints: needs one or more with different names'),
    (('observation', 0, 'size'), 0, 'size 0'), (('observation', 0, 'extra'), 0, "unknown 'extra'"),
    (('action', 'kind'), 'magic', "action.kind: got 'magic'"),
    (('action', 'scale'), [1.0], 'action.scale: effort needs 2 numbers, got 1'),
    (('action', 'stiffness'), [1.0, 1.0], 'action.stiffness: effort needs 0 numbers'),
    (('control_period',), 0.0, 'control_period: got 0.0 s'),
    (('gravity_compensated',), 1, 'expected true or false, got 1'),
    (('network',), 'magic', 'network')])
def test_a_damaged_contract_says_where(path, value, says):
    plain = json.loads(described().to_json())
    at = plain
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    with pytest.raises(ValueError, match='^policy contract: ') as error:
        PolicyDescription.from_json(json.dumps(plain))
    assert says in str(error.value)


@given(text=st.text(max_size=50) | st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(['format', 'robot', 'joints', 'action']), inner)).map(json.dumps))
def test_any_text_is_refused(text):
    with pytest.raises(ValueError, match='^policy contract: '):
        PolicyDescription.from_json(text)


def test_deep_nesting_is_refused():
    with pytest.raises(ValueError, match='^policy contract: not JSON'):
        PolicyDescription.from_json('[' * 100_000)
