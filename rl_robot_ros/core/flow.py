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
    timeout: float = option(5.0, 'wait for a word of the learner at most this long, 0 for ever',
                            unit='s', low=0.0, high=3600.0)


class Flow:
    """
    The policy's side of the flow: which version a block needs.

    :param config: block size and lag.
    """

    def __init__(self, config: FlowConfig) -> None:
        self.config = config
        self.forgiven = 0
        self._given_up_at: int | None = None
        self._epoch: int | None = None
        self._newest = 0
        self._base_version = 0
        self._base_block = 0

    def on_push(self, learner_epoch: int, version: int, block: int) -> None:
        """
        Note that `version` came while `block` was being made.

        Pushes are counted by their versions.  A first or another learner, or one that went on
        after a restart with a jump in versions, is counted from here; so is one that has pushed
        more often than there were blocks, because it still works on rows of before.
        """
        if learner_epoch == self._epoch and version == self._newest:
            return  # sent again, because its answer was lost
        surplus = version - self._base_version > block - self._base_block
        if learner_epoch != self._epoch or version != self._newest + 1 or surplus:
            self._epoch = learner_epoch
            self._base_version, self._base_block = version, block
            self.forgiven = 0
        self._newest = version

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
        elif newest_version == self._given_up_at:
            self.forgive(block, newest_version)  # not a word since: do not wait for every block
        return newest_version >= self.needed(block) - self.forgiven

    def forgive(self, block: int, newest_version: int) -> None:
        """Stop waiting: run on with the weights at hand until the next push."""
        self._given_up_at = newest_version
        self.forgiven = max(self.forgiven, self.needed(block) - newest_version)
