"""
An ament prefix whose programs write down how they were called: Gazebo, ros2_control, RViz, ours.

Programs that do one thing (`create`, `spawner`) end at once, with the status in $STATUS_<name>;
the others wait for a signal.
"""

import json
import os
from pathlib import Path
import signal
import stat
import subprocess
import sys
import time

ROOT = Path(__file__).parents[1]
PROGRAMS = {
    'controller_manager': ('spawner', 'ros2_control_node'),
    'mujoco_ros2_control': ('ros2_control_node',),
    'robot_state_publisher': ('robot_state_publisher',),
    'ros_gz_bridge': ('parameter_bridge',),
    'ros_gz_sim': ('create', 'gz'),
    'rviz2': ('rviz2',),
    'rl_robot_ros': ('policy', 'safety_filter', 'safety_watchdog', 'learner', 'mujoco_sim',
                     'start_robot'),
}
PROGRAM = """#!{python} -ES
import json, os, signal, sys, time
folder, package, name = os.environ['RECORDS'], {package!r}, {name!r}
files = [open(word).read() for before, word in zip(sys.argv, sys.argv[1:])
         if before == '--params-file']
path = os.path.join(folder, '%.6f-%d' % (time.monotonic(), os.getpid()))
with open(path + '.tmp', 'w') as file:
    json.dump(dict(package=package, name=name, arguments=sys.argv[1:], files=files,
                   transport=os.environ.get('FASTDDS_BUILTIN_TRANSPORTS')), file)
os.rename(path + '.tmp', path + '.json')
if name in ('create', 'spawner'):
    sys.exit(int(os.environ.get('STATUS_' + name, 0)))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: sys.exit(0))
signal.pause()
"""
# As the one of ros_gz_sim: what matters here is that it gets its arguments.
GZ_SIM = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('gz_args'), DeclareLaunchArgument('on_exit_shutdown'),
        Node(package='ros_gz_sim', executable='gz', arguments=[LaunchConfiguration('gz_args')])])
"""
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

service = LaunchService(argv=sys.argv[2:], noninteractive=True)
service.include_launch_description(LaunchDescription([IncludeLaunchDescription(
    PythonLaunchDescriptionSource(sys.argv[1]),
    launch_arguments=[word.split(':=', 1) for word in sys.argv[2:]])]))
sys.exit(service.run())
"""


def make_prefix(folder):
    """Make the prefix; its share of this package is the source tree."""
    index = folder / 'share/ament_index/resource_index/packages'
    index.mkdir(parents=True)
    for package, names in PROGRAMS.items():
        (index / package).touch()
        (folder / 'lib' / package).mkdir(parents=True)
        for name in names:
            path = folder / 'lib' / package / name
            path.write_text(PROGRAM.format(python=sys.executable, package=package, name=name))
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / 'share/rl_robot_ros').symlink_to(ROOT)
    (folder / 'share/ros_gz_sim/launch').mkdir(parents=True)
    (folder / 'share/ros_gz_sim/launch/gz_sim.launch.py').write_text(GZ_SIM)


class Launched:
    """One launch file under the real launch_ros, until the block ends."""

    def __init__(self, folder, file, *arguments, **environment):
        self.records = folder / 'records'
        self.records.mkdir()
        make_prefix(folder / 'prefix')
        path = [str(Path(sys.executable).parent), os.environ['PATH']]
        self._log = open(folder / 'output', 'w+')
        self._process = subprocess.Popen(
            [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / file), *arguments],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env={
                **os.environ, 'AMENT_PREFIX_PATH': str(folder / 'prefix'),
                'RECORDS': str(self.records), 'ROS_HOME': str(folder / 'ros'),
                'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST', 'PATH': os.pathsep.join(path),
                **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        self._log.close()

    def end(self):
        """Stop it as Ctrl-C does; returns the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def output(self):
        self._log.seek(0)
        return self._log.read()

    def called(self):
        """Return what was started, in order."""
        return [json.loads(path.read_text()) for path in sorted(self.records.glob('*.json'))]

    def names(self):
        return [call['name'] for call in self.called()]

    def wait(self, *names):
        """Wait until these were started; returns the calls by name."""
        end = time.monotonic() + 60.0
        while not set(names) <= set(self.names()):
            assert time.monotonic() < end, (self.names(), self.output())
            assert self._process.poll() is None, self.output()
            time.sleep(0.05)
        return {call['name']: call for call in self.called()}

    def wait_for_end(self):
        """Wait until it ends by itself; returns its output."""
        self._process.wait(60)
        return self.output()


def parameters(call):
    """Return the parameters of a call: those of all files, the last one wins."""
    import yaml
    values = {}
    for text in call['files']:
        for section in yaml.safe_load(text).values():
            values |= section['ros__parameters']
    return values
