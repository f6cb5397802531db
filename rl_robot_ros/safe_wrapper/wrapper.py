"""The wrapper: one decision between policy and fallback per step."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
import math
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs
import numpy as np
from numpy.typing import ArrayLike
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.safe_wrapper.actions import Actions
from rl_robot_ros.safe_wrapper.constraints import JointConstraint
from rl_robot_ros.safe_wrapper.constraints import KeepInside
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.hold import ControlledStop
from rl_robot_ros.safety.intake import COUNTERS
from rl_robot_ros.safety.intake import RequestIntake
from rl_robot_ros.safety.state_machine import Phase
from rl_robot_ros.safety.state_machine import StateMachine

Fallback = str | Callable[[Any], Any] | ArrayLike

FALLBACKS = ('brake', 'hold', 'last_safe')
REPEATS = 3  # steps, then the fallback acts


class SafeWrapper(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """
    See the package docstring.

    ================ ==============================================================================
    key of `info`    meaning
    ================ ==============================================================================
    ``safety``       a dictionary: ``phase`` of the state machine, ``reason`` (empty where nothing
                     was changed), ``source`` of the action (policy, fallback, hold or stop),
                     ``latched``, and ``violated``: names of each `KeepInside` out of its bounds
    ``filtered``     whether the environment was given something else than was asked for
    ``intervention`` applied minus requested action, shape of the action; of choices, 1 for another
                     one and 0 for the same; 0 where the request was no action at all
    ================ ==============================================================================

    Where the environment reports ``filtered`` and ``intervention`` itself, as `RobotEnv` does,
    flags are joined, and interventions of one shape added.  A latched trip does not end the
    episode.

    :param env: its actions are a `Box` of floats, or `Discrete` (then without `JointConstraint`).
    :param constraints: at most one `JointConstraint`, and any number of `KeepInside`.
    :param fallback: brake, hold, last_safe, a function of the observation, or an action.
    :param latch: whether a violation, or the loss of good actions, lasts until `reset`; if not,
        the policy goes on as soon as every constraint holds, and after a loss with the next good
        action (with a `JointConstraint`, once the joints stand).  A fault of the filter always
        lasts until `reset`.
    :param intervention_penalty: the reward is lowered by this times the squared length of what
        this wrapper intervened.
    :raises ValueError: the parts do not fit together.
    """

    def __init__(self, env: gymnasium.Env[Any, Any],
                 constraints: Sequence[JointConstraint | KeepInside],
                 fallback: Fallback = 'brake', *, latch: bool = False,
                 intervention_penalty: float = 0.0) -> None:
        # So that the spec can make such an environment again; a constraint may hold the whole
        # environment, which is not for copying.
        RecordConstructorArgs.__init__(
            self, _disable_deepcopy=True, constraints=constraints, fallback=fallback, latch=latch,
            intervention_penalty=intervention_penalty)
        gymnasium.Wrapper.__init__(self, env)
        joints = [item for item in constraints if isinstance(item, JointConstraint)]
        self.predicates = [item for item in constraints if isinstance(item, KeepInside)]
        if not constraints or len(joints) > 1:
            raise ValueError(f'constraints hold {len(joints)} JointConstraint and '
                             f'{len(self.predicates)} KeepInside; give at least one of them, and '
                             'at most one JointConstraint')
        if not 0.0 <= intervention_penalty < math.inf:
            raise ValueError(f'intervention_penalty is {intervention_penalty}, must be finite '
                             'and >= 0')
        self.latch = latch
        self.intervention_penalty = intervention_penalty
        self.joints = joints[0] if joints else None
        self.filter: SafetyFilter | None = None
        self._actions = Actions(self.action_space)
        if self.joints is not None:
            self._build_filter(self.joints)
        self._machine = StateMachine(0.0, 0.0, 1.0, resume_after_loss=not latch)
        self._intake = RequestIntake(self._actions.size, REPEATS + 1.0, 1.0, REPEATS + 1,
                                     dict.fromkeys(COUNTERS, 0))
        self._mode, self._fallback = self._checked(fallback)
        self._begin()

    def _build_filter(self, joints: JointConstraint) -> None:
        """Make the filter, and what is between its efforts and actions."""
        names, space = joints.limits.joints, self._actions.space
        if self._actions.discrete or self._actions.size != len(names):
            raise ValueError(f'JointConstraint limits {", ".join(names)}, so an action must be '
                             f'{len(names)} efforts, but the action space is {space}')
        self._scale = np.array(joints.scale, dtype=np.float64) * np.ones(len(names))
        if not (np.isfinite(self._scale) & (self._scale != 0.0)).all():
            raise ValueError(f'scale is {joints.scale}, must be finite and not 0')
        most = np.abs(self._scale) * np.minimum(space.high, 0.0 - space.low).ravel()
        for name, effort, possible in zip(names, joints.limits.effort, most):
            if not effort <= possible * (1.0 + 1e-6):  # bounds may be float32
                raise ValueError(f'{name}: limits.effort is {effort}, but at this scale the '
                                 f'action space gives only {possible:g} both ways; lower it')
        config = replace(joints.config, resume_after_loss=not self.latch)
        self.filter = SafetyFilter(joints.robot(), joints.limits, config)
        self._stand = ControlledStop(joints.robot(), joints.limits, config,
                                     np.array(joints.braking_acceleration))

    def _checked(self, fallback: Fallback) -> tuple[str, Any]:
        """Return the kind of a fallback that can act in this environment, and the fallback."""
        if isinstance(fallback, str):
            if fallback not in FALLBACKS:
                raise ValueError(f'fallback is {fallback!r}, allowed are {", ".join(FALLBACKS)}, '
                                 'a function of the observation, or an action')
            if fallback != 'last_safe' and self.filter is None:
                raise ValueError(f'fallback {fallback!r} needs a JointConstraint, which says '
                                 'where the joints are; give one, or another fallback')
            return fallback, None
        if callable(fallback):
            return 'function', fallback
        action, refusal = self._actions.read(fallback)
        if refusal:
            raise ValueError(f'fallback: {refusal}')
        return 'action', action

    # -- episodes ------------------------------------------------------------------------------

    def reset(self, *, seed: int | None = None,
              options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """
        Start an episode with nothing latched, see `gymnasium.Env.reset`.

        :raises ValueError: the observation has not one position and velocity per joint.
        """
        observation, info = self.env.reset(seed=seed, options=options)
        self._begin()
        self._observe(observation, info)
        if self.joints is not None:
            for name, values in zip(('position', 'velocity'), self._state):
                if values.shape != self._scale.shape:
                    raise ValueError(f'JointConstraint.{name} finds shape {values.shape} in the '
                                     'observation, needs one value for each of '
                                     + ', '.join(self.joints.limits.joints))
            self._safe_position = self._state[0]
        info['safety'] = self._safety('', self._why)
        return observation, info

    def _begin(self) -> None:
        """Forget the last episode, and what tripped in it."""
        self._why = ''  # what calls for the fallback
        self._violated: tuple[str, ...] = ()
        self._accepted: Any = None
        self._last_safe = self._actions.neutral()
        self._state: tuple[Any, Any] = (None, None)
        self._machine.reset()
        self._machine.configured()
        self._machine.request()
        self._intake.begin()
        if self.filter is not None:
            self.filter.begin_episode()
            self.filter.reset()
            self._stand.release()
            self._fell_back = False

    def _observe(self, observation: Any, info: dict[str, Any]) -> None:
        """Look at joints and constraints."""
        self._observation = observation
        if self.joints is not None:
            self._state = self.joints.read(observation)
        judged = [(item.name, *item.judge(observation, info)) for item in self.predicates]
        self._violated = tuple(name for name, violated, _ in judged if violated)
        self._why = '; '.join(why for _, _, why in judged if why)

    def _safety(self, source: str, reason: str) -> dict[str, Any]:
        """Report; a fault or a stop of the filter is graver than what called for the fallback."""
        own, inner = self._machine, self.filter
        if inner is not None and inner.phase in (Phase.FAULT, Phase.STOP):
            phase, reason = inner.phase, inner.reason
        else:
            phase = own.phase if own.stopping or inner is None else inner.phase
            reason = own.reason or reason
        return {'phase': phase.value, 'reason': reason, 'source': source,
                'latched': own.latched or (inner is not None and inner.latched),
                'violated': self._violated}

    # -- steps ---------------------------------------------------------------------------------

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Act with what the constraints leave of `action`, see `gymnasium.Env.step`."""
        asked, refusal = self._actions.read(action)
        if not self._why:
            self._machine.arrived()
        elif self.latch:
            self._machine.fault(self._why)
        else:
            self._machine.lose_request(self._why)
        applied, source, reason = (self._choose(asked) if self.filter is None
                                   else self._filtered(self.filter, asked))
        if source in ('policy', 'fallback'):
            reason = refusal or reason
        observation, reward, terminated, truncated, info = self.env.step(copy(applied))
        self._observe(observation, info)
        if not self._why:
            self._last_safe = applied
            if self.filter is not None:
                self._safe_position = self._state[0]
        intervention = self._actions.difference(applied, asked)
        reward = float(reward)
        if self.intervention_penalty:
            reward -= self.intervention_penalty * float(np.sum(np.square(intervention)))
        info['safety'] = self._safety(source, reason)
        info['filtered'] = applied is not asked or bool(info.get('filtered', False))
        if 'intervention' in info and np.shape(info['intervention']) == intervention.shape:
            intervention = intervention + info['intervention']
        info['intervention'] = intervention
        return observation, reward, terminated, truncated, info

    def _choose(self, asked: Any) -> tuple[Any, str, str]:
        """Return the action, its source and a reason, where no filter stands in between."""
        machine, intake = self._machine, self._intake
        if not self._why:
            flat = np.ravel(np.full(self._actions.shape, math.nan) if asked is None else asked)
            source = intake.take(flat, None, machine.phase is Phase.ACTIVE, 1)
            if intake.loss:
                machine.lose_request(intake.loss)
            if asked is not None:
                self._accepted = asked
            if source and machine.request():
                return self._accepted, 'policy', ''
        return self._fallback_action(), 'fallback', ''

    def _filtered(self, inner: SafetyFilter, asked: Any) -> tuple[Any, str, str]:
        """Return the same where the filter has the last word."""
        request: Vector | None
        follow = not self._why and self._machine.request()
        if follow:
            if self._fell_back and inner.phase in (Phase.BRAKING, Phase.HOLD):
                inner.reset()
            self._fell_back = False
            self._stand.release()
            wanted, request = asked, self._effort(asked)
        else:
            self._fell_back = True
            wanted, request = self._fallback_effort(inner)
        verdict = inner.step(*self._state, request)
        source = 'fallback' if verdict.source == 'policy' and not follow else verdict.source
        if wanted is not None and not verdict.filtered:
            return wanted, source, ''
        return self._actions.from_vector(verdict.effort / self._scale), source, verdict.reason

    def _effort(self, action: Any) -> Vector:
        """Return the effort of an action; NaN, which the filter refuses, where there is none."""
        if action is None:
            return np.full_like(self._scale, math.nan)
        with np.errstate(over='ignore'):
            return np.ravel(action) * self._scale

    def _fallback_effort(self, inner: SafetyFilter) -> tuple[Any, Vector | None]:
        """Return what the fallback asks of the filter: the action, if any, and its effort."""
        if self._mode == 'brake':
            inner.request_lost(self._machine.reason)
            return None, None
        if self._mode == 'hold':
            if not all(values.shape == self._scale.shape and np.isfinite(values).all()
                       for values in self._state):
                return None, None  # the filter knows what to do without a state
            if not self._stand.engaged:  # its reference stands there from the start
                self._stand.effort(self._safe_position, np.zeros_like(self._scale))
            return None, self._stand.effort(*self._state).copy()
        action = self._fallback_action()
        return action, self._effort(action)

    def _fallback_action(self) -> Any:
        action = None
        if self._mode == 'function':
            action, _ = self._actions.read(self._fallback(self._observation))
        elif self._mode == 'action':
            action = self._fallback
        return self._last_safe if action is None else action
