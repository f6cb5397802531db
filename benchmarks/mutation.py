"""
Show how many changes to the limits of the safety filter its tests notice.

    python benchmarks/mutation.py                            # a seeded sample of 400
    python benchmarks/mutation.py --sample 0 --files bounds  # all that there are of one file

cosmic-ray writes the mutants: one changed operator, number, keyword or loop each.  Two operators
of ours join it, because this code computes in place: another NumPy function, and a statement that
is left out.  Nothing is written to the tree: a forked process reads one module mutated, and runs
the tests of that module until the first one fails.  Needs `pip install cosmic-ray`, as
`make mutants` does.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from datetime import date
import importlib.abc
import importlib.machinery
from importlib.metadata import version
import itertools
import os
from pathlib import Path
import platform
import random
import signal
import sys
import time
from typing import NamedTuple

import _hypothesis_pytestplugin  # noqa: F401  imported once, before the forks
from cosmic_ray.ast import ast_nodes
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Operator
from cosmic_ray.plugins import get_operator
import hypothesis
import hypothesis.strategies
import mujoco  # noqa: F401
from parso.python.tree import Keyword
from parso.python.tree import Name
from parso.tree import NodeOrLeaf
import pytest
import pytest_timeout  # noqa: F401
import rl_robot_ros.core.resolve
import rl_robot_ros.robots.dynamics  # noqa: F401

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'rl_robot_ros.safety'
FILES = ('bounds', 'viability', 'torque_map', 'observer', 'delivery', 'state_machine', 'limits',
         'envelope', 'intake', 'model_limit', 'tightening')
# Those of ROS take longer to load than the tests to run.
PLUGINS = ('-p', 'no:cacheprovider', '-p', 'pytest_timeout', '-p', '_hypothesis_pytestplugin')
# What cosmic-ray has and is left out: it only makes code that cannot run (1.0 << 2.0), or
# compares identities of numbers; such mutants die whatever the tests are, and flatter the score.
BINARY = ('Add_Sub', 'Sub_Add', 'Mul_Div', 'Div_Mul', 'Mul_Add', 'Pow_Mul', 'Mod_Mul',
          'BitAnd_BitOr', 'BitOr_BitAnd')
COMPARISON = ('Lt_LtE', 'Lt_GtE', 'LtE_Lt', 'LtE_Gt', 'Gt_GtE', 'Gt_LtE', 'GtE_Gt', 'GtE_Lt',
              'Eq_NotEq', 'NotEq_Eq', 'Is_IsNot', 'IsNot_Is')
OTHERS = ('AddNot', 'NumberReplacer', 'ReplaceAndWithOr', 'ReplaceBreakWithContinue',
          'ReplaceContinueWithBreak', 'ReplaceFalseWithTrue', 'ReplaceOrWithAnd',
          'ReplaceTrueWithFalse', 'ReplaceUnaryOperator_Delete_Not',
          'ReplaceUnaryOperator_Delete_USub', 'ZeroIterationForLoop')
SWAPS = {'abs': 'positive', 'add': 'subtract', 'all': 'any', 'any': 'all', 'ceil': 'floor',
         'divide': 'multiply', 'floor': 'ceil', 'greater_equal': 'greater',
         'less_equal': 'less', 'max': 'min', 'maximum': 'minimum', 'min': 'max',
         'minimum': 'maximum', 'multiply': 'divide', 'negative': 'positive', 'sqrt': 'square',
         'subtract': 'add', 'zeros': 'ones', 'zeros_like': 'ones_like'}


class SwapFunction(Operator):
    """Call another function of NumPy, of an array, or the other one of min and max."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple]:
        if isinstance(node, Name) and node.value in SWAPS and (
                node.get_previous_leaf().value == '.' or node.value in ('max', 'min')):
            yield node.start_pos, node.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        node.value = SWAPS[node.value]
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


