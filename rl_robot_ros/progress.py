"""
How training goes, for the person who waits: a live panel, or plain lines without a terminal.

The view is fed with snapshots, dicts of which every key is optional::

    elapsed_s eta_s steps steps_per_s rows rows_per_s episodes return_mean success_rate updates
    updates_per_s version lag interventions filtered gaps warnings stage

`success_rate`, `interventions` and `filtered` are shares in [0, 1], `warnings` is a list of texts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
import math
from numbers import Real
import os
import sys
import time
from types import TracebackType
from typing import Any
from typing import TextIO

PLAIN_PERIOD = 10.0  # [s] between two plain lines
REFRESH_RATE = 4.0  # [Hz] of the panel
HISTORY = 40  # columns of the sparkline
SPARKS = '▁▂▃▄▅▆▇█'
MOST_WARNINGS = 4  # shown at once
MOST_REMEMBERED = 200  # warnings that are not said again
MOST_CHARACTERS = 2000  # of one message


def finite(value: Any) -> float | None:
    """Return `value` as a float where it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def number(value: Any, digits: int = 0) -> str:
    """Write a number for people, a dash where there is none."""
    known = finite(value)
    if known is None:
        return '-'
    for size, unit, scale in ((1e9, 'G', 1e9), (1e6, 'M', 1e6), (1e4, 'k', 1e3)):
        if abs(known) >= size:
            return f'{known / scale:.4g}{unit}'
    return f'{known:.{digits}f}'


