"""Which weights the gate lets through to a robot."""

import numpy as np
import pytest
from rl_robot_ros.core.gate import Gate
from rl_robot_ros.core.gate import GateConfig
from rl_robot_ros.core.network import initial_weights

NETWORK = 'deterministic 3-8-2 relu'
CHOICES = 'values 3-8-4 relu'


class World:
    """Returns what it is told to, and counts how often it was asked."""

    def __init__(self, value=10.0):
        self.value, self.asked = value, 0

    def __call__(self, weights):
        self.asked += 1
        return self.value


def weights(seed=0, network=NETWORK):
    return initial_weights(network, np.random.default_rng(seed))


def observations(count=50):
    return np.random.default_rng(1).standard_normal((count, 3))


def test_the_first_weights_pass_and_the_same_again():
    world = World()
    gate = Gate(GateConfig(), NETWORK, world)
    gate.saw(observations())
    assert gate.allows(weights()) and gate.allows(weights())
    assert gate.counts == {'gate_promoted': 2, 'gate_refused': 0}
    assert gate.values['gate_distance'] == 0.0 and world.asked == 2


@pytest.mark.parametrize('bad', [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_before_anything_is_run(bad):
    world = World()
    gate = Gate(GateConfig(), NETWORK, world)
    broken = weights()
    broken[7] = bad
    assert not gate.allows(broken) and 'finite' in gate.reason and not world.asked


@pytest.mark.parametrize('network, option', [(NETWORK, 'gate.max_distance'),
                                             (CHOICES, 'gate.max_distance')])
def test_weights_that_act_very_differently_are_refused(network, option):
    gate = Gate(GateConfig(max_distance=1e-3, episodes=0), network, World())
    gate.saw(observations())
    assert gate.allows(weights(0, network))
    assert not gate.allows(weights(1, network)) and option in gate.reason
    # Refused weights are not what the next ones are compared with.
    assert gate.allows(weights(0, network))


def test_distance_is_the_root_mean_square_of_the_difference():
    gate = Gate(GateConfig(max_distance=2.0, episodes=0), NETWORK, World())
    gate.saw(observations())
    shifted = weights().copy()
    shifted[-2:] = 100.0  # both biases of the last layer: tanh is 1
    still = weights().copy()
    still[-2:] = -100.0
    assert gate.allows(still) and gate.allows(shifted)
    assert gate.values['gate_distance'] == pytest.approx(2.0)


def test_any_distance_is_allowed_where_nobody_cares():
    gate = Gate(GateConfig(max_distance=0.0, episodes=0), NETWORK, World())
    gate.saw(observations())
    assert gate.allows(weights(0)) and gate.allows(weights(1))


@pytest.mark.parametrize('best, worse, better', [(10.0, 8.9, 9.1), (-10.0, -11.1, -10.9)])
def test_a_lower_return_is_refused_and_margins_do_not_add_up(best, worse, better):
    world = World(best)
    gate = Gate(GateConfig(max_distance=0.0, margin=0.1), NETWORK, world)
    assert gate.allows(weights())
    world.value = worse
    assert not gate.allows(weights(1)) and 'gate.margin' in gate.reason
    world.value = better
    assert gate.allows(weights(2))
    world.value = worse  # compared with the best, not with the one before
    assert not gate.allows(weights(3))


def test_a_simulation_that_fails_is_a_refusal():
    gate = Gate(GateConfig(), NETWORK, World(np.nan))
    assert not gate.allows(weights()) and 'nan' in gate.reason


def test_only_the_newest_observations_are_kept():
    gate = Gate(GateConfig(), NETWORK, World())
    for _ in range(20):
        gate.saw(observations())
    assert len(gate._observations) == 256
