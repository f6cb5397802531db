"""Messages as they come from outside: every one is read, or refused as WireError with a reason."""

import array
import math
import os
import subprocess
import sys

from core.fakes import weight_set
from geometry_msgs.msg import PoseStamped
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rcl_interfaces.msg import Parameter
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.serialization import deserialize_message
from rclpy.serialization import serialize_message
from rl_robot_ros import wire
from rl_robot_ros import wire_goals
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import HEAD
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.core.weights import WeightStore
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import MultiArrayDimension
from std_msgs.msg import MultiArrayLayout

JOINTS = ('shoulder', 'elbow', 'wrist')
LAYOUT = RowLayout(3, 2, ('distance',), (Term('log_prob', 1),))
POSITION = Goal(3, 'position')
JOINT_GOAL = Goal(3, 'joint')
CHECK_FIELDS = os.environ.get('ROS_PYTHON_CHECK_FIELDS') == '1'

NUMBERS = st.floats(width=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
NAMES = st.lists(st.sampled_from((*JOINTS, 'gripper', 'wheel', '')) | st.text(max_size=4),
                 max_size=7)


def over_the_wire(message):
    """Return the message as a subscriber gets it."""
    return deserialize_message(serialize_message(message), type(message))


def refusal(function, *arguments):
    """Return the WireError that a call must raise; any other exception fails the test."""
    with pytest.raises(wire.WireError) as caught:
        function(*arguments)
    kind, colon, reason = str(caught.value).partition(': ')
    assert kind == caught.value.kind and colon and reason and len(str(caught.value)) < 20_000
    return caught.value


# -- stamps and marks ---------------------------------------------------------------------------

@given(st.integers(0, 2**31 * 10**9 - 1))
def test_stamps(stamp):
    message = wire.time_of(stamp)
    assert 0 <= message.nanosec < 10**9 and wire.stamp_of(message) == stamp
    assert wire.stamp_of(wire.joint_state((), stamp).header.stamp) == stamp


@given(st.sampled_from(('lockstep', 'paced')), st.integers(0, 10**15 - 1))
def test_marks(mode, episode):
    assert wire.parse_mark(wire.episode_mark(mode, episode)) == (mode, episode)


@given(st.text(max_size=30))
def test_other_marks_are_hardware(text):
    for mark in (text, 'lockstep' + text, 'lockstep/' + text, text + 'paced/3'):
        mode, episode = wire.parse_mark(mark)
        assert (mode, episode) == ('hardware', 0) or mark.startswith(f'{mode}/') and episode >= 0


@pytest.mark.parametrize('mark', ['', 'base_link', 'lockstep', 'lockstep/', 'lockstep/-1',
                                  'lockstep/1.0', 'Lockstep/1', 'hardware/3', 'lockstep/1/2',
                                  'lockstep/' + '9' * 16])
def test_hardware(mark):
    assert wire.parse_mark(mark) == ('hardware', 0)


# -- joint states -------------------------------------------------------------------------------

@st.composite
def joint_states(draw):
    """Draw joint states that are often right: names in any order, others beside them."""
    names = draw(NAMES | st.permutations((*JOINTS, 'gripper')))
    fields = {}
    for field in ('position', 'velocity', 'effort'):
        count = len(names) if draw(st.integers(0, 9)) else draw(st.integers(0, 8))
        value = FINITE if draw(st.integers(0, 3)) else NUMBERS
        fields[field] = draw(st.lists(value, min_size=count, max_size=count))
    return names, fields


def slow_read(names, fields, wanted):
    """Say what a reader must return, or None where it must refuse."""
    result = []
    for field in wanted:
        if len(fields[field]) != len(names) or any(names.count(joint) != 1 for joint in JOINTS):
            return None
        table = dict(zip(names, fields[field]))
        result.append([table[joint] for joint in JOINTS])
    return result if all(math.isfinite(v) for values in result for v in values) else None


@given(st.lists(joint_states(), min_size=1, max_size=4),
       st.sampled_from((('position', 'velocity'), ('effort',), ('position',))), st.booleans())
def test_joint_states_are_read_by_name_or_refused(messages, wanted, travelled):
    reader = wire.JointReader(JOINTS)
    for names, fields in messages:
        if any('\0' in name for name in names):
            continue  # no ROS string holds a zero byte
        message = JointState(name=names, **fields)
        expected = slow_read(names, fields, wanted)
        if travelled:
            message = over_the_wire(message)
        if expected is None:
            assert refusal(reader.read, message, *wanted).kind in ('names', 'length', 'finite')
        else:
            read = reader.read(message, *wanted)
            assert [values.tolist() for values in read] == expected


@pytest.mark.parametrize('names, values, kind, says', [
    (JOINTS[:2], [1.0, 2.0], 'names', 'wrist'), ((), [], 'names', 'missing'),
    ((*JOINTS, 'elbow'), [1.0] * 4, 'names', 'elbow is there twice'),
    (JOINTS, [1.0] * 2, 'length', '3 names but 2'), (JOINTS, [], 'length', '3 names but 0'),
    (JOINTS, [1.0] * 4, 'length', '3 names but 4'), (JOINTS, [1.0, np.nan, 0.0], 'finite', 'nan'),
    (JOINTS, [1.0, np.inf, 0.0], 'finite', 'inf')])
def test_refused_joint_states(names, values, kind, says):
    reader = wire.JointReader(JOINTS)
    for _ in range(2):
        error = refusal(reader.read, over_the_wire(JointState(name=names, position=values)),
                        'position')
        assert error.kind == kind and says in str(error)
        # A good one is read again afterwards.
        good = wire.joint_state(JOINTS, 5, position=[1.0, 2.0, 3.0])
        assert reader.read(good, 'position')[0].tolist() == [1.0, 2.0, 3.0]


def test_others_may_be_twice_or_broken():
    message = JointState(name=['x', 'wrist', 'x', 'shoulder', 'elbow'],
                         velocity=[np.nan, 3.0, np.inf, 1.0, 2.0])
    read = wire.JointReader(JOINTS).read(message, 'velocity')
    assert read[0].tolist() == [1.0, 2.0, 3.0]


def test_a_reader_copies():
    """A message may be changed or freed while its values are still used."""
    message = wire.joint_state(JOINTS, 0, position=[1.0, 2.0, 3.0])
    values, = wire.JointReader(JOINTS).read(message, 'position')
    message.position[0] = 9.0
    assert values.tolist() == [1.0, 2.0, 3.0]


def test_joint_state_round_trip():
    message = wire.joint_state(JOINTS, 12_000_000_034, 'paced/7', position=np.arange(3.0),
                               effort=(4.0, 5.0, 6.0))
    message = over_the_wire(message)
    assert wire.stamp_of(message.header.stamp) == 12_000_000_034
    assert message.header.frame_id == 'paced/7' and list(message.velocity) == []
    reader = wire.JointReader(('wrist', 'shoulder'))
    position, effort = reader.read(message, 'position', 'effort')
    assert (position.tolist(), effort.tolist()) == ([2.0, 0.0], [6.0, 4.0])


def test_a_writer_writes_what_joint_state_builds():
    writer = wire.JointWriter(JOINTS)
    for stamp, mark in ((5, 'paced/7'), (12_000_000_034, 'policy')):
        position, effort = np.arange(3.0) + stamp, np.arange(6.0)[::2]
        written = writer.write(stamp, mark, position=position, effort=effort)
        assert written == wire.joint_state(JOINTS, stamp, mark, position=position, effort=effort)
        position[0] = 99.0
        assert written.position[0] != 99.0
    assert over_the_wire(writer.write(7, effort=effort)).header.frame_id == ''


def test_many_joints_do_not_flood_the_log():
    names = [f'joint_{i}' for i in range(10_000)]
    error = refusal(wire.JointReader(JOINTS).read, JointState(name=names, position=[0.0] * 10_000),
                    'position')
    assert len(str(error)) < 1000


# -- efforts ------------------------------------------------------------------------------------

def multi_array(data, dims=(), offset=0):
    layout = MultiArrayLayout(dim=[MultiArrayDimension(label=label, size=size, stride=stride)
                                   for label, size, stride in dims], data_offset=offset)
    return Float64MultiArray(layout=layout, data=data)


DIMS = st.lists(st.tuples(st.sampled_from(('transition', LAYOUT.schema, 'x')) | st.text(
    st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=9),
    st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), max_size=3)


@given(st.lists(NUMBERS, max_size=5), DIMS, st.sampled_from((0, 0, 0, 1, 2**32 - 1)))
def test_efforts_are_read_or_refused(data, dims, offset):
    message = over_the_wire(multi_array(data, dims, offset))
    if dims or offset:
        assert refusal(wire.read_efforts, message, 3).kind == 'layout'
    elif len(data) != 3:
        assert refusal(wire.read_efforts, message, 3).kind == 'length'
    elif not all(map(math.isfinite, data)):
        assert refusal(wire.read_efforts, message, 3).kind == 'finite'
    else:
        assert wire.read_efforts(message, 3).tolist() == data


def test_efforts_round_trip():
    message = over_the_wire(wire.efforts_message(np.array([1.0, -2.0])))
    assert wire.read_efforts(message, 2).tolist() == [1.0, -2.0]
    assert isinstance(message.data, array.array)


# -- experience ---------------------------------------------------------------------------------

def good_rows(count):
    rows = np.random.default_rng(count).normal(size=(count, LAYOUT.width))
    rows[:, :len(HEAD)] = 1.0
    return rows


@given(st.integers(0, 5))
def test_rows_round_trip(count):
    rows = good_rows(count)
    message = over_the_wire(wire.rows_message(rows, LAYOUT.schema))
    assert [d.label for d in message.layout.dim] == ['transition', LAYOUT.schema]
    read = wire.read_rows(message, LAYOUT)
    assert read.shape == rows.shape and read.tolist() == rows.tolist()
    assert read.flags.writeable and read.flags.owndata or not count


@given(DIMS, st.integers(0, 3), st.integers(0, 3), NUMBERS, st.data())
def test_experience_is_read_or_refused(dims, count, further, value, data):
    """One good message with up to three kinds of damage."""
    damage = data.draw(st.sets(st.sampled_from(('dims', 'data', 'value', 'offset', 'size',
                                                'schema'))))
    rows = good_rows(count)
    message = wire.rows_message(rows, LAYOUT.schema)
    if 'dims' in damage:
        message.layout = multi_array([], dims).layout
    if 'data' in damage:
        message.data = array.array('d', [1.0] * (count * LAYOUT.width + further))
    if 'value' in damage and count:
        message.data[data.draw(st.integers(0, count * LAYOUT.width - 1))] = value
    if 'offset' in damage:
        message.layout.data_offset = further
    if 'size' in damage and message.layout.dim:
        dim = data.draw(st.sampled_from(message.layout.dim))
        dim.size = data.draw(st.integers(0, 4) | st.integers(0, 2**32 - 1))
    if 'schema' in damage and len(message.layout.dim) > 1:
        at = data.draw(st.integers(0, len(LAYOUT.schema) - 1))
        message.layout.dim[1].label = LAYOUT.schema[:at] + LAYOUT.schema[at + 1:]
    message = over_the_wire(message)
    try:
        read = wire.read_rows(message, LAYOUT)
    except wire.WireError as error:
        assert error.kind in ('layout', 'schema', 'length', 'values') and damage
        return
    assert read.shape == (message.layout.dim[0].size, LAYOUT.width)
    assert message.layout.dim[1].label == LAYOUT.schema and LAYOUT.check(read) == ''
    assert read.ravel().tolist() == list(message.data)


ROWS = good_rows(2).ravel().tolist()
WIDTH = LAYOUT.width


@pytest.mark.parametrize('dims, data, kind, says', [
    ([], ROWS, 'layout', 'needs dimensions'),
    ([('transition', 2, 2 * WIDTH)], ROWS, 'layout', 'needs dimensions'),
    ([('rows', 2, 2 * WIDTH), (LAYOUT.schema, WIDTH, WIDTH)], ROWS, 'layout', "'rows'"),
    ([('transition', 2, 0), ('v1 epoch', WIDTH, 0)], ROWS, 'schema', 'have '),
    ([('transition', 2, 0), (LAYOUT.schema.replace('obs:3', 'obs:4', 1), WIDTH, 0)], ROWS,
     'schema', 'obs:4'),
    ([('transition', 3, 0), (LAYOUT.schema, WIDTH, 0)], ROWS, 'length', '3 rows of'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH + 1, 0)], ROWS, 'length', 'do not fit'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH, 0)], ROWS[1:], 'length', 'do not fit'),
    ([('transition', 0, 0), (LAYOUT.schema, WIDTH, 0)], ROWS, 'length', '0 rows of'),
    ([('transition', 2**32 - 1, 0), (LAYOUT.schema, 2**32 - 1, 0)], ROWS, 'length', 'at most'),
    ([('transition', 2**31, 0), (LAYOUT.schema, 2, 0)], [], 'length', 'at most'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH, 0)], [math.nan, *ROWS[1:]], 'values', 'epoch'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH, 0)], [*ROWS[:-1], math.inf], 'values',
     'column log_prob is not finite'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH, 0)], [-1.0, *ROWS[1:]], 'values', 'whole'),
    ([('transition', 2, 0), (LAYOUT.schema, WIDTH, 0)], [*ROWS[:5], 0.5, *ROWS[6:]], 'values',
     'flag')])
