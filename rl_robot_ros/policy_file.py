"""
A policy as a file: safetensors with the weights and, in its metadata, their whole identity.

Beside the weights it holds the contract (`core.description`), so that a robot that differs is
refused before it moves, and, for a policy that was trained elsewhere, its ONNX model.

Written to a temporary name, synced and renamed; loading checks the digest.  No pickle.
"""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
import hmac
from pathlib import Path

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.network import IMPORTED
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.weights import WeightSet
from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.numpy import save

IDENTITY = b'policy file'  # no secret: the HMAC serves as a checksum over all fields
FIELDS = ('epoch', 'version', 'schema', 'digest', 'exploration', 'exploration_scale')


@dataclass(frozen=True)
class PolicyFile:
    """
    What a policy file holds.

    :param description: None where it was written before there were contracts.
    :param model: ONNX of a policy that was trained elsewhere, else empty.
    """

    weights: WeightSet
    description: PolicyDescription | None = None
    model: bytes = b''


def model_weights(model: bytes) -> Vector:
    """Return what stands for the weights of an imported policy: the sha256 of its model."""
    return np.array(list(hashlib.sha256(model).digest()), dtype=np.float64)


def save_policy(path: Path, weights: WeightSet, description: PolicyDescription | None = None,
                model: bytes = b'') -> None:
    """Write `weights` and what belongs to them to `path`, atomically."""
    metadata = {name: str(getattr(weights, name)) for name in FIELDS}
    if description is not None:
        metadata['contract'] = description.to_json()
    metadata['identity'] = _identity(weights, metadata.get('contract', ''))
    tensors = {'weights': np.ascontiguousarray(weights.weights, dtype=np.float64)}
    if model:
        tensors['model'] = np.frombuffer(model, dtype=np.uint8)
    write_atomically(path, save(tensors, metadata))


def load_policy(path: Path) -> WeightSet:
    """Return the weights of a policy file, see :func:`read_policy`."""
    return read_policy(path).weights


def read_policy(path: Path) -> PolicyFile:
    """
    Read and check a policy file.

    :raises FileNotFoundError: there is none.
    :raises ValueError: it is damaged or no policy file.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no policy file at {path}')
    try:
        with safe_open(str(path), framework='numpy') as file:
            metadata = file.metadata() or {}
            weights = file.get_tensor('weights')
            model = file.get_tensor('model').tobytes() if 'model' in file.keys() else b''
        values = {name: metadata[name] for name in FIELDS}
        result = WeightSet(int(values['epoch']), int(values['version']), values['schema'],
                           values['digest'], weights, values['exploration'],
                           float(values['exploration_scale']))
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f'{path} is no intact policy file: {error}') from None
    text = metadata.get('contract', '')
    damage = result.damage()
    if not damage and metadata.get('identity') != _identity(result, text):
        damage = 'identity: epoch, version, schema, exploration or contract are not what was saved'
    if not damage:
        damage = _model_damage(result, model)
    if damage:
        raise ValueError(f'{path} is damaged: {damage}')
    try:
        description = PolicyDescription.from_json(text) if text else None
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    return PolicyFile(result, description, model)


def _identity(weights: WeightSet, contract: str) -> str:
    signature = weights.sign(IDENTITY)
    if not contract:
        return signature
    return hmac.new(IDENTITY, f'{signature}\n{contract}'.encode(), hashlib.sha256).hexdigest()


def _model_damage(weights: WeightSet, model: bytes) -> str:
    imported = NetworkSpec.parse(PolicyContract.parse(weights.schema).network).kind == IMPORTED
    if imported and not (model and np.array_equal(model_weights(model), weights.weights)):
        return 'model: it is not the one that was imported'
    if model and not imported:
        return 'model: weights and a model, one would be ignored'
    return ''
