"""What each node computes per control period, with its publishers unplugged; see ring.py."""

from __future__ import annotations

from pathlib import Path
import tempfile
import time

import rclpy
from ring import write_policy
from rl_robot_ros.nodes.mujoco_sim import MujocoSim
from rl_robot_ros.nodes.policy import PolicyNode
from rl_robot_ros.nodes.safety_filter import SafetyFilterNode

PERIODS = 4000


class Tap:
    """Stand where a publisher was, keep the newest message."""

    def __init__(self) -> None:
        self.message = None

    def publish(self, message: object) -> None:
        """Keep it."""
        self.message = message

    def get_subscription_count(self) -> int:
        """Pretend that somebody listens."""
        return 1


def timed(spent: dict[str, float], name: str, function, *arguments) -> None:
    """Call, and add the time to `spent`."""
    start = time.perf_counter()
    function(*arguments)
    spent[name] += time.perf_counter() - start


def main() -> None:
    """Turn the ring by hand, print seconds per control period of each node."""
    with tempfile.TemporaryDirectory() as folder:
        policy_file = Path(folder) / 'policy.safetensors'
        write_policy(policy_file)
        rclpy.init(args=['--ros-args', '-p', 'use_sim_time:=true', '-p', 'seed:=1', '-p',
                         'sync.enabled:=false', '-p', f'policy.checkpoint:={policy_file}'])
        sim, safety, policy = MujocoSim(), SafetyFilterNode(), PolicyNode()
    sim._states, sim._clock_out = Tap(), Tap()
    outputs = safety.guarded.out
    outputs.command, outputs.controller = Tap(), Tap()
    policy._request_out, policy._goal_out = Tap(), Tap()
    policy.experience._publisher = Tap()
    policy.reset = lambda filter_too: sim._new_episode()
    spent = dict.fromkeys(('mujoco_sim', 'safety_filter', 'policy'), 0.0)
    sim._new_episode()
    for period in range(PERIODS + 500):
        if period == 500:
            spent = dict.fromkeys(spent, 0.0)
        state, stamp = sim._states.message, sim.clock.stamp
        timed(spent, 'safety_filter', safety._on_state, state)
        timed(spent, 'policy', policy._on_state, state)
        if stamp != sim.clock.stamp:
            continue  # the episode ended
        timed(spent, 'safety_filter', safety._on_request, policy._request_out.message)
        command = outputs.command.message
        timed(spent, 'policy', policy._on_command, command)
        timed(spent, 'mujoco_sim', sim._on_effort_command, command)
    steps = sim.counts['steps']
    if steps < 0.95 * PERIODS:
        raise RuntimeError(f'the ring did not turn: {steps} steps, {policy.actor.waiting}')
    for name, seconds in spent.items():
        print(name, seconds / PERIODS)


if __name__ == '__main__':
    main()
