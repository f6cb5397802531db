"""
Count how many errors in the limits and in the state machine the tests would notice.

    python benchmarks/mutation.py                            # a seeded sample of 400
    python benchmarks/mutation.py --sample 0 --files bounds  # all that there are of one file

cosmic-ray writes the mutants (see mutation_operators.py): one changed operator, number, function,
keyword, loop or statement each.  Nothing is written to the tree: a forked process reads one module
mutated, and runs the tests of that module until the first one fails.  Needs
`pip install cosmic-ray`, as `make mutants` does.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from datetime import date
import importlib
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

from cosmic_ray.ast import ast_nodes
from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
import hypothesis
from mutation_operators import annotates
from mutation_operators import operators
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'rl_robot_ros.safety'
FILES = ('bounds', 'viability', 'torque_map', 'observer', 'delivery', 'state_machine', 'limits',
         'envelope', 'intake', 'model_limit', 'tightening', 'push')
# What every process would import, once.
PRELOADED = ('_hypothesis_pytestplugin', 'hypothesis.strategies', 'mujoco', 'pytest_timeout',
             'rl_robot_ros.core.resolve', 'rl_robot_ros.robots.dynamics')
# Those of ROS take longer to load than the tests to run.
PLUGINS = ('-p', 'no:cacheprovider', '-p', 'pytest_timeout', '-p', '_hypothesis_pytestplugin')


class Mutant(NamedTuple):
    """One changed file."""

    file: str
    line: int
    operator: str
    before: str
    after: str
    code: str


OPERATORS = operators()


def path_of(file: str) -> Path:
    """Return where a module of the package lies."""
    return ROOT / PACKAGE.replace('.', '/') / f'{file}.py'


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
    """Return `most` mutants, 0 for all, and how many places there are to change."""
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
    for module in PRELOADED:
        importlib.import_module(module)
    sample, places = choose(given.sample, given.seed)
    sample = [mutant for mutant in sample if mutant.file in given.files]
    began = time.monotonic()
    results = run(sample, given.jobs, baseline(given.files))
    report(results, places, given.seed, time.monotonic() - began)


if __name__ == '__main__':
    main()
