"""The window begins with the record in which the oldest row of interest stands."""

from hypothesis import given
from hypothesis import strategies as st
from rl_robot_ros.learning.window import Window


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), max_size=20), st.integers(0, 12))
def test_it_holds_what_is_of_interest_and_no_record_more(records, interest):
    """Records have rows that are learned from, and others (of evaluation)."""
    window, position, learned = Window(interest), 0, []
    for size, used in records:
        used = min(size, used)
        window.add(position, used)
        learned += [position] * used
        position += size
    wanted = learned[-interest:] if interest else []
    assert window.start(position) == (wanted[0] if wanted else position)
    assert window.count == len(learned)
