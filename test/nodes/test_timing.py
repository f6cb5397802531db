"""What a node reports of its own timing, and what the report costs."""

import subprocess
import sys

import numpy as np
import pytest
from rl_robot_ros.nodes.timing import quantile
from rl_robot_ros.nodes.timing import Timing


def test_period_rate_and_jitter():
    timing = Timing(0.01)
    for i in range(101):
        timing.mark(1.0 + 0.01 * i + (0.002 if i == 50 else 0.0))
        timing.note('answer', 1e-3 * i)
    report = timing.report()
    assert report['period_ms'] == pytest.approx(10.0)
    assert report['rate_hz'] == pytest.approx(100.0)
    assert report['jitter_p50_ms'] == pytest.approx(0.0, abs=1e-6)
    assert report['jitter_p99_ms'] == pytest.approx(2.0)
    assert report['answer_p50_ms'] == pytest.approx(50.0)
    assert report['answer_p99_ms'] == pytest.approx(99.0)


def test_quantile_is_one_of_the_values():
    values = np.array([3.0, 1.0, 2.0])
    assert [quantile(values, part) for part in (0.0, 0.5, 1.0)] == [1.0, 2.0, 3.0]
    assert quantile(values[:1], 0.99) == 3.0


def test_the_first_report_loads_nothing():
    """An import in the first report once stalled the safety filter for 70 ms."""
    code = """
import sys
from rl_robot_ros.nodes.timing import Timing
timing = Timing(0.005)
for i in range(10):
    timing.mark(1.0 + i)
    timing.note('answer', 0.1)
before = set(sys.modules)
timing.report()
print(len(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True,
                          timeout=50, check=True)
    assert done.stdout == '0\n'
