"""What robot.launch.py starts, on a stand-in for a ros2_control robot, from start to restart."""

import json
import os
from pathlib import Path
import signal
import subprocess
import sys

from nodes.control_stand_in import EffortController
from nodes.control_stand_in import ROBOT
import numpy as np
import pytest
from real_graph import Running
from real_graph import wait_until
from rl_robot_ros import bringup
from rl_robot_ros.bringup import Graph
from rl_robot_ros.bringup import graph_nodes
from rl_robot_ros.core.contract import PolicyContract
from rl_robot_ros.core.dialogue import HARDWARE
from rl_robot_ros.core.network import initial_weights
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.monitor import Monitor
from rl_robot_ros.nodes.guarded_filter import START
from rl_robot_ros.policy_file import save_policy
from rl_robot_ros.settings import read_parameters
from rl_robot_ros.settings import Settings
from std_srvs.srv import SetBool
from std_srvs.srv import Trigger

pytestmark = pytest.mark.timeout(300)
FOLDER = Path(__file__).parent
PUSH = 0.5  # part of the action that the policy asks of every motor, all the time
SCALE, MARGIN = 0.4, 0.1
# Times for a machine that is busy with other things, reserves for when it stalls; short episodes.
OPTIONS = {'robot': 'nodes.control_stand_in:ROBOT', 'task': 'reach', 'mode': 'evaluate',
           'task.max_episode_steps': 90, 'safety.velocity_scale': SCALE,
           'safety.position_margin': MARGIN, 'homing.speed': 0.3, 'safety.command_timeout': 0.5,
           'safety.state_timeout': 1.0, 'watchdog.min_silence': 0.5, 'diagnostics_period': 0.2,
           'safety.certificate_samples': 500}
# DDS lists a killed process until its lease is over: 20 s, if nobody says otherwise.
LEASE = """<rtps>
      <builtin><discovery_config>
        <leaseDuration><sec>4</sec></leaseDuration>
        <leaseAnnouncement><sec>1</sec></leaseAnnouncement>
      </discovery_config></builtin>"""


def write_policy(path):
    """Write a policy that pushes all joints the same way, evenly."""
    task = resolve('task', 'reach')(ROBOT)
    size = sum(term.size for term in task.observation_terms)
    network = f'deterministic {size}-{len(ROBOT.actuated)} tanh'
    weights = initial_weights(network, np.random.default_rng(0))
    weights[2 * size:] = 0.0
    weights[-len(ROBOT.actuated):] = np.arctanh(PUSH)
    contract = PolicyContract(network, ROBOT.actuated, task.observation_terms)
    save_policy(path, WeightSet.make(1, 1, contract.schema, weights, 'none'))


class Deployed(Running):
    """The graph beside a robot, and the person who looks after it."""

    def call(self, kind, name, **values):
        client = self.monitor._node.create_client(kind, name)
        self.until(f'{name} is there', client.service_is_ready)
        future = client.call_async(kind.Request(**values))
        self.until(f'{name} answers', future.done)
        self.monitor._node.destroy_client(client)
        return future.result()

    def report(self):
        return json.loads(self.call(Trigger, 'control_stand_in/report').message)

    def message(self, node):
        status = self.monitor.status.get(node)
        return '' if status is None else status.message

    def phase(self, *names):
        return self.value('safety_filter', 'phase') in names

    def stands(self):
        """Half a second, so that the turning point of a swing does not count."""
        return self.report()['still_steps'] * ROBOT.control_period > 0.5 * ROBOT.physics_steps

    def moves(self):
        return self.report()['speed'] > 0.05

    def goes_on(self):
        """Reset where the filter holds, as when it still hears of a process that was killed."""
        if self.phase('hold'):
            self.call(Trigger, 'safety_filter/reset')
        return self.phase('active') and self.moves()

    def start_robot(self):
        """Activate the controller and run `start_robot`, as docs/deploy.md says."""
        self.call(SetBool, 'control_stand_in/activate', data=True)
        program = subprocess.Popen(
            [sys.executable, '-m', 'rl_robot_ros.nodes.start_robot', '--ros-args', '-p',
             'start.activate:=false', '-p', 'start.timeout:=60.0'], env=self.graph._inside,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.until('start_robot ends', lambda: program.poll() is not None)
        said = program.communicate()[0]
        assert program.returncode == 0, said
        self.until('the filter follows', lambda: self.phase('active'))
        return said


@pytest.fixture
def robot(tmp_path):
    """Run the stand-in and the graph of robot.launch.py."""
    write_policy(tmp_path / 'policy.safetensors')
    parameters = read_parameters(FOLDER.parents[1] / 'config/robot.yaml')
    settings = Settings.resolve({**parameters, **OPTIONS,
                                 'policy.checkpoint': str(tmp_path / 'policy.safetensors')})
    (tmp_path / 'config.yaml').write_text(settings.yaml())
    profile = tmp_path / 'short_lease.xml'
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(
        [str(FOLDER.parent), *filter(None, [os.environ.get('PYTHONPATH')])])}
    environment.pop('ROS_DOMAIN_ID', None)
    graph = Graph(tmp_path / 'config.yaml', graph_nodes(HARDWARE, learner=False),
                  log=tmp_path / 'log', environment=environment, tell=lambda _: None)
    profile.write_text(Path(graph._inside[bringup.PROFILES[0]]).read_text()
                       .replace('<rtps>', LEASE))
    graph._inside |= dict.fromkeys(bringup.PROFILES, str(profile))
    with open(tmp_path / 'robot.log', 'wb') as log:
        stand_in = subprocess.Popen([sys.executable, str(FOLDER / 'control_stand_in.py')],
                                    env=graph._inside, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log)
    try:
        with graph, Monitor(graph.environment) as monitor:
            yield Deployed(graph, monitor, tmp_path)
    finally:
        stand_in.kill()
        stand_in.wait()


