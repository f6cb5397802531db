"""Run a policy on a live ros2_control robot: filter, watchdog, policy, and a learner if asked."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable
from launch.substitutions import IfElseSubstitution
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.actions import PushRosNamespace
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('rl_robot_ros')
PARAMETERS = [
    LaunchConfiguration('robot_file'),
    LaunchConfiguration('params_file'),
    {
        'robot': LaunchConfiguration('robot'),
        'task': LaunchConfiguration('task'),
        'algorithm': LaunchConfiguration('algorithm'),
        'preset': LaunchConfiguration('preset'),
        'mode': IfElseSubstitution(LaunchConfiguration('learn'), 'train', 'evaluate'),
        'use_sim_time': LaunchConfiguration('use_sim_time'),
        'policy.checkpoint': LaunchConfiguration('checkpoint'),
        'learner.run': LaunchConfiguration('run'),
        'learner.resume': LaunchConfiguration('resume'),
    },
]
# A bad parameter ends a node at once: do not start it for ever.
KEEP_ALIVE = {'respawn': True, 'respawn_delay': 2.0, 'respawn_max_retries': 5,
              'output': 'screen'}
ARGUMENTS = ['--log-level', LaunchConfiguration('log_level')]


def generate_launch_description():
    """Describe the graph; the robot, its drivers and controllers run already."""
    return LaunchDescription([
        DeclareLaunchArgument('robot', description='Datasheet: name, module:ROBOT or YAML file'),
        DeclareLaunchArgument('task', default_value='reach',
                              description='Task, or my_package.my_module:TASK'),
        DeclareLaunchArgument('algorithm', default_value='sac',
                              description='Algorithm of the learner; off-policy'),
        DeclareLaunchArgument('preset', default_value='',
                              description='Named sets of values, separated by commas'),
        DeclareLaunchArgument('checkpoint', default_value='',
                              description='Policy file; empty only with learn:=true'),
        DeclareLaunchArgument('learn', default_value='false',
                              description='Explore, and train beside the robot'),
        DeclareLaunchArgument('run', default_value='', description='Run directory of the learner'),
        DeclareLaunchArgument('resume', default_value='false',
                              description='Go on with the run of this directory'),
        DeclareLaunchArgument('activate', default_value='false',
                              description='Activate the effort controller when all is checked'),
        DeclareLaunchArgument('robot_file', description='What every real robot begins with',
                              default_value=PathJoinSubstitution([SHARE, 'config', 'robot.yaml'])),
        DeclareLaunchArgument('params_file', description='Parameters of your robot, read last',
                              default_value=LaunchConfiguration('robot_file')),
        DeclareLaunchArgument('namespace', default_value='', description='One robot of a fleet'),
        DeclareLaunchArgument('use_sim_time', default_value='false',
                              description='true for a robot in Gazebo'),
        DeclareLaunchArgument('log_level', default_value='info',
                              description='debug, info, warn or error'),
        DeclareLaunchArgument('rviz', default_value='false', description='Show it in RViz'),
        # A killed process must not leave a lock in shared memory on which the watchdog waits.
        SetEnvironmentVariable('FASTDDS_BUILTIN_TRANSPORTS', EnvironmentVariable(
            'FASTDDS_BUILTIN_TRANSPORTS', default_value='UDPv4')),
        PushRosNamespace(LaunchConfiguration('namespace')),
        Node(package='rl_robot_ros', executable='safety_filter', name='safety_filter',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        Node(package='rl_robot_ros', executable='safety_watchdog', name='safety_watchdog',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        Node(package='rl_robot_ros', executable='policy', name='policy',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
        Node(package='rl_robot_ros', executable='learner', name='learner',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, sigterm_timeout='20',
             output='screen', condition=IfCondition(LaunchConfiguration('learn'))),
        # Without the argument, a person runs this one: ros2 run rl_robot_ros start_robot.
        Node(package='rl_robot_ros', executable='start_robot', name='start_robot',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, output='screen',
             condition=IfCondition(LaunchConfiguration('activate'))),
        Node(package='rviz2', executable='rviz2', arguments=[
            '-d', PathJoinSubstitution([SHARE, 'config', 'rl_robot.rviz'])],
             parameters=[{'use_sim_time': LaunchConfiguration('use_sim_time')}],
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ])
