"""What is drawn is a picture; what cannot be drawn is None."""

import math
import sys

import numpy as np
from PIL import Image
import pytest
from rl_robot_ros.learning.comparison import Comparison
from rl_robot_ros.learning.comparison import read_run
from rl_robot_ros.learning.intervals import Interval
from rl_robot_ros.learning.pictures import comparison_picture
from rl_robot_ros.learning.pictures import evaluation_picture
from rl_robot_ros.learning.pictures import learning_curve
from rl_robot_ros.learning.report import FIGURES
from run_folders import seeds


def write(folder, text):
    path = folder / 'metrics.csv'
    path.write_text(text)
    return path


def looks_drawn(path):
    with Image.open(path) as picture:
        return picture.size[0] > 1000 and np.array(picture.convert('L')).std() > 5.0


def a_run(folder, name, rates):
    lines = ['wall_s,rows,return_mean,success_rate']
    lines += [f'{2 * k},{100 * k},{10 * rate},{rate}' for k, rate in enumerate(rates)]
    path = folder / name
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.mark.parametrize('count', [1, 3])
def test_a_learning_curve_is_a_picture(tmp_path, count):
    pytest.importorskip('matplotlib')
    paths = [a_run(tmp_path, f'{k}.csv', np.linspace(0, 1, 20 + k)) for k in range(count)]
    output = tmp_path / 'curve.png'
    assert learning_curve([*paths, tmp_path / 'none.csv'], output, 'title') == output
    assert looks_drawn(output)


def test_what_cannot_be_drawn_is_none(tmp_path, monkeypatch):
    output = tmp_path / 'curve.png'
    empty = write(tmp_path, 'wall_s,rows\n1,1\n')
    assert learning_curve([empty, tmp_path / 'none.csv'], output) is None
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)  # not installed
    assert learning_curve([a_run(tmp_path, 'a.csv', [0.0, 1.0])], output) is None
    assert not output.exists()


@pytest.mark.parametrize('line', ['0,0,,', '0,,nan,inf', '0,1,5,0.5'])
def test_a_curve_of_little_is_drawn_too(tmp_path, line):
    pytest.importorskip('matplotlib')
    path = write(tmp_path, f'wall_s,rows,return_mean,success_rate\n{line}\n{line}\n')
    assert learning_curve([path, path], tmp_path / 'curve.png') is not None


def compared(folder, plot='success', against='steps'):
    paths = [*seeds(folder, 'sac', 3, 0.9), *seeds(folder, 'td3', 1, 0.5, algorithm='td3')]
    return Comparison.of({path.name: read_run(path, plot, against) for path in paths}, plot,
                         against)


@pytest.mark.parametrize('plot, against', [('success', 'time'), ('return', 'steps')])
def test_a_comparison_is_a_picture(tmp_path, plot, against):
    comparison = compared(tmp_path, plot, against)
    output = tmp_path / 'there' / 'comparison.png'
    assert comparison_picture(comparison, output) == output
    assert looks_drawn(output)
    with Image.open(output) as picture:
        colors = {color for _, color in picture.convert('RGB').getcolors(1 << 20)}
    assert {(31, 119, 180), (255, 127, 14)} <= colors, 'a line for each set-up'


def test_the_legend_tells_set_ups_apart(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr('rl_robot_ros.learning.pictures._write',
                        lambda figure, _: drawn.append(figure))
    comparison_picture(compared(tmp_path), tmp_path / 'a.png')
    axes, = drawn[0].axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        'algorithm=sac (3)', 'algorithm=td3 (1)']
    assert axes.get_xlabel() == 'control periods'


def test_runs_that_share_no_time_are_drawn_too(tmp_path):
    comparison = compared(tmp_path)
    group = comparison.groups['algorithm=sac']
    group['sac1'].metrics['steps'] += 1e6
    assert not len(comparison.curves()['algorithm=sac'].x)
    assert comparison_picture(comparison, tmp_path / 'a.png') is not None


def test_an_evaluation_is_a_picture(tmp_path):
    one = {name: Interval(0.5, 0.25, 0.75) for name in FIGURES}
    unsure = {name: Interval(0.5, math.nan, math.nan) for name in FIGURES}
    nothing = {name: Interval(math.nan, math.nan, math.nan) for name in FIGURES}
    output = tmp_path / 'evaluation.png'
    assert evaluation_picture({'a' * 100: one, 'b': unsure, 'c': nothing}, output) == output
    assert looks_drawn(output)
    assert evaluation_picture({}, tmp_path / 'none.png') is None


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'matplotlib.figure', None)
    one = {name: Interval(0.5, 0.25, 0.75) for name in FIGURES}
    assert evaluation_picture({'a': one}, tmp_path / 'a.png') is None
    assert comparison_picture(compared(tmp_path), tmp_path / 'b.png') is None
