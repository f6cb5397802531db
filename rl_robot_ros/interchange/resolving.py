"""From a mapping, a model and a robot to a contract in which nothing is left to guess."""

from __future__ import annotations

from collections.abc import Sequence

from rl_robot_ros.core.compatibility import differences
from rl_robot_ros.core.compatibility import same
from rl_robot_ros.core.description import Acted
from rl_robot_ros.core.description import FORMAT
from rl_robot_ros.core.description import joints_of
from rl_robot_ros.core.description import Normalised
from rl_robot_ros.core.description import Observed
from rl_robot_ros.core.description import PER_JOINT
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.description import Pursued
from rl_robot_ros.core.network import IMPORTED
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Term
from rl_robot_ros.interchange.mapping import Mapping
from rl_robot_ros.interchange.mapping import Numbers
from rl_robot_ros.interchange.mapping import numbers_of
from rl_robot_ros.interchange.mapping import TermMapping
from rl_robot_ros.interchange.metadata import contradiction
from rl_robot_ros.interchange.metadata import Metadata
from rl_robot_ros.interchange.metadata import order_problem

# Quantities of walking robots; no robot here has a base that moves.
OF_A_BASE = ('base_lin_vel', 'base_ang_vel', 'projected_gravity', 'gravity', 'height_scan',
             'root_lin_vel', 'root_ang_vel', 'root_quat', 'imu')


def resolve_mapping(mapping: Mapping, metadata: Metadata, sizes: tuple[int, int],
                    robot: RobotSpec, task: Task, units: tuple[str, ...]) -> PolicyDescription:
    """
    Put everything together and check it against the robot.

    :param sizes: numbers in and out of the model.
    :param units: rad or m per actuated joint.
    :raises ValueError: something is missing, contradictory or does not fit; says what.
    """
    _check_time(mapping, metadata, robot)
    joints = mapping.action.joints or metadata.joint_names
    _check_names(mapping, joints, robot)
    action = _action(mapping, metadata, joints)
    named = metadata.observation_names
    if named and len(named) != len(mapping.observation):
        raise ValueError(f'observation: {len(mapping.observation)} terms in the mapping, the '
                         f'metadata of the model has {len(named)}: {", ".join(named)[:500]}')
    terms = tuple(_term(term, named[i] if named else '', metadata, joints, task)
                  for i, term in enumerate(mapping.observation))
    observations = sum(term.size for term in task.observation_terms)
    result = PolicyDescription(
        FORMAT, robot.name, type(task).__name__,
        f'{IMPORTED} {observations}-{len(robot.actuated)} onnx', joints_of(robot, units),
        robot.control_period, mapping.dt, mapping.gravity_compensated, terms, action,
        Normalised(), Pursued(task.goal.kind, task.goal.size, task.goal.frame_id), (),
        mapping.output)
    result.check()
    problems = [*differences(result, robot, task, units), *_limit_problems(result, robot)]
    if result.input_size != sizes[0]:
        parts = ', '.join(f'{term.name} {term.size * term.history}' for term in terms)
        problems.append(f'observation: the mapping makes {result.input_size} numbers ({parts}), '
                        f'the model takes {sizes[0]}')
    if len(action.joints) != sizes[1]:
        problems.append(f'action: the mapping names {len(action.joints)} joints, the model gives '
                        f'{sizes[1]} numbers')
    if problems:
        raise ValueError('; '.join(problems))
    return result


def _check_time(mapping: Mapping, metadata: Metadata, robot: RobotSpec) -> None:
    for dt, who in ((mapping.dt, 'mapping'), *((dt, 'metadata') for dt in metadata.dt)):
        if not same(dt, robot.decision_period):
            raise ValueError(f'dt: {dt:g} s in the {who}, {robot.name} decides every '
                             f'{robot.decision_period:g} s (decision_periods = '
                             f'{robot.decision_periods} control periods of '
                             f'{robot.control_period:g} s)')


def _check_names(mapping: Mapping, joints: Sequence[str], robot: RobotSpec) -> None:
    """Say which joints are missing or unknown before anything is said about their numbers."""
    if not joints:
        raise ValueError('action.joints is missing, in the mapping and in the metadata of the '
                         'model')
    problems = [f'action: motor {name} of {robot.name} gets none' for name in robot.actuated
                if name not in joints]
    problems += [f'action: {robot.name} has no motor {name}' for name in joints
                 if name not in robot.actuated]
    problems += [f'observation {term.name or term.quantity}: {robot.name} has no joint {name}'
                 for term in mapping.observation for name in term.joints
                 if name not in robot.joint_names]
    if problems:
        raise ValueError('; '.join(problems)[:2000])


def _pick(given: object, stored: Numbers, default: float | None, names: Sequence[str],
          where: str) -> Numbers:
    """Return what the mapping gives, else what the model says, else the default."""
    if given is None:
        if stored:
            return stored
        if default is None:
            raise ValueError(f'{where} is missing, in the mapping and in the metadata of the '
                             'model')
        return (default,) * len(names)
    numbers = numbers_of(given, names, where)
    problem = contradiction(names, numbers, stored, where)
    if problem:
        raise ValueError(problem)
    return numbers


