"""
The robot's MuJoCo model, fed by URDF or MJCF and datasheet, and its kinematics.

Simulation, kinematics, dynamics and geometry are all built from the one model made here.
"""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Tip
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.urdf import model_path

MESHES = ('.obj', '.stl', '.msh')  # that MuJoCo reads

# A disc that stands for a rotor, axis z: what a joint feels of it about the axis, and half of that
# across it, the least that a rigid body can have.
DISC = np.array([0.5, 0.5, 1.0])
ROTOR_MASS = 1e-6  # [kg]


def build_spec(robot: RobotSpec) -> mujoco.MjSpec:
    """
    Return MuJoCo's editable model of the robot.

    Cylinders become the capsules they enclose: the URDF format has no capsule, and round ends are
    cheaper and kinder in contact.  A joint that is not in the datasheet does not move.

    :raises ValueError: the model does not move the joints of the datasheet, or has no such tip, or
        a prismatic joint has no end: unlike one that turns it never comes back to where it was.
    """
    path = model_path(robot)
    spec = load_spec(path)
    spec.option.timestep = robot.control_period / robot.physics_steps
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    names = {joint.name for joint in spec.joints}
    missing = [name for name in robot.joint_names if name not in names]
    if missing:
        raise ValueError(f'robot {robot.name}: joints {missing} are not in {path.name}, '
                         f'which has {sorted(names)}')
    lock(spec, robot.joint_names)
    for name, *ends in zip(robot.actuated, robot.position_lower, robot.position_upper):
        if spec.joint(name).type == mujoco.mjtJoint.mjJNT_SLIDE and np.isinf(ends).any():
            raise ValueError(f'robot {robot.name}: prismatic joint {name} has position limits '
                             f'{ends}, both must be finite')
    links = [body.name for body in spec.bodies[1:]]
    if robot.tip_link and robot.tip_link not in links:
        raise ValueError(f'robot {robot.name}: tip_link {robot.tip_link!r} is no link of '
                         f'{path.name}, which has {", ".join(links)}')
    for name, armature in zip(robot.actuated, robot.armature):
        joint = spec.joint(name)
        if not robot.discs:
            joint.armature = armature
        elif armature > 0.0 and joint.type == mujoco.mjtJoint.mjJNT_HINGE:
            rotor = joint.parent.add_body(name=f'{name}_rotor')
            rotor.mass, rotor.explicitinertial = ROTOR_MASS, True
            rotor.ipos, rotor.inertia = np.zeros(3), armature * DISC
            mujoco.mju_quatZ2Vec(rotor.iquat, joint.axis)
    for body in spec.bodies:
        body.gravcomp = 1.0 if robot.gravity_compensated else 0.0
    for geom in spec.geoms:
        if geom.type == mujoco.mjtGeom.mjGEOM_CYLINDER and geom.size[1] > geom.size[0]:
            geom.type = mujoco.mjtGeom.mjGEOM_CAPSULE
            geom.size = [geom.size[0], geom.size[1] - geom.size[0], 0.0]
    return spec


def load_spec(path: Path) -> mujoco.MjSpec:
    """
    Read a URDF or MJCF that somebody else wrote, as a plant that takes efforts at its joints.

    A link that is fixed to another stays a link, for it may be the tool.  Shapes whose mesh is
    missing, or in a format that MuJoCo does not read, are left out; of an MJCF also actuators,
    sensors, keyframes, tendons and equality constraints: they would push or hold joints.

    :raises ValueError: MuJoCo cannot read it; says why.
    """
    try:
        spec = mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise ValueError(f'{path} is no model that MuJoCo reads: {error}') from None
    spec.compiler.fusestatic = False
    for kind in (spec.actuators, spec.sensors, spec.keys, spec.tendons, spec.equalities):
        for element in list(kind):
            spec.delete(element)
    missing = {}
    for mesh in list(spec.meshes):
        found = find_mesh(mesh.file, path, spec.meshdir)
        if mesh.file and found is None:
            missing[mesh.name] = mesh
        elif mesh.file:
            mesh.file = str(found)
    for geom in list(spec.geoms):
        if geom.meshname in missing:
            spec.delete(geom)
    for mesh in missing.values():
        spec.delete(mesh)
    return spec


def find_mesh(name: str, model: Path, folder: str = '') -> Path | None:
    """
    Return the mesh that a model names, None where it is not there or MuJoCo does not read it.

    ``package://my_arm/meshes/a.stl`` is looked for in the folder `my_arm` that the model lies in.

    :param folder: `meshdir` of the model.
    """
    package, _, inside = name.removeprefix('package://').partition('/')
    above = [parent for parent in model.resolve().parents if parent.name == package] \
        if name.startswith('package://') else []
    places = [*(parent / inside for parent in above), model.parent / folder / name,
              model.parent / folder / Path(name).name]
    for place in places:
        if place.suffix.lower() in MESHES and place.is_file():
            return place.resolve()
    return None


def lock(spec: mujoco.MjSpec, movable: tuple[str, ...]) -> None:
    """
    Fix every joint at 0 that is not `movable`, such as a gripper's.

    :raises ValueError: one that is to move is neither a hinge nor a slide.
    """
    allowed = (mujoco.mjtJoint.mjJNT_HINGE, mujoco.mjtJoint.mjJNT_SLIDE)
    for joint in list(spec.joints):
        if joint.name not in movable:
            spec.delete(joint)
        elif joint.type not in allowed:
            raise ValueError(f'joint {joint.name} is of type {joint.type.name}, allowed are '
                             'hinges and slides: leave it out of the datasheet to fix it')


class MujocoKinematics:
    """
    `core.spec.Kinematics` by MuJoCo: position and velocity of the tip.

    :param robot: a robot with a `tip_link`.
    :raises ValueError: it has none.
    """

    def __init__(self, robot: RobotSpec) -> None:
        if not robot.tip_link:
            raise ValueError(f'robot {robot.name} has no tip_link, which this task needs')
        self._model = build_spec(robot).compile()
        self._data = mujoco.MjData(self._model)
        joints = [self._model.joint(name) for name in robot.joint_names]
        self._qpos = np.array([joint.qposadr[0] for joint in joints])
        self._qvel = np.array([joint.dofadr[0] for joint in joints])
        self._tip = self._model.body(robot.tip_link).id
        self._jacobian = np.zeros((3, self._model.nv))
        # Views of MuJoCo's memory, which stays where it is: fetching them anew for every state
        # costs as much as the kinematics.
        self._positions = self._data.qpos
        self._tip_position = self._data.xpos[self._tip]

    def tip(self, position: Vector, velocity: Vector) -> Tip:
        """Return the tip for positions and velocities of all movable joints."""
        model, data = self._model, self._data
        self._positions[self._qpos] = position
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)
        mujoco.mj_jacBody(model, data, self._jacobian, None, self._tip)
        jacobian = self._jacobian.take(self._qvel, 1)  # a quarter of what indexing costs
        return Tip(self._tip_position.copy(), jacobian @ velocity, jacobian)