class DropStatement(Operator):
    """Leave out a call, a raise, or an assignment to what is there already."""

    def mutation_positions(self, node: NodeOrLeaf) -> Iterator[tuple]:
        if node.type != 'simple_stmt':
            return
        first, function = node.children[0], node.search_ancestor('funcdef')
        gone = first.type in ('atom_expr', 'raise_stmt')
        if first.type == 'expr_stmt' and first.children[1].type != 'annassign':
            # What __init__ makes must be there, and so must a new name: code cannot run without.
            sets = first.children[0].type == 'atom_expr' and (
                function is not None and function.name.value != '__init__')
            gone = sets or first.children[1].value != '='
        if gone:
            yield node.start_pos, first.end_pos

    def mutate(self, node: NodeOrLeaf, index: int) -> NodeOrLeaf:
        prefix = node.get_first_leaf().prefix
        node.children[0] = Keyword('pass', node.start_pos, prefix)
        return node

    @classmethod
    def examples(cls) -> tuple:
        return ()


class Mutant(NamedTuple):
    """One changed file."""

    file: str
    line: int
    operator: str
    before: str
    after: str
    code: str


def operators() -> dict[str, Operator]:
    """Make every operator, by name."""
    names = [f'ReplaceBinaryOperator_{name}' for name in BINARY]
    names += [f'ReplaceComparisonOperator_{name}' for name in COMPARISON]
    made = {name: get_operator(f'core/{name}')() for name in (*names, *OTHERS)}
    return {**made, 'SwapFunction': SwapFunction(), 'DropStatement': DropStatement()}


OPERATORS = operators()


def path_of(file: str) -> Path:
    """Return where a module of the package lies."""
    return ROOT / PACKAGE.replace('.', '/') / f'{file}.py'


def annotates(node: NodeOrLeaf) -> bool:
    """Say whether a node is part of an annotation, which nothing evaluates."""
    while node.parent is not None:
        node, below = node.parent, node
        if node.type == 'annassign' and below is node.children[1]:
            return True
        if node.type == 'tfpdef' or (node.type == 'funcdef' and below is node.annotation):
            return True
    return False


def places_of(file: str) -> list[tuple[str, str, int]]:
    """List where a file can be changed: file, operator, and which of its places."""
    tree = get_ast(path_of(file).read_text())
    return [(file, name, index) for name, operator in OPERATORS.items()
            for index, node in enumerate(node for node in ast_nodes(tree)
                                         for _ in operator.mutation_positions(node))
            if not annotates(node)]


def mutant_at(file: str, operator: str, index: int) -> Mutant | None:
    """Change one place; None where that is no Python, as without the / of a signature."""
    source = path_of(file).read_text()
    code = mutate_code(source, OPERATORS[operator], index)
    try:
        ast.parse(code)
    except SyntaxError:
        return None
    before, after = source.split('\n'), code.split('\n')
    at = next(i for i, line in enumerate(before) if line != after[i])
    return Mutant(file, at + 1, operator, before[at].strip(), after[at].strip(), code)


