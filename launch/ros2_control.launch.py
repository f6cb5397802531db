"""A robot under ros2_control, in Gazebo, in MuJoCo or real; then what robot.launch.py starts."""

from pathlib import Path
import shlex

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.actions import IncludeLaunchDescription
from launch.actions import OpaqueFunction
from launch.actions import RegisterEventHandler
from launch.actions import Shutdown
from launch.event_handlers import OnProcessExit
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import launch_config
from launch.substitutions import Command
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
from rl_robot_ros import ros2_control
from rl_robot_ros.core.resolve import resolve

MANAGERS = {'mujoco': 'mujoco_ros2_control', 'real': 'controller_manager'}  # not of gz
GAZEBO = 'rl_robot_ros.robots.gazebo:'  # the datasheet of what is simulated there
WAIT = ['--controller-manager-timeout', '120', '--switch-timeout', '30']


def after(process, *actions):
    """Go on when a process has ended well; end everything where it has not."""
    def on_exit(event, _):
        return list(actions) if event.returncode == 0 else Shutdown(reason='a step has failed')
    return RegisterEventHandler(OnProcessExit(target_action=process, on_exit=on_exit))


def start(context):
    """Describe the robot, in the log directory of this launch, and start it in order."""
    names = ('robot', 'sim', 'controllers_file', 'controller_type', 'plugin', 'hardware_file',
             'gui', 'namespace')
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    sim, robot = given['sim'], resolve('robot', given['robot'])
    files = ros2_control.write_files(robot, Path(launch_config.log_dir) / 'ros2_control',
                                     given['controller_type'], sim)
    if given['controllers_file']:
        files = files._replace(controllers=Path(given['controllers_file']))
    words = ros2_control.xacro_command(
        robot, files, sim, namespace=given['namespace'], plugin=given['plugin'],
        hardware=given['hardware_file'], headless=given['gui'] != 'true')
    common = {'namespace': given['namespace'], 'output': 'screen'}
    time, controllers = {'use_sim_time': sim != 'real'}, str(files.controllers)
    text = ParameterValue(Command(shlex.join(words)), value_type=str)
    publisher = Node(package='robot_state_publisher', executable='robot_state_publisher',
                     parameters=[time, {'robot_description': text}], **common)
    create = Node(package='ros_gz_sim', executable='create', parameters=[time], **common,
                  arguments=['-topic', 'robot_description', '-name', robot.name])
    broadcaster = Node(package='controller_manager', executable='spawner', **common, arguments=[
        'joint_state_broadcaster', '--param-file', controllers, *WAIT])
    # start_robot activates this one, last of all.
    effort = Node(package='controller_manager', executable='spawner', **common, arguments=[
        'effort_controller', '--inactive', '--param-file', controllers, *WAIT])
    graph = IncludeLaunchDescription(
        PythonLaunchDescriptionSource([FindPackageShare('rl_robot_ros'),
                                       '/launch/robot.launch.py']),
        launch_arguments=[('robot', (GAZEBO if sim == 'gz' else '') + given['robot']),
                          ('use_sim_time', str(sim != 'real').lower())])
    order = [after(broadcaster, effort), after(effort, graph), publisher]
    if sim == 'gz':
        return [after(create, broadcaster), *order, create]
    manager = Node(package=MANAGERS[sim], executable='ros2_control_node', on_exit=Shutdown(),
                   parameters=[time, controllers], **common)
    return [*order, manager, broadcaster]


def generate_launch_description():
    """Describe it; all other arguments are those of robot.launch.py."""
    return LaunchDescription([
        DeclareLaunchArgument('robot', description='Datasheet: name, module:ROBOT or YAML file'),
        DeclareLaunchArgument('sim', choices=['gz', 'mujoco', 'real'], description='Who plays it'),
        DeclareLaunchArgument('plugin', default_value='',
                              description='Hardware plugin of sim:=real, my_hardware/MySystem'),
        DeclareLaunchArgument('hardware_file', default_value='',
                              description='YAML file with name: value of its parameters'),
        DeclareLaunchArgument('controller_type', description='In Lyrical forward_command_'
                              'controller/ForwardCommandController is the only one',
                              default_value='effort_controllers/JointGroupEffortController'),
        DeclareLaunchArgument('controllers_file', default_value='',
                              description='Controllers of your own; empty: by the datasheet'),
        DeclareLaunchArgument('gui', default_value='false', description='Window of the simulator'),
        DeclareLaunchArgument('namespace', default_value='', description='One robot of a fleet'),
        OpaqueFunction(function=start),
    ])
