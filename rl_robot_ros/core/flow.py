"""
Flow between a policy and its learner in lockstep: who may run ahead, and by how much.

Rows are counted in blocks of R.  Block b is acted with the weights pushed after block b-1-L, so
at the end of a block the policy waits for that push.  L = 0 is on-policy, L = 1 lets the learner
work on one block while the policy makes the next: with both, two runs of one seed give the same
rows whatever the machine's speed.  (cleanba, arXiv 2310.00036, fixes its lag in the same way.)
"""

from __future__ import annotations

from dataclasses import dataclass

from rl_robot_ros.core.config import option


@dataclass(frozen=True)
class FlowConfig:
    """How tightly policy and learner are coupled; only in lockstep."""

    enabled: bool = option(True, 'wait for each other, only in lockstep; false lets speed win')
    rows: int = option(64, 'rows in one block', unit='rows', low=1, high=100_000)
    lag: int = option(1, 'blocks the policy may run ahead: 0 on-policy, 1 off-policy',
                      unit='blocks', low=0, high=4)
    timeout: float = option(5.0, 'wait for a push at most this long, 0 waits for ever', unit='s',
                            low=0.0, high=3600.0)


class Flow:
    """
    The policy's side of the flow: which version a block needs.

    :param config: block size and lag.
    """

    def __init__(self, config: FlowConfig) -> None:
        self.config = config
        self.forgiven = 0
        self._epoch: int | None = None
        self._base_version = 0
        self._base_block = 0

    def rebase(self, learner_epoch: int, version: int, block: int) -> None:
        """Count pushes from here: a first or a new learner has sent `version` in `block`."""
        if learner_epoch != self._epoch:
            self._epoch = learner_epoch
            self._base_version, self._base_block = version, block
            self.forgiven = 0

    def needed(self, block: int) -> int:
        """Return the version that rows of `block` are to be acted with."""
        ahead = max(0, block - self._base_block - self.config.lag)
        return self._base_version + ahead

    def may_start(self, block: int, newest_version: int) -> bool:
        """Tell whether `block` may begin with the weights that have come so far."""
        if not self.config.enabled:
            return True
        if newest_version >= self.needed(block):
            self.forgiven = 0
        return newest_version >= self.needed(block) - self.forgiven

    def forgive(self, block: int, newest_version: int) -> None:
        """Stop waiting: run on with the weights at hand until the learner has caught up."""
        self.forgiven = max(self.forgiven, self.needed(block) - newest_version)
