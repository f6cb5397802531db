"""
The contract of a policy in full: everything one must know to run it on a robot.

It travels inside policy files and ONNX files, as one line of JSON.  Joints are named wherever a
number belongs to one: an order that differs is seen, not felt.  `core.compatibility` compares it
with a robot and a task.

The input of the policy is its observation terms one after another.  A number of a term is::

    clip((quantity - offset), low, high) * scale

and a term with a history of n is its last n values, oldest first, at an episode's start n times
the first one.  Quantities are

===================== =========================================================================
quantity              meaning
===================== =========================================================================
``position``          joint positions [rad or m], one per name in `joints`
``velocity``          joint velocities [rad/s or m/s], one per name in `joints`
``last_action``       what the policy itself put out one decision ago, clipped but not scaled;
                      zeros at the start of an episode
``task.<term>``       an observation term of the task, such as ``task.target``
===================== =========================================================================

Its output y, clipped to `clip`, is per name in `joints`

============ ==================================================================================
kind         meaning
============ ==================================================================================
``effort``   effort [N m or N] on top of gravity compensation: ``offset + scale * y``, held for
             one decision period
``position`` target [rad or m]: ``offset + scale * y``; at every control state the effort is
             ``stiffness * (target - position) - damping * velocity``, within `effort_limit`
``choice``   an index: row of `efforts`, normalised; times `scale` it is an effort
============ ==================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace
import math

from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.network import IMPORTED
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import OBSERVATION_CLIP
from rl_robot_ros.core.records import from_json
from rl_robot_ros.core.records import to_json
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector

FORMAT = 'rl_robot_ros policy contract 1'
ACTIONS = ('effort', 'position', 'choice')
PER_JOINT = ('position', 'velocity')  # quantities with one number per named joint


@dataclass(frozen=True)
class Joint:
    """One motor: SI units; no position limits where it turns for ever."""

    name: str
    unit: str  # of its position: rad or m
    position: tuple[float, ...]  # lower, upper; empty where it is continuous
    velocity: float
    effort: float


@dataclass(frozen=True)
class Observed:
    """One observation term, see the module docstring."""

    name: str  # what its trainer calls it
    quantity: str
    size: int  # numbers in one step of its history
    unit: str
    joints: tuple[str, ...] = ()
    offset: tuple[float, ...] = ()  # one per number; empty: 0
    scale: tuple[float, ...] = ()  # one per number; empty: 1
    clip: tuple[float, ...] = ()  # low, high; empty: not clipped
    history: int = 1  # decisions


@dataclass(frozen=True)
class Acted:
    """What the output means, see the module docstring; one number per joint."""

    kind: str
    joints: tuple[str, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    clip: tuple[float, ...] = ()  # low, high of the raw output; empty: not clipped
    stiffness: tuple[float, ...] = ()  # [N m/rad or N/m]
    damping: tuple[float, ...] = ()  # [N m s/rad or N s/m]
    effort_limit: tuple[float, ...] = ()  # [N m or N] of the position controller
    efforts: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True)
class Normalised:
    """The observation x becomes ``clip((x - mean) * inverse_std, -clip, clip)``; empty: as is."""

    mean: tuple[float, ...] = ()
    inverse_std: tuple[float, ...] = ()
    clip: float = 0.0


@dataclass(frozen=True)
class Pursued:
    """The kind of goal that the task takes."""

    kind: str
    size: int
    frame_id: str


@dataclass(frozen=True)
class Margins:
    """The safety filter it was trained behind: those of `SafetyConfig` that shape what it does."""

    mode: str
    position_margin: float  # [rad or m]
    velocity_margin: float
    velocity_scale: float
    effort_reserve: float


@dataclass(frozen=True)
class PolicyDescription:
    """
    See the module docstring.

    :param robot: name of the datasheet.
    :param task: name of its class.
    :param network: see `core.network`.
    :param joints: motors, in the order of the robot's effort vector.
    :param control_period: [s] between two joint states.
    :param decision_period: [s] between two actions.
    :param gravity_compensated: whether the robot's own controller compensates gravity.
    :param margins: empty where nobody said so, else one.
    :param output: of a model with several outputs, the one that is the action.
    """

    format: str  # noqa: A003
    robot: str
    task: str
    network: str
    joints: tuple[Joint, ...]
    control_period: float
    decision_period: float
    gravity_compensated: bool
    observation: tuple[Observed, ...]
    action: Acted
    normaliser: Normalised
    goal: Pursued
    margins: tuple[Margins, ...] = ()
    output: str = ''

    @classmethod
    def of(cls, contract: PolicyContract, robot: RobotSpec, task: Task, units: tuple[str, ...],
           margins: tuple[Margins, ...] = ()) -> PolicyDescription:
        """
        Describe a policy that was trained here.

        :param units: rad or m per actuated joint.
        """
        scale = tuple(robot.action_to_effort.tolist())
        squashed = NetworkSpec.parse(contract.network).kind in ('squashed_gaussian',
                                                                'deterministic')
        action = Acted('choice' if contract.efforts else 'effort', contract.joints, scale,
                       (0.0,) * len(scale), clip=(-1.0, 1.0) if squashed else (),
                       efforts=contract.efforts)
        # A schema names terms and their sizes; the task knows their units too.
        terms = tuple(Observed(term.name, f'task.{term.name}', term.size, term.unit)
                      for term in task.observation_terms)
        return cls(FORMAT, robot.name, type(task).__name__, contract.network,
                   joints_of(robot, units), robot.control_period, robot.decision_period,
                   robot.gravity_compensated, terms, action, Normalised(),
                   Pursued(task.goal.kind, task.goal.size, task.goal.frame_id), margins)

    def with_normaliser(self, weights: Vector) -> PolicyDescription:
        """Return the same with the normaliser of flat weights, see `core.network`."""
        spec = NetworkSpec.parse(self.network)
        if spec.kind in (IMPORTED, 'table'):  # inside, or no normaliser but bins
            return self
        n = spec.observation_size
        return replace(self, normaliser=Normalised(
            tuple(weights[:n].tolist()), tuple(weights[n:2 * n].tolist()), OBSERVATION_CLIP))

    @property
    def native(self) -> bool:
        """Whether it was trained here, on the task's own observation."""
        return NetworkSpec.parse(self.network).kind != IMPORTED

    @property
    def input_size(self) -> int:
        """Numbers in one input of the network."""
        return sum(term.size * term.history for term in self.observation)

    def to_json(self) -> str:
        """Return it as one line of JSON."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> PolicyDescription:
        """
        Read it.

        :raises ValueError: says what is wrong with it, and where.
        """
        try:
            result = from_json(cls, text)
            result.check()
        except ValueError as error:
            raise ValueError(f'policy contract: {error}') from None
        return result

    def check(self) -> None:
        """Raise ValueError where the parts do not agree with each other."""
        if self.format != FORMAT:
            raise ValueError(f'format: have {FORMAT!r}, got {self.format!r}')
        NetworkSpec.parse(self.network)
        names = [joint.name for joint in self.joints]
        if not names or len(set(names)) != len(names):
            raise ValueError(f'joints: needs one or more with different names, got {names}')
        if not 0.0 < self.control_period <= self.decision_period < math.inf:
            raise ValueError(f'control_period: got {self.control_period} s, decisions are '
                             f'{self.decision_period} s apart')
        for term in self.observation:
            _check_term(term)
        _check_action(self.action)


def joints_of(robot: RobotSpec, units: tuple[str, ...]) -> tuple[Joint, ...]:
    """
    Return the motors of a robot.

    :param units: rad or m per actuated joint.
    """
    return tuple(
        Joint(name, units[i], (lower, upper) if math.isfinite(upper - lower) else (),
              robot.velocity_limit[i], robot.effort_limit[i])
        for i, (name, lower, upper) in enumerate(zip(robot.actuated, robot.position_lower,
                                                     robot.position_upper)))


def _check_term(term: Observed) -> None:
    where = f'observation {term.name}'
    if not 1 <= term.size <= 10_000 or not 1 <= term.history <= 1000:
        raise ValueError(f'{where}: size {term.size} and history {term.history} must be positive, '
                         'at most 10000 and 1000')
    if term.quantity in PER_JOINT and (len(term.joints) != term.size
                                       or len(set(term.joints)) != term.size):
        raise ValueError(f'{where}: {term.size} numbers need as many different joints, got '
                         f'{", ".join(term.joints)}')
    for name in ('offset', 'scale'):
        if len(getattr(term, name)) not in (0, term.size):
            raise ValueError(f'{where}: {name} has {len(getattr(term, name))} numbers, needs '
                             f'{term.size}')
    _check_clip(term.clip, where)


def _check_action(action: Acted) -> None:
    if action.kind not in ACTIONS:
        raise ValueError(f'action.kind: got {action.kind!r}, allowed are {", ".join(ACTIONS)}')
    if len(set(action.joints)) != len(action.joints):
        raise ValueError(f'action.joints: a name is there twice in {", ".join(action.joints)}')
    steered = action.kind == 'position'
    for name in ('scale', 'offset', 'stiffness', 'damping', 'effort_limit'):
        wanted = len(action.joints) if name in ('scale', 'offset') or steered else 0
        if len(getattr(action, name)) != wanted:
            raise ValueError(f'action.{name}: {action.kind} needs {wanted} numbers, got '
                             f'{len(getattr(action, name))}')
    for name in ('stiffness', 'damping', 'effort_limit'):
        for joint, value in zip(action.joints, getattr(action, name)):
            if not value >= 0.0:
                raise ValueError(f'action.{name}: {joint} has {value}, must not be negative')
    if bool(action.efforts) != (action.kind == 'choice') \
            or any(len(row) != len(action.joints) for row in action.efforts):
        raise ValueError('action.efforts: a choice needs rows with one number per joint, another '
                         'kind none')
    _check_clip(action.clip, 'action')


def _check_clip(clip: tuple[float, ...], where: str) -> None:
    if clip and not (len(clip) == 2 and clip[0] < clip[1]):
        raise ValueError(f'{where}: clip must be low, high, got {list(clip)}')
