from algorithms import workbench
import numpy as np
import pytest
from rl_robot_ros.algorithms.exploration import Counts
from rl_robot_ros.algorithms.exploration import EpsilonConfig
from rl_robot_ros.algorithms.exploration import NoiseConfig
from rl_robot_ros.algorithms.exploration import schedule
from rl_robot_ros.algorithms.exploration import UNITS
from rl_robot_ros.core.exploration import ExplorationSpec
from rl_robot_ros.core.transition import RowLayout

LAYOUT = RowLayout(workbench.OBSERVATION, 1, ('term',))


def counts(step=0, episode=0, update=0):
    result = Counts(LAYOUT)
    result.load_state_dict({'rows': step, 'episodes': episode, 'updates': update})
    return result


def test_exponential_schedule_is_repeated_multiplication():
    value = 1.0
    for count in range(1000):
        assert schedule(1.0, 0.01, 0.995, 0, count) == pytest.approx(max(0.01, value))
        value *= 0.995
    assert schedule(1.0, 0.01, 0.995, 0, 10**9) == 0.01


def test_straight_schedule():
    """max(0.1, 1 - episode / (0.8 N)) with N = 1000 is a straight fall over 720 episodes."""
    for episode in range(0, 1200, 7):
        assert schedule(1.0, 0.1, 0.9, 720, episode) == pytest.approx(
            max(0.1, 1.0 - episode / (0.8 * 1000)))


def test_counts_of_rows_episodes_and_updates():
    rows = np.zeros((6, LAYOUT.width))
    rows[1, LAYOUT.column('terminated')] = 1.0
    rows[3, LAYOUT.column('truncated')] = 1.0
    kept = Counts(LAYOUT)
    for _ in range(2):
        kept.add(rows)
    kept.updates += 5
    assert kept.state_dict() == {'rows': 12, 'episodes': 4, 'updates': 5}
    other = Counts(LAYOUT)
    other.load_state_dict(kept.state_dict())
    assert other.state_dict() == kept.state_dict()


@pytest.mark.parametrize('unit', UNITS)
def test_each_unit_drives_the_decay(unit):
    config = EpsilonConfig(epsilon_unit=unit, epsilon_decay=0.5, epsilon_end=0.1)
    assert config.explore(counts()) == ('epsilon', 1.0)
    assert config.explore(counts(**{unit: 2})) == ('epsilon', 0.25)
    assert config.explore(counts(**{unit: 9})) == ('epsilon', 0.1)
    others = {name: 9 for name in UNITS if name != unit}
    assert config.explore(counts(**others)) == ('epsilon', 1.0)


def test_noise_names_what_the_policy_understands():
    for config, text in (
            (NoiseConfig(), 'gaussian'),
            (NoiseConfig(noise='ornstein_uhlenbeck', noise_dt=0.02),
             'ornstein_uhlenbeck 0.15 0.02'),
            (NoiseConfig(noise='coloured', noise_beta=2.0), 'coloured 2.0')):
        kind, scale = config.explore(counts())
        assert (kind, scale) == (text, 0.1)
        ExplorationSpec.parse(kind)
    falling = NoiseConfig(noise_start=1.0, noise_over=720, noise_end=0.1)
    assert falling.explore(counts(episode=360))[1] == pytest.approx(0.55)


def test_a_scale_that_rises_is_refused():
    with pytest.raises(ValueError, match=r'algorithm.epsilon_end: got 0.5, .*start = 0.1'):
        EpsilonConfig(epsilon_start=0.1, epsilon_end=0.5).check_epsilon()
    with pytest.raises(ValueError, match=r'algorithm.noise_end: got 0.5'):
        NoiseConfig(noise_end=0.5).check_noise()
