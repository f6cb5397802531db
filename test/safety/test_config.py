from dataclasses import FrozenInstanceError

import pytest
from rl_robot_ros.core.config import resolve_config
from rl_robot_ros.core.config import to_parameters
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.filter import SafetyFilter
from safety.robots import make_robot


def test_the_defaults_are_in_range():
    assert resolve_config(SafetyConfig, to_parameters(SafetyConfig())) == SafetyConfig()


@pytest.mark.parametrize('name', sorted(to_parameters(SafetyConfig())))
def test_an_option_out_of_range_is_refused(name):
    bad = 'maybe' if name == 'resume_after_loss' else float('nan')
    with pytest.raises(ValueError, match=name):
        SafetyFilter(make_robot(), config=SafetyConfig(**{name: bad}))


def test_a_configuration_does_not_change():
    with pytest.raises(FrozenInstanceError):
        SafetyConfig().fade_in = 0.0
