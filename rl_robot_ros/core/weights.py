"""
A set of policy weights with its identity, and the rules by which a policy accepts it.

Weights are accepted only if they fit (schema), arrived whole (sha256 digest), are finite, come
from the learner that is in charge, and are newer than what is held.  A version number is never
reused.  Every refusal says what is held and what came.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import hashlib
import hmac
import math
import re

import numpy as np
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.exploration import DISCRETE
from rl_robot_ros.core.exploration import ExplorationSpec
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.core.transition import RowLayout


def digest_of(weights: Vector) -> str:
    """Return the sha256 of the little-endian float64 bytes, in hex."""
    return hashlib.sha256(np.ascontiguousarray(weights, dtype='<f8').tobytes()).hexdigest()


@dataclass(frozen=True)
class WeightSet:
    """
    Weights and their identity.

    :param epoch: random id of the learner run that made them.
    :param version: rises for ever, also across restarts of the learner.
    :param schema: `PolicyContract.schema` they were made for.
    :param digest: sha256 of the bytes, see :func:`digest_of`.
    :param weights: flat weights, observation normaliser included, see `core.network`.
    :param exploration: how to act in training, see `core.exploration`.
    :param exploration_scale: sigma or epsilon of that exploration.
    """

    epoch: int
    version: int
    schema: str
    digest: str
    weights: Vector
    exploration: str = 'policy'
    exploration_scale: float = 1.0

    @classmethod
    def make(cls, epoch: int, version: int, schema: str, weights: Vector,
             exploration: str = 'policy', exploration_scale: float = 1.0) -> WeightSet:
        """Build a set and compute its digest."""
        return cls(epoch, version, schema, digest_of(weights), weights, exploration,
                   exploration_scale)

    def sign(self, key: bytes) -> str:
        """Return the HMAC-SHA256 over everything that identifies this set, in hex."""
        text = '\n'.join([str(self.epoch), str(self.version), self.schema, self.digest,
                          self.exploration, repr(float(self.exploration_scale))])
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def damage(self) -> str:
        """Say why this set cannot be used by anybody, or return an empty string."""
        try:
            exploration = ExplorationSpec.parse(self.exploration)
        except ValueError as error:
            return f'exploration: {error}'
        if not 0.0 <= self.exploration_scale < math.inf:
            return (f'exploration: got scale {self.exploration_scale}, allowed is a finite one '
                    '>= 0')
        if not (np.abs(self.weights) <= np.finfo(np.float32).max).all():
            return 'weights: not finite in single precision'
        try:
            contract = PolicyContract.parse(self.schema)
            network = NetworkSpec.parse(contract.network)
            RowLayout(contract.observation_size, contract.action_size, (), contract.extra)
        except ValueError as error:
            return f'schema: {error}'
        if contract.efforts and exploration.kind not in DISCRETE:
            return (f'exploration: got {self.exploration!r}, an effort set is explored by '
                    f'{", ".join(DISCRETE)}')
        misfit = network.misfit(contract)
        if misfit:
            return f'schema: {misfit}'
        if self.weights.shape != (network.parameters,):
            return (f'length: network {contract.network!r} has {network.parameters} weights, '
                    f'got {self.weights.shape}')
        if digest_of(self.weights) != self.digest:
            return 'digest: the weights do not hash to it, they were damaged on the way'
        return ''


def stale(held: int, got: int) -> str:
    """Return the refusal of a version that is not newer than the held one."""
    return f'stale: have {held}, got {got}'


def held_version(reason: str) -> int | None:
    """Read the held version out of a refusal made by :func:`stale`, if it is one."""
    match = re.match(r'stale: have (\d{1,15}), got ', reason)
    return int(match.group(1)) if match else None


class WeightStore:
    """
    What a policy holds: the active set, the previous one for rollback, and staged newer ones.

    :param fits: says why a schema does not fit, or returns an empty string; asked until a first
        set is accepted, whose schema is kept from then on.
    :param learner_timeout: [s] how long the last accepted learner stays in charge.
    :param key: shared key; where there is one, every set must carry its HMAC.
    :param tally: knows the newest version that a process before this one held, and is told ours.
        What is older is refused although nothing is held yet: somebody has recorded it, or it
        comes from another run.
    """

    STAGED = 8  # bound; a learner in `sync` is at most a few blocks ahead

    def __init__(self, fits: Callable[[str], str], learner_timeout: float = 10.0,
                 key: bytes = b'', tally: Tally | None = None) -> None:
        self.schema = ''
        self.learner_timeout = learner_timeout
        self.active: WeightSet | None = None
        self.previous: WeightSet | None = None
        self.staged: list[WeightSet] = []
        self.refused: dict[str, int] = {}
        self.repeated = 0  # pushes of what was accepted before, after an answer was lost
        self.accepted_at = -math.inf
        self._in_charge_since = -math.inf  # when the learner in charge pushed last
        self._newest_version = 0
        self._newest_epoch = -1
        self._newest_digest = ''
        self._fits = fits
        self._key, self._tally = key, tally or Tally()
        self._floor = self._tally.floor

    @property
    def newest_version(self) -> int:
        """Highest version accepted so far, staged ones included; 0 before the first."""
        return self._newest_version

    def offer(self, candidate: WeightSet, now: float, signature: str = '') -> str:
        """
        Stage `candidate`, or say why not.

        :param now: [s] on the steady clock.
        :param signature: HMAC in hex, needed only with a shared key.
        :returns: empty where it was accepted (also where the very same push was accepted before:
            a learner that heard no answer asks again), else the reason of the refusal.
        """
        reason = self._refusal(candidate, now, signature)
        if reason == stale(candidate.version, candidate.version) \
                and (candidate.epoch, candidate.digest) == (self._newest_epoch,
                                                            self._newest_digest):
            self.repeated += 1
            return ''
        if reason:
            kind = reason.partition(':')[0]
            self.refused[kind] = self.refused.get(kind, 0) + 1
            return reason
        self.accepted_at = self._in_charge_since = now
        self.schema = candidate.schema
        self._newest_version, self._newest_epoch = candidate.version, candidate.epoch
        self._newest_digest = candidate.digest
        self._tally.accepted(candidate.version, candidate.epoch)
        self.staged.append(candidate)
        del self.staged[:-self.STAGED]
        return ''

    def adopt(self, own: WeightSet, now: float) -> str:
        """Stage a set from a file of our own, of any age, unsigned; it puts nobody in charge."""
        self._floor = 0
        reason = self.offer(own, now, own.sign(self._key))
        self._in_charge_since = -math.inf
        return reason

    def _refusal(self, candidate: WeightSet, now: float, signature: str) -> str:
        if self._key and not hmac.compare_digest(candidate.sign(self._key).encode(),
                                                 signature.encode()):
            return 'hmac: missing or not made with this key, see parameter key_file'
        other = candidate.epoch != self._newest_epoch and self._newest_version > 0
        ago = now - self._in_charge_since
        if other and ago < self.learner_timeout:
            return (f'epoch: learner {self._newest_epoch} pushed {ago:.1f} s '
                    f'ago and is in charge for {self.learner_timeout} s, got {candidate.epoch}')
        if not candidate.version > self._newest_version:
            return stale(self._newest_version, candidate.version)
        if candidate.version < self._floor:
            return stale(self._floor, candidate.version)
        misfit = self._misfit(candidate.schema)
        return f'schema: {misfit}' if misfit else candidate.damage()

    def _misfit(self, schema: str) -> str:
        if self.schema:
            return '' if schema == self.schema else f'have {self.schema!r}, got {schema[:1000]!r}'
        return self._fits(schema)

    def swap(self, version: int | None = None) -> bool:
        """
        Make a staged set the active one, between two decisions.

        :param version: take the newest staged set up to this version; None takes the newest.
        :returns: whether the active set changed.
        """
        fitting = [s for s in self.staged if version is None or s.version <= version]
        if not fitting:
            return False
        self.previous, self.active = self.active, fitting[-1]
        self.staged = [s for s in self.staged if s.version > fitting[-1].version]
        return True

    def rollback(self) -> str:
        """Go back to the previous set; staged ones are forgotten.  Returns what happened."""
        if self.previous is None:
            return 'refused: there is no previous set of weights'
        self.active, self.previous = self.previous, None
        self.staged.clear()
        return f'back at version {self.active.version} until the next push'
