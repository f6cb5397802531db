"""A file that survives a crash and a resume."""

import math

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from rl_robot_ros.learning.metrics import read_metrics


def write(folder, text):
    path = folder / 'metrics.csv'
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_metrics_survive_a_crash_and_a_resume(tmp_path):
    metrics = read_metrics(write(tmp_path, (
        'wall_s,rows,return_mean\r\n0.0,0,\r\n10.0,100,-5.5\r\n20.0,2'
        '\nwall_s,rows,lag,success_rate\n12.0,120,1,0.5\nnan,1,1,1\n14.0,140,x,0.25\n16.0,16')))
    assert metrics['wall_s'].tolist() == [0.0, 10.0, 12.0, 14.0]
    assert metrics['rows'].tolist() == [0.0, 100.0, 120.0, 140.0]
    np.testing.assert_equal(metrics['return_mean'], [math.nan, -5.5, math.nan, math.nan])
    np.testing.assert_equal(metrics['lag'], [math.nan, math.nan, 1.0, math.nan])
    np.testing.assert_equal(metrics['success_rate'], [math.nan, math.nan, 0.5, 0.25])


def test_time_only_rises(tmp_path):
    metrics = read_metrics(write(tmp_path, 'wall_s,rows\n0,0\n50,5\n30,3\n40,4\n0,0\n5,1\n'))
    assert metrics['wall_s'].tolist() == [0.0, 50.0, 50.0, 60.0, 60.0, 65.0]


CELLS = st.one_of(st.text(max_size=6), st.floats().map(repr), st.integers().map(str),
                  st.sampled_from(['wall_s', 'rows', '', '1e400', '-0', '١']))
LINES = st.lists(st.lists(CELLS, max_size=4).map(','.join), max_size=12)


@given(lines=LINES, tail=st.binary(max_size=20))
def test_any_file_can_be_read(tmp_path_factory, lines, tail):
    folder = tmp_path_factory.mktemp('metrics')
    text = '\n'.join(['wall_s,rows,return_mean', *lines, '']).encode(errors='replace') + tail
    metrics = read_metrics(write(folder, text))
    assert len({len(values) for values in metrics.values()}) <= 1
    wall = metrics.get('wall_s', np.zeros(0))
    assert np.isfinite(wall).all() and (np.diff(wall) >= 0.0).all()
