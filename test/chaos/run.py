"""
Seeded faults on a running graph, one schedule after another, and an audit behind each.

Two simulated robots and their learner as real processes.  A seed says who is killed, stopped,
ended, flooded, and what is damaged meanwhile (`schedule`); behind each schedule everything must
go on again, every row must be stored or reported as lost, no wrong weights may have been taken
(`audit`).  Results are kept, one file a seed: what was interrupted goes on where it was.

    PYTHONPATH=test:benchmarks python -m chaos.run [--seeds 100]
"""

from __future__ import annotations

from collections import Counter
import json
from pathlib import Path
import sys
import tempfile
from typing import Any

from chaos.schedule import FAULTS
from chaos.trial import Trial
from machine import machine
from results import make_parser
from results import print_table
from rl_robot_ros.learning.report import write_json
from rl_robot_ros.shared_memory import remove_leftovers

TOGETHER = 10  # schedules on one graph


def parameters_of(group: int) -> dict[str, Any]:
    """Return how the graphs differ: in step with the learner or not, many rows kept or few."""
    return {'sync.enabled': group % 2 == 0, 'experience.keep_rows': 300 if group % 4 > 1
            else 10_000}


def play(group: int, seeds: list[int], results: Path) -> None:
    """Run schedules on one graph; leaves a file for each."""
    with tempfile.TemporaryDirectory() as folder:
        with Trial(Path(folder), parameters_of(group)) as trial:
            for seed in seeds:
                found = {'group': group, 'graph': seeds[0], **trial.play(seed),
                         'machine': machine()}
                write_json(found, results / f'{seed:04d}.json')
                print(f'seed {seed}: {found["seconds"]} s, {found["made"]} rows made, '
                      f'{found["lost"]} lost, {found["unaccounted"]} unaccounted, return '
                      f'{found["return_first"]:.1f} to {found["return_last"]:.1f}',
                      *found['violations'], sep='\n  ', flush=True)
                remove_leftovers()
        if trial.wrong:  # with how it all ended
            print(*trial.wrong, sep='\n  ', flush=True)
            found['violations'] += trial.wrong
            write_json(found, results / f'{seed:04d}.json')


def lines_of(results: list[dict[str, Any]]) -> list[list[str]]:
    """Return one line for each fault: how often, and what came of the schedules with it."""
    lines = []
    for fault in FAULTS:
        times = sum(event[1] == fault for result in results for event in result['events'])
        inside = [result for result in results
                  if any(event[1] == fault for event in result['events'])]
        sums = Counter[str]()
        for result in inside:
            sums.update({key: result[key] for key in ('made', 'lost', 'unaccounted')})
            sums['hangs'] += sum(text.startswith('hang') for text in result['violations'])
            sums['wrong'] += sum(' took version ' in text for text in result['violations'])
            sums['other'] += len(result['violations'])
        sums['other'] -= sums['hangs'] + sums['wrong']
        lines.append([fault, str(times), str(len(inside)), *(str(sums[key]) for key in (
            'made', 'lost', 'unaccounted', 'wrong', 'hangs', 'other'))])
    return lines


def summary(results: list[dict[str, Any]]) -> str:
    """Say what came of all together."""
    graphs: dict[int, list[dict[str, Any]]] = {}
    for result in results:
        graphs.setdefault(result['graph'], []).append(result)
    grown = [graph[-1]['return_last'] > graph[-1]['return_first'] for graph in graphs.values()]
    sums, counts = Counter[str](), Counter[str]()
    for result in results:
        sums.update({key: result[key] for key in ('made', 'stored', 'lost', 'unaccounted')})
        counts.update(result['counts'])
    weights = {what: sum(count for key, count in counts.items() if key.startswith('weights')
                         and key.endswith(what)) for what in ('sent', 'answered', 'dead')}
    return (f'{len(results)} schedules on {len(graphs)} graphs, '
            f'{sum(result["seconds"] for result in results) / 60.0:.0f} minutes: '
            f'{sums["made"]} rows made, {sums["stored"]} stored, {sums["lost"]} reported as lost, '
            f'{sums["unaccounted"]} unaccounted; wrong or old weights offered {weights["sent"]} '
            f'times, {weights["answered"]} times refused, {weights["dead"]} times not heard by a '
            'process that had just died or just begun; the '
            f'return rises on {sum(grown)} of {len(grown)} graphs; '
            f'{sum(bool(result["violations"]) for result in results)} schedules with violations')


def main() -> int:
    """Play what was not played yet, print the table; exit status 1 where something is wrong."""
    parser = make_parser(__doc__)
    parser.add_argument('--seeds', type=int, default=100, help='(default %(default)s)')
    parser.add_argument('--first', type=int, default=0, help='first seed')
    options = parser.parse_args()
    folder = options.results / 'chaos'
    seeds = range(options.first, options.first + options.seeds)
    for group in sorted({seed // TOGETHER for seed in seeds}):
        left = [seed for seed in seeds if seed // TOGETHER == group
                and (options.again or not (folder / f'{seed:04d}.json').exists())]
        if left:
            folder.mkdir(parents=True, exist_ok=True)
            play(group, left, folder)
    results = [json.loads((folder / f'{seed:04d}.json').read_text()) for seed in seeds]
    print_table(['fault', 'times', 'schedules', 'rows made', 'reported lost', 'unaccounted',
                 'wrong weights taken', 'hangs', 'other violations'], lines_of(results), results)
    print(summary(results))
    return int(any(result['violations'] for result in results))


if __name__ == '__main__':
    sys.exit(main())
