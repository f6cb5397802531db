"""Arrows point down only: which part may import what, and what a process really loads."""

import ast
from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1] / 'rl_robot_ros'
ROS = {'action_msgs', 'ament_index_python', 'builtin_interfaces', 'controller_manager_msgs',
       'diagnostic_msgs', 'geometry_msgs', 'launch', 'launch_ros', 'rcl_interfaces', 'rclpy',
       'rosgraph_msgs', 'sensor_msgs', 'std_msgs', 'std_srvs'}

# Part: what it may import of this package, and of others (beside the standard library).
RULES = {
    'core': ({'core'}, {'numpy'}),
    'safety': ({'safety', 'core'}, {'numpy'}),
    'robots': ({'robots', 'core'}, {'numpy', 'mujoco', 'yaml'}),
    'tasks': ({'tasks', 'robots', 'core'}, {'numpy'}),
    'sim': ({'sim', 'robots', 'core'}, {'numpy', 'mujoco', 'glfw', 'PIL', 'imageio',
                                        'imageio_ffmpeg'}),
    'memory': ({'memory', 'core'}, {'numpy', 'safetensors'}),
    'algorithms': ({'algorithms', 'memory', 'core'}, {'numpy', 'torch'}),
    'policy_file': ({'core'}, {'numpy', 'safetensors'}),
    'interchange': ({'interchange', 'policy_file', 'robots', 'safety', 'core'},
                    {'numpy', 'yaml'}),
    'settings': ({'safety', 'core'}, {'yaml'}),
    'share': (set(), ROS),
    'runs': ({'settings', 'core'}, set()),
    'learning': ({'learning', 'algorithms', 'memory', 'policy_file', 'runs', 'settings', 'core'},
                 {'numpy', 'torch', 'matplotlib'}),
    'own_limits': ({'robots', 'safety', 'core'}, set()),
    'env': ({'own_limits', 'sim', 'safety', 'tasks', 'robots', 'core'}, {'numpy', 'gymnasium'}),
    'safe_wrapper': ({'safe_wrapper', 'safety', 'core'}, {'numpy', 'gymnasium'}),
    'acting': ({'env', 'core'}, {'numpy'}),
    'in_process': ({'acting', 'env', 'interchange', 'learning', 'algorithms', 'memory', 'settings',
                    'runs', 'sim', 'safety', 'tasks', 'robots', 'core'}, {'numpy'}),
    'ros2_control': ({'robots', 'share', 'core'}, {'numpy', 'mujoco', 'yaml'}),
    'wire': ({'core'}, {'numpy', *ROS}),
    'wire_goals': ({'wire', 'core'}, {'numpy', *ROS}),
    'wire_rows': ({'wire', 'core'}, {'numpy', *ROS}),
    'bags': (set(), {'rosbags'}),
    'nodes': ({'nodes', 'wire', 'wire_goals', 'wire_rows', 'bags', 'interchange', 'settings',
               'own_limits', 'runs', 'tasks', 'robots', 'safety', 'core'}, {'numpy', *ROS}),
}
MORE = {'nodes/mujoco_sim.py': {'sim'}, 'nodes/person_rows.py': {'memory'},
        'nodes/learner.py': {'learning', 'algorithms', 'acting'}}
# These take seconds to load; whoever can do without them imports them where they are used.
LAZY = {'matplotlib', 'tensorboard', 'imageio_ffmpeg', 'PIL', 'glfw', 'rosbags'}
LIGHT_NODES = ('policy', 'safety_filter', 'safety_watchdog', 'mujoco_sim')


def modules_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, 'relative import'
    # `from rl_robot_ros import wire` imports a module of that name.
    if node.module == 'rl_robot_ros':
        return [f'rl_robot_ros.{alias.name}' for alias in node.names]
    return [node.module]