def test_refused_experience(dims, data, kind, says):
    error = refusal(wire.read_rows, over_the_wire(multi_array(data, dims)), LAYOUT)
    assert error.kind == kind and says in str(error)


def test_an_offset_is_refused():
    message = wire.rows_message(good_rows(2), LAYOUT.schema)
    message.layout.data_offset = 1
    assert refusal(wire.read_rows, over_the_wire(message), LAYOUT).kind == 'layout'


def test_too_many_rows(monkeypatch):
    monkeypatch.setattr(wire, 'MAX_ROWS', 2)
    assert len(wire.read_rows(wire.rows_message(good_rows(2), LAYOUT.schema), LAYOUT)) == 2
    message = wire.rows_message(good_rows(3), LAYOUT.schema)
    assert refusal(wire.read_rows, message, LAYOUT).kind == 'length'


def test_a_huge_label_does_not_flood_the_log():
    message = multi_array(ROWS, [('transition', 2, 0), ('v' * 10**6, WIDTH, 0)])
    assert len(str(refusal(wire.read_rows, message, LAYOUT))) < 4000
    message = multi_array(ROWS, [('v' * 10**6, 2, 0)] * 100)
    assert len(str(refusal(wire.read_rows, message, LAYOUT))) < 4000


# -- weights ------------------------------------------------------------------------------------

