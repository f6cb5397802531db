from dataclasses import replace

import pytest
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.tightening import not_certified
from rl_robot_ros.safety.tightening import not_tighter

CONFIG = SafetyConfig()


@pytest.mark.parametrize('name,tighter,looser,only', [
    ('position_margin', 0.03, 0.01, 'upwards'),
    ('velocity_scale', 0.9, 1.1, 'downwards'),
    ('max_invalid_requests', 4, 6, 'downwards'),
])
def test_an_option_may_only_go_to_its_tighter_side(name, tighter, looser, only):
    assert not_tighter(CONFIG, replace(CONFIG, **{name: tighter})) == []
    assert not_tighter(CONFIG, replace(CONFIG, **{name: looser})) == [
        f'{name} from {getattr(CONFIG, name)} to {looser} (only {only})']


def test_a_flag_has_a_tighter_side_too():
    resuming = replace(CONFIG, resume_after_loss=True)
    assert not_tighter(resuming, CONFIG) == []
    assert not_tighter(CONFIG, resuming) == [
        'resume_after_loss from False to True (only downwards)']


@pytest.mark.parametrize('kappa', [1.0, 6.0])
def test_what_is_neither_tighter_nor_looser_waits(kappa):
    assert not_tighter(CONFIG, replace(CONFIG, kappa=kappa)) == [
        f'kappa from 3.0 to {kappa} (not at all)']


def test_every_option_that_is_wrong_is_named():
    changed = replace(CONFIG, position_margin=0.0, fade_in=1.0, standstill=0.1)
    assert [text.split()[0] for text in not_tighter(CONFIG, changed)] == [
        'position_margin', 'standstill']
    assert not_tighter(CONFIG, CONFIG) == []


def test_a_certificate_covers_lower_velocities_and_other_margins():
    slower = replace(CONFIG, velocity_scale=0.5, velocity_margin=0.3, kappa=2.0)
    assert not_certified(CONFIG, slower) == [] == not_certified(CONFIG, CONFIG)
    assert not_certified(slower, CONFIG) == [
        'velocity_scale from 0.5 to 1.0 (only downwards, or at start)']


@pytest.mark.parametrize('payload', [1.0, 3.0])
def test_a_certificate_covers_only_what_was_declared(payload):
    declared = replace(CONFIG, payload=2.0)
    changed = replace(declared, payload=payload, model_mass_error=0.2)
    assert not_certified(declared, changed) == [
        'model_mass_error from 0.1 to 0.2 (only at start)',
        f'payload from 2.0 to {payload} (only at start)']
