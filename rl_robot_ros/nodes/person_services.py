"""What people may tell a policy: take the weights before these; the task is done."""

from __future__ import annotations

from collections.abc import Callable

from rl_robot_ros.core.weights import WeightStore
from rl_robot_ros.nodes.runtime import RobotNode
from std_srvs.srv import Trigger


class PersonServices:
    """
    `policy/rollback` and `policy/label_success`.

    :param node: serves.
    :param store: holds the weights.
    :param label: marks the open row as a success; returns whether there is one.
    """

    def __init__(self, node: RobotNode, store: WeightStore, label: Callable[[], bool]) -> None:
        self._store, self._label = store, label
        node.create_service(Trigger, 'policy/rollback', self._on_rollback)
        node.create_service(Trigger, 'policy/label_success', self._on_label_success)

    def _on_rollback(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.message = self._store.rollback()
        response.success = not response.message.startswith('refused')
        return response

    def _on_label_success(self, _: Trigger.Request,
                          response: Trigger.Response) -> Trigger.Response:
        response.success = self._label()
        response.message = ('the open row is marked, the episode ends with it' if response.success
                            else 'no row is open: the policy is not acting, or between episodes')
        return response