def parameter(name, value):
    kind, field = {int: ('INTEGER', 'integer'), str: ('STRING', 'string'),
                   float: ('DOUBLE', 'double'), bool: ('BOOL', 'bool'),
                   list: ('DOUBLE_ARRAY', 'double_array')}[type(value)]
    return Parameter(name=name, value=ParameterValue(
        type=getattr(ParameterType, f'PARAMETER_{kind}'), **{f'{field}_value': value}))


def envelope(values):
    return SetParametersAtomically.Request(parameters=[parameter(*pair) for pair in values])


GOOD = {'epoch': 4, 'version': 7, 'schema': 'v1 x', 'digest': 'ab', 'weights': [1.0, 2.0],
        'exploration': 'policy', 'exploration_scale': 1.0}
# Everything that an IDL parameter can say, zero bytes apart.
TEXT = st.text(st.characters(exclude_characters='\0', exclude_categories=['Cs']), max_size=8)
VALUES = (st.integers(-2**63, 2**63 - 1) | TEXT | NUMBERS | st.booleans()
          | st.lists(NUMBERS, max_size=4))


@pytest.mark.parametrize('key', [b'', b'secret'])
def test_weights_round_trip(key):
    weights = weight_set(3, exploration='gaussian', scale=0.25)
    request = over_the_wire(wire.weights_request(weights, key))
    read, signature = wire.read_weights(request)
    assert signature == (weights.sign(key) if key else '')
    assert read.weights.tolist() == weights.weights.tolist() and read.weights.flags.writeable
    for name in ('epoch', 'version', 'schema', 'digest', 'exploration', 'exploration_scale'):
        assert getattr(read, name) == getattr(weights, name)
    assert WeightStore(lambda schema: '', key=key).offer(read, 0.0, signature) == ''


