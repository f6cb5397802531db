"""A policy file and the robot it is to run on: described, compared, opened."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import NamedTuple

from rl_robot_ros.core.compatibility import differences
from rl_robot_ros.core.compatibility import remarks
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.decider import Maker
from rl_robot_ros.core.description import Margins
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.network import IMPORTED
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.row_trace import Trace
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.core.weights import WeightStore
from rl_robot_ros.interchange.imported import make_imported
from rl_robot_ros.policy_file import PolicyFile
from rl_robot_ros.policy_file import read_policy
from rl_robot_ros.robots.mjcf import described_joints
from rl_robot_ros.safety.config import SafetyConfig


class Opened(NamedTuple):
    """A policy that fits its robot."""

    file: PolicyFile
    make: Maker  # builds what acts, of network and weights
    remarks: tuple[str, ...]  # what differs without being a reason to refuse

    @property
    def weights(self) -> WeightSet:
        """Its weights."""
        return self.file.weights


def joint_units(robot: RobotSpec) -> tuple[str, ...]:
    """Return the unit of position of every motor, rad or m, as URDF or MJCF have it."""
    joints = described_joints(robot)
    return tuple('m' if name in joints and joints[name].kind == 'prismatic' else 'rad'
                 for name in robot.actuated)


def margins_of(config: SafetyConfig) -> Margins:
    """Return what shapes the behaviour of a safety filter."""
    return Margins(**{name: getattr(config, name) for name in Margins.__dataclass_fields__})


def describe(contract: PolicyContract, robot: RobotSpec, task: Task,
             safety: SafetyConfig) -> PolicyDescription:
    """Describe a policy that is trained here, behind this safety filter."""
    return PolicyDescription.of(contract, robot, task, joint_units(robot), (margins_of(safety),))


def misfit(schema: str, robot: RobotSpec, task: Task) -> str:
    """Say why weights of this schema do not fit a robot and a task, or return nothing."""
    try:
        contract = PolicyContract.parse(schema)
    except ValueError as error:
        return str(error)
    return contract.misfit(robot.actuated, task.observation_terms, Trace.of(robot).term.size)


def may_be_pushed(weights: WeightSet, store: WeightStore) -> str:
    """Say why weights from a learner cannot be used: an imported policy comes from a file."""
    if store.schema.startswith(f'v1 {IMPORTED} '):
        return 'imported: this policy was trained elsewhere, there is nothing to learn'
    if weights.schema.startswith(f'v1 {IMPORTED} '):
        return 'imported: a model is not pushed, name its file in policy.checkpoint'
    return ''


def open_policy(path: Path, robot: RobotSpec, task: Task, safety: SafetyConfig) -> Opened:
    """
    Read a policy file and make sure that it fits.

    :raises FileNotFoundError: there is none.
    :raises ValueError: it is damaged, or it does not fit; names every difference.
    """
    file = read_policy(path)
    described, noted = file.description, tuple[str, ...]()
    if described is None:
        problems = tuple(filter(None, [misfit(file.weights.schema, robot, task)]))
    else:
        problems = differences(described, robot, task, joint_units(robot)) \
            or tuple(filter(None, [misfit(file.weights.schema, robot, task)]))
        noted = remarks(described, robot, margins_of(safety))
    if problems:
        raise ValueError(f'{path} does not fit robot {robot.name} and task '
                         f'{type(task).__name__}: {"; ".join(problems)}')
    make: Maker = Policy
    if described is not None and not described.native:
        make = partial(make_imported, described, file.model, robot, task.observation_terms)
        make(described.network, file.weights.weights)  # fails now rather than at the first state
    return Opened(file, make, noted)
