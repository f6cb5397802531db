"""What `benchmarks/awake.py` keeps awake, it lets go again."""

import os
from pathlib import Path

from benchmarks.awake import awake
from benchmarks.awake import bare_lateness
import pytest


def test_spinners_give_way_and_end():
    with pytest.raises(KeyboardInterrupt), awake() as spinners:
        assert len(spinners) == len(os.sched_getaffinity(0))
        assert {os.sched_getscheduler(spinner) for spinner in spinners} == {os.SCHED_IDLE}
        raise KeyboardInterrupt
    assert not any(Path(f'/proc/{spinner}').exists() for spinner in spinners)
    with awake(False) as none:
        assert none == []


def test_a_wake_up_is_never_early():
    late = bare_lateness(0.002, 0.05)
    assert len(late) == 25 and (late >= 0.0).all()
