"""What a bag holds of one graph: states, commands, goals and rows, read and checked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros import wire
from rl_robot_ros import wire_goals
from rl_robot_ros.bags import BagReader
from rl_robot_ros.core.dialogue import Command
from rl_robot_ros.core.rejoin import Commands
from rl_robot_ros.core.rejoin import HeardGoal
from rl_robot_ros.core.rejoin import HeardState
from rl_robot_ros.core.rejoin import Notes
from rl_robot_ros.core.rejoin import StampedCommands
from rl_robot_ros.core.rejoin import UnstampedCommands
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.nodes.state_stream import COUNTERS
from rl_robot_ros.nodes.state_stream import NOTHING
from rl_robot_ros.nodes.state_stream import StateStream
from rl_robot_ros.robots.dynamics import unmodelled

JOINTS, NUMBERS = 'sensor_msgs/msg/JointState', 'std_msgs/msg/Float64MultiArray'
POSE = 'geometry_msgs/msg/PoseStamped'
PART_TIMEOUT = 0.5  # [s] for which a joint of a state that comes in parts may be silent


def find_namespace(bag: BagReader, wanted: str | None) -> str:
    """
    Return the namespace of the graph, such as ``/arm1``, empty for none.

    :param wanted: what the user said, None: the only one there is.
    :raises ValueError: there is no graph, or there are several.
    """
    found = sorted({topic.removesuffix(f'/{name}') for topic in bag.topics
                    for name in ('experience', 'joint_states') if topic.endswith(f'/{name}')})
    listed = ', '.join(name or '/' for name in found)
    if not found:
        raise ValueError(f'{bag.path} has neither experience nor joint_states, it has '
                         f'{", ".join(sorted(bag.topics)[:20]) or "no topics"}')
    if wanted is None:
        if len(found) > 1:
            raise ValueError(f'{bag.path} holds several graphs, {listed}: say which one, '
                             '--namespace')
        return found[0]
    name = f'/{wanted.strip("/")}'.removesuffix('/')
    if name not in found:
        raise ValueError(f'--namespace {wanted}: {bag.path} has {listed}')
    return name


class GraphStreams:
    """
    Read one graph of a bag.

    :param namespace: see :func:`find_namespace`.
    :param notes: where what cannot be used is noted.
    """

    def __init__(self, bag: BagReader, namespace: str, notes: Notes) -> None:
        self.notes = notes
        self._bag, self._namespace = bag, namespace

    def has(self, name: str) -> bool:
        """Tell whether there are messages on a topic of the graph."""
        return self._bag.counts.get(f'{self._namespace}/{name}', 0) > 0

    def _messages(self, name: str, kind: str) -> Any:
        """
        Give (receipt [ns], message) of one topic.

        :raises ValueError: its messages are of another type.
        """
        topic = f'{self._namespace}/{name}'
        if topic not in self._bag.topics:
            return
        if self._bag.topics[topic] != kind:
            raise ValueError(f'{topic} is {self._bag.topics[topic] or "of several types"} in '
                             f'{self._bag.path}, it must be {kind}')
        for _, received, message in self._bag.messages([topic]):
            yield received, message
        bad = self._bag.undecodable.pop(topic, 0)
        self.notes.note(f'messages of {name} that cannot be decoded', 0, bad)

    # -- rows ---------------------------------------------------------------------------------

    def rows(self) -> tuple[RowLayout, NDArray[np.float64]]:
        """
        Return the rows of `experience`, each once, by epoch and number.

        :raises ValueError: there are none that can be read.
        """
        layout: RowLayout | None = None
        found: dict[tuple[int, int], Vector] = {}
        for _, message in self._messages('experience', NUMBERS):
            try:
                if layout is None and len(message.layout.dim) == 2:
                    layout = RowLayout.parse(message.layout.dim[1].label)
                rows = wire.read_rows(message, layout or RowLayout(1, 1))
            except ValueError as error:
                kind = getattr(error, 'kind', 'schema')
                self.notes.note(f'messages of experience refused for their {kind}', 0)
                continue
            for row in rows:
                found.setdefault((int(row[0]), int(row[1])), row)
        if layout is None or not found:
            raise ValueError(f'{self._bag.path}: there is no row that can be read in '
                             f'{self._namespace}/experience; '
                             + ('; '.join(self.notes.counts) or 'it is empty'))
        self._note_gaps(found)
        order = {epoch: place for place, epoch in enumerate(dict.fromkeys(e for e, _ in found))}
        names = sorted(found, key=lambda name: (order[name[0]], name[1]))
        return layout, np.array([found[name] for name in names])

    def _note_gaps(self, found: dict[tuple[int, int], Vector]) -> None:
        numbers: dict[int, list[int]] = {}
        for epoch, number in found:
            numbers.setdefault(epoch, []).append(number)
        for seqs in numbers.values():
            self.notes.note('rows that are missing by their number', 0,
                            max(seqs) - min(seqs) + 1 - len(seqs))

    # -- what rows are joined from ------------------------------------------------------------

    def states(self, robot: RobotSpec) -> list[HeardState]:
        """
        Return joint states of a robot, each stamp once, in parts or whole, joints in any order.

        :raises ValueError: there is none.
        """
        counts, texts, stamp = dict.fromkeys(COUNTERS, 0), dict[str, str](), 0

        def warn(key: str, text: str) -> None:
            self.notes.note(texts.setdefault(key, text[:300]), stamp)
        stream = StateStream(robot.joint_names, robot.control_period, robot.control_period,
                             PART_TIMEOUT, False, counts, warn)
        last, result, seen = NOTHING, [], Counter[str]()
        for received, message in self._messages('joint_states', JOINTS):
            stamp = wire.stamp_of(message.header.stamp)
            seen.update(message.name)
            # By its own time: a recording may have been made at any pace.
            sample = stream.take(message, last, stamp * 1e-9)
            if sample is not None:
                last = sample
                result.append(HeardState(sample.stamp, received, *sample.mark, sample.position,
                                         sample.velocity))
        self.notes.note('joint_states older than one before', stamp, counts['states_old'])
        self.notes.note(f'joint_states without any joint of {robot.name}', stamp,
                        counts['states_foreign'])
        if not result:
            heard = ', '.join(sorted(seen)[:20]) or 'nothing'
            raise ValueError(f'{self._bag.path}: no joint state of {robot.name}, which has '
                             f'{", ".join(robot.joint_names)}; joint_states tells of {heard}; '
                             + '; '.join(texts.values()))
        return result

    def commands(self, robot: RobotSpec, states: list[HeardState]) -> Commands:
        """
        Return what was applied: `effort_command`, else what the effort controller was told.

        :raises ValueError: neither is there, or the latter carries the robot's weight as well.
        """
        if self.has('effort_command'):
            known = {state.stamp for state in states}
            commands = {stamp: Command(stamp, effort, source) for stamp, source, effort
                        in self._efforts('effort_command', robot)}
            lost = sorted(set(commands) - known)
            self.notes.note('effort_command without its state', min(lost, default=0), len(lost))
            return StampedCommands(commands)
        if not self.has('effort_controller/commands'):
            raise ValueError(f'{self._bag.path} does not tell what was applied: it needs '
                             f'{self._namespace}/effort_command or effort_controller/commands')
        if not robot.gravity_compensated and not unmodelled(robot):
            raise ValueError(f'{self._bag.path}: effort_controller/commands of {robot.name} holds '
                             'its weight too, an action does not: record effort_command')
        heard, efforts = [], []
        for received, message in self._messages('effort_controller/commands', NUMBERS):
            try:
                efforts.append(wire.read_efforts(message, len(robot.actuated)))
            except wire.WireError as error:
                self.notes.note(f'effort_controller/commands refused: {error}', received)
            else:
                heard.append(received)
        return UnstampedCommands(heard, np.array(efforts), round(robot.control_period * 1e9))

    def requests(self, robot: RobotSpec) -> dict[int, Vector]:
        """Return what was asked for, [N m or N] by stamp."""
        return {stamp: effort for stamp, _, effort in self._efforts('effort_request', robot)}

    def _efforts(self, name: str, robot: RobotSpec) -> Any:
        """Give (stamp, frame_id, effort) of a topic, each stamp once."""
        reader = wire.JointReader(robot.actuated)
        known: set[int] = set()
        for _, message in self._messages(name, JOINTS):
            stamp = wire.stamp_of(message.header.stamp)
            try:
                effort, = reader.read(message, 'effort')
            except wire.WireError as error:
                self.notes.note(f'{name} refused: {str(error)[:200]}', stamp)
                continue
            if stamp not in known:
                known.add(stamp)
                yield stamp, message.header.frame_id, effort

    def goals(self, task: Task) -> tuple[list[HeardGoal], bool]:
        """Return the goals, and whether they are those that the policy has announced."""
        kind = {'none': '', 'position': POSE, 'joint': JOINTS}[task.goal.kind]
        announced = self.has('policy/active_goal')
        name = 'policy/active_goal' if announced else 'goal'
        result = []
        for received, message in self._messages(name, kind) if kind else ():
            try:
                goal = wire_goals.read_goal(task.goal, message, task.robot.joint_names)
            except wire.WireError as error:
                self.notes.note(f'{name} refused: {str(error)[:200]}',
                                wire.stamp_of(message.header.stamp))
            else:
                result.append(HeardGoal(received, goal))
        return result, announced
