"""
A policy network and its weights: one line of text and one flat vector.

A network is named by one line, ``kind in-hidden-...-out activation``:

================== ========================== ============================ =====================
kind               last layer                 action                       extra columns
================== ========================== ============================ =====================
squashed_gaussian  mean and log_std           tanh of a Gaussian sample    ``log_prob``
gaussian           mean, free log_std vector  a Gaussian sample, unclipped ``log_prob``
categorical        logits                     index of an effort set       ``log_prob``
deterministic      mean                       its tanh                     none
values             value of each choice       index of the best            none
table              value of each choice       index of the best            none
================== ========================== ============================ =====================

A ``table`` has no layers: ``table bins-...-choices bins`` cuts each observation number into bins.

Flat weights are: observation mean, inverse standard deviation, then per layer the matrix
(in, out) row by row and the bias, then `log_std` for ``gaussian``.  The normaliser travels with
the weights because a network without it is another function.  Those of a table are: where the bins
begin, one over their width, then the values, cell by cell, the last number's bins side by side.

``imported observations-motors onnx`` names a policy that was trained elsewhere and comes with a
model of its own (`interchange.imported`); its weights are the sha256 of that model, byte by byte.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.spec import Vector

NETWORKS = ('squashed_gaussian', 'gaussian', 'categorical', 'deterministic', 'values')
KINDS = (*NETWORKS, 'table')
IMPORTED = 'imported'
DIGEST_BYTES = 32  # of sha256
CHOOSING = ('categorical', 'values', 'table')  # the action is an index of an effort set
ACTIVATIONS = ('relu', 'tanh')
MAX_CELLS = 250_000  # values in a table: two megabytes in every push


class NetworkSpec(NamedTuple):
    """A parsed network name."""

    kind: str
    sizes: tuple[int, ...]
    activation: str

    @classmethod
    def parse(cls, text: str) -> NetworkSpec:
        """
        Read ``kind in-hidden-...-out activation``.

        :raises ValueError: says what is wrong with the text.
        """
        parts = text.split()
        table, imported = parts[:1] == ['table'], parts[:1] == [IMPORTED]
        if len(parts) != 3 or parts[0] not in (*KINDS, IMPORTED) \
                or parts[2] not in (('bins',) if table else ('onnx',) if imported
                                    else ACTIVATIONS):
            raise ValueError(f'network {text[:200]!r}: expected "kind in-hidden-out activation" '
                             f'with kind {NETWORKS} and activation {ACTIVATIONS}, or '
                             '"table bins-choices bins"')
        words = parts[1].split('-')
        if len(words) < 2 or not all(w.isdecimal() and 0 < int(w) <= 65536 for w in words):
            raise ValueError(f'network {text[:200]!r}: sizes must be two or more positive numbers')
        if parts[0] == 'squashed_gaussian' and int(words[-1]) % 2:
            raise ValueError(f'network {text[:200]!r}: the output holds mean and log_std, '
                             'so its size must be even')
        if table and math.prod(map(int, words)) > MAX_CELLS:
            raise ValueError(f'network {text[:200]!r}: a table has at most {MAX_CELLS} values')
        return cls(parts[0], tuple(int(w) for w in words), parts[2])

    @property
    def action_size(self) -> int:
        """Numbers in one action."""
        if self.kind in CHOOSING:
            return 1
        return self.sizes[-1] // 2 if self.kind == 'squashed_gaussian' else self.sizes[-1]

    @property
    def observation_size(self) -> int:
        """Numbers in one observation."""
        return len(self.sizes) - 1 if self.kind == 'table' else self.sizes[0]

    @property
    def parameters(self) -> int:
        """Length of the flat weights."""
        if self.kind == IMPORTED:
            return DIGEST_BYTES
        if self.kind == 'table':
            return 2 * self.observation_size + math.prod(self.sizes)
        layers = sum(a * b + b for a, b in zip(self.sizes, self.sizes[1:]))
        free = self.sizes[-1] if self.kind == 'gaussian' else 0
        return 2 * self.sizes[0] + layers + free

    def misfit(self, contract: PolicyContract) -> str:
        """Say why this network cannot act for `contract`, or return an empty string."""
        choices = self.sizes[-1] if self.kind in CHOOSING else 0
        if (self.observation_size, self.action_size, choices) != (
                contract.observation_size, contract.action_size, len(contract.efforts)):
            return (f'network {contract.network!r} does not fit {contract.observation_size} '
                    f'observations, {contract.action_size} actions and {len(contract.efforts)} '
                    'choices')
        return ''


def initial_weights(network: str, rng: np.random.Generator) -> Vector:
    """Return weights with an identity normaliser and uniform fan-in layers (LeCun 1998)."""
    spec = NetworkSpec.parse(network)
    n = spec.observation_size
    parts = [np.zeros(n), np.ones(n)]
    if spec.kind == 'table':
        return np.concatenate((*parts, rng.uniform(-1.0, 1.0, math.prod(spec.sizes))))
    for fan_in, fan_out in zip(spec.sizes, spec.sizes[1:]):
        bound = 1.0 / math.sqrt(fan_in)
        parts += [rng.uniform(-bound, bound, fan_in * fan_out), np.zeros(fan_out)]
    if spec.kind == 'gaussian':
        parts.append(np.full(spec.sizes[-1], -0.5))
    return np.concatenate(parts)
