"""What ``rl-robot import`` does: a policy that was trained elsewhere becomes one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path
import secrets

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.interchange.imported import make_imported
from rl_robot_ros.interchange.mapping import Mapping
from rl_robot_ros.interchange.mapping import read_mapping
from rl_robot_ros.interchange.metadata import read_metadata
from rl_robot_ros.interchange.model import check_model
from rl_robot_ros.interchange.model import MOST_BYTES
from rl_robot_ros.interchange.model import open_model
from rl_robot_ros.interchange.opening import joint_units
from rl_robot_ros.interchange.resolving import resolve_mapping
from rl_robot_ros.policy_file import model_weights
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.robots.keeping import keep_robot
from rl_robot_ros.runs import CONFIG
from rl_robot_ros.runs import POLICY
from rl_robot_ros.settings import Settings

TRIALS = 100  # observations that the model must answer with finite numbers


def main(options: argparse.Namespace) -> int:
    """Make a run directory of a model and its mapping; returns the exit status."""
    from rl_robot_ros.cli import parse_values
    mapping = read_mapping(options.mapping)
    settings = Settings.resolve({'robot': mapping.robot, 'task': mapping.task,
                                 **parse_values(options.values)})
    if options.output.exists():
        raise FileExistsError(f'{options.output} exists and is not overwritten: choose another '
                              '--output')
    if options.model.stat().st_size > MOST_BYTES:
        raise ValueError(f'{options.model} has {options.model.stat().st_size} bytes, allowed are '
                         f'{MOST_BYTES}')
    data = options.model.read_bytes()
    try:
        described = describe_import(data, mapping, settings.make_task())
    except ValueError as error:
        raise ValueError(f'{options.model} is not imported: {error}') from None
    save_import(options.output, described, data, settings)
    robot, action = described.robot, described.action
    print(f'{options.output}: acts on {robot}, every {described.decision_period:g} s, by '
          f'{action.kind} of {", ".join(action.joints)}\n'
          f'observes {", ".join(f"{t.name} ({t.quantity})" for t in described.observation)}\n'
          f'measure it: rl-robot evaluate {options.output}\n'
          f'watch it:   rl-robot play {options.output}')
    return 0


def describe_import(data: bytes, mapping: Mapping, task: Task) -> PolicyDescription:
    """
    Check a model against its mapping and the robot.

    :raises ValueError: says what does not fit.
    """
    check_model(data)
    model = open_model(data, mapping.output)
    robot, terms = task.robot, task.observation_terms
    described = resolve_mapping(mapping, read_metadata(model.metadata),
                                (model.input_size, model.output_size), robot, task,
                                joint_units(robot))
    policy = make_imported(described, data, robot, terms, described.network, model_weights(data))
    rng, n = np.random.default_rng(0), len(robot.joint_names)
    for _ in range(TRIALS):
        policy.see(np.array(robot.home) + rng.normal(0.0, 0.3, n), rng.normal(0.0, 1.0, n))
        action = policy.act(rng.normal(size=sum(term.size for term in terms)), rng).action
        if not np.isfinite(action).all():
            raise ValueError(f'it answers an ordinary observation with {action.tolist()}')
    return described


def save_import(folder: Path, described: PolicyDescription, data: bytes,
                settings: Settings) -> None:
    """Write a run directory that `play` and `evaluate` understand."""
    task = settings.make_task()
    contract = PolicyContract(described.network, task.robot.actuated, task.observation_terms)
    weights = WeightSet.make(secrets.randbits(53), 1, contract.schema, model_weights(data), 'none',
                             0.0)
    folder.mkdir(parents=True)
    save_policy(folder / POLICY, weights, described, data)
    robot = keep_robot(folder, settings.graph.robot)
    (folder / CONFIG).write_text(Settings.resolve({**settings.values, 'robot': robot}).yaml())
