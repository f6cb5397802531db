"""Results that outlive an interruption: one JSON file per row of a table; and optional peers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from collections.abc import Mapping
from importlib import import_module
import json
from pathlib import Path
from typing import Any

from machine import machine
from rl_robot_ros.learning.report import write_json

VERSIONS = {'stable_baselines3': 'stable-baselines3==2.9.2', 'sb3_contrib': 'sb3-contrib==2.9.2',
            'sbx': 'sbx-rl==0.28.0', 'torch': 'torch'}


def peer(module: str) -> Any:
    """Import a library that we are compared with; says how to install it where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise SystemExit(f'{module} is not installed ({error}): '
                         f'pip install {VERSIONS[module.split(".")[0]]}') from None


def have(module: str) -> bool:
    """Tell whether an optional peer is installed."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True


def make_parser(description: str | None, rounds: int = 0) -> argparse.ArgumentParser:
    """
    Return a parser that asks where results are kept, which rows are wanted, which anew.

    :param rounds: default of how often contenders take turns; 0 where they do not.
    """
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--results', type=Path, default=Path('runs/benchmarks'),
                        help='folder of results, one file per row (default %(default)s)')
    parser.add_argument('--only', default='', metavar='TEXT', help='rows whose name contains it')
    parser.add_argument('--again', action='store_true', help='measure these rows once more')
    if rounds:
        parser.add_argument('--rounds', type=int, default=rounds, help='(default %(default)s)')
    return parser


class Rows:
    """
    The measured rows of one table.

    :param folder: where they are kept.
    :param options: see :func:`make_parser`.
    """

    def __init__(self, folder: Path, options: Any) -> None:
        self.folder, self.options = folder, options

    def wants(self, name: str) -> bool:
        """Tell whether a row was asked for."""
        return self.options.only in name

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return a row, measured now unless it was before; it knows its machine and date."""
        path = self.folder / f'{name}.json'
        if self.options.again or not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json({**measure(), 'machine': machine()}, path)
        return json.loads(path.read_text())

    def all_of(self, measures: Mapping[str, Callable[[], dict[str, Any]]],
               measured: bool) -> list[dict[str, Any]]:
        """Return the rows of these names; what is missing is measured, or else left out."""
        found = [self.get(name, measure) if measured else self.known(name)
                 for name, measure in measures.items()]
        return [row for row in found if row]

    def known(self, name: str) -> dict[str, Any] | None:
        """Return a row that was measured before, if it was."""
        path = self.folder / f'{name}.json'
        return json.loads(path.read_text()) if path.exists() else None


def print_table(header: list[str], lines: list[list[str]], rows: list[dict[str, Any]]) -> None:
    """Print a table in Markdown, and where and when its rows were measured."""
    for cells in (header, ['---'] * len(header), *lines):
        print('| ' + ' | '.join(cells) + ' |')
    print('\n' + '; '.join(dict.fromkeys(row['machine'] for row in rows)))
