"""Names of networks, drawn at random."""

from hypothesis import strategies as st
from rl_robot_ros.core.network import ACTIVATIONS
from rl_robot_ros.core.network import KINDS


@st.composite
def networks(draw, kinds=KINDS):
    kind = draw(st.sampled_from(kinds))
    sizes = draw(st.lists(st.integers(1, 7), min_size=2, max_size=4))
    if kind == 'squashed_gaussian':
        sizes[-1] *= 2
    last = 'bins' if kind == 'table' else draw(st.sampled_from(ACTIVATIONS))
    return f'{kind} {"-".join(map(str, sizes))} {last}'