def duration(seconds: Any) -> str:
    """Write a duration [s] as m:ss or h:mm:ss, a dash where there is none."""
    known = finite(seconds)
    if known is None or not 0.0 <= known < 1e9:
        return '-'
    minutes, rest = divmod(int(known), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{rest:02d}' if hours else f'{minutes}:{rest:02d}'


def share(value: Any) -> str:
    """Write a share as percent, a dash where there is none."""
    known = finite(value)
    return '-' if known is None else f'{number(100.0 * known, 1)} %'


def plain(text: Any) -> str:
    """Return `text` without control characters; it may come from the network."""
    short = str(text)[:MOST_CHARACTERS]
    return ''.join(c if c.isprintable() or c == '\n' else '?' for c in short)


def sparkline(values: list[float]) -> str:
    """Draw shares in [0, 1] as one character each."""
    top = len(SPARKS) - 1
    return ''.join(SPARKS[round(top * min(1.0, max(0.0, value)))] for value in values)


class ProgressView:
    """
    Show snapshots; a context manager.

    Nothing that goes wrong here, such as a closed pipe, disturbs training: the view goes quiet.

    :param total: what training goes on until, in words, such as ``95% success or 10 min``.
    :param tty: whether to draw a panel; by default where `stream` is a terminal.
    :param stream: where to write; by default stdout.
    """

    def __init__(self, total: str, tty: bool | None = None, stream: TextIO | None = None) -> None:
        self.total = plain(total)
        self._stream = stream or sys.stdout
        self._quiet = False
        self._snapshot: dict[str, Any] = {}
        self._history: deque[float] = deque(maxlen=HISTORY)
        self._warned: dict[str, None] = {}
        self._episodes: float | None = None
        self._said = False
        self._due = 0.0
        if tty is None:
            tty = bool(getattr(self._stream, 'isatty', lambda: False)()) \
                and os.environ.get('TERM') != 'dumb'
        self._live: Any = self._make_live() if tty else None

    def _make_live(self) -> Any:
        """Return rich's Live, or None where it cannot draw."""
        try:
            SPARKS.encode(getattr(self._stream, 'encoding', None) or 'utf-8')
            from rich.console import Console
            from rich.live import Live
        except (ImportError, LookupError, UnicodeError):
            return None

        class PatientConsole(Console):
            def on_broken_pipe(self) -> None:  # rich ends the process here
                self.quiet = True

        console = PatientConsole(file=self._stream, force_terminal=True)
        return Live(console=console, refresh_per_second=REFRESH_RATE, get_renderable=self._panel)

    def __enter__(self) -> ProgressView:
        """Begin to show."""
        if self._live is not None:
            self._safely(self._live.start)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Show the last snapshot for good and give the terminal back."""
        if self._live is not None:
            self._safely(self._live.stop)
        elif self._snapshot and not self._said:
            self._write(self._line())

    def update(self, snapshot: Mapping[str, Any]) -> None:
        """Show newer figures; keys that are missing keep what they said."""
        # A new dict, as the panel is drawn by another thread.
        self._snapshot = {**self._snapshot, **snapshot}
        self._said = False
        rate = finite(self._snapshot.get('success_rate'))
        episodes = finite(self._snapshot.get('episodes'))
        if rate is not None and (episodes is None or episodes != self._episodes):
            self._episodes = episodes
            self._history.append(rate)
        if self._live is not None:
            return
        for warning in self._warnings():
            if warning not in self._warned:
                self._warned[warning] = None
                self._write(f'warning: {warning}')
        while len(self._warned) > MOST_REMEMBERED:
            del self._warned[next(iter(self._warned))]
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PLAIN_PERIOD
            self._said = True
            self._write(self._line())

    def message(self, text: str) -> None:
        """Write a line that stays, above the panel."""
        if self._live is not None:
            from rich.text import Text
            self._safely(lambda: self._live.console.print(Text(plain(text))))
        else:
            self._write(plain(text))

    def _write(self, text: str) -> None:
        encoding = getattr(self._stream, 'encoding', None) or 'utf-8'
        readable = text.encode(encoding, 'replace').decode(encoding)
        self._safely(lambda: print(readable, file=self._stream, flush=True))

    def _safely(self, action: Any) -> None:
        if self._quiet:
            return
        try:
            action()
        except (OSError, ValueError):  # nobody reads any more
            self._quiet = True

    # -- plain lines --------------------------------------------------------------------------

    def _warnings(self) -> list[str]:
        given = self._snapshot.get('warnings')
        return [plain(text) for text in given] if isinstance(given, (list, tuple)) else []

    def _line(self) -> str:
        get = self._snapshot.get
        parts = [duration(get('elapsed_s')), plain(get('stage', '')),
                 f'{number(get("steps"))} steps ({number(get("steps_per_s"))}/s)',
                 f'{number(get("episodes"))} episodes', f'return {number(get("return_mean"), 2)}',
                 f'success {share(get("success_rate"))}',
                 f'{number(get("updates"))} updates ({number(get("updates_per_s"))}/s)',
                 f'weights v{number(get("version"))} lag {number(get("lag"))}',
                 f'filter {share(get("filtered"))}', self._eta()]
        return ' | '.join(part for part in parts if part).replace('\n', ' ')

    def _eta(self) -> str:
        eta = duration(self._snapshot.get('eta_s'))
        return '' if eta == '-' else f'ETA {eta}'

    # -- panel --------------------------------------------------------------------------------

    def _panel(self) -> Any:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text
        get = self._snapshot.get
        table = Table.grid(padding=(0, 2))
        for _ in range(2):
            table.add_column(style='dim')
            table.add_column(min_width=22)
        for left, right in (
                (('time', f'{duration(get("elapsed_s"))}  {self._eta()}'),
                 ('return', number(get('return_mean'), 2))),
                (('control steps', self._rate('steps')), ('updates', self._rate('updates'))),
                (('decisions', self._rate('rows')),
                 ('weights', f'version {number(get("version"))}, lag {number(get("lag"))}')),
                (('episodes', number(get('episodes'))),
                 ('filter', f'{share(get("filtered"))}, by hand {share(get("interventions"))}'))):
            table.add_row(*(Text(text) for text in (*left, *right)))
        parts = [table, self._success()]
        if number(get('gaps')) not in ('-', '0'):
            parts.append(Text(f'lost rows: {number(get("gaps"))}', style='yellow'))
        warnings = self._warnings()
        parts += [Text(f'! {text}', style='yellow', overflow='ellipsis', no_wrap=True)
                  for text in warnings[:MOST_WARNINGS]]
        if len(warnings) > MOST_WARNINGS:
            parts.append(Text(f'! and {len(warnings) - MOST_WARNINGS} more', style='yellow'))
        return Panel(Group(*parts), title=Text(plain(get('stage', 'starting'))),
                     subtitle=Text(f'until {self.total}; Ctrl-C saves and stops', style='dim'),
                     width=80, title_align='left', subtitle_align='left')

    def _rate(self, name: str) -> str:
        return f'{number(self._snapshot.get(name))}  ' \
               f'{number(self._snapshot.get(name + "_per_s"))}/s'

    def _success(self) -> Any:
        from rich.text import Text
        rate = finite(self._snapshot.get('success_rate'))
        filled = round(20 * min(1.0, max(0.0, rate or 0.0)))
        return Text.assemble(('success  ', 'dim'), ('█' * filled, 'green'),
                             ('░' * (20 - filled), 'dim'), f' {share(rate):>8}  ',
                             (sparkline(list(self._history)), 'green'))
