"""Bags without a graph: written, read, imported, damaged, too big for the disk."""

import re

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from rl_robot_ros import cli
from rl_robot_ros import wire
from rl_robot_ros.bags import BagReader
from rl_robot_ros.bags import BagWriter
from rl_robot_ros.bags import Offer
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.env import make_task
from rl_robot_ros.memory.demonstrations import load_demonstrations
from rl_robot_ros.nodes.bag_thread import BagThread
from rosbags.rosbag2 import StoragePlugin
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_typestore
from rosbags.typesys import Stores

JOINTS, NUMBERS = 'sensor_msgs/msg/JointState', 'std_msgs/msg/Float64MultiArray'
LATCHED = Offer(1, 1, 1, 1)
ROBOT = resolve('robot', 'cartpole')
TASK = make_task(ROBOT, 'balance')
PERIOD = round(ROBOT.control_period * 1e9)
LAYOUT = RowLayout(sum(term.size for term in TASK.observation_terms), 1, TASK.reward_terms)
ROWS = 12  # in each of two episodes


def write(path, messages, storage=StoragePlugin.MCAP):
    """Write (topic, type, received, message or bytes) into a bag."""
    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as bag:
        topics = {}
        for topic, kind, received, message in messages:
            if topic not in topics:
                topics[topic] = bag.add_connection(topic, kind, typestore=store)
            data = message if isinstance(message, bytes) else serialize_message(message)
            bag.write(topics[topic], received, data)
    return path


def mixed(rng, names, **values):
    """Return joints in another order, with one of somebody else among them."""
    order = rng.permutation(len(names) + 1)
    return [[*names, 'gripper'][i] for i in order], {
        name: np.append(value, np.nan)[order] for name, value in values.items()}


def session(rng=None, namespace='', command=True, seed=0):
    """Play three episodes in lockstep, the first not from its start; and a state of a fourth."""
    noise = np.random.default_rng(seed)
    messages, k = [], 0
    for episode in range(4):
        length = ROWS * ROBOT.decision_periods if episode < 3 else 0
        for i in range(length + 1):
            k += 1
            position, velocity = 0.05 * noise.normal(size=(2, 2))
            names, values = list(ROBOT.joint_names), {'position': position, 'velocity': velocity}
            if rng is not None:
                names, values = mixed(rng, names, **values)
            messages.append((f'{namespace}/joint_states', JOINTS, k * PERIOD, wire.joint_state(
                names, k * PERIOD, f'lockstep/{episode}', **values)))
            effort = noise.normal(size=1)
            if i == length:
                continue  # the last state of an episode has no answer
            names, values = list(ROBOT.actuated), {'effort': effort}
            if rng is not None:
                names, values = mixed(rng, names, **values)
            source = 'teleop' if i % 12 > 8 else 'policy'
            messages.append((f'{namespace}/effort_command', JOINTS, k * PERIOD + 1000,
                             wire.joint_state(names, k * PERIOD, source, **values))
                            if command else
                            (f'{namespace}/effort_controller/commands', NUMBERS,
                             k * PERIOD + 1000, wire.efforts_message(effort)))
    return messages


def experience(count=8, **flags):
    rows = np.zeros((count, LAYOUT.width))
    rows[:, 0] = 5.0
    rows[:, 1] = np.arange(count)
    rows[-1, LAYOUT.column('truncated')] = 1.0
    for name, where in flags.items():
        rows[where, LAYOUT.column(name)] = 1.0
    return rows


def imported(capsys, path, out, *words):
    """Run the command; returns its status, its words and the rows it wrote."""
    status = cli.main(['import-bag', str(path), '--output', str(out), *words])
    said = capsys.readouterr()
    rows = load_demonstrations(out, LAYOUT).rows if status == 0 else None
    return status, said.out + said.err, rows


CARTPOLE = ('--robot', 'cartpole', '--task', 'balance')


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_joints_in_any_order_and_either_format(capsys, tmp_path, storage):
    plain = write(tmp_path / 'plain', session())
    other = write(tmp_path / 'other', session(np.random.default_rng(1)), storage)
    status, said, rows = imported(capsys, plain, tmp_path / 'a', *CARTPOLE)
    assert status == 0 and len(rows) == 2 * ROWS
    assert '24 rows joined from joint_states, 2 ends of episodes' in said
    assert 'states of an episode whose start is not in the bag, first at' in said
    assert np.array_equal(imported(capsys, other, tmp_path / 'b', *CARTPOLE)[2], rows)
    persons = imported(capsys, plain, tmp_path / 'c', *CARTPOLE, '--only', 'person')[2]
    assert np.array_equal(persons, rows[rows[:, LAYOUT.column('intervened').start] == 1.0])


