"""
A robot behind ros2_control, played by one process: `python control_stand_in.py --ros-args ...`.

It does what effort_controllers and joint_state_broadcaster do, so far as others can notice:

- a cycle is read, update, write: a command that answers state k acts from state k + 1 on;
- `joint_states` are alphabetical, with a passive joint nobody asked for, and NaN for its effort;
- `effort_controller` has its `joints` parameter, hears `~/commands` active or not, and while it is
  active keeps the last command for ever: one that is not finite is dropped whole, an empty one is
  none, one of wrong length makes it fail, and it is deactivated;
- inactive it writes zeros; after a failure a fallback controller of the drives holds the position;
- `robot_description` is latched; no state has a mark, and stamps begin with the time of day.

Where the machine stalls its time stalls with it, stamps too: this robot never goes on alone.

Where a real system has a controller manager, this one has the service
`control_stand_in/activate` (std_srvs/SetBool).  Every physics step is compared with the limits of
the datasheet; `control_stand_in/report` (Trigger) answers with the figures as JSON.
"""

from __future__ import annotations

from dataclasses import replace
import json
import math
import time

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rl_robot_ros import wire
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.nodes.runtime import LATCHED_QOS
from rl_robot_ros.robots.urdf import urdf_path
from rl_robot_ros.sim.world import World
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_msgs.msg import String
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

PASSIVE = 'finger_joint'  # sorts before the joints of the arm
FINGER = f"""
  <joint name="{PASSIVE}" type="prismatic"><parent link="link7"/><child link="finger"/>
    <axis xyz="0 1 0"/><limit lower="0" upper="0.04" velocity="0.1" effort="10"/></joint>
  <link name="finger"/>
</robot>"""
AWAY = -0.25  # [rad] from home at the start
# 50 Hz, which two busy cores can do; physics as fine as that of arm7.  Two joints are at home not
# far from their limits.
ARM = resolve('robot', 'arm7')
ROBOT = replace(ARM, name='slow_arm', control_period=0.02, decision_periods=2, physics_steps=8,
                home=(2.2, *ARM.home[1:5], 3.1, ARM.home[6]))


class EffortController:
    """effort_controllers/JointGroupEffortController, without its topics."""

    def __init__(self, size):
        self.active, self.failures, self.dropped = False, 0, 0
        self.effort = np.zeros(size)
        self._newest = None

    def activate(self, active):
        """Switch; whatever was commanded before counts no more."""
        self.active, self._newest = active, None
        self.effort[:] = 0.0

    def command(self, data):
        """Take a message, as the subscription does, which lives while the controller is idle."""
        if not np.isfinite(data).all():
            self.dropped += 1
        elif self.active:
            self._newest = np.array(data)

    def update(self):
        """Return False where the manager has to deactivate this controller."""
        if not self.active or self._newest is None or not len(self._newest):
            return True
        if len(self._newest) != len(self.effort):
            self.failures += 1
            self.activate(False)
            return False
        self.effort[:] = self._newest
        return True


