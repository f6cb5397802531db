"""
Does a policy fit a robot and a task?  Every difference is named, by joint.

A difference is a reason to refuse: the policy would act on something else than it was trained on.
A remark is not: the same numbers mean the same thing, but somebody should know.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

from rl_robot_ros.core.description import Joint
from rl_robot_ros.core.description import joints_of
from rl_robot_ros.core.description import Margins
from rl_robot_ros.core.description import PER_JOINT
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task

TOLERANCE = 1e-6  # relative: the same figure, written down by somebody else


def same(one: float, other: float) -> bool:
    """Tell whether two figures are the same but for their last digits."""
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12)


def order_difference(policy: Sequence[str], robot: Sequence[str]) -> tuple[str, ...]:
    """Name joints that are missing, unknown or elsewhere, of two lists that should be equal."""
    found = [f'joint {name}: the robot has it, the policy does not'
             for name in robot if name not in policy]
    found += [f'joint {name}: the policy has it, the robot does not'
              for name in policy if name not in robot]
    if not found:
        found += [f'joint order: number {i + 1} is {mine} for the policy and {its} for the robot'
                  for i, (mine, its) in enumerate(zip(policy, robot)) if mine != its]
    return tuple(found)


def differences(policy: PolicyDescription, robot: RobotSpec, task: Task,
                units: tuple[str, ...]) -> tuple[str, ...]:
    """
    Name every difference that forbids to run a policy on a robot in a task.

    :param units: rad or m per actuated joint.
    """
    found = [*order_difference([joint.name for joint in policy.joints], robot.actuated)]
    if not found:
        for mine, its in zip(policy.joints, joints_of(robot, units)):
            found += _joint_differences(mine, its)
        found += _action_differences(policy, robot)
    for name, mine_s, its_s in (
            ('control period', policy.control_period, robot.control_period),
            ('decision period (dt)', policy.decision_period, robot.decision_period)):
        if not same(mine_s, its_s):
            found.append(f'{name}: {mine_s:g} s for the policy, {its_s:g} s for the robot')
    if policy.gravity_compensated != robot.gravity_compensated:
        found.append(f'gravity: compensated by the robot is {policy.gravity_compensated} for the '
                     f'policy, {robot.gravity_compensated} for the robot')
    found += _observation_differences(policy, robot, task)
    mine_g = (policy.goal.kind, policy.goal.size)
    if mine_g != (task.goal.kind, task.goal.size):
        found.append(f'goal: {policy.goal.kind} of {policy.goal.size} numbers for the policy, '
                     f'{task.goal.kind} of {task.goal.size} for the task')
    return tuple(found)


def _joint_differences(mine: Joint, its: Joint) -> list[str]:
    where = f'joint {its.name}'
    if mine.unit != its.unit:
        return [f'{where}: moves in {mine.unit} for the policy, in {its.unit} for the robot']
    unit, force = its.unit, 'N m' if its.unit == 'rad' else 'N'
    found = []
    if len(mine.position) != len(its.position) \
            or not all(map(same, mine.position, its.position)):
        found.append(f'{where}: position limits {_range(mine.position)} {unit} for the policy, '
                     f'{_range(its.position)} {unit} for the robot')
    for name, one, other, what in (('velocity', mine.velocity, its.velocity, f'{unit}/s'),
                                   ('effort', mine.effort, its.effort, force)):
        if not same(one, other):
            found.append(f'{where}: {name} limit {one:g} {what} for the policy, {other:g} {what} '
                         'for the robot')
    return found


def _range(limits: tuple[float, ...]) -> str:
    return f'{limits[0]:g} to {limits[1]:g}' if limits else 'none'


def _action_differences(policy: PolicyDescription, robot: RobotSpec) -> list[str]:
    action = policy.action
    names = robot.actuated
    found = [f'action: motor {name} gets none' for name in names if name not in action.joints]
    found += [f'action: the robot has no motor {name}' for name in action.joints
              if name not in names]
    if found or not policy.native:
        return found
    found += order_difference(action.joints, names)
    found += [f'action of {name}: 1 means {mine:g} N m or N for the policy, {its:g} for the robot '
              '(action_scale times effort limit)'
              for name, mine, its in zip(names, action.scale, robot.action_to_effort.tolist())
              if not same(mine, its)]
    return found


def _observation_differences(policy: PolicyDescription, robot: RobotSpec,
                             task: Task) -> list[str]:
    there = {f'task.{term.name}': term for term in task.observation_terms}
    found = []
    for mine in policy.observation:
        where = f'observation {mine.name}'
        if mine.quantity in PER_JOINT:
            found += [f'{where}: the robot has no joint {name}' for name in mine.joints
                      if name not in robot.joint_names]
        elif mine.quantity != 'last_action':
            term = there.get(mine.quantity)
            if term is None:
                found.append(f'{where}: the task does not observe {mine.quantity}, it has '
                             f'{", ".join(there)}')
            elif (mine.size, mine.unit) != (term.size, term.unit):
                found.append(f'{where}: {mine.size} numbers in {mine.unit} for the policy, '
                             f'{term.size} in {term.unit} for the task')
        elif mine.size != len(policy.action.joints):
            found.append(f'{where}: the last action has {len(policy.action.joints)} numbers, the '
                         f'policy wants {mine.size}')
    wanted, has = [t.quantity for t in policy.observation], list(there)
    if policy.native and not found and wanted != has:
        found.append(f'observation: {" ".join(wanted)} for the policy, {" ".join(has)} for the '
                     'task')
    return found


def remarks(policy: PolicyDescription, robot: RobotSpec, margins: Margins) -> tuple[str, ...]:
    """Say what else differs: the robot's name, and the safety filter it was trained behind."""
    found = []
    if policy.robot != robot.name:
        found.append(f'robot: trained on {policy.robot}, runs on {robot.name}')
    for trained in policy.margins:
        found += [f'safety.{name}: trained behind {getattr(trained, name)}, runs behind '
                  f'{getattr(margins, name)}'
                  for name in Margins.__dataclass_fields__
                  if getattr(trained, name) != getattr(margins, name)]
    return tuple(found)
