import logging
import sys
from types import ModuleType

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros.learning.metrics import read_metrics
from rl_robot_ros.learning.metrics_log import MetricsLog
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def test_a_run_can_be_read_back_from_both(tmp_path):
    log = MetricsLog(tmp_path)
    log.open_board()
    for second in (1, 2):
        log.append({'wall_s': float(second), 'rows': 10 * second, 'return_mean': -1.5 * second,
                    'filter.held': 3, 'stage': 'learning'})
    log.close()
    assert read_metrics(tmp_path / 'metrics.csv')['return_mean'].tolist() == [-1.5, -3.0]
    board = EventAccumulator(str(tmp_path / 'tensorboard')).Reload()
    assert [(event.step, event.value) for event in board.Scalars('return_mean')] \
        == [(10, -1.5), (20, -3.0)]
    assert board.Scalars('filter/held') and 'stage' not in board.Tags()['scalars']


class AtOdds(ModuleType):
    def __getattr__(self, name):
        raise TypeError('Descriptors cannot be created directly.')  # what protobuf says


@pytest.mark.parametrize('module', [None, AtOdds('tensorboard')])
def test_without_tensorboard_there_is_metrics_csv(module, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, 'torch.utils.tensorboard', module)
    log = MetricsLog(tmp_path)
    log.open_board()
    log.append({'wall_s': 1.0, 'rows': 10})
    log.close()
    assert read_metrics(tmp_path / 'metrics.csv')['rows'].tolist() == [10.0]
    assert 'no TensorBoard, metrics.csv alone' in caplog.text


def test_what_cannot_be_written_ends_nothing(tmp_path, caplog):
    (tmp_path / 'metrics.csv').mkdir()
    (tmp_path / 'tensorboard').write_text('in the way')
    log = MetricsLog(tmp_path)
    log.open_board()
    log.append({'wall_s': 1.0, 'rows': 10})
    log.close()
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.ERROR]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('metrics')


@given(st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=5))
def test_every_number_comes_back(folder, numbers):
    (folder / 'metrics.csv').unlink(missing_ok=True)
    log = MetricsLog(folder)
    for second, number in enumerate(numbers):
        log.append({'wall_s': float(second), 'rows': second, 'return_mean': number})
    assert read_metrics(folder / 'metrics.csv')['return_mean'].tolist() == numbers
