"""The robot in mujoco_ros2_control, and the graph that moves it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.actions import SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch.substitutions import PathJoinSubstitution
from launch_ros.substitutions import FindPackageShare


def generate_launch_description():
    """Describe the simulator; all other arguments are those of robot.launch.py."""
    return LaunchDescription([
        DeclareLaunchArgument('robot', default_value='arm7',
                              description='Datasheet: name, module:ROBOT or YAML file'),
        DeclareLaunchArgument('gui', default_value='true', description="MuJoCo's window"),
        DeclareLaunchArgument('activate', default_value='true',
                              description='Let the robot go when all is checked'),
        # Also for the controller manager: see robot.launch.py.
        SetEnvironmentVariable('FASTDDS_BUILTIN_TRANSPORTS', EnvironmentVariable(
            'FASTDDS_BUILTIN_TRANSPORTS', default_value='UDPv4')),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(PathJoinSubstitution([
                FindPackageShare('rl_robot_ros'), 'launch', 'ros2_control.launch.py'])),
            launch_arguments=[('sim', 'mujoco'), ('robot', LaunchConfiguration('robot'))]),
    ])
