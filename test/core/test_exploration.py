import math

from core.fakes import Graph
from core.fakes import weight_set
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rl_robot_ros.core.exploration import Coloured
from rl_robot_ros.core.exploration import COLOURED_DECISIONS
from rl_robot_ros.core.exploration import ExplorationSpec
from rl_robot_ros.core.exploration import Explorer
from rl_robot_ros.core.exploration import NUMBERS
from rl_robot_ros.core.exploration import OrnsteinUhlenbeck
from rl_robot_ros.core.network import NetworkSpec
from rl_robot_ros.core.policy import EXPLORATIONS
from rl_robot_ros.core.policy import Policy

NETWORK = 'gaussian 2-2 tanh'
NOISES = ('ornstein_uhlenbeck 0.5 1.0', 'coloured 1.0')


def policy(mean=(0.0, 0.0)):
    weights = np.zeros(NetworkSpec.parse(NETWORK).parameters)
    weights[-4:-2] = mean
    return Policy(NETWORK, weights)


def actions(exploration, count, scale=0.1, seed=0, mean=(0.0, 0.0), explorer=None):
    explorer = explorer or Explorer(np.random.default_rng(seed))
    return np.array([explorer.act(policy(mean), np.zeros(2), exploration, scale).action
                     for _ in range(count)])


def drawn(noise, count):
    return np.array([noise.draw() for _ in range(count)])


@pytest.mark.parametrize('theta, dt', [(0.15, 1.0), (7.5, 0.02), (2.0, 1.0)])
def test_ornstein_uhlenbeck_is_the_process_of_the_formula(theta, dt):
    """Stationary variance 1 / (2 theta), autocorrelation exp(-theta t), whatever dt is."""
    size = 40_000  # independent processes, so that statistics need no long run
    noise = OrnsteinUhlenbeck(size, np.random.default_rng(0), theta, dt)
    decisions = math.ceil(8.0 / (theta * dt))
    x = drawn(noise, decisions + 5)
    first = math.sqrt((1.0 - math.exp(-2.0 * theta * dt)) / (2.0 * theta))
    assert x[0].std() == pytest.approx(first, rel=0.02)
    for late in x[decisions:]:
        assert late.var() == pytest.approx(1.0 / (2.0 * theta), rel=0.03)
        assert late.mean() == pytest.approx(0.0, abs=0.02 / math.sqrt(2.0 * theta))
    for gap in (1, 2, 4):
        correlation = np.corrcoef(x[decisions], x[decisions + gap])[0, 1]
        assert correlation == pytest.approx(math.exp(-theta * dt * gap), abs=0.02)