@given(st.dictionaries(st.sampled_from((*GOOD, 'hmac', 'other')), VALUES, max_size=3),
       st.sets(st.sampled_from(tuple(GOOD)), max_size=1),
       st.lists(st.sampled_from(tuple(GOOD)), max_size=1))
def test_weights_are_read_or_refused(changed, missing, doubled):
    values = {**GOOD, **changed}
    pairs = [(name, value) for name, value in values.items() if name not in missing]
    pairs += [(name, values[name]) for name in doubled]
    request = over_the_wire(envelope(pairs))
    try:
        weights, signature = wire.read_weights(request)
    except wire.WireError as error:
        assert error.kind in ('keys', 'length')
        assert changed or missing or doubled
        return
    assert sorted(name for name, _ in pairs if name != 'hmac') == sorted(GOOD)
    for name in GOOD:
        assert type(values[name]) is type(GOOD[name])
        if name != 'weights':
            read = getattr(weights, name)
            assert read == values[name] or read != read
    assert np.array_equal(weights.weights, values['weights'], equal_nan=True)
    assert signature == values.get('hmac', '')
    # What is well-formed but wrong is refused by the store, not by an exception.
    store = WeightStore(lambda schema: '', key=b'k' if signature else b'')
    assert store.offer(weights, 0.0, signature)