def imports(path):
    """Yield (part of this package or empty, other package or empty, whether on loading)."""
    tree = ast.parse(path.read_text())
    later = {id(inner) for node in ast.walk(tree)
             if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
             for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for module in modules_of(node):
                first, _, rest = module.partition('.')
                if first == 'rl_robot_ros':
                    yield rest.partition('.')[0], '', id(node) not in later
                elif first not in sys.stdlib_module_names:
                    yield '', first, id(node) not in later


def files():
    return sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*.py'))


def part_of(name):
    return name.partition('/')[0].removesuffix('.py')


def test_every_folder_has_its_rule():
    folders = {part_of(name) for name in files() if '/' in name}
    assert folders <= set(RULES)
    assert {part_of(name) for name in files()} >= set(RULES)


@pytest.mark.parametrize('name', [name for name in files() if part_of(name) in RULES])
def test_arrows_point_down(name):
    inside, outside = RULES[part_of(name)]
    inside = inside | MORE.get(name, set())
    for ours, theirs, _ in imports(ROOT / name):
        assert not ours or ours in inside, f'{name} imports {ours}'
        assert not theirs or theirs in outside, f'{name} imports {theirs}'


def test_the_watchdog_starts_light():
    loaded = run("""
import sys
import rl_robot_ros.nodes.safety_watchdog
from rl_robot_ros.core.resolve import resolve
resolve('robot', 'arm7')
print(*{name.partition('.')[0] for name in sys.modules})
""").split()
    assert 'rclpy' in loaded
    assert not set(loaded) & {'mujoco', 'torch', 'scipy', 'gymnasium', 'controller_manager'}


@pytest.mark.parametrize('name', files())
def test_heavy_packages_load_where_they_are_used(name):
    for _, theirs, on_loading in imports(ROOT / name):
        assert not (on_loading and theirs in LAZY), f'{name} imports {theirs} when it is loaded'
        if theirs == 'torch' and on_loading:
            assert part_of(name) in ('algorithms', 'learning')


def test_rules_have_no_circle():
    """Whatever the rules allow can be put in one order."""
    order = []
    while len(order) < len(RULES):
        free = [part for part, (inside, _) in RULES.items()
                if part not in order and inside - {part} <= set(order)]
        assert free, set(RULES) - set(order)
        order += free
    assert order[0] == 'core'


def run(code):
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT.parent, capture_output=True,
                          text=True, timeout=50)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def module_names(*parts):
    return ['rl_robot_ros.' + name.removesuffix('.py').removesuffix('/__init__').replace('/', '.')
            for name in files() if part_of(name) in parts]


def test_core_and_safety_need_numpy_alone():
    out = run(f"""
import importlib
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        first = name.partition('.')[0]
        if first not in sys.stdlib_module_names and first not in ('numpy', 'rl_robot_ros'):
            raise ModuleNotFoundError(f'{{name}} is imported')

sys.meta_path.insert(0, Guard())
for name in {module_names('core', 'safety')!r}:
    importlib.import_module(name)
try:
    import yaml
except ModuleNotFoundError:
    print('guarded')
""")
    assert out == 'guarded\n'
    assert len(module_names('core', 'safety')) > 15


def test_policy_filter_and_simulator_never_load_torch():
    loaded = run(f"""
import importlib
import sys
from rl_robot_ros.core.resolve import names
from rl_robot_ros.core.resolve import resolve
for node in {LIGHT_NODES!r}:
    importlib.import_module(f'rl_robot_ros.nodes.{{node}}')
for kind in ('robot', 'task'):
    for name in names(kind):
        resolve(kind, name)
for robot in names('robot'):
    for task in names('task'):
        try:
            resolve('task', task)(resolve('robot', robot))
        except ValueError:
            pass
print(*sys.modules)
""").split()
    assert 'rl_robot_ros.nodes.policy' in loaded and 'rclpy' in loaded
    first = {name.partition('.')[0] for name in loaded}
    assert not first & {'torch', 'gymnasium', 'matplotlib', 'tensorboard', 'scipy', 'PIL'}
    ours = {name.split('.')[1] for name in loaded if name.startswith('rl_robot_ros.')}
    assert not ours & {'algorithms', 'learning', 'memory', 'env', 'in_process', 'cli'}