def test_ornstein_uhlenbeck_of_small_steps_is_eulers():
    """Independent slow formula: dx = -theta x dt + dW with the same increments."""
    theta, dt = 0.5, 1e-4
    rng = np.random.default_rng(3)
    x, wanted = np.zeros(1), []
    for _ in range(500):
        x = x - theta * x * dt + math.sqrt(dt) * rng.standard_normal(1)
        wanted.append(x)
    exact = drawn(OrnsteinUhlenbeck(1, np.random.default_rng(3), theta, dt), 500)
    assert exact == pytest.approx(np.array(wanted), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize('beta', [0.0, 0.5, 1.0, 2.0])
def test_spectrum_of_coloured_noise(beta):
    """Unit variance, and power that falls with 1 / f^beta."""
    x = drawn(Coloured(400, np.random.default_rng(1), beta), COLOURED_DECISIONS)
    assert (x**2).mean() == pytest.approx(1.0, rel=0.12)
    assert (x[::100]**2).mean(axis=1) == pytest.approx(np.ones(11), rel=0.35), 'stationary'
    power = (np.abs(np.fft.rfft(x, axis=0))**2).mean(axis=1)[1:-1]
    frequency = np.fft.rfftfreq(len(x))[1:-1]
    slope, _ = np.polyfit(np.log(frequency), np.log(power), 1, w=np.sqrt(frequency))
    assert slope == pytest.approx(-beta, abs=0.05)
    other = drawn(Coloured(400, np.random.default_rng(1), beta), COLOURED_DECISIONS + 1)
    assert (other[:-1] == x).all() and not (other[-1] == x[0]).any(), 'the next one is another'


def test_white_noise_is_gaussian_exploration():
    x = actions('gaussian', 4000, 0.2)
    assert x.std(axis=0) == pytest.approx([0.2, 0.2], rel=0.05)
    assert abs(np.corrcoef(x[1:, 0], x[:-1, 0])[0, 1]) < 0.05


@pytest.mark.parametrize('exploration', NOISES)
def test_noise_is_around_the_policy_scaled_and_clipped(exploration):
    centred = actions(exploration, 200, 0.01)
    assert np.abs(centred).max() < 0.1
    assert actions(exploration, 200, 0.02) == pytest.approx(2.0 * centred)
    assert actions(exploration, 200, 0.01, mean=(0.5, -0.2)) == pytest.approx(
        centred + [0.5, -0.2], abs=1e-6)
    wild = actions(exploration, 200, 50.0)
    assert np.abs(wild).max() == 1.0
    assert actions(exploration, 3, 0.0, mean=(0.5, 3.0)) == pytest.approx(
        np.array([[0.5, 1.0]] * 3))


@pytest.mark.parametrize('exploration', [*NOISES, 'gaussian', 'policy', 'uniform'])
def test_seeded(exploration):
    assert (actions(exploration, 20) == actions(exploration, 20)).all()
    assert not (actions(exploration, 20) == actions(exploration, 20, seed=1)).all(axis=1).any()


def test_an_episode_begins_without_the_noise_of_the_one_before():
    explorer = Explorer(np.random.default_rng(0))
    text, jumps = 'ornstein_uhlenbeck 0.001 1.0', []
    for _ in range(200):
        explorer.begin()
        jumps.append(actions(text, 40, 0.02, explorer=explorer))
    first, last = np.array(jumps)[:, 0], np.array(jumps)[:, -1]
    assert first.std() == pytest.approx(0.02, rel=0.15)
    assert last.std() == pytest.approx(0.02 * math.sqrt(40.0), rel=0.15)
    assert abs(np.corrcoef(last[:-1, 0], first[1:, 0])[0, 1]) < 0.3


def test_noise_goes_on_over_a_push_and_a_change_of_scale():
    whole = actions(NOISES[0], 20, 0.05)
    explorer = Explorer(np.random.default_rng(0))
    parts = [actions(NOISES[0], 10, scale, explorer=explorer) for scale in (0.05, 0.1)]
    assert np.concatenate(parts) == pytest.approx(whole * np.repeat([[1.0], [2.0]], 10, axis=0))


def test_the_actor_forgets_noise_at_the_end_of_an_episode():
    graph = Graph(train_steps=4)
    graph.start(exploration='ornstein_uhlenbeck 1e-6 1.0', scale=0.02, constant=0.25)
    for episode in range(1, 40):
        first = 100 * episode
        if episode > 1:
            graph.state(first, episode)
        else:
            first = 1
        graph.steps(first + 1, first + 4, episode)
    offset = graph.cells('request') - 0.25
    assert len(offset) == 78 and np.abs(offset).max() < 0.12
    # The first decision of an episode has one increment, the second the sum of two.
    assert offset[::2].std() == pytest.approx(0.02, rel=0.3)
    assert (offset[1::2] - offset[::2]).std() == pytest.approx(0.02, rel=0.3)
    assert graph.cells('log_prob').tolist() == [0.0] * 78


@given(st.sampled_from([*EXPLORATIONS, *NOISES, 'ornstein_uhlenbeck 7.5 0.02']))
def test_known_explorations(text):
    spec = ExplorationSpec.parse(text)
    assert ' '.join([spec.kind, *map(repr, spec.numbers)]) == text
    assert weight_set(exploration=text).damage() == ''


@pytest.mark.parametrize('text', [
    '', 'pink', 'policy 1', 'coloured', 'coloured 1 2', 'coloured x', 'coloured 5', 'coloured nan',
    'coloured -1', 'ornstein_uhlenbeck 1', 'ornstein_uhlenbeck 0 1', 'ornstein_uhlenbeck 1 inf',
    'ornstein_uhlenbeck  1 1', 'coloured ' + '1' * 5000])
def test_refused_explorations(text):
    with pytest.raises(ValueError, match='^got '):
        ExplorationSpec.parse(text)
    assert weight_set(exploration=text).damage().startswith('exploration: got ')
    with pytest.raises(ValueError, match='^got '):
        actions(text, 1)


@given(st.text(max_size=40)
       | st.from_regex(r'(coloured|ornstein_uhlenbeck)( [0-9.e+-]{0,5}){1,3}'))
def test_any_text_is_parsed_or_refused(text):
    try:
        spec = ExplorationSpec.parse(text)
    except ValueError:
        return
    assert len(spec.numbers) == len(NUMBERS.get(spec.kind, ()))
    assert all(math.isfinite(number) for number in spec.numbers)


@pytest.mark.parametrize('exploration', ['gaussian', *NOISES])
def test_an_effort_set_has_no_noise(exploration):
    graph = Graph(discrete=True)
    assert graph.weights(1, exploration=exploration).startswith('exploration: got ')
    assert graph.weights(1, exploration='epsilon', scale=0.1) == ''
