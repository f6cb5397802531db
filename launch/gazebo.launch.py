"""The robot in Gazebo (Harmonic on Jazzy, Ionic on Kilted), and the graph that moves it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.actions import SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable
from launch.substitutions import IfElseSubstitution
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('rl_robot_ros')


def include(package, file, **arguments):
    """Include a launch file of a package."""
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([package, 'launch', file])),
        launch_arguments=arguments.items())


def generate_launch_description():
    """Describe world, clock and robot; all other arguments are those of robot.launch.py."""
    return LaunchDescription([
        DeclareLaunchArgument('robot', default_value='arm7',
                              description='Datasheet: name, module:ROBOT or YAML file'),
        DeclareLaunchArgument('world', description='SDF file of it',
                              default_value=PathJoinSubstitution([SHARE, 'worlds', 'robot.sdf'])),
        DeclareLaunchArgument('params_file', description='Parameters of your own, read last',
                              default_value=[SHARE, '/config/gazebo.yaml']),
        DeclareLaunchArgument('gui', default_value='true', description="Gazebo's window"),
        DeclareLaunchArgument('activate', default_value='true',
                              description='Let the robot go when all is checked'),
        # Also for the controller manager, which lives in Gazebo: see robot.launch.py.
        SetEnvironmentVariable('FASTDDS_BUILTIN_TRANSPORTS', EnvironmentVariable(
            'FASTDDS_BUILTIN_TRANSPORTS', default_value='UDPv4')),
        include(FindPackageShare('ros_gz_sim'), 'gz_sim.launch.py', on_exit_shutdown='true',
                gz_args=['-r -v 3 ', IfElseSubstitution(LaunchConfiguration('gui'), '', '-s '),
                         LaunchConfiguration('world')]),
        Node(package='ros_gz_bridge', executable='parameter_bridge', name='clock_bridge',
             arguments=['/clock@rosgraph_msgs/msg/Clock[gz.msgs.Clock'], output='screen'),
        include(SHARE, 'ros2_control.launch.py', sim='gz', robot=LaunchConfiguration('robot')),
    ])
