"""The view shows what it is told, whatever that is, and never gets in the way."""

import io
import math
import sys

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rl_robot_ros import progress
from rl_robot_ros.progress import duration
from rl_robot_ros.progress import number
from rl_robot_ros.progress import ProgressView
from rl_robot_ros.progress import share
from rl_robot_ros.progress import sparkline

SNAPSHOT = {'elapsed_s': 125.0, 'eta_s': 300.0, 'steps': 180_000, 'steps_per_s': 2412.3,
            'rows': 45_000, 'rows_per_s': 603.1, 'episodes': 450, 'return_mean': -12.345,
            'success_rate': 0.625, 'updates': 90_000, 'updates_per_s': 310.0, 'version': 42,
            'lag': 1, 'interventions': 0.0, 'filtered': 0.012, 'gaps': 3, 'warnings': ['late'],
            'stage': 'learning'}
KEYS = list(SNAPSHOT)
VALUES = st.one_of(st.floats(), st.integers(), st.text(max_size=20), st.none(), st.booleans(),
                   st.lists(st.text(max_size=20), max_size=8))


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now[0])
    return now


def test_numbers_for_people():
    assert [number(v) for v in (0, 9999, 12_345, 1_234_567, 2.5e9)] == [
        '0', '9999', '12.35k', '1.235M', '2.5G']
    assert number(-1.234, 2) == '-1.23'
    assert [number(v) for v in (None, math.nan, math.inf, 'x', True, 10**400)] == ['-'] * 6
    assert [duration(v) for v in (0, 59.9, 61, 3661, -1, math.nan, None)] == [
        '0:00', '0:59', '1:01', '1:01:01', '-', '-', '-']
    assert (share(0.5), share(None)) == ('50.0 %', '-')
    assert sparkline([-1.0, 0.0, 0.5, 1.0, 9.0]) == '▁▁▅██'


def test_plain_lines_come_every_ten_seconds_and_at_the_end(clock):
    stream = io.StringIO()
    with ProgressView('10 min', tty=False, stream=stream) as view:
        for k in range(25):
            view.update({**SNAPSHOT, 'episodes': k})
            clock[0] += 1.0
    lines = [line for line in stream.getvalue().split('\n') if 'episodes' in line]
    assert [line.split(' episodes')[0].split('| ')[-1] for line in lines] == [
        '0', '10', '20', '24']
    for part in ('2:05', 'learning', '180k steps (2412/s)', 'return -12.35', 'success 62.5 %',
                 '90k updates (310/s)', 'weights v42 lag 1', 'filter 1.2 %', 'ETA 5:00'):
        assert part in lines[0]


def test_the_last_line_is_not_said_twice(clock):
    stream = io.StringIO()
    with ProgressView('10 min', tty=False, stream=stream) as view:
        view.update(SNAPSHOT)
    assert stream.getvalue().count('episodes') == 1
    with ProgressView('10 min', tty=False, stream=stream):
        pass
    assert stream.getvalue().count('episodes') == 1


def test_a_warning_is_said_once(clock):
    stream = io.StringIO()
    with ProgressView('10 min', tty=False, stream=stream) as view:
        for k in range(300):
            view.update({'warnings': ['policy: late', f'warning {k // 100}']})
    assert stream.getvalue().count('policy: late') == 1
    assert stream.getvalue().count('warning: warning') == 3


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=4), st.text(max_size=30))
def test_plain_lines_hold_no_control_characters(snapshots, text):
    stream = io.StringIO()
    with ProgressView(text, tty=False, stream=stream) as view:
        for snapshot in snapshots:
            view.update(snapshot)
            view.message(text)
            view._due = 0.0
    assert all(c.isprintable() for c in stream.getvalue().replace('\n', ''))


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES), max_size=4), st.text(max_size=30))
def test_the_panel_draws_anything(snapshots, text):
    console = pytest.importorskip('rich.console')
    stream = io.StringIO()
    view = ProgressView(text, tty=True, stream=stream)
    for snapshot in snapshots:
        view.update(snapshot)
    screen = console.Console(file=stream, width=90)
    screen.print(view._panel())
    assert '\x1b' not in stream.getvalue()
    assert max(len(line) for line in stream.getvalue().split('\n')) <= 90


def test_the_panel_shows_everything(clock):
    pytest.importorskip('rich')
    stream = io.StringIO()
    with ProgressView('95% success', tty=True, stream=stream) as view:
        view.message('[bold]domain 42')
        for episodes, rate in ((448, 0.0), (449, 0.25), (450, 0.625)):
            view.update({**SNAPSHOT, 'success_rate': rate, 'episodes': episodes})
    shown = stream.getvalue()
    for part in ('2:05', 'ETA 5:00', '180k', '2412/s', '45k', '603/s', '450', '-12.35', '62.5 %',
                 '▁▃▅', '90k', '310/s', 'version 42, lag 1', '1.2 %', 'lost rows: 3', '! late',
                 'learning', 'until 95% success', '[bold]domain 42'):
        assert part in shown
    assert shown.rstrip().endswith('\x1b[?25h')  # the cursor is back


def test_without_rich_there_are_plain_lines(clock, monkeypatch):
    monkeypatch.setitem(sys.modules, 'rich.live', None)
    stream = io.StringIO()
    with ProgressView('10 min', tty=True, stream=stream) as view:
        view.update(SNAPSHOT)
    assert 'success 62.5 %' in stream.getvalue()
    assert '\x1b' not in stream.getvalue()


def test_a_terminal_without_unicode_gets_plain_lines(clock):
    raw = io.BytesIO()
    with ProgressView('10 min', tty=True, stream=io.TextIOWrapper(raw, 'ascii')) as view:
        view.update(SNAPSHOT)
        view.message('grüße')
        assert raw.getvalue().endswith(b'gr??e\n')


def test_a_dumb_terminal_is_no_terminal(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setenv('TERM', 'dumb')
    assert ProgressView('x', stream=stream)._live is None
    monkeypatch.setenv('TERM', 'xterm')
    assert (ProgressView('x', stream=stream)._live is None) == ('rich' not in sys.modules)


class ClosedPipe(io.StringIO):
    """A reader that went away."""

    def write(self, text):
        raise BrokenPipeError


@pytest.mark.parametrize('tty', [True, False])
def test_a_closed_pipe_disturbs_nobody(clock, tty):
    with ProgressView('10 min', tty=tty, stream=ClosedPipe()) as view:
        for _ in range(3):
            view.update(SNAPSHOT)
            view.message('hello')
            clock[0] += 11.0
    assert view._live.console.quiet if tty else view._quiet