@pytest.mark.parametrize('change, kind, says', [
    ({'epoch': -1}, 'keys', 'must lie in'), ({'version': 2**53}, 'keys', 'must lie in'),
    ({'version': 1.0}, 'keys', 'version has parameter type 3, needs 2'),
    ({'weights': []}, 'length', '0 weights'), ({'exploration_scale': 1}, 'keys', 'needs 3'),
    ({'weights': 'text'}, 'keys', 'weights has parameter type 4'),
    ({'surprise': 1}, 'keys', "'surprise' is unknown"), ({'hmac': 3}, 'keys', 'hmac has')])
def test_refused_weights(change, kind, says):
    error = refusal(wire.read_weights, over_the_wire(envelope({**GOOD, **change}.items())))
    assert error.kind == kind and says in str(error)


def test_incomplete_or_flooded_envelopes():
    assert 'missing' in str(refusal(wire.read_weights, envelope([])))
    for name in GOOD:
        pairs = [pair for pair in GOOD.items() if pair[0] != name]
        assert f"missing ['{name}']" in str(refusal(wire.read_weights, envelope(pairs)))
        twice = [*GOOD.items(), (name, GOOD[name])]
        assert 'there twice' in str(refusal(wire.read_weights, envelope(twice)))
    many = [(f'key{i}', 1) for i in range(1000)]
    assert '1000 keys' in str(refusal(wire.read_weights, envelope(many)))


