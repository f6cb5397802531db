"""arm7 in MuJoCo as a Gymnasium environment and nothing more: no safety filter, no rows."""

from __future__ import annotations

from typing import Any

import gymnasium
import mujoco
import numpy as np
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.arm7 import ROBOT
from rl_robot_ros.sim.world import World

SPREAD = 0.3  # [rad] around home in which episodes start and targets lie
STEPS = 100  # in an episode


class BareArm(gymnasium.Env[Vector, Vector]):
    """
    Reach a point; the physics of one decision of arm7, which is eight steps of MuJoCo.

    Observation: positions, velocities, target and what is missing to it.  Action: normalised
    effort.  Reward: minus the distance [m].
    """

    def __init__(self) -> None:
        self._world = World(ROBOT)
        self._data = self._world.data
        self._tip = self._world.model.body(ROBOT.tip_link).id
        self._count = ROBOT.decision_periods * ROBOT.physics_steps
        self._scale = np.array(ROBOT.action_to_effort)
        self._target, self._steps = np.zeros(3), 0
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (20,), np.float64)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float64)

    def _place(self) -> None:
        home = np.array(ROBOT.home)
        self._world.reset(home + self.np_random.uniform(-SPREAD, SPREAD, 7), np.zeros(7))

    def _observe(self) -> Vector:
        data = self._data
        return np.concatenate((data.qpos, data.qvel, self._target,
                               self._target - data.xpos[self._tip]))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None
              ) -> tuple[Vector, dict[str, Any]]:
        """Draw a target and a start."""
        super().reset(seed=seed)
        self._place()
        self._target, self._steps = self._data.xpos[self._tip].copy(), 0
        self._place()
        return self._observe(), {}

    def step(self, action: Vector) -> tuple[Vector, float, bool, bool, dict[str, Any]]:
        """Apply an effort for one decision period."""
        self._data.qfrc_applied[:] = action * self._scale
        mujoco.mj_step(self._world.model, self._data, self._count)
        self._steps += 1
        seen = self._observe()
        missing = seen[-3:]
        return (seen, -float(np.sqrt(missing @ missing)), False, self._steps >= STEPS, {})