def test_what_a_controller_was_told(capsys, tmp_path):
    rows = imported(capsys, write(tmp_path / 'a', session()), tmp_path / 'rows', *CARTPOLE)[2]
    told = write(tmp_path / 'told', session(command=False))
    status, said, joined = imported(capsys, told, tmp_path / 'joined', *CARTPOLE)
    # Nobody knows from such a bag which state was not answered: an episode's end is its length.
    assert status == 2 and 'none is terminated or truncated' in said
    steps = f'task.train_episode_steps={ROWS * ROBOT.decision_periods}'
    status, said, joined = imported(capsys, told, tmp_path / 'joined', *CARTPOLE, steps)
    assert status == 0
    for name in ('obs', 'action', 'next_obs', 'reward', 'truncated'):
        assert np.array_equal(joined[:, LAYOUT.column(name)], rows[:, LAYOUT.column(name)])


def test_rows_that_were_recorded(capsys, tmp_path):
    rows = experience(evaluation=[0], intervened=[3, 7])
    parts = [rows[:4], rows[6:], rows[2:5]]  # 5 is missing, 2 and 3 came twice
    bag = write(tmp_path / 'bag', [
        ('/arm/experience', NUMBERS, 1 + i, wire.rows_message(part, LAYOUT.schema))
        for i, part in enumerate(parts)] + session(namespace='/arm'))
    status, said, found = imported(capsys, bag, tmp_path / 'a', *CARTPOLE)
    kept = rows[[0, 1, 2, 3, 4, 6, 7]]
    kept[:, LAYOUT.column('evaluation')] = 0.0
    assert status == 0 and np.array_equal(found, kept)
    assert '1  rows that are missing by their number' in said
    assert '7 recorded rows, 1 ends of episodes (0 success, 2 intervened' in said
    assert len(imported(capsys, bag, tmp_path / 'b', '--only', 'person')[2]) == 2
    assert len(imported(capsys, bag, tmp_path / 'c', '--join', *CARTPOLE)[2]) == 2 * ROWS
    status, said, _ = imported(capsys, bag, tmp_path / 'd', '--robot', 'arm7', '--task', 'reach')
    assert status == 2 and 'rows of arm7 and this task are' in said


ODD = [('/joint_states', NUMBERS, 1, wire.efforts_message(np.zeros(1)))]
FOREIGN = [('/joint_states', JOINTS, k, wire.joint_state(
    ['wrist'], k, position=[0.0], velocity=[0.0])) for k in range(1, 9)]
NANS = [('/joint_states', JOINTS, k, wire.joint_state(
    ROBOT.joint_names, k, position=[0.0, np.nan], velocity=[0.0, 0.0])) for k in range(1, 9)]
BAD_ROWS = [('/experience', NUMBERS, 1, wire.rows_message(np.full((1, 3), np.nan), 'v0 a b c')),
            ('/experience', NUMBERS, 2, wire.rows_message(
                np.full((1, LAYOUT.width), np.nan), LAYOUT.schema))]
GARBAGE = [('/joint_states', JOINTS, k, bytes([0, 1, 0, 0, *([255] * k)])) for k in range(1, 40)]


@pytest.mark.parametrize('messages, words, says', [
    ([('/odd', NUMBERS, 1, wire.efforts_message(np.zeros(1)))], CARTPOLE,
     'has neither experience nor joint_states, it has /odd'),
    (ODD, CARTPOLE, '/joint_states is std_msgs/msg/Float64MultiArray in'),
    (FOREIGN, CARTPOLE, 'joint_states tells of wrist'),
    (NANS, CARTPOLE, 'joint_states refused: finite'),
    (GARBAGE, CARTPOLE, 'joint_states tells of nothing'),
    (BAD_ROWS, CARTPOLE, 'refused for their schema; messages of experience refused for their '
                         'values'),
    (session()[::2][:9], CARTPOLE, 'does not tell what was applied'),
    (session(), (), 'say --robot and --task'),
    (session(), CARTPOLE[:2], '--robot and --task go together'),
    (session(), (*CARTPOLE, 'sync.rows=3'), 'sync.rows: only parameters that begin with task.'),
    (session(), (*CARTPOLE, '--goal', '1,2'), '--goal 1,2: the task takes no numbers'),
    (session(), (*CARTPOLE, '--namespace', 'arm'), '--namespace arm: '),
    (session() + session(namespace='/b'), CARTPOLE, 'holds several graphs, /, /b'),
    (session(namespace='/b'), ('--robot', 'arm7', '--task', 'reach'), 'no joint state of arm7'),
    (session()[:5], CARTPOLE, 'no rows joined from joint_states'),
], ids=range(15))
def test_bags_that_hold_something_else(capsys, tmp_path, messages, words, says):
    bag = write(tmp_path / 'bag', messages)
    status, said, _ = imported(capsys, bag, tmp_path / 'rows', *words)
    assert status == 2 and says in said, said
    assert not (tmp_path / 'rows').exists()


