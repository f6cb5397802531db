"""House rules that no linter knows, and the linters of ament as `colcon test` runs them."""

import ast
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / 'rl_robot_ros').rglob('*.py'))
TREES = {path: ast.parse(path.read_text()) for path in FILES}
MAX_FILE_LINES = 320  # the house aims at 300
MAX_FUNCTION_LINES = 60  # the house aims at 40
UNSAFE_MODULES = {'cloudpickle', 'dill', 'joblib', 'marshal', 'pickle', 'shelve'}
SLOW_FIELDS = {'ByteMultiArray', 'byte_array_value'}


def nodes(*kinds):
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield node, f'{path.relative_to(ROOT)}:{node.lineno}'


def test_files_are_short():
    assert FILES
    sizes = {str(path.relative_to(ROOT)): len(path.read_text().split('\n')) - 1 for path in FILES}
    assert not {name: size for name, size in sizes.items() if size > MAX_FILE_LINES}


def test_functions_are_short():
    sizes = {f'{where} {node.name}': node.end_lineno - node.lineno + 1
             for node, where in nodes(ast.FunctionDef, ast.AsyncFunctionDef)}
    assert not {name: size for name, size in sizes.items() if size > MAX_FUNCTION_LINES}


def test_nothing_is_unpickled():
    bad = []
    for node, where in nodes(ast.Import, ast.ImportFrom):
        modules = ([node.module or ''] if isinstance(node, ast.ImportFrom)
                   else [alias.name for alias in node.names])
        bad += [where for module in modules if module.split('.')[0] in UNSAFE_MODULES]
    for node, where in nodes(ast.keyword):
        if node.arg == 'allow_pickle' and not _is(node.value, False):
            bad.append(where)
    assert not bad


def test_torch_loads_weights_only():
    bad = []
    for node, where in nodes(ast.Call):
        if ast.unparse(node.func) in ('torch.load', 'load') and _may_be_torch(node, where):
            given = {word.arg: word.value for word in node.keywords}
            if not _is(given.get('weights_only'), True):
                bad.append(where)
    assert not bad


def _may_be_torch(node, where):
    """Tell whether a bare `load` was imported from torch."""
    if isinstance(node.func, ast.Attribute):
        return True
    source = (ROOT / where.split(':')[0]).read_text()
    return re.search(r'from torch\S* import .*\bload\b', source) is not None


def _is(node, value):
    return isinstance(node, ast.Constant) and node.value is value


def test_bytes_travel_as_doubles():
    """Fields of byte[] cost one Python object per element in rclpy."""
    bad = [where for node, where in nodes(ast.Attribute) if node.attr in SLOW_FIELDS]
    bad += [where for node, where in nodes(ast.Name) if node.id in SLOW_FIELDS]
    bad += [where for node, where in nodes(ast.keyword) if node.arg in SLOW_FIELDS]
    bad += [where for node, where in nodes(ast.alias) if node.name in SLOW_FIELDS]
    assert not bad


def test_nothing_is_left_for_later():
    bad = []
    for folder in ('rl_robot_ros', 'launch', 'config', 'benchmarks'):
        for path in sorted((ROOT / folder).rglob('*')):
            if path.suffix in ('.py', '.yaml', '.urdf', '.xacro'):
                bad += [f'{path.relative_to(ROOT)}: {line}'
                        for line in path.read_text().split('\n')
                        if re.search(r'\b(TODO|FIXME|XXX|NotImplementedError)\b', line)]
    assert not bad


def test_no_executor_runs_threads():
    """The control path and MultiThreadedExecutor lose messages (see ARCHITECTURE.md)."""
    names = {node.id for node, _ in nodes(ast.Name)} | {node.name for node, _ in nodes(ast.alias)}
    assert 'MultiThreadedExecutor' not in names


def sources():
    names = ('setup.py', 'rl_robot_ros', 'launch', 'test', 'benchmarks')
    return [str(ROOT / name) for name in names if (ROOT / name).exists()]


@pytest.mark.linter
@pytest.mark.flake8
def test_flake8():
    linter = pytest.importorskip('ament_flake8.main')
    status, errors = linter.main_with_errors(argv=sources())
    assert status == 0, '\n'.join(errors)


@pytest.mark.linter
@pytest.mark.pep257
def test_pep257():
    linter = pytest.importorskip('ament_pep257.main')
    assert linter.main(argv=sources()) == 0
