"""Curves over seeds: which part counts, where it ends, and when a threshold is reached."""

import math

import numpy as np
import pytest
from rl_robot_ros.learning.comparison import at_end
from rl_robot_ros.learning.comparison import Comparison
from rl_robot_ros.learning.comparison import curve_of
from rl_robot_ros.learning.comparison import reached
from rl_robot_ros.learning.comparison import read_run
from rl_robot_ros.learning.comparison import series
from run_folders import HEADER
from run_folders import make_run
from run_folders import seeds

RAMP = np.linspace(0.0, 1.0, 11)


def read(path, plot='success', against='steps'):
    return read_run(path, plot, against)


def test_a_run_against_each_axis(tmp_path):
    run = read(make_run(tmp_path, 'a', RAMP))
    for against, step in (('steps', 400.0), ('updates', 90.0), ('time', 2.0 / 60.0)):
        x, y = series(run, 'success', against)
        np.testing.assert_allclose(x, step * np.arange(11))
        np.testing.assert_allclose(y, RAMP)
    np.testing.assert_allclose(series(run, 'return', 'steps')[1], 100.0 * RAMP)
    assert (at_end(run, 'success'), at_end(run, 'steps')) == (1.0, 4000.0)
    assert at_end(run, 'time') == pytest.approx(20.0 / 60.0)


def test_what_a_crash_lost_is_left_out(tmp_path):
    run = read(make_run(tmp_path, 'a', (), HEADER + (
        '2,100,1,1,1,,0.1\n4,200,1,1,1,,0.2\n6,300,1,1,1,,0.9\n'  # killed
        '4,200,1,1,1,,0.3\n6,250,1,1,1,,\n8,400,1,1,1,,0.4\n10,400,1,1,1,,0.5\n')))
    x, y = series(run, 'success', 'steps')
    assert (x.tolist(), y.tolist()) == ([100.0, 200.0, 400.0], [0.1, 0.3, 0.5])
    x, _ = series(run, 'success', 'time')
    np.testing.assert_allclose(60.0 * x, [2.0, 4.0, 6.0, 10.0, 12.0])


@pytest.mark.parametrize('damage, says', [
    (lambda run: None, 'no such directory'),
    (lambda run: make_run(run.parent, run.name, RAMP, metrics=''), r'no metrics\.csv'),
    (lambda run: make_run(run.parent, run.name, ()), 'no line with both steps and success_rate'),
    (lambda run: make_run(run.parent, run.name, RAMP, metrics='\x00\x01no\n'), 'no line with'),
    (lambda run: make_run(run.parent, run.name, RAMP, metrics='wall_s,success_rate\n1,0.5\n'),
     'no line with both steps'),
    (lambda run: (make_run(run.parent, run.name, RAMP) / 'config.yaml').unlink(),
     r'no config\.yaml'),
    (lambda run: (make_run(run.parent, run.name, RAMP) / 'config.yaml').write_text('[1, 2'),
     'is not YAML'),
    (lambda run: (make_run(run.parent, run.name, RAMP) / 'config.yaml').write_text(''),
     'has no section'),
])
def test_what_is_wrong_with_a_run_is_said(tmp_path, damage, says):
    damage(tmp_path / 'a')
    with pytest.raises((OSError, ValueError), match=says):
        read(tmp_path / 'a')


def test_a_group_is_its_interquartile_mean(tmp_path):
    finals = (0.2, 0.5, 0.6, 0.7, 1.0)
    runs = [read(make_run(tmp_path, str(k), final * RAMP, seed=k))
            for k, final in enumerate(finals)]
    curve = curve_of(runs, 'success', 'steps')
    np.testing.assert_allclose(curve.y.point, 0.6 * curve.x / 4000.0, atol=1e-12)
    assert (curve.y.low <= curve.y.point).all() and (curve.y.point <= curve.y.high).all()
    assert curve.y.low[-1] < 0.55 and curve.y.high[-1] > 0.65
    alone = curve_of(runs[:1], 'success', 'steps')
    np.testing.assert_allclose(alone.y.point, 0.2 * alone.x / 4000.0, atol=1e-12)
    assert np.isnan(alone.y.low).all()


def test_a_curve_is_always_about_the_same_runs(tmp_path):
    runs = {name: read(make_run(tmp_path, name, np.ones(lines), seed=lines))
            for name, lines in (('long', 11), ('short', 6))}
    runs['late'] = read(make_run(tmp_path, 'late', [math.nan, math.nan, *np.ones(9)]))
    curve = curve_of(list(runs.values()), 'success', 'steps')
    assert (curve.x[0], curve.x[-1]) == (800.0, 2000.0)
    text = Comparison.of(runs, 'success', 'steps').lines()
    assert 'short ends at 2000 of 4000 steps, and the curve of its group with it' in text
    assert not any(line.startswith(('long ends', 'late ends')) for line in text)


def test_when_a_threshold_is_reached(tmp_path):
    run = read(make_run(tmp_path, 'a', [1.0, 1.0, 0.5, 0.7, 0.6]))
    assert reached(run, 'success', 'steps', 0.7) == 1200.0, 'before 100 episodes nothing counts'
    assert reached(run, 'success', 'updates', 0.45) == 180.0
    assert reached(run, 'return', 'time', 70.0) == pytest.approx(0.1)
    assert reached(run, 'success', 'steps', 0.8) == math.inf


def test_the_table(tmp_path):
    paths = [*seeds(tmp_path, 'sac', 5, 0.95), *seeds(tmp_path, 'td3', 2, 0.6, algorithm='td3')]
    comparison = Comparison.of({path.name: read(path) for path in paths}, 'success', 'steps')
    lines = comparison.lines(0.55)
    header, sac, td3 = lines[:3]
    assert header.split()[:4] == ['set-up', 'runs', 'return', 'success']
    assert sac.startswith('algorithm=sac  5     ') and '4000   900' in sac
    assert '5 of 5' in sac and 'never' not in sac
    assert td3.startswith('algorithm=td3  2     ')
    interval = sac.split('%')[0].split()[-1]
    assert 85.0 <= float(interval) <= 95.0
    assert any('fewer than 5 runs' in line for line in lines)
    assert 'never' in '\n'.join(comparison.lines(1.0))
    assert comparison.lines(0.55) == lines, 'seeded'


def test_a_group_that_reaches_in_part(tmp_path):
    ends = (0.9, 0.9, 0.9, 0.9, 0.5)
    runs = {str(k): read(make_run(tmp_path, str(k), end * RAMP, seed=k))
            for k, end in enumerate(ends)}
    line = Comparison.of(runs, 'success', 'steps').lines(0.8)[1]
    # One of five is in the quarter that an interquartile mean leaves out.
    assert '4 of 5' in line and '3600 [3600, never]' in line