def test_robots_whose_controller_carries_them(capsys, tmp_path):
    robot = resolve('robot', 'planar2')
    bag = write(tmp_path / 'bag', [
        ('/joint_states', JOINTS, 1, wire.joint_state(
            robot.joint_names, 1, position=np.zeros(2), velocity=np.zeros(2))),
        ('/effort_controller/commands', NUMBERS, 2, wire.efforts_message(np.zeros(2)))])
    status, said, _ = imported(capsys, bag, tmp_path / 'rows', '--robot', 'planar2', '--task',
                               'reach')
    assert status == 2 and 'holds its weight too' in said


def test_damaged_files(capsys, tmp_path):
    """However a bag was cut or altered: rows, or one sentence."""
    whole = write(tmp_path / 'whole', session())
    data = (whole / 'whole.mcap').read_bytes()
    rng = np.random.default_rng(1)
    cases = [data[:0], data[:9], data[:len(data) // 2], data[:-1], data[:-60]]
    for _ in range(12):
        bad = bytearray(data)
        for place in rng.integers(len(data), size=20):
            bad[place] ^= int(rng.integers(1, 256))
        cases.append(bytes(bad))
    bag = tmp_path / 'bag.mcap'
    for i, case in enumerate(cases):
        bag.write_bytes(case)
        status, said, _ = imported(capsys, bag, tmp_path / f'{i}', *CARTPOLE)
        assert status == 0 or (status == 2 and said.count('rl-robot import-bag: ') == 1), said
        if i < 5:
            assert 'is no intact bag' in said
    for words, says in ((('/no/such/bag',), 'there is no bag'), ((str(tmp_path),), 'no intact')):
        assert cli.main(['import-bag', *words, '--output', str(tmp_path / 'never')]) == 2
        assert says in capsys.readouterr().err
    (tmp_path / 'there').write_text('mine')
    assert cli.main(['import-bag', str(whole), '--output', str(tmp_path / 'there')]) == 2
    assert (tmp_path / 'there').read_text() == 'mine'


def test_a_bag_is_never_overwritten(tmp_path):
    (tmp_path / 'bag').mkdir()
    with pytest.raises(ValueError, match='exists already'):
        BagWriter(tmp_path / 'bag')


def thread(path, most=2**20, spare=0):
    ends = []
    bag = BagWriter(path)
    made = BagThread(bag, most, spare, lambda: ends.append(1))
    return made, bag.add('/a', JOINTS, [LATCHED]), ends


MESSAGE = serialize_message(wire.joint_state(['a'], 7, position=[1.0]))


def test_what_waits_is_bounded_and_what_was_taken_is_written(tmp_path):
    made, topic, ends = thread(tmp_path / 'bag', most=10_000)
    for received in range(100):
        made.put('/a', topic, received, MESSAGE)
    assert 0 < made.dropped < 100
    made.start()
    assert made.close(30.0) and not made.failure and not ends
    assert made.written['/a'] == 100 - made.dropped
    with BagReader(tmp_path / 'bag') as bag:
        found = list(bag.messages(['/a']))
        assert bag.counts == {'/a': len(found)} and bag.topics == {'/a': JOINTS}
    assert [received for _, received, _ in found] == list(range(100 - made.dropped))
    assert found[0][2].position.tolist() == [1.0]
    made.put('/a', topic, 0, MESSAGE)
    assert made.dropped == 101 - len(found)


def test_a_full_disk_ends_a_recording_that_can_be_read(tmp_path):
    made, topic, ends = thread(tmp_path / 'bag', spare=2**62)
    made.put('/a', topic, 0, MESSAGE)
    made.start()
    made.join(30.0)
    assert ends and re.search('MiB are free on the disk', made.failure)
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.topics == {'/a': JOINTS}


def test_a_disk_that_refuses(tmp_path, monkeypatch):
    made, topic, ends = thread(tmp_path / 'bag')
    before = made._bag.write

    def write_once(*message):
        before(*message)
        monkeypatch.setattr(made._bag, 'write', refuse)

    def refuse(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(made._bag, 'write', write_once)
    for _ in range(3):
        made.put('/a', topic, 0, MESSAGE)
    made.start()
    made.join(30.0)
    assert ends and 'No space left on device' in made.failure
    with BagReader(tmp_path / 'bag') as bag:
        assert bag.counts == {'/a': 1}


def test_bytes_after_the_end_of_a_message(tmp_path):
    """`rclpy.serialization` itself leaves some where a sequence is empty."""
    message = wire.joint_state(['a'], 7, 'mark', effort=[1.5])
    bag = write(tmp_path / 'bag', [('/a', JOINTS, 1, message),
                                   ('/a', JOINTS, 2, serialize_message(message) + bytes(9)),
                                   ('/a', JOINTS, 3, b'\0\2\0\0'), ('/a', JOINTS, 4, b'')])
    with BagReader(bag) as reader:
        found = [m for _, _, m in reader.messages(['/a'])]
        assert [m.effort.tolist() for m in found] == [[1.5], [1.5]]
        assert reader.undecodable == {'/a': 2}
