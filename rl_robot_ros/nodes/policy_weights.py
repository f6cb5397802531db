"""How weights come to a policy: pushed by a learner through a service, or read from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import time
from typing import Any

from rcl_interfaces.srv import SetParametersAtomically
from rl_robot_ros import wire
from rl_robot_ros.core.decider import Maker
from rl_robot_ros.core.policy import Policy
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Task
from rl_robot_ros.core.tally import Tally
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.core.weights import WeightStore
from rl_robot_ros.interchange.opening import may_be_pushed
from rl_robot_ros.interchange.opening import misfit
from rl_robot_ros.interchange.opening import open_policy
from rl_robot_ros.nodes.runtime import RobotNode
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.settings import PolicyConfig


class PolicyWeights:
    """
    The service `policy/set_weights`, the file `policy.checkpoint`, and what is refused of them.

    :param node: serves, and tells people.
    :param robot: weights are to fit it, and the task.
    :param tally: says how many rows of this policy a learner may expect.
    :param accepted: called after each push that was accepted.
    """

    def __init__(self, node: RobotNode, robot: RobotSpec, task: Task, config: PolicyConfig,
                 tally: Tally, accepted: Callable[[], None]) -> None:
        self._node, self._robot, self._task = node, robot, task
        self._tally, self._accepted = tally, accepted
        key = Path(config.key_file).read_bytes() if config.key_file else b''
        self.store = WeightStore(lambda schema: misfit(schema, robot, task),
                                 config.learner_timeout, key, tally)
        self.make: Maker = Policy
        self._counts = {'weights_refused': 0, 'weights_accepted': 0}
        node.create_service(SetParametersAtomically, 'policy/set_weights', self._on_weights)

    @property
    def age(self) -> float:
        """Time since the last push that was accepted [s]."""
        return time.monotonic() - self.store.accepted_at

    def report(self) -> dict[str, Any]:
        """Return what to say of them in diagnostics."""
        return {**self._counts,
                **{f'refused_{kind}': count for kind, count in self.store.refused.items()}}

    def load(self, path: Path) -> None:
        """
        Take the weights of a file.

        :raises FileNotFoundError: there is none.
        :raises ValueError: it is damaged, does not fit, or may not be used.
        """
        opened = open_policy(path, self._robot, self._task,
                             self._node.configure(SafetyConfig, 'safety.'))
        weights, self.make = opened.weights, opened.make
        logger = self._node.get_logger()
        logger.info(f'{path}: version {weights.version}, digest {weights.digest[:8]}')
        for remark in opened.remarks:
            logger.warning(f'{path}: {remark}')
        if reason := self.store.adopt(weights, time.monotonic()):
            raise ValueError(f'policy.checkpoint {path}: {reason}')

    def _offer(self, weights: WeightSet, signature: str) -> str:
        """Stage what was pushed, or say why not."""
        reason = may_be_pushed(weights, self.store) \
            or self.store.offer(weights, time.monotonic(), signature)
        if reason:
            return reason
        self._counts['weights_accepted'] += 1
        if self.store.active is None and len(self.store.staged) == 1:
            self._node.get_logger().info(f'first weights: version {weights.version}, digest '
                                         f'{weights.digest[:8]}, {weights.schema}')
        self._accepted()
        return ''

    def _on_weights(self, request: SetParametersAtomically.Request,
                    response: SetParametersAtomically.Response) -> Any:
        try:
            weights, signature = wire.read_weights(request)
        except wire.WireError as error:
            reason = str(error)
        else:
            reason = self._offer(weights, signature)
        if reason:
            self._counts['weights_refused'] += 1
            self._node.warn('weights', f'weights refused: {reason}')
        response.result.successful = not reason
        response.result.reason = reason or self._tally.accepts(weights.version)
        return response