def test_too_many_weights(monkeypatch):
    monkeypatch.setattr(wire, 'MAX_WEIGHTS', 1)
    assert refusal(wire.read_weights, envelope(GOOD.items())).kind == 'length'


# -- goals --------------------------------------------------------------------------------------

@given(st.lists(FINITE, min_size=3, max_size=3), st.integers(0, 10**18))
def test_goals_round_trip(values, stamp):
    for goal in (POSITION, JOINT_GOAL):
        message = over_the_wire(wire_goals.goal_message(goal, np.array(values), stamp, JOINTS))
        assert isinstance(message, wire_goals.goal_message_type(goal))
        assert wire.stamp_of(message.header.stamp) == stamp
        assert message.header.frame_id == 'base_link'
        assert wire_goals.read_goal(goal, message, JOINTS).tolist() == values
    assert wire_goals.goal_message_type(Goal()) is None


@given(st.lists(NUMBERS, min_size=3, max_size=3),
       st.sampled_from(('', 'base_link', 'map', 'x' * 10_000)))
def test_position_goals_are_read_or_refused(values, frame):
    message = PoseStamped()
    message.header.frame_id = frame
    message.pose.position.x, message.pose.position.y, message.pose.position.z = values
    message = over_the_wire(message)
    if frame not in ('', 'base_link'):
        assert refusal(wire_goals.read_goal, POSITION, message).kind == 'frame'
    elif not all(map(math.isfinite, values)):
        assert refusal(wire_goals.read_goal, POSITION, message).kind == 'finite'
    else:
        assert wire_goals.read_goal(POSITION, message).tolist() == values


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('at', [0, 1, 2])
def test_three_numbers_that_are_not_finite(value, at):
    values = [1.0, 2.0, 3.0]
    values[at] = value
    message = over_the_wire(wire_goals.goal_message(POSITION, np.array(values), 0))
    assert refusal(wire_goals.read_goal, POSITION, message).kind == 'finite'
    message = over_the_wire(wire.efforts_message(np.array(values)))
    assert refusal(wire.read_efforts, message, 3).kind == 'finite'


@given(joint_states())
def test_joint_goals_are_read_or_refused(state):
    names, fields = state
    names = [name.replace('\0', '') for name in names]
    message = over_the_wire(JointState(name=names, **fields))
    expected = slow_read(names, fields, ('position',))
    if expected is None:
        refusal(wire_goals.read_goal, JOINT_GOAL, message, JOINTS)
    else:
        assert wire_goals.read_goal(JOINT_GOAL, message, JOINTS).tolist() == expected[0]


# -- diagnostics, and the same again with checks --------------------------------------------------

def test_status():
    message = wire.status('policy', b'\1', 'text', {'rate': 1.0 / 3.0, 'count': 7, 'on': True},
                          'arm')
    message = over_the_wire(message)
    assert (message.name, message.level, message.message, message.hardware_id) \
        == ('policy', b'\1', 'text', 'arm')
    assert {pair.key: pair.value for pair in message.values} \
        == {'rate': '0.333333', 'count': '7', 'on': 'True'}


@given(st.lists(NUMBERS, max_size=4))
def test_floats(values):
    packed = wire.floats(values)
    assert isinstance(packed, array.array) and packed.typecode == 'd'
    assert np.array_equal(packed, values, equal_nan=True)


@pytest.mark.skipif(CHECK_FIELDS, reason='this is that run')
def test_all_of_this_with_field_checks():
    """What we build satisfies rclpy's own checks, which are off by default."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-p', 'no:cov', __file__],
        env={**os.environ, 'ROS_PYTHON_CHECK_FIELDS': '1', 'HYPOTHESIS_PROFILE': 'quick'},
        capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
