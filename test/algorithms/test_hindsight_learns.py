"""Hindsight makes learnable what is hardly ever rewarded: a point that is to come to a place."""

from core.fakes import ROBOT
from memory.goal_world import Line
import numpy as np
from rl_robot_ros.algorithms.base import make_contract
from rl_robot_ros.core.episode import Applied
from rl_robot_ros.core.episode import Recorder
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.spec import Goal
from rl_robot_ros.core.spec import Outcome
from rl_robot_ros.core.spec import Term
from rl_robot_ros.core.transition import RowLayout

NEAR = 0.1
DECISIONS = 15


class Place(Line):
    """Bring the first two positions to the goal in [-1, 1]^2; reward is -1 anywhere else."""

    observation_terms = (Term('place', 2), Term('goal', 2))
    reward_terms = ('miss',)
    goal = Goal(size=2, kind='joint')
    terminates = False

    def sample_goal(self, rng):
        return rng.uniform(-1.0, 1.0, 2)

    def achieved_goal(self, position, velocity):
        return position[:2]

    def observe(self, position, velocity, previous_action):
        return np.concatenate((position[:2], self.target))

    def evaluate(self, position, velocity, action, previous_action):
        near = float(np.linalg.norm(position[:2] - self.target)) < NEAR
        reward = 0.0 if near else -1.0
        return Outcome(reward, np.array([reward]), near, False)


class World:
    """A point that moves by a tenth of the action in each control period, and stays inside."""

    def __init__(self, algorithm, layout, seed):
        self.algorithm, self.layout = algorithm, layout
        self.recorder = Recorder(Place(), layout, ROBOT.decision_periods)
        self.recorder.max_steps = DECISIONS * ROBOT.decision_periods
        self.rng = np.random.default_rng(seed)

    def episode(self, explore=True):
        """Act through one episode; returns its rows."""
        algorithm, recorder, still = self.algorithm, self.recorder, np.zeros(3)
        policy = Policy(algorithm.network_name, algorithm.actor_weights())
        explorer = Explorer(self.rng)
        position = np.zeros(3)
        recorder.begin(recorder.task.sample_goal(self.rng), position, still)
        rows = []
        while len(rows) < DECISIONS:
            kind, scale = algorithm.exploration() if explore else ('none', 0.0)
            action = explorer.act(policy, recorder.observation, kind, scale).action
            recorder.decide(action, {}, 0, 0, 1, False)
            row = None
            while row is None:
                moved = position[:2] + 0.1 * np.clip(action, -1.0, 1.0)
                position = np.append(np.clip(moved, -1.0, 1.0), 0.0)
                row = recorder.judge(position, still, Applied(action, 'policy', False)).row
            rows.append(row)
        return np.array(rows)


def learn(hindsight, episodes=100):
    """Return the share of episodes without exploration that end at their goal."""
    cls = resolve('algorithm', 'td3')
    config = cls.Config(hidden=(32, 32), batch=128, learning_starts=150, capacity=20_000,
                        gamma=0.8, compile='off', lr_actor=2e-3, lr_critic=3e-3, tau=0.05,
                        actor_every=1, critic_layer_norm=False, noise_start=0.3,
                        noise_end=0.3, hindsight='on' if hindsight else 'off')
    contract = make_contract(ROBOT, Place(), cls, config, 'continuous')
    layout = RowLayout(4, 2, Place.reward_terms, contract.extra)
    algorithm = cls(contract, layout, config, 1)
    if hindsight:
        algorithm.take_task(Place())
    world = World(algorithm, layout, 1)
    for _ in range(episodes):
        algorithm.add(world.episode())
        for _ in range(DECISIONS if algorithm.ready else 0):
            algorithm.update()
    success = layout.column('success').start
    return np.mean([world.episode(explore=False)[-1, success] for _ in range(50)])


def test_a_sparse_reward_is_learned_from():
    """Without hindsight the same 1500 rows bring a tenth of the goals."""
    assert learn(hindsight=True) >= 0.8
