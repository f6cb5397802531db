"""package.xml, setup.py, setup.cfg and constraints.txt agree with each other and with the code."""

import ast
from configparser import ConfigParser
import json
from pathlib import Path
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from rl_robot_ros import doctor
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'rl_robot_ros'
SETUP = """
import json, setuptools
setuptools.setup = lambda **kwargs: print(json.dumps(kwargs))
exec(compile(open('setup.py').read(), 'setup.py', 'exec'))
"""
# Import name: (distribution on PyPI, key of rosdep or name of a ROS package; None where there is
# no key: CONTRIBUTING.md then says how to install it).
PROVIDERS = {
    'PIL': ('pillow', 'python3-pil'),
    'ament_index_python': ('ros-jazzy-rclpy', 'ament_index_python'),
    'builtin_interfaces': ('ros-jazzy-rclpy', 'builtin_interfaces'),
    'diagnostic_msgs': ('ros-jazzy-diagnostic-msgs', 'diagnostic_msgs'),
    'geometry_msgs': ('ros-jazzy-geometry-msgs', 'geometry_msgs'),
    'glfw': ('mujoco', 'python3-mujoco-pip'),
    'gymnasium': ('gymnasium', 'python3-gymnasium-pip'),
    'imageio_ffmpeg': ('imageio-ffmpeg', None),
    'matplotlib': ('matplotlib', 'python3-matplotlib'),
    'mujoco': ('mujoco', 'python3-mujoco-pip'),
    'numpy': ('numpy', 'python3-numpy'),
    'rcl_interfaces': ('ros-jazzy-rclpy', 'rcl_interfaces'),
    'rclpy': ('ros-jazzy-rclpy', 'rclpy'),
    'rich': ('rich', 'python3-rich'),
    'rosbags': ('rosbags', 'python3-rosbags-pip'),
    'rosgraph_msgs': ('ros-jazzy-rosgraph-msgs', 'rosgraph_msgs'),
    'safetensors': ('safetensors', None),
    'sensor_msgs': ('ros-jazzy-sensor-msgs', 'sensor_msgs'),
    'std_msgs': ('ros-jazzy-std-msgs', 'std_msgs'),
    'std_srvs': ('ros-jazzy-std-srvs', 'std_srvs'),
    'tensorboard': ('tensorboard', 'python3-tensorboard-pip'),
    'torch': ('torch', 'python3-torch'),
    'yaml': ('PyYAML', 'python3-yaml'),
}
# There where ros2_control is; whoever imports it can do without.
WITH_ROS2_CONTROL = {'controller_manager_msgs'}
# Launch files run where ROS is installed: these have no wheels.
LAUNCH = {'launch': 'launch', 'launch_ros': 'launch_ros',
          'ament_index_python': 'ament_index_python'}
# Looked up in rosdep/python.yaml and in the distribution files of Jazzy and Kilted.
KNOWN_KEYS = {key for _, key in PROVIDERS.values() if key} | set(LAUNCH.values()) | {
    'ament_flake8', 'ament_pep257', 'launch_testing', 'launch_testing_ros', 'python3-hypothesis',
    'python3-pytest', 'python3-pytest-timeout', 'robot_state_publisher', 'ros2launch', 'xacro'}
NOT_FOR_EVERYONE = re.compile(r'gz|gazebo|ros2_control|controller|moveit|rviz')


def canonical(requirement):
    """Reduce a requirement or a pin to the name of its distribution."""
    return re.sub(r'[-_.]+', '-', re.match(r'[\w.-]+', requirement).group()).lower()


