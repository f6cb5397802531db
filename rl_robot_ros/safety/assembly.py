"""Which limit stands in front of the motors: by the model, or without one."""

from __future__ import annotations

from rl_robot_ros.core.spec import Dynamics
from rl_robot_ros.core.spec import Geometry
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.safety.certificate import Certificate
from rl_robot_ros.safety.certificate import require_certificate
from rl_robot_ros.safety.collision import CollisionLimit
from rl_robot_ros.safety.collision_config import CollisionConfig
from rl_robot_ros.safety.config import SafetyConfig
from rl_robot_ros.safety.limits import JointLimits
from rl_robot_ros.safety.model_limit import ViabilityLimit


def make_model_limit(robot: RobotSpec, limits: JointLimits, config: SafetyConfig,
                     dynamics: Dynamics | None, certificate: Certificate | None,
                     geometry: Geometry | None, collision: CollisionConfig
                     ) -> ViabilityLimit | None:
    """
    Certify and build the limit that knows the dynamics; None where there is to be none.

    :param limits: before `velocity_scale`.
    :param certificate: one that was computed for these very arguments; None computes it.
    :raises ValueError: what is asked for needs a model and there is none, or (CertificateError)
        the limits cannot be certified.
    """
    without = config.mode == 'model_free' or (dynamics is None and config.mode == 'auto')
    if without and collision.enabled:
        raise ValueError(f'collision.enabled is true, but robot {robot.name} has no model to '
                         'brake by (safety.mode is model_free, or a joint has no motor)')
    if without:
        return None
    if dynamics is None:
        raise ValueError(f'safety.mode is model, but robot {robot.name} has no dynamics (a joint '
                         'without a motor?): set safety.mode to auto or model_free')
    certificate = certificate or require_certificate(robot, limits, config, dynamics)
    limit = ViabilityLimit(robot, limits.slowed(config.velocity_scale), config, dynamics,
                           certificate)
    if collision.enabled:
        if geometry is None:
            raise ValueError('collision.enabled is true, but nobody says what the robot fills of '
                             'space: give a geometry')
        limit.collision = CollisionLimit(robot, geometry, limit.braking_acceleration, collision)
    return limit
