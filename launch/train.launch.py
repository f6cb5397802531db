"""Train: simulated robot, safety filter, policy and learner, in lockstep."""

import sys

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import ExecuteProcess
from launch.actions import Shutdown
from launch.substitutions import EnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.actions import PushRosNamespace
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('rl_robot_ros')
PARAMETERS = [
    LaunchConfiguration('train_file'),
    LaunchConfiguration('algorithm_file'),
    LaunchConfiguration('params_file'),
    {
        'robot': LaunchConfiguration('robot'),
        'task': LaunchConfiguration('task'),
        'algorithm': LaunchConfiguration('algorithm'),
        'preset': LaunchConfiguration('preset'),
        'use_sim_time': LaunchConfiguration('use_sim_time'),
        'policy.checkpoint': LaunchConfiguration('checkpoint'),
        'learner.run': LaunchConfiguration('run'),
        'learner.resume': LaunchConfiguration('resume'),
        'sim.clock_file': LaunchConfiguration('clock_file'),
        'policy.tally_file': LaunchConfiguration('tally_file'),
    },
]
# A bad parameter ends a node at once: do not start it for ever.
KEEP_ALIVE = {'respawn': True, 'respawn_delay': 2.0, 'respawn_max_retries': 5,
              'output': 'screen'}
ARGUMENTS = ['--log-level', LaunchConfiguration('log_level')]


def generate_launch_description():
    """Describe the graph."""
    return LaunchDescription([
        DeclareLaunchArgument('robot', default_value='arm7',
                              description='Datasheet: name, module:ROBOT or YAML file'),
        DeclareLaunchArgument('task', default_value='reach',
                              description='Task, or my_package.my_module:TASK'),
        DeclareLaunchArgument('algorithm', default_value='sac',
                              description='Algorithm, or my_package.my_module:ALGORITHM'),
        DeclareLaunchArgument('preset', default_value='',
                              description='Named sets of values, separated by commas'),
        DeclareLaunchArgument('run', default_value='',
                              description='Run directory; empty: a new one below ./runs'),
        DeclareLaunchArgument('resume', default_value='false',
                              description='Go on with the run of this directory'),
        DeclareLaunchArgument('checkpoint', default_value='',
                              description='Policy file to act with until the learner is there'),
        DeclareLaunchArgument('train_file', description='What all training begins with',
                              default_value=PathJoinSubstitution([SHARE, 'config', 'train.yaml'])),
        DeclareLaunchArgument('algorithm_file', description='What it needs of the graph',
                              default_value=[SHARE, '/config/algorithms/',
                                             LaunchConfiguration('algorithm'), '.yaml']),
        DeclareLaunchArgument('params_file', description='Parameters of your own, read last',
                              default_value=LaunchConfiguration('algorithm_file')),
        DeclareLaunchArgument('namespace', default_value='', description='One robot of a fleet'),
        DeclareLaunchArgument('use_sim_time', default_value='true',
                              description='Stamps are simulated time'),
        DeclareLaunchArgument('clock_file', description='Keeps simulated time rising',
                              default_value=[EnvironmentVariable('HOME', default_value='/tmp'),
                                             '/.ros/rl_robot_ros/sim_clock.json']),
        DeclareLaunchArgument('tally_file', default_value='',
                              description='Keeps what the policy made and held over its restarts'),
        DeclareLaunchArgument('log_level', default_value='info',
                              description='debug, info, warn or error'),
        PushRosNamespace(LaunchConfiguration('namespace')),
        Node(package='rl_robot_ros', executable='safety_filter', name='safety_filter',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        Node(package='rl_robot_ros', executable='policy', name='policy',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        Node(package='rl_robot_ros', executable='mujoco_sim', name='mujoco_sim',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        # When the learner is done, so is the graph; it saved a checkpoint before.
        Node(package='rl_robot_ros', executable='learner', name='learner',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, on_exit=Shutdown(),
             sigterm_timeout='20', output='screen'),
        # A process that is killed while it opens a port of shared memory holds all others there.
        ExecuteProcess(cmd=[sys.executable, '-m', 'rl_robot_ros.shared_memory', '--watch'],
                       name='shared_memory', output='screen'),
    ])
