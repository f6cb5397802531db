"""An imported policy acts: history, last action, and a target followed between decisions."""

from dataclasses import replace

from core.fakes import contract
from core.fakes import FakeTask
from core.fakes import ROBOT
import numpy as np
from onnx_models import linear
import pytest
from rl_robot_ros.core.decider import Decider
from rl_robot_ros.core.description import Acted
from rl_robot_ros.core.description import Observed
from rl_robot_ros.core.description import PolicyDescription
from rl_robot_ros.core.weights import WeightSet
from rl_robot_ros.interchange.imported import ImportedPolicy
from rl_robot_ros.interchange.imported import make_imported
from rl_robot_ros.policy_file import model_weights

NETWORK = 'imported 6-2 onnx'
UNIT = ROBOT.action_to_effort  # of the motors b and a
POSITION, VELOCITY = np.array([0.1, 9.0, 0.3]), np.array([1.0, 9.0, 2.0])  # of a, passive, b
RNG = np.random.default_rng(0)


def described(terms, action):
    made = PolicyDescription.of(contract(), ROBOT, FakeTask(), ('rad', 'm'))
    return replace(made, network=NETWORK, observation=tuple(terms), action=action)


def acting(terms, action, seen):
    """Return a policy whose model puts out what `answer` holds, and notes what it was given."""
    answer = [np.zeros(2)]

    def run(numbers):
        seen.append(numbers[0].copy())
        return answer[0][None]
    return ImportedPolicy(described(terms, action), run, ROBOT, FakeTask.observation_terms), answer


EFFORT = Acted('effort', ('a', 'b'), (2.0, 3.0), (0.0, 1.0), clip=(-1.0, 1.0))
TARGET = Acted('position', ('a', 'b'), (1.0, 1.0), (0.0, 0.5), stiffness=(10.0, 20.0),
               damping=(1.0, 2.0), effort_limit=(8.0, 5.0))


def test_what_it_is_given():
    seen = []
    terms = (Observed('q', 'position', 2, 'rad', ('b', 'a'), (0.5, 0.0), (1.0, 2.0),
                      (-0.1, 0.05)),
             Observed('v', 'velocity', 1, 'rad/s', ('passive',), history=3),
             Observed('goal', 'task.goal', 1, '1', (), (), (3.0,)),
             Observed('last', 'last_action', 2, '1', ('a', 'b')))
    policy, answer = acting(terms, EFFORT, seen)
    observation = np.arange(6.0)
    answer[0] = np.array([0.5, -7.0])
    for speed in (9.0, 8.0, 7.0, 6.0):
        policy.see(POSITION, np.array([0.0, speed, 0.0]))
        action = policy.act(observation, RNG).action
    assert action * UNIT == pytest.approx([1.0 - 3.0, 1.0]), 'clipped, then by motor: b, a'
    assert seen[0] == pytest.approx([-0.1, 0.1, 9.0, 9.0, 9.0, 15.0, 0.0, 0.0])
    assert seen[1] == pytest.approx([-0.1, 0.1, 9.0, 9.0, 8.0, 15.0, 0.5, -1.0])
    assert seen[3] == pytest.approx([-0.1, 0.1, 8.0, 7.0, 6.0, 15.0, 0.5, -1.0])
    policy.begin()
    policy.see(POSITION, VELOCITY)
    policy.act(observation, RNG)
    assert seen[4] == pytest.approx([-0.1, 0.1, 9.0, 9.0, 9.0, 15.0, 0.0, 0.0])
    assert policy.see(POSITION, VELOCITY) is None, 'an effort is held'
    with pytest.raises(ValueError, match="exploration 'gaussian': an imported policy has none"):
        policy.act(observation, RNG, 'gaussian')


def test_a_target_is_followed_at_every_control_state():
    policy, answer = acting((Observed('q', 'position', 1, 'rad', ('a',)),), TARGET, [])
    assert policy.see(POSITION, VELOCITY) is None, 'nothing to follow yet'
    answer[0] = np.array([0.4, 0.2])  # targets: a 0.4, b 0.7
    decided = policy.act(np.zeros(6), RNG).action
    # b: 20 (0.7 - 0.3) - 2 * 2 = 4; a: 10 (0.4 - 0.1) - 1 = 2
    assert decided * UNIT == pytest.approx([4.0, 2.0])
    moved = policy.see(np.array([0.4, 9.0, 0.0]), np.zeros(3))
    assert moved * UNIT == pytest.approx([5.0, 0.0]), 'b would be 14, its controller has 5'
    policy.begin()
    assert policy.see(POSITION, VELOCITY) is None


def test_the_decider_asks_for_what_it_follows():
    model = linear([[0.0, 0.0]], [0.4, 0.2])
    full = described((Observed('q', 'position', 1, 'rad', ('a',)),), TARGET)
    schema = replace(contract(), network=NETWORK).schema
    weights = WeightSet.make(1, 1, schema, model_weights(model), 'none')
    decider = Decider(replace(contract(), network=NETWORK), ROBOT, RNG, lambda network, held:
                      make_imported(full, model, ROBOT, FakeTask.observation_terms, network, held))
    with pytest.raises(RuntimeError, match='before'):
        decider.decide(np.zeros(6), POSITION, VELOCITY, True)
    decider.use(weights)
    decider.decide(np.zeros(6), POSITION, VELOCITY, True)
    assert decider.effort == pytest.approx([4.0, 2.0], abs=1e-5)
    assert decider.follow(np.array([0.4, 9.0, 0.0]), np.zeros(3)) == pytest.approx([5.0, 0.0],
                                                                                   abs=1e-5)
    assert decider.effort == pytest.approx([5.0, 0.0], abs=1e-5)


def test_a_model_of_another_size():
    with pytest.raises(ValueError, match='takes 3 numbers and gives 2, its contract says 1 and 2'):
        make_imported(described((Observed('q', 'position', 1, 'rad', ('a',)),), TARGET),
                      linear(np.eye(3)[:, :2]), ROBOT, FakeTask.observation_terms, NETWORK,
                      np.zeros(32))
