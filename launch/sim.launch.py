"""Play a trained policy at the pace of life: simulated robot, filter, watchdog and policy."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import SetEnvironmentVariable
from launch.substitutions import EnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.actions import PushRosNamespace
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('rl_robot_ros')
PARAMETERS = [
    LaunchConfiguration('params_file'),
    {
        'robot': LaunchConfiguration('robot'),
        'task': LaunchConfiguration('task'),
        'preset': LaunchConfiguration('preset'),
        'use_sim_time': LaunchConfiguration('use_sim_time'),
        'policy.checkpoint': LaunchConfiguration('checkpoint'),
        'sim.clock_file': LaunchConfiguration('clock_file'),
        'sim.view': LaunchConfiguration('view'),
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
        DeclareLaunchArgument('preset', default_value='',
                              description='Named sets of values, separated by commas'),
        DeclareLaunchArgument('checkpoint',
                              description='Policy file of a run: runs/.../policy.safetensors'),
        DeclareLaunchArgument('params_file',
                              default_value=PathJoinSubstitution([SHARE, 'config', 'play.yaml']),
                              description='ROS parameters of all nodes'),
        DeclareLaunchArgument('namespace', default_value='', description='One robot of a fleet'),
        DeclareLaunchArgument('use_sim_time', default_value='true',
                              description='Stamps are simulated time'),
        DeclareLaunchArgument('view', default_value='false', description="MuJoCo's viewer"),
        DeclareLaunchArgument('clock_file', description='Keeps simulated time rising',
                              default_value=[EnvironmentVariable('HOME', default_value='/tmp'),
                                             '/.ros/rl_robot_ros/sim_clock.json']),
        DeclareLaunchArgument('log_level', default_value='info',
                              description='debug, info, warn or error'),
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
        Node(package='rl_robot_ros', executable='mujoco_sim', name='mujoco_sim',
             parameters=PARAMETERS, ros_arguments=ARGUMENTS, **KEEP_ALIVE),
    ])
