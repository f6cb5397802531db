from dataclasses import replace

import numpy as np
import pytest
from rl_robot_ros.safety import JointLimits
from rl_robot_ros.safety import SafetyConfig
from rl_robot_ros.safety.assembly import make_model_limit
from rl_robot_ros.safety.certificate import certify
from rl_robot_ros.safety.collision_config import CollisionConfig
from safety.robots import Coupled
from safety.robots import make_robot

ROBOT = make_robot(2)
LIMITS = JointLimits.from_robot(ROBOT)
CONFIG = SafetyConfig(certificate_samples=100)
OFF, ON = CollisionConfig(), CollisionConfig(enabled=True, pair_samples=100)
CERTIFICATE = certify(ROBOT, LIMITS, CONFIG, Coupled())


class Ball:
    """`core.spec.Geometry` of one ball on two sliders and one that stands far away."""

    links = ('ball', 'post')
    radius, length = np.full(2, 0.1), np.zeros(2)
    moves = np.array([[True, True], [False, False]])
    reach = np.ones((2, 2))

    def capsules(self, position):
        ball = np.concatenate((position, np.zeros((*position.shape[:-1], 1))), axis=-1)
        ends = np.stack((ball, np.broadcast_to([9.0, 0.0, 0.0], ball.shape)), axis=-2)
        return np.repeat(ends[..., None, :], 2, axis=-2)


def make(dynamics=None, certificate=None, geometry=None, collision=OFF, **changes):
    return make_model_limit(ROBOT, LIMITS, replace(CONFIG, **changes), dynamics, certificate,
                            geometry, collision)


def test_without_a_model_there_is_none():
    assert make() is None and make(Coupled(), mode='model_free') is None
    for changes in ({'dynamics': Coupled(), 'mode': 'model_free'}, {}):
        with pytest.raises(ValueError, match='collision.enabled is true, but robot test has no'):
            make(collision=ON, geometry=Ball(), **changes)
    with pytest.raises(ValueError, match='mode is model, but robot test has no dynamics'):
        make(mode='model')


@pytest.mark.parametrize('mode', ['auto', 'model'])
def test_with_a_model_it_is_certified_or_takes_the_certificate(mode):
    limit = make(Coupled(), mode=mode)
    assert limit.certificate == CERTIFICATE and limit.collision is None
    given = replace(CERTIFICATE, braking=(3.0, 2.0))
    assert make(Coupled(), given).braking_acceleration.tolist() == [3.0, 2.0]
    slow = make(Coupled(), given, velocity_scale=0.5, velocity_margin=0.0,
                velocity_noise=0.0)
    assert slow._speed.tolist() == [[1.0, 1.0]] * 2


def test_the_collision_limit_brakes_as_certified():
    limit = make(Coupled(), CERTIFICATE, Ball(), replace(ON, table=True, table_height=-1.0))
    assert limit.collision.nearest(np.zeros(2)) == ('ball - table', pytest.approx(0.9))
    np.testing.assert_allclose(limit.collision.path.brake(np.ones(2)),
                               -limit.braking_acceleration)
    with pytest.raises(ValueError, match='give a geometry'):
        make(Coupled(), CERTIFICATE, collision=ON)
