"""
The same robot, task, filter and rows in one process, as a Gymnasium environment.

One `step` is one decision period: the action is held, the safety filter is asked once per control
period, and the reward is the mean over the control states, exactly as on the ROS graph.  Use it to
train without ROS, to try another library's algorithms, and in tests::

    env = RobotEnv.make('arm7', 'reach')
    observation, info = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(env.action_space.sample())

`info` holds ``success``, ``intervened``, ``filtered``, each reward term as ``terms.<name>``, and
``intervention``: applied minus requested normalised effort per motor, mean over the decision's
states, exactly 0 where nothing was changed.  The complete experience row is ``env.row``.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any
from typing import ClassVar

import gymnasium
import numpy as np
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.own_limits import own_limits
from rl_robot_ros.robots.dynamics import dynamics_of
from rl_robot_ros.robots.geometry import MujocoGeometry
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.sim.world import World


def make_task(robot: RobotSpec, name: str, parameters: Mapping[str, Any] | None = None,
              presets: tuple[str, ...] = ()) -> Task:
    """
    Build a task by name.

    :param parameters: flat parameters; those that begin with ``task.`` are used.
    :param presets: names of presets, see `PRESETS` of the task.
    :raises ValueError: unknown task or parameter.
    """
    cls = resolve('task', name)
    config = resolve_config(cls.Config, parameters or {}, 'task.', cls.PRESETS, presets)
    return cls(robot, config)


@lru_cache(maxsize=16)
def _certificate(robot: RobotSpec, limits: JointLimits, config: SafetyConfig
                 ) -> Certificate | None:
    """Compute a certificate once, however many environments there are."""
    return SafetyFilter(robot, limits, config,
                        dynamics=dynamics_of(robot, config.payload)).certificate


def make_filter(robot: RobotSpec, config: SafetyConfig,
                collision: CollisionConfig = CollisionConfig(),
                limits: JointLimits | None = None) -> SafetyFilter:
    """
    Build the filter that the graph's `safety_filter` builds, for answers without delay.

    :param limits: tightened limits, those of the robot's own files where None.
    :raises ValueError: a bad option, or limits that cannot be certified.
    """
    limits = own_limits(robot) if limits is None else limits
    result = SafetyFilter(robot, limits, config, dynamics=dynamics_of(robot, config.payload),
                          certificate=_certificate(robot, limits, config),
                          geometry=MujocoGeometry(robot) if collision.enabled else None,
                          collision=collision)
    result.set_lockstep(True)
    return result


class RobotEnv(gymnasium.Env[Vector, Vector]):
    """
    See the module docstring.

    :param robot: datasheet.
    :param task: what to do with it.
    :param extra: extra row columns of the algorithm, see `RowLayout`.
    :param efforts: normalised effort set for discrete actions, shape (choices, n_actuated); rows
        then have the extra column ``effort`` too.
    :param safety: configuration of the safety filter; start hold and fade-in are left out.
    :param collision: configuration of its collision limit, which is off by default.
    :param limits: tightened limits, those of the robot's own files where None.
    :param evaluation: episodes of full length, rows marked as evaluation.
    """

    metadata: ClassVar[dict[str, Any]] = {'render_modes': ['rgb_array'], 'render_fps': 50}

    def __init__(self, robot: RobotSpec, task: Task, *, extra: tuple[Term, ...] = (),
                 efforts: tuple[tuple[float, ...], ...] = (),
                 safety: SafetyConfig = SafetyConfig(),
                 collision: CollisionConfig = CollisionConfig(),
                 limits: JointLimits | None = None, evaluation: bool = False,
                 render_mode: str | None = None) -> None:
        self.robot = robot
        self.task = task
        self.world = World(robot)
        # The robot is put at rest and known to be: nothing to wait for before the first request,
        # and every seeded episode is the same whatever came before it.
        self.filter = make_filter(robot, replace(safety, start_hold=0.0, fade_in=0.0), collision,
                                  limits)
        self.efforts = np.array(efforts)
        self.evaluation = evaluation
        self.render_mode = render_mode
        self.metadata = {**self.metadata, 'render_fps': round(1.0 / robot.decision_period)}
        size = sum(term.size for term in task.observation_terms)
        actions = 1 if efforts else len(robot.actuated)
        if efforts and 'effort' not in [term.name for term in extra]:
            extra = (*extra, Term('effort', len(robot.actuated)))
        self.layout = RowLayout(size, actions, task.reward_terms, extra)
        self.recorder = Recorder(task, self.layout, robot.decision_periods, bool(efforts))
        self.recorder.max_steps = (task.max_episode_steps if evaluation
                                   else task.train_episode_steps)
        self.row: Vector = np.zeros(self.layout.width)
        self.epoch = 0
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float64)
        self.action_space: gymnasium.Space[Any] = (
            gymnasium.spaces.Discrete(len(efforts)) if efforts
            else gymnasium.spaces.Box(-1.0, 1.0, (actions,), np.float64))
        self._control_steps = 0
        self._renderer: Any = None

    @classmethod
    def make(cls, robot: str, task: str, parameters: Mapping[str, Any] | None = None,
             presets: tuple[str, ...] = (), **options: Any) -> RobotEnv:
        """
        Build by names, as ``rl-robot train`` does.

        :param parameters: flat parameters of task, safety and collision filter, and
            `filter.joint_limits_file`.
        :raises ValueError: unknown robot, task or parameter, or limits that do not fit.
        :raises FileNotFoundError: there is no such file of limits.
        """
        spec = resolve('robot', robot)
        safety = resolve_config(SafetyConfig, parameters or {}, 'safety.')
        collision = resolve_config(CollisionConfig, parameters or {}, 'collision.')
        return cls(spec, make_task(spec, task, parameters, presets), safety=safety,
                   collision=collision, **options, limits=own_limits(
                       spec, (parameters or {}).get('filter.joint_limits_file', '')))

    def reset(self, *, seed: int | None = None,
              options: dict[str, Any] | None = None) -> tuple[Vector, dict[str, Any]]:
        """
        Start an episode.

        :param options: may hold ``goal``, a goal to use instead of a random one.
        """
        super().reset(seed=seed)
        position, velocity = self.task.initial_state(self.np_random)
        goal = self.task.sample_goal(self.np_random)
        if options and 'goal' in options:
            goal = np.array(options['goal'], dtype=np.float64)
        self.goal = goal
        self.world.reset(position, velocity)
        self.filter.begin_episode()
        if self.filter.latched:
            self.filter.reset()
        return self.recorder.begin(goal, position, velocity).copy(), {'goal': goal.copy()}

    def step(self, action: Any) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Hold `action` for one decision period, see `gymnasium.Env.step`."""
        return self.step_with(action, {}, 0)

    def step_with(self, action: Any, extra: dict[str, float], version: int,
                  follow: Callable[[Vector, Vector], Vector] | None = None,
                  ) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """
        Hold `action`, with the extra columns and the weights version of its row.

        :param action: normalised effort per motor, or the index of an effort set.
        :param follow: where the effort [N m or N] changes between decisions, returns it for
            position and velocity of all joints; see `Decider.follow`.
        """
        robot, world, index = self.robot, self.world, self.robot.actuated_index
        request = np.atleast_1d(np.asarray(action, dtype=np.float64))
        command = self.efforts[int(request[0])] if len(self.efforts) else request
        effort = command * robot.action_to_effort
        stamp = round(self._control_steps * robot.control_period * 1e9)
        self.recorder.decide(request, extra, stamp, version, self.epoch, self.evaluation)
        position, velocity = world.position, world.velocity
        while True:
            if follow is not None:
                effort = follow(position, velocity)
            verdict = self.filter.step(position[index], velocity[index], effort)
            world.step(verdict.motor_effort)
            self._control_steps += 1
            position, velocity = world.position, world.velocity
            applied = Applied(verdict.effort / robot.action_to_effort, verdict.source,
                              verdict.filtered)
            step = self.recorder.judge(position, velocity, applied)
            if step.row is not None:
                break
        self.row = step.row
        return (self.recorder.observation.copy(), float(self._cell('reward')), step.terminated,
                step.truncated, self._info(command))

    def _cell(self, name: str) -> float:
        return self.row[self.layout.column(name).start]

    def _info(self, command: Vector) -> dict[str, Any]:
        info: dict[str, Any] = {name: bool(self._cell(name))
                                for name in ('success', 'intervened', 'filtered')}
        info.update({f'terms.{name}': float(self._cell(f'terms.{name}'))
                     for name in self.layout.terms})
        # To effort and back costs a rounding error, which is no intervention.
        info['intervention'] = (self.recorder.previous_action - command
                                if info['filtered'] or info['intervened']
                                else np.zeros_like(command))
        return info

    def render(self) -> Any:
        """Return one picture, shape (480, 640, 3), dtype uint8."""
        from rl_robot_ros.sim.render import Renderer
        if self._renderer is None:
            self._renderer = Renderer(self.world)
        return self._renderer.picture(self.goal if self.task.goal.kind == 'position' else None)

    def close(self) -> None:
        """Free the renderer."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
