from hypothesis import given
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis import strategies as st
import pytest
from rl_robot_ros.sim import clock
from rl_robot_ros.sim.clock import SimClock

PERIOD = 5_000_000


def test_time_and_episodes():
    made = SimClock(PERIOD)
    assert (made.stamp, made.episode) == (0, 0)
    assert [made.tick(), made.tick()] == [PERIOD, 2 * PERIOD]
    # An episode begins one period later: its first state has a stamp of its own.
    assert made.next_episode() == 1 and made.stamp == 3 * PERIOD
    assert made.next_episode() == 2 and made.stamp == 4 * PERIOD


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(st.lists(st.booleans(), max_size=30), min_size=1, max_size=5))
def test_it_never_goes_back_not_even_after_a_crash(tmp_path, lives):
    path = tmp_path / 'clock'
    path.unlink(missing_ok=True)
    stamps, episodes = [-1], [-1]
    span, clock.SPAN = clock.SPAN, 3
    try:
        for life in lives:
            made = SimClock(400_000_000, path)
            for reset in life:
                if reset:
                    episodes.append(made.next_episode())
                    stamps.append(made.stamp)
                else:
                    stamps.append(made.tick())
    finally:
        clock.SPAN = span
    assert stamps == sorted(set(stamps)) and episodes == sorted(set(episodes))


def test_within_a_life_time_has_no_gaps(tmp_path):
    made = SimClock(PERIOD, tmp_path / 'clock')
    begin = made.stamp
    for count in range(1, 3000):
        assert made.tick() == begin + count * PERIOD


def test_without_a_file_nothing_is_remembered():
    first, second = SimClock(PERIOD), SimClock(PERIOD)
    first.next_episode()
    assert (second.stamp, second.episode) == (0, 0)


def test_a_file_of_something_else(tmp_path):
    (tmp_path / 'notes').write_text('milk, bread')
    with pytest.raises(ValueError, match=r"notes holds no reservation .*'milk, bread'"):
        SimClock(PERIOD, tmp_path / 'notes')
    assert (tmp_path / 'notes').read_text() == 'milk, bread'