def _action(mapping: Mapping, metadata: Metadata, joints: tuple[str, ...]) -> Acted:
    action = mapping.action
    if action.kind not in ('effort', 'position'):
        raise ValueError(f'action.kind: got {action.kind[:100]!r}, allowed are effort, position')
    problem = order_problem(joints, metadata, 'action')
    if problem:
        raise ValueError(problem)
    steered = action.kind == 'position'
    if not steered:
        extra = [name for name in ('stiffness', 'damping', 'effort_limit')
                 if getattr(action, name) is not None]
        if extra:
            raise ValueError(f'action.{extra[0]}: kind effort has none, kind position does')
        if not action.clip:
            raise ValueError('action.clip is missing: low and high of the output, so that the '
                             'largest effort is known; [-1, 1] for Stable-Baselines3')

    def pick(given: object, name: str, default: float | None, field: str) -> Numbers:
        return _pick(given, metadata.of_joints(name, joints) if name else (), default, joints,
                     f'action.{field}')
    return Acted(
        action.kind, joints, pick(action.scale, 'action_scale', None, 'scale'),
        pick(action.offset, 'default_joint_pos' if steered else '', None if steered else 0.0,
             'offset'),
        action.clip,
        *((pick(action.stiffness, 'joint_stiffness', None, 'stiffness'),
           pick(action.damping, 'joint_damping', None, 'damping'),
           pick(action.effort_limit, '', None, 'effort_limit')) if steered else ()))


def _term(term: TermMapping, named: str, metadata: Metadata, acting: tuple[str, ...],
          task: Task) -> Observed:
    """Fill in one observation term."""
    quantity, name = term.quantity, term.name or named or term.quantity
    where = f'observation {name[:100]}'
    if named and term.name not in ('', named):
        raise ValueError(f'{where}: the metadata of the model calls the term at this place '
                         f'{named[:100]}')
    if quantity in OF_A_BASE:
        raise ValueError(f'{where}: {quantity} is of a base that moves, and no robot here has one')
    if quantity not in (*PER_JOINT, 'last_action'):
        return _task_term(term, name, task)
    joints = term.joints or (acting if quantity == 'last_action'
                             else metadata.joint_names or acting)
    problem = order_problem(joints, metadata, where)
    if problem:
        raise ValueError(problem)
    if quantity == 'last_action' and joints != acting:
        raise ValueError(f'{where}: joints must be those of the action, in their order: '
                         f'{", ".join(acting)[:500]}')
    pose = metadata.of_joints('default_joint_pos', joints) if quantity == 'position' else ()
    return Observed(name, quantity, len(joints), {'position': 'rad or m',
                                                  'velocity': 'rad/s or m/s'}.get(quantity, '1'),
                    joints, _pick(term.offset, pose, 0.0, joints, f'{where}: offset'),
                    _pick(term.scale, (), 1.0, joints, f'{where}: scale'), term.clip,
                    term.history)


def _task_term(term: TermMapping, name: str, task: Task) -> Observed:
    there: dict[str, Term] = {f'task.{each.name}': each for each in task.observation_terms}
    where = f'observation {name[:100]}'
    found = there.get(term.quantity)
    if found is None:
        raise ValueError(f'{where}: quantity {term.quantity[:100]!r}, allowed are '
                         f'{", ".join([*PER_JOINT, "last_action", *there])}')
    if term.joints:
        raise ValueError(f'{where}: a term of the task has no joints to choose')
    numbers = [f'number {i + 1}' for i in range(found.size)]
    return Observed(name, term.quantity, found.size, found.unit, (),
                    _pick(term.offset, (), 0.0, numbers, f'{where}: offset'),
                    _pick(term.scale, (), 1.0, numbers, f'{where}: scale'), term.clip,
                    term.history)


def _limit_problems(policy: PolicyDescription, robot: RobotSpec) -> list[str]:
    """Name the joints whose efforts or rest position go beyond the limits of the robot."""
    found, action = [], policy.action
    for i, name in enumerate(action.joints):
        if name not in robot.actuated:
            continue
        at = robot.actuated.index(name)
        limit = robot.effort_limit[at]
        if action.kind == 'effort':
            most = max(abs(action.offset[i] + action.scale[i] * y) for y in action.clip)
            if not most <= limit * (1.0 + 1e-6):
                found.append(f'action of {name}: efforts up to {most:g}, the limit of '
                             f'{robot.name} is {limit:g} N m or N')
        else:
            if not action.effort_limit[i] <= limit * (1.0 + 1e-6):
                found.append(f'action of {name}: effort_limit {action.effort_limit[i]:g}, that of '
                             f'{robot.name} is {limit:g} N m or N')
            low, high = robot.position_lower[at], robot.position_upper[at]
            if not low <= action.offset[i] <= high:
                found.append(f'action of {name}: output 0 is position {action.offset[i]:g}, the '
                             f'limits of {robot.name} are {low:g} to {high:g} rad or m')
    return found
