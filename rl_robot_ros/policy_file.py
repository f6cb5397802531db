"""
A policy as a file: safetensors with the weights and, in its metadata, their whole identity.

Written to a temporary name, synced and renamed; loading checks the digest.  No pickle.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.weights import WeightSet
from safetensors import safe_open
from safetensors import SafetensorError
from safetensors.numpy import save

IDENTITY = b'policy file'  # no secret: the HMAC serves as a checksum over all fields
FIELDS = ('epoch', 'version', 'schema', 'digest', 'exploration', 'exploration_scale')


def save_policy(path: Path, weights: WeightSet) -> None:
    """Write `weights` to `path`, atomically."""
    metadata = {name: str(getattr(weights, name)) for name in FIELDS}
    metadata['identity'] = weights.sign(IDENTITY)
    data = save({'weights': np.ascontiguousarray(weights.weights, dtype=np.float64)}, metadata)
    write_atomically(path, data)


def load_policy(path: Path) -> WeightSet:
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
        values = {name: metadata[name] for name in FIELDS}
        result = WeightSet(int(values['epoch']), int(values['version']), values['schema'],
                           values['digest'], weights, values['exploration'],
                           float(values['exploration_scale']))
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f'{path} is no intact policy file: {error}') from None
    damage = result.damage()
    if not damage and metadata.get('identity') != result.sign(IDENTITY):
        damage = 'identity: epoch, version, schema or exploration are not what was saved'
    if damage:
        raise ValueError(f'{path} is damaged: {damage}')
    return result