class Plant:
    """The arm, its drives, and what they count."""

    def __init__(self, robot):
        self.robot = robot
        self._fine = replace(robot, control_period=robot.control_period / robot.physics_steps,
                             physics_steps=1)
        self.world = World(self._fine)
        self.world.reset(np.array(robot.home) + AWAY, np.zeros(len(robot.joint_names)))
        self.controller = EffortController(len(robot.actuated))
        self.hold_at = None  # where the fallback controller holds
        self.figures = dict.fromkeys(
            ('steps', 'position_violations', 'velocity_violations', 'effort_violations',
             'fallbacks', 'still_steps'), 0)
        self.nearest, self.fastest = math.inf, 0.0
        self.applied = np.zeros(len(robot.actuated))

    def cycle(self):
        """Advance by one control period."""
        if not self.controller.update():
            self.figures['fallbacks'] += 1
            self.hold_at = self.world.position
        for _ in range(self.robot.physics_steps):
            self.applied = self._hold() if self.hold_at is not None else self.controller.effort
            self.world.step(self.applied)
            self._count()

    def _hold(self):
        inertia, world = np.array(self.robot.inertia), self.world
        wanted = inertia * (100.0 * (self.hold_at - world.position) - 20.0 * world.velocity)
        return np.clip(wanted, -np.array(self.robot.effort_limit), self.robot.effort_limit)

    def _count(self):
        robot, figures = self.robot, self.figures
        position, velocity = self.world.position, np.abs(self.world.velocity)
        room = np.minimum(position - robot.position_lower, robot.position_upper - position)
        figures['steps'] += 1
        figures['still_steps'] = (figures['still_steps'] + 1) * int(velocity.max() < 0.01)
        figures['position_violations'] += int((room < 0.0).any())
        figures['velocity_violations'] += int((velocity > robot.velocity_limit).any())
        figures['effort_violations'] += int((np.abs(self.applied) > robot.effort_limit).any())
        self.nearest = min(self.nearest, float(room.min()))
        self.fastest = max(self.fastest, float((velocity / robot.velocity_limit).max()))

    def report(self):
        """Return the figures."""
        return {**self.figures, 'nearest_to_position_limit': self.nearest,
                'fastest_to_velocity_limit': self.fastest, 'active': self.controller.active,
                'failures': self.controller.failures, 'dropped': self.controller.dropped,
                'speed': float(np.abs(self.world.velocity).max()),
                'effort': self.applied.tolist()}


class ControlStandIn:
    """Topics and services around the plant."""

    def __init__(self, robot):
        self.plant = Plant(robot)
        self.stamp = time.time_ns()
        self.names = sorted((*robot.joint_names, PASSIVE))
        self.node = Node('control_stand_in')
        self.controller = Node('effort_controller')
        self.controller.declare_parameter('joints', list(robot.actuated))
        self.controller.create_subscription(
            Float64MultiArray, 'effort_controller/commands',
            lambda message: self.plant.controller.command(message.data), QoSProfile(depth=10))
        self._states = self.node.create_publisher(JointState, 'joint_states', QoSProfile(depth=10))
        description = self.node.create_publisher(String, 'robot_description', LATCHED_QOS)
        description.publish(String(data=urdf_path(robot).read_text().replace('</robot>', FINGER)))
        self.node.create_service(SetBool, 'control_stand_in/activate', self._on_activate)
        self.node.create_service(Trigger, 'control_stand_in/report', self._on_report)

    def _on_activate(self, request, response):
        self.plant.controller.activate(request.data)
        self.plant.hold_at = None
        response.success = True
        return response

    def _on_report(self, _, response):
        response.success, response.message = True, json.dumps(self.plant.report())
        return response

    def broadcast(self):
        """Publish the state as joint_state_broadcaster does."""
        plant, robot = self.plant, self.plant.robot
        position = dict(zip(robot.joint_names, plant.world.position), **{PASSIVE: 0.01})
        velocity = dict(zip(robot.joint_names, plant.world.velocity), **{PASSIVE: 0.0})
        effort = dict(zip(robot.actuated, plant.applied))
        message = JointState(name=self.names)
        self.stamp += round(1e9 * robot.control_period)
        message.header.stamp = wire.time_of(self.stamp)
        message.header.frame_id = 'base_link'
        for field, values in (('position', position), ('velocity', velocity), ('effort', effort)):
            setattr(message, field, [float(values.get(name, math.nan)) for name in self.names])
        self._states.publish(message)


def main():
    """Run at the control rate until killed."""
    rclpy.init()
    robot = ControlStandIn(ROBOT)
    executor = SingleThreadedExecutor()
    for node in (robot.node, robot.controller):
        executor.add_node(node)
    deadline = time.monotonic()
    while rclpy.ok():
        robot.plant.cycle()
        robot.broadcast()
        deadline = max(deadline + ROBOT.control_period, time.monotonic())
        while (left := deadline - time.monotonic()) > 0.0:
            executor.spin_once(left)


if __name__ == '__main__':
    main()
