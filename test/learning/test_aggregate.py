"""Several runs together: a run counts once, however many episodes it has."""

import json

import numpy as np
import pytest
from rl_robot_ros.core.transition import RowLayout
from rl_robot_ros.learning.aggregate import Aggregate
from rl_robot_ros.learning.episodes import EpisodeCollector
from rl_robot_ros.learning.report import EvaluationReport
from rl_robot_ros.learning.report import FIGURES

LAYOUT = RowLayout(1, 1, ('upright',))


def report(lengths, reward):
    collector = EpisodeCollector(LAYOUT, 0.02)
    ends = np.cumsum(lengths) - 1
    collector.add(np.array([LAYOUT.pack({
        'seq': seq, 'stamp_nanosec': 20_000_000 * seq, 'truncated': seq in ends,
        'reward': reward, 'success': reward > 1.0}) for seq in range(sum(lengths))]))
    return EvaluationReport.of(collector)


def test_every_run_counts_once():
    runs = {'a': report([1] * 8, 1.0), 'b': report([1, 1], 2.0), 'c': report([1, 1], 6.0)}
    made = Aggregate.of(runs, {'all': ['a', 'b', 'c']})
    assert made.mean['return_mean'].point == 3.0 == made.iqm['return_mean'].point
    assert made.mean['success_rate'].point == pytest.approx(2 / 3)
    assert set(made.iqm) == set(made.mean) == set(FIGURES)
    assert made.iqm['return_mean'].low == 1.0 and made.iqm['return_mean'].high == 6.0


def test_one_lucky_run_does_not_decide():
    runs = {str(k): report([1, 1], reward) for k, reward in enumerate((1.0, 1.0, 1.0, 1.0, 9.0))}
    made = Aggregate.of(runs, {'all': list(runs)})
    assert (made.iqm['return_mean'].point, made.mean['return_mean'].point) == (1.0, 2.6)


def test_set_ups_are_resampled_by_themselves():
    runs = {'a0': report([1, 1], 1.0), 'a1': report([1, 1], 1.0), 'b0': report([1, 1], 3.0),
            'b1': report([1, 1], 3.0)}
    apart = Aggregate.of(runs, {'task=a': ['a0', 'a1'], 'task=b': ['b0', 'b1']})
    assert apart.mean['return_mean'] == (2.0, 2.0, 2.0)
    assert Aggregate.of(runs, {'all': list(runs)}).mean['return_mean'].low == 1.0
    assert '2 set-ups, each resampled by itself: task=a; task=b' in apart.lines()


def test_table_and_file(tmp_path):
    runs = {'runs/a': report([3, 5, 4], 1.0), 'runs/b': report([4, 4], 2.0)}
    made = Aggregate.of(runs, {'cartpole balance sac': list(runs)})
    text = made.lines()
    assert text[0].split()[:3] == ['run', 'episodes', 'return']
    assert text[1].startswith('runs/a  3         4.00 [3.00, ')
    assert any(line.startswith('return IQM') and line.endswith(']') for line in text)
    assert any('fewer than 5 runs' in line for line in text)
    made.to_json(tmp_path / 'x.json', {'runs/c': 'no policy'})
    stored = json.loads((tmp_path / 'x.json').read_text())
    assert stored['iqm']['return_mean'] == 6.0
    assert stored['iqm_intervals']['return_mean'] == [4.0, 8.0]
    assert stored['failed'] == {'runs/c': 'no policy'}
    assert stored['runs']['runs/a']['returns'] == [3.0, 5.0, 4.0]
    assert stored['setups'] == {'cartpole balance sac': ['runs/a', 'runs/b']}
