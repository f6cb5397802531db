"""A filter that starts stopped, and the program that lets a robot go only where all is well."""

import subprocess
import sys

from nodes.stand_in import standing_in
import pytest
from rl_robot_ros.nodes.brakes import controller_service
from rl_robot_ros.nodes.guarded_filter import START

pytestmark = pytest.mark.timeout(120)


def start_robot(robot, environment, *parameters):
    """Run the program beside the robot; returns its exit status and what it said."""
    words = [word for parameter in parameters for word in ('-p', parameter)]
    program = subprocess.Popen([sys.executable, '-m', 'rl_robot_ros.nodes.start_robot',
                                '--ros-args', *words], env=environment, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    robot.until('start_robot ends', lambda: program.poll() is not None)
    return program.returncode, program.communicate()[0]


def test_a_person_lets_the_robot_go(tmp_path):
    with standing_in(tmp_path, filter__start_stopped=True) as robot:
        robot.until('it stops with the first state', lambda: robot.phase == 'stop')
        assert robot.reason == START
        robot.until('nothing else is wrong',
                    lambda: 'stop is still asserted' in robot.reset().message)
        environment = robot.environment
        status, said = start_robot(robot, environment, 'start.timeout:=1.0',
                                   'start.activate:=false')
        assert status == 1 and 'NOT started' in said
        assert 'safety_watchdog: is not there; policy: is not there' in said
        if controller_service() is None:
            status, said = start_robot(robot, environment)
            assert status == 1 and 'controller_manager_msgs is not installed' in said
        assert robot.phase == 'stop' and robot.reason == START
        robot.stop(False)
        assert robot.phase == 'stop', 'a release restarts nothing'
        assert robot.reset().success
        robot.until('it follows', lambda: robot.phase == 'active')
        robot.play(0.1)
        assert robot.phase == 'active', 'only the first state stops'
