"""What ``rl-robot export`` does: a trained policy as an ONNX file, compared row by row."""

from __future__ import annotations

import argparse
from collections import deque
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.interchange.graph import build
from rl_robot_ros.interchange.graph import largest_difference
from rl_robot_ros.interchange.graph import TOLERANCE
from rl_robot_ros.interchange.opening import describe
from rl_robot_ros.interchange.opening import open_policy
from rl_robot_ros.learning.row_log import Reader
from rl_robot_ros.learning.store import ROWS as ROWS_FOLDER
from rl_robot_ros.robots.keeping import changes
from rl_robot_ros.runs import find_config
from rl_robot_ros.runs import find_policy
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import Settings

ROWS = 10_000  # that are compared
SEED = 0  # of made-up observations


def main(options: argparse.Namespace) -> int:
    """Write the file, say how far it is from NumPy; returns the exit status."""
    path = find_policy(options.source)
    if note := changes(path.parent):
        print(f'note: {note}')
    settings = Settings.resolve(find_config(path))
    task = settings.make_task()
    safety = resolve_config(SafetyConfig, settings.values, 'safety.')
    opened = open_policy(path, task.robot, task, safety)
    weights, described = opened.weights, opened.file.description
    contract = PolicyContract.parse(weights.schema)
    if opened.file.model:
        raise ValueError(f'{path} was imported, it is an ONNX model already')
    if described is None:  # written before policy files had one
        described = describe(contract, task.robot, task, safety)
    described = described.with_normaliser(weights.weights)
    rows = recorded(path.parent, contract, task)
    source = f'{len(rows)} recorded rows'
    if not len(rows):
        rows = made_up(contract.network, weights.weights)
        source = f'{len(rows)} made-up observations (this run keeps no rows)'
    difference, wide = write_onnx(options.onnx, described, weights.weights, rows)
    print(f'{options.onnx}: observation ({"float64" if wide else "float32"}, '
          f'{contract.observation_size}) to action, version {weights.version}\n'
          f'largest difference to NumPy over {source}: {difference:.1e}, allowed is '
          f'{TOLERANCE:.0e}')
    return 0


def write_onnx(path: Path, described: PolicyDescription, weights: Vector,
               rows: NDArray[np.float64]) -> tuple[float, bool]:
    """
    Write an ONNX file that equals NumPy on these observations, or none.

    :param rows: raw observations, shape (N, numbers).
    :returns: the largest difference, and whether its input is float64: that is chosen where
        float32 observations are too coarse for the normaliser.
    :raises ValueError: it differs; nothing is written.
    """
    difference = np.inf
    for wide in (NetworkSpec.parse(described.network).kind == 'table', True):
        model = build(described, weights, wide)
        difference = largest_difference(model, described.network, weights, rows)
        if difference <= TOLERANCE:
            write_atomically(path, model)
            return difference, wide
    raise ValueError(f'{path} is not written: it would differ from NumPy by {difference:.1e}, '
                     f'allowed is {TOLERANCE:.0e}')


def recorded(run: Path, contract: PolicyContract, task: Task) -> NDArray[np.float64]:
    """Return the newest observations that a run keeps, shape (up to ROWS, numbers)."""
    layout = RowLayout(contract.observation_size, contract.action_size, task.reward_terms,
                       contract.extra)
    newest: deque[NDArray[np.float64]] = deque()
    for record in Reader(run / ROWS_FOLDER, layout, print).read():
        newest.append(record.rows[:, layout.column('obs')])
        while sum(map(len, newest)) - len(newest[0]) >= ROWS:
            newest.popleft()
    return np.concatenate(newest)[-ROWS:] if newest else np.zeros((0, contract.observation_size))


def made_up(network: str, weights: Vector) -> NDArray[np.float64]:
    """
    Return seeded observations around what the normaliser has seen, or over all bins.

    One in ten is far out, where the normaliser clips.
    """
    spec, rng = NetworkSpec.parse(network), np.random.default_rng(SEED)
    n = spec.observation_size
    first, second = weights[:n], weights[n:2 * n]
    if spec.kind == 'table':  # where bins begin, one over their width; a bin more on both sides
        return first + rng.uniform(-1.0, np.array(spec.sizes[:-1]) + 1.0, (ROWS, n)) / second
    width = np.where(np.arange(ROWS) % 10, 2.0, 20.0)[:, None]
    return first + width * rng.standard_normal((ROWS, n)) / second