@pytest.mark.robot
def test_from_start_to_restart_no_limit_is_violated(robot):
    # Start: everything is there, and nothing moves before a person says so.
    robot.until('the filter waits for a person', lambda: robot.phase('stop')
                and START in robot.message('safety_filter'))
    assert robot.stands() and not robot.report()['active']
    said = robot.start_robot()
    assert 'safety_watchdog: ready' in said and 'policy: ready' in said

    # Run: home first, then episodes by time, home between them.
    robot.until('it acts', lambda: robot.message('policy') == 'acting' and robot.moves())
    assert robot.value('policy', 'homings') == 1
    robot.until('the next episode', lambda: robot.value('policy', 'homings') == 2
                and robot.message('policy') == 'acting')
    assert robot.value('policy', 'episodes') == 1 and robot.value('policy', 'rows') >= 40
    report = robot.report()
    assert 0.7 * SCALE < report['fastest_to_velocity_limit'] < 1.0
    assert 0.0 < report['nearest_to_position_limit'] < 2.0 * MARGIN
    assert robot.value('policy', 'rows_incomplete') <= 5

    # Policy killed: the filter brakes and holds; a new policy moves nothing before a reset.
    pid = robot.pid('policy')
    robot.kill('policy', signal.SIGKILL)
    robot.until('the filter holds', lambda: robot.phase('hold') and robot.stands())
    robot.until('a new policy waits', lambda: robot.pid('policy') != pid
                and robot.message('policy') == 'waiting for safety_filter')
    assert robot.stands() and robot.report()['active']
    robot.until('it goes on', robot.goes_on)

    # Filter killed while the robot goes home: its last torque must not stay.
    assert robot.message('policy') == 'waiting for the robot to come home'
    pid = robot.pid('safety_filter')
    robot.kill('safety_filter', signal.SIGKILL)
    robot.until('the controller was made to fail', lambda: not robot.report()['active'])
    report = robot.report()
    assert report['failures'] == report['fallbacks'] == 1
    robot.until('the robot stands', robot.stands)
    robot.until('a new filter waits for a person', lambda: robot.pid('safety_filter') != pid
                and robot.phase('stop') and START in robot.message('safety_filter'))
    robot.until('a person resets', lambda: robot.call(Trigger, 'safety_watchdog/reset').success)
    assert robot.stands() and not robot.report()['active']
    robot.start_robot()
    robot.until('it goes on', robot.goes_on)

    # Stop: latched, released, reset.
    robot.call(SetBool, 'safety_filter/stop', data=True)
    robot.until('the robot stands', lambda: robot.phase('stop') and robot.stands())
    refused = robot.call(Trigger, 'safety_filter/reset')
    assert not refused.success and 'stop is still asserted' in refused.message
    robot.call(SetBool, 'safety_filter/stop', data=False)
    assert robot.call(Trigger, 'safety_filter/reset').success
    robot.until('it goes on', robot.goes_on)

    # End: all processes in order; the robot rests, and the watchdog took the controller away.
    robot.graph.stop()
    report = wait_until('the end', lambda: (r := _alone(robot))['failures'] == 2 and r,
                        lambda: robot.monitor.spin(0.05))
    assert not report['active'] and report['speed'] < 0.01
    assert report['position_violations'] == report['velocity_violations'] == 0
    assert report['effort_violations'] == 0 and report['steps'] > 2000


def _alone(robot):
    """Ask the stand-in where the graph has ended."""
    client = robot.monitor._node.create_client(Trigger, 'control_stand_in/report')
    wait_until('it is there', client.service_is_ready, lambda: robot.monitor.spin(0.05))
    future = client.call_async(Trigger.Request())
    wait_until('it answers', future.done, lambda: robot.monitor.spin(0.05))
    return json.loads(future.result().message)


def test_the_stand_in_is_as_strict_as_the_controller():
    controller = EffortController(2)
    controller.command([1.0, 1.0])
    assert controller.update() and not controller.effort.any()  # inactive
    controller.activate(True)
    assert controller.update() and not controller.effort.any()  # nothing was said since
    controller.command([1.0, 2.0])
    assert controller.update() and controller.effort.tolist() == [1.0, 2.0]
    for ignored in ([], [np.nan, 0.0], [0.0, np.inf]):
        controller.command(ignored)
        assert controller.update() and controller.effort.tolist() == [1.0, 2.0]
    assert controller.dropped == 2
    controller.command([0.0] * 3)
    assert not controller.update() and not controller.active and not controller.effort.any()