def choose(most: int, seed: int) -> tuple[list[Mutant], int]:
    """Return `most` mutants, 0 for all, in the order of the code, and how many places there are."""
    places = [place for file in FILES for place in places_of(file)]
    random.Random(seed).shuffle(places)
    made = (mutant for place in places if (mutant := mutant_at(*place)) is not None)
    return sorted(itertools.islice(made, most or None)), len(places)


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports one module from a changed source."""

    def __init__(self, mutant: Mutant) -> None:
        self.name, self.code = f'{PACKAGE}.{mutant.file}', mutant.code

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=self.get_filename(name))

    def get_filename(self, name):
        return f'<mutant of {name}>'

    def get_data(self, path):
        return self.code.encode()


def start(tests: list[str], mutant: Mutant | None) -> int:
    """Fork a process that runs tests with a mutant; return its id."""
    if process := os.fork():
        return process
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    sys.path = [path for path in sys.path if Path(path) != ROOT / 'benchmarks']  # has a safety.py
    if mutant is not None:
        sys.meta_path.insert(0, Mutated(mutant))
    for test in tests:
        if code := pytest.main(['-x', '-q', *PLUGINS, test]):
            os._exit(int(code))
    os._exit(0)


def tests_of(file: str) -> list[str]:
    """Name the tests that must notice; test_<file>_<more>.py, the quicker ones, come first."""
    return sorted(map(str, (ROOT / 'test' / 'safety').glob(f'test_{file}*.py')),
                  reverse=True)


def baseline(files: tuple[str, ...]) -> dict[str, float]:
    """Return how long the tests of each file take [s]; they must pass as it is."""
    took = {}
    for file in files:
        began = time.monotonic()
        _, status = os.waitpid(start(tests_of(file), None), 0)
        took[file] = time.monotonic() - began
        if status:
            sys.exit(f'test_{file}.py fails without a mutant')
    return took


def run(sample: list[Mutant], jobs: int, took: dict[str, float]) -> dict[Mutant, str]:
    """Return 'killed', 'survived' or 'timeout' for every mutant."""
    waiting, running, results = list(reversed(sample)), {}, {}
    while waiting or running:
        while waiting and len(running) < jobs:
            mutant = waiting.pop()
            running[start(tests_of(mutant.file), mutant)] = (
                mutant, time.monotonic() + 20.0 + 10.0 * took[mutant.file])
        time.sleep(0.01)
        for process, (mutant, deadline) in list(running.items()):
            done, status = os.waitpid(process, os.WNOHANG)
            if not done and time.monotonic() > deadline:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
                results[mutant] = 'timeout'
            elif done:
                results[mutant] = 'killed' if status else 'survived'
            if mutant in results:
                del running[process]
                show(mutant, results[mutant], len(results), len(sample))
    return results


def show(mutant: Mutant, result: str, done: int, total: int) -> None:
    """Print one line of progress to the terminal, and survivors for good."""
    if result == 'survived' or done % 50 == 0:
        print(f'{done}/{total} {result} {mutant.file}.py:{mutant.line} {mutant.after}',
              file=sys.stderr, flush=True)


def report(results: dict[Mutant, str], places: int, seed: int, seconds: float) -> None:
    """Print the table, and what survived."""
    print(f'{date.today()}, cosmic-ray {version("cosmic-ray")}, Python '
          f'{platform.python_version()}, {platform.machine()} with {os.cpu_count()} cores; '
          f'{len(results)} of {places} possible mutants, seed {seed}, in {seconds:.0f} s\n')
    print('| file | mutants | killed | of these by time-out | survived | score |')
    print('|---|---|---|---|---|---|')
    for file in (*FILES, 'all'):
        count = Counter(result for mutant, result in results.items()
                        if file in ('all', mutant.file))
        if total := count.total():
            print(f'| {file} | {total} | {total - count["survived"]} | {count["timeout"]} | '
                  f'{count["survived"]} | {1.0 - count["survived"] / total:.1%} |')
    print('\n| survivor | was | is |\n|---|---|---|')
    for mutant in sorted(mutant for mutant, result in results.items() if result == 'survived'):
        before, after = (text.replace('|', '\\|') for text in (mutant.before, mutant.after))
        print(f'| {mutant.file}.py:{mutant.line} | `{before}` | `{after}` |')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().split('\n')[0])
    parser.add_argument('--sample', type=int, default=400, help='mutants to run, 0: all of them')
    parser.add_argument('--seed', type=int, default=0, help='of the sample')
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='processes at once')
    parser.add_argument('--files', nargs='+', choices=FILES, default=FILES,
                        help='only those of the sample that are in these files')
    given = parser.parse_args()
    os.chdir(ROOT)
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD='1', HYPOTHESIS_PROFILE='mutation')
    # As the profile of the suite, but a failure need not be made small.
    hypothesis.settings.register_profile('mutation', max_examples=40, derandomize=True,
                                         deadline=None, phases=[hypothesis.Phase.generate])
    sample, places = choose(given.sample, given.seed)
    sample = [mutant for mutant in sample if mutant.file in given.files]
    began = time.monotonic()
    results = run(sample, given.jobs, baseline(given.files))
    report(results, places, given.seed, time.monotonic() - began)


if __name__ == '__main__':
    main()
