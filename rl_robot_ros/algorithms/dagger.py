"""
DAgger, dataset aggregation (Ross et al. 2011, arXiv 1011.0686): imitate where the policy gets to.

The learner is `behavior_cloning`; what is added to its demonstrations are states that the policy
itself came to, with what an expert does there.  Who the expert is:

- on the graph, a person at `teleop_effort`, who takes over when something goes wrong and lets go
  when it is right again.  Rows with `intervened` hold in `action` what the person did: exactly
  these are learned from.  (Human-gated DAgger, HG-DAgger: Kelly et al. 2019, arXiv 1810.02890.)
- in process, a function from observation to action, see :meth:`Dagger.take_expert`: every row is
  learned from, with what the expert would have done in it.  That is the algorithm of the paper
  with beta = 0: the expert never acts.

There may be no demonstrations at the start; then learning begins with the first intervention.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.algorithms.behavior_cloning import BehaviorCloning
from rl_robot_ros.core.spec import Vector
import torch

Expert = Callable[[Vector], Vector]  # raw observation to action


class Dagger(BehaviorCloning):
    """DAgger, see the module; parameters as in `algorithms.base.Algorithm`."""

    needs_demonstrations = False
    _expert: Expert | None = None

    def take_expert(self, expert: Expert) -> None:
        """Let a function say, for every row from now on, what should have been done."""
        self._expert = expert

    def _read(self, path: str) -> str:
        """Fill memory where there are demonstrations; returns their digest, or nothing."""
        return super()._read(path) if path else ''

    def add(self, rows: NDArray[np.float64]) -> None:
        """Aggregate what an expert did or says; the oldest give way when memory is full."""
        super().add(rows)
        layout = self.replay.layout
        if self._expert is None:
            rows = rows[rows[:, layout.column('intervened').start] != 0.0]
        else:
            rows = rows.copy()
            for row in rows:
                row[layout.column('request')] = self._expert(row[layout.column('obs')])
            rows[:, layout.column('intervened')] = 0.0
        if self.replay.add(rows):
            self.normaliser.add(rows[:, layout.column('obs')])
            self._refresh_normaliser()

    def state_dict(self) -> dict[str, Any]:
        """Return everything, what was aggregated included: a person's time is not to be lost."""
        memory = torch.from_numpy(self.replay.data[:self.replay.size].copy())
        return {**super().state_dict(), 'memory': memory, 'memory_total': self.replay.total}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go back to a state."""
        kept, total = len(state['memory']), state['memory_total']
        if kept != min(total, self.replay.capacity):
            raise ValueError(f'the checkpoint holds {kept} of {total} rows, this run asks for '
                             f'algorithm.capacity = {self.replay.capacity}: set it as it was')
        super().load_state_dict(state)
        self.replay.data[:kept] = state['memory'].numpy()
        self.replay.total = total


ALGORITHM = Dagger