def imports(folder):
    """List (top-level name, file) of every absolute import, lazy ones included."""
    for path in sorted(folder.rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from ((alias.name.split('.')[0], path) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                yield node.module.split('.')[0], path


def third_party(folder):
    known = sys.stdlib_module_names | {'rl_robot_ros'}
    found = {}
    for name, path in imports(folder):
        if name not in known:
            found.setdefault(name, path.relative_to(ROOT))
    return found


@pytest.fixture(scope='module')
def manifest():
    return ElementTree.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def setup():
    done = subprocess.run([sys.executable, '-c', SETUP], cwd=ROOT, capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().split('\n')[-1])


@pytest.fixture(scope='module')
def requirements(setup):
    """Every requirement, extras included, by the name of its distribution."""
    extras = [item for extra in setup['extras_require'].values() for item in extra]
    return {canonical(item): item for item in setup['install_requires'] + extras}


def dependencies(manifest, *kinds):
    return [node.text for kind in kinds for node in manifest.iter(kind)]


def test_one_name_one_version(manifest, setup):
    version = manifest.findtext('version')
    assert re.fullmatch(r'\d+\.\d+\.\d+', version)
    assert (setup['name'], setup['version']) == (manifest.findtext('name'), version)
    assert setup['license'] == manifest.findtext('license') == 'Apache-2.0'
    assert setup['maintainer_email'] == manifest.find('maintainer').get('email')
    assert (ROOT / manifest.find('license').get('file')).is_file()


def test_manifest_is_valid():
    """An invalid manifest only warns in colcon, which then falls back to plain Python."""
    parser = pytest.importorskip('catkin_pkg.package')
    warnings = []
    package = parser.parse_package(str(ROOT / 'package.xml'), warnings=warnings)
    package.validate(warnings=warnings)
    assert not warnings
    assert package.package_format == 3
    assert package.get_build_type() == 'ament_python'


def test_manifest_names_only_known_keys(manifest):
    keys = dependencies(manifest, 'depend', 'build_depend', 'exec_depend', 'test_depend')
    assert set(keys) <= KNOWN_KEYS
    assert len(keys) == len(set(keys))
    assert not [key for key in keys if NOT_FOR_EVERYONE.search(key)]


def test_imports_are_declared(manifest, requirements):
    keys = set(dependencies(manifest, 'depend', 'exec_depend'))
    for name, path in third_party(PACKAGE).items():
        if name in WITH_ROS2_CONTROL:
            continue
        assert name in PROVIDERS, f'{path} imports {name}: add it to PROVIDERS, setup.py, ' \
                                  'package.xml and constraints.txt'
        distribution, key = PROVIDERS[name]
        assert canonical(distribution) in requirements, f'{path} imports {name}'
        if key is None:
            assert f'pip install {distribution}' in (ROOT / 'CONTRIBUTING.md').read_text()
        else:
            assert key in keys, f'{path} imports {name}'


def test_launch_files_import_what_is_declared(manifest):
    keys = set(dependencies(manifest, 'depend', 'exec_depend'))
    for name, path in third_party(ROOT / 'launch').items():
        assert LAUNCH.get(name) in keys, f'{path} imports {name}'


def test_ros_and_learning_are_optional(setup):
    """Users of apt have rclpy from there, and a robot needs no torch."""
    needed = {canonical(item) for item in setup['install_requires']}
    assert needed == {'setuptools', 'mujoco', 'numpy', 'pyyaml', 'safetensors'}


def test_kilted_mirrors_jazzy(setup):
    extras = setup['extras_require']
    assert extras['ros-kilted'] == [item.replace('jazzy', 'kilted')
                                    for item in extras['ros-jazzy']]


def test_doctor_knows_the_ranges(requirements):
    for name, least in {**doctor.REQUIRED, **doctor.OPTIONAL}.items():
        assert requirements[canonical(name)] == f'{name}>={least}'


def test_every_requirement_is_pinned_within_its_range(requirements):
    specifiers = pytest.importorskip('packaging.requirements')
    lines = [line for line in (ROOT / 'constraints.txt').read_text().split('\n')
             if line and not line.startswith('#')]
    pins = {}
    for line in lines:
        pin = specifiers.Requirement(line)
        assert re.fullmatch(r'==[\w.]+', str(pin.specifier)), f'not an exact pin: {line}'
        pins[canonical(pin.name)] = next(iter(pin.specifier)).version
    for name, text in requirements.items():
        if not name.startswith('ros-kilted-'):
            assert specifiers.Requirement(text).specifier.contains(pins[name]), text


def test_kilted_has_pins_of_its_own(setup):
    lines = (ROOT / 'constraints-kilted.txt').read_text().split('\n')
    pins = dict(line.split('==') for line in lines if line and not line.startswith('#'))
    assert all(name.startswith('ros-') for name in pins)
    wanted = {item.partition('[')[0] for item in setup['extras_require']['ros-kilted']}
    assert wanted <= set(pins) and not {name for name in pins if name.startswith('ros-jazzy-')
                                        and 'ament' not in name}


def entry_points(setup):
    for line in setup['entry_points']['console_scripts']:
        name, module, function = re.fullmatch(r'([\w-]+) = ([\w.]+):(\w+)', line).groups()
        yield name, ROOT / (module.replace('.', '/') + '.py'), function


def test_entry_points_exist(setup):
    scripts = list(entry_points(setup))
    assert [name for name, _, _ in scripts] == [
        'policy', 'safety_filter', 'safety_watchdog', 'start_robot', 'learner', 'mujoco_sim',
        'teleop', 'recorder', 'rl-robot']
    for name, path, function in scripts:
        body = ast.parse(path.read_text()).body
        assert function in {node.name for node in body if isinstance(node, ast.FunctionDef)}, name


def test_every_module_is_packaged(setup):
    folders = {path.parent for path in PACKAGE.rglob('*.py')}
    assert {str(path.relative_to(ROOT)).replace('/', '.') for path in folders} == set(
        setup['packages'])
    assert (PACKAGE / 'data').is_dir() and setup['package_data']['rl_robot_ros']


def test_every_file_is_installed(setup):
    installed = {}
    for target, paths in setup['data_files']:
        installed.update(dict.fromkeys(paths, target))
    assert all((ROOT / path).is_file() for path in installed)
    assert installed.pop('resource/rl_robot_ros') == 'share/ament_index/resource_index/packages'
    assert installed.pop('package.xml') == 'share/rl_robot_ros'
    wanted = {}
    for source, target in (('launch', 'launch'), ('config', 'config'), ('worlds', 'worlds'),
                           ('rl_robot_ros/data', 'urdf')):
        for path in (ROOT / source).rglob('*'):
            if path.is_file() and path.suffix != '.pyc':
                folder = Path('share/rl_robot_ros', target) / path.parent.relative_to(
                    ROOT / source)
                wanted[str(path.relative_to(ROOT))] = str(folder)
    assert installed == wanted


def test_executables_go_where_ros2_run_looks():
    config = ConfigParser()
    config.read(ROOT / 'setup.cfg')
    assert config['develop']['script_dir'] == '$base/lib/rl_robot_ros'
    assert config['install']['install_scripts'] == '$base/lib/rl_robot_ros'
    assert config['build_scripts']['executable'] == '/usr/bin/env python3'
    assert not [key for section in config.values() for key in section if '-' in key]


def test_change_log_has_this_version(manifest):
    text = (ROOT / 'CHANGELOG.rst').read_text()
    assert manifest.findtext('version') in text or 'Forthcoming' in text


def test_workflow_installs_what_the_docs_name():
    workflow = yaml.safe_load((ROOT / '.github/workflows/ros.yaml').read_text())
    job = workflow['jobs']['ros']
    assert job['strategy']['matrix']['distro'] == ['jazzy', 'kilted']
    commands = '\n'.join(step.get('run', '') for step in job['steps'])
    docs = (ROOT / 'docs/gazebo.md').read_text()
    for name in ('gz-ros2-control', 'ros-gz-sim', 'ros-gz-bridge', 'controller-manager',
                 'effort-controllers', 'joint-state-broadcaster'):
        assert f'ros-$ROS_DISTRO-{name}' in commands and f'ros-$ROS_DISTRO-{name}' in docs
    for word in ('colcon build', 'colcon test', 'gazebo.launch.py gui:=false'):
        assert word in commands
