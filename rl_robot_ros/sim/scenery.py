"""
What a robot looks like in pictures: floor, sky, light, trimmings and where the camera stands.

Nothing here touches the plant.  Pictures are made from a second model of the same robot, which has
all this added and is only ever posed, never stepped.  Colours of links come from the URDF.
"""

from __future__ import annotations

import math
from typing import Any
from typing import NamedTuple

import mujoco
import numpy as np
from rl_robot_ros.core.spec import RobotSpec
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.robots.model import build_spec

SKY = (0.18, 0.36, 0.62)
HORIZON = (0.84, 0.89, 0.93)
FLOOR = (0.62, 0.66, 0.70)
LINES = (0.73, 0.77, 0.81)
STEEL = (0.20, 0.22, 0.26, 1.0)
ACCENT = (0.98, 0.55, 0.16, 1.0)
GOAL = (0.16, 0.78, 0.36, 0.45)
GOAL_CORE = (0.06, 0.50, 0.20, 1.0)
GOAL_RADIUS = 0.05  # [m]
FIELD_OF_VIEW = 40.0  # [deg] vertical
SPREAD = 1.0  # [rad] how far from home an angle may be and still be framed


class View(NamedTuple):
    """Where a camera looks from: the middle of the picture, and the way to look [rad]."""

    points: Vector  # what must be seen, shape (N, 3)
    azimuth: float
    elevation: float

    @property
    def forward(self) -> Vector:
        """Return the unit vector from the camera into the picture."""
        level = math.cos(self.elevation)
        return np.array((level * math.cos(self.azimuth), level * math.sin(self.azimuth),
                         math.sin(self.elevation)))

    @property
    def right(self) -> Vector:
        """Return the unit vector to the right of the picture."""
        return np.array((math.sin(self.azimuth), -math.cos(self.azimuth), 0.0))

    @property
    def center(self) -> Vector:
        """Return the middle of the box around everything that must be seen, shape (3,)."""
        return np.asarray((self.points.min(axis=0) + self.points.max(axis=0)) / 2.0)

    @property
    def size(self) -> float:
        """Return the radius of what must be seen [m]."""
        return float(np.linalg.norm(self.points - self.center, axis=1).max())


def build_scene(robot: RobotSpec, aspect: float) -> tuple[mujoco.MjModel, mujoco.MjvCamera]:
    """
    Return the robot's model with scenery, for pictures only, and a camera that sees all of it.

    :param aspect: width divided by height of the picture.
    """
    spec = build_spec(robot)
    spec.compiler.discardvisual = False
    view = choose_view(spec.compile(), robot)
    _trim(spec, robot)
    _add_surroundings(spec, view)
    model = spec.compile()
    model.stat.extent = view.size
    visual = model.vis
    visual.global_.fovy = FIELD_OF_VIEW
    visual.headlight.ambient[:] = 0.38
    visual.headlight.diffuse[:] = 0.25
    visual.headlight.specular[:] = 0.05
    visual.rgba.haze[:3] = visual.rgba.fog[:3] = HORIZON
    # In multiples of the extent.
    visual.map.fogstart, visual.map.fogend = 2.2, 7.0
    visual.map.znear, visual.map.zfar = 0.02, 40.0
    # The shadow map covers half the cone of the light; the rest of it is empty floor.
    visual.map.shadowclip, visual.map.shadowscale = 1.2, 0.5
    visual.quality.shadowsize = 2048
    return model, _place_camera(view, aspect)


def choose_view(model: mujoco.MjModel, robot: RobotSpec) -> View:
    """Choose the side to look from: a robot that moves in a plane from its side."""
    points = np.vstack((_workspace(model, robot), np.zeros(3)))
    reach = np.ptp(points, axis=0)
    planar = reach[1] < 0.3 * reach[0]
    azimuth, elevation = (90.0, -10.0) if planar else (145.0, -18.0)
    return View(points, math.radians(azimuth), math.radians(elevation))


def _workspace(model: mujoco.MjModel, robot: RobotSpec) -> Vector:
    """Return where the links come to in random postures about home [m], shape (N, 3)."""
    rng = np.random.default_rng(0)
    data = mujoco.MjData(model)
    moving = model.geom_bodyid > 0
    points = []
    for _ in range(200):
        for name, home in zip(robot.joint_names, robot.home):
            joint = model.joint(name)
            low, high = joint.range if model.jnt_limited[joint.id] else (-math.pi, math.pi)
            if model.jnt_type[joint.id] == mujoco.mjtJoint.mjJNT_HINGE \
                    and model.jnt_limited[joint.id]:
                low, high = max(low, home - SPREAD), min(high, home + SPREAD)
            data.qpos[joint.qposadr[0]] = rng.uniform(low, high)
        mujoco.mj_kinematics(model, data)
        points += [data.geom_xpos[moving].copy(), data.xpos[1:].copy()]
    return np.concatenate(points)


def _place_camera(view: View, aspect: float) -> mujoco.MjvCamera:
    """Go back until every point lies inside the picture."""
    seen = view.points - view.center
    beside = np.maximum(abs(seen @ view.right) / aspect,
                        abs(seen @ np.cross(view.right, view.forward)))
    distance = beside / math.tan(math.radians(FIELD_OF_VIEW) / 2.0) - seen @ view.forward
    camera = mujoco.MjvCamera()
    camera.lookat[:] = view.center
    camera.distance = 1.04 * float(distance.max())
    camera.azimuth, camera.elevation = math.degrees(view.azimuth), math.degrees(view.elevation)
    return camera


def _add_surroundings(spec: mujoco.MjSpec, view: View) -> None:
    """Add floor, sky and light; nothing collides."""
    spec.add_texture(name='sky', type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
                     builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT, rgb1=SKY, rgb2=HORIZON,
                     width=256, height=1536)
    spec.add_texture(name='tiles', type=mujoco.mjtTexture.mjTEXTURE_2D,
                     builtin=mujoco.mjtBuiltin.mjBUILTIN_FLAT, rgb1=FLOOR,
                     mark=mujoco.mjtMark.mjMARK_EDGE, markrgb=LINES, width=300, height=300)
    floor = spec.add_material(name='floor', texrepeat=[2.0, 2.0], texuniform=True, specular=0.1,
                              shininess=0.1)
    floor.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = 'tiles'
    _add(spec.worldbody, mujoco.mjtGeom.mjGEOM_PLANE, [0.0, 0.0, 0.05], material='floor',
         rgba=[1.0] * 4)
    # The key light stands behind the camera's right shoulder, so that shadows fall away from it.
    key = -0.7 * view.forward + 0.5 * view.right + np.array((0.0, 0.0, 2.2))
    fill = -0.6 * view.forward - 2.0 * view.right + np.array((0.0, 0.0, 0.8))
    for toward, brightness, shadow in ((key, 0.50, True), (fill, 0.16, False)):
        spec.worldbody.add_light(pos=view.center + 1.6 * view.size * toward, dir=-toward,
                                 castshadow=shadow, cutoff=50.0, exponent=3.0,
                                 ambient=[0.0] * 3, diffuse=[brightness] * 3,
                                 specular=[0.3] * 3)


def _trim(spec: mujoco.MjSpec, robot: RobotSpec) -> None:
    """Add what a few capsules lack to look like a robot: gloss, necks, caps, rails, a tip."""
    spec.add_material(name='gloss', specular=0.5, shininess=0.6)
    for geom in spec.geoms:
        geom.material = geom.material or 'gloss'
    radius = {body.name: min((geom.size[0] for geom in body.geoms), default=0.0)
              for body in spec.bodies}
    for body in spec.bodies[1:]:
        _add_neck(body, radius[body.name], radius[body.parent.name])
    for name in robot.joint_names:
        joint = spec.joint(name)
        if joint.type == mujoco.mjtJoint.mjJNT_SLIDE:
            _add_rail(joint)
        elif radius[joint.parent.name]:
            _add_cap(joint, radius[joint.parent.name])
    if robot.tip_link:
        _add(spec.body(robot.tip_link), mujoco.mjtGeom.mjGEOM_SPHERE, [0.022, 0.0, 0.0],
             rgba=ACCENT)


def _add(body: Any, kind: mujoco.mjtGeom, size: list[float], **options: Any) -> None:
    body.add_geom(type=kind, size=size, contype=0, conaffinity=0, mass=0.0, group=1,
                  **{'rgba': STEEL, 'material': 'gloss', **options})


def _add_neck(body: Any, own: float, parents: float) -> None:
    """Join a link to its parent, so that no link floats, or the first one to the floor."""
    if own and parents and np.linalg.norm(body.pos) > 1e-6:
        _add(body.parent, mujoco.mjtGeom.mjGEOM_CYLINDER, [0.7 * min(own, parents), 0.0, 0.0],
             fromto=[0.0, 0.0, 0.0, *body.pos])
    elif own and not parents and not body.joints:
        _add(body, mujoco.mjtGeom.mjGEOM_CYLINDER, [1.6 * own, 0.0, 0.0],
             fromto=[0.0, 0.0, 0.0, 0.0, 0.0, 0.02])


def _add_cap(joint: Any, radius: float) -> None:
    """Show where a hinge turns: a disc on each side of its link, or a ring around it."""
    axis = np.array(joint.axis) / np.linalg.norm(joint.axis)
    turned = np.zeros(9)
    mujoco.mju_quat2Mat(turned, joint.parent.geoms[0].quat)
    along = abs(turned.reshape(3, 3)[:, 2] @ axis) > 0.9
    width, length = (1.05, 0.3) if along else (0.8, 1.15)
    end = length * radius * axis
    _add(joint.parent, mujoco.mjtGeom.mjGEOM_CYLINDER, [width * radius, 0.0, 0.0],
         fromto=np.concatenate((joint.pos - end, joint.pos + end)))


def _add_rail(joint: Any) -> None:
    """Show what a slider slides on: a rail over its range, on two posts."""
    axis = np.array(joint.axis) / np.linalg.norm(joint.axis)
    reach = joint.range if np.ptp(joint.range) > 0.0 else (-3.0, 3.0)
    middle = joint.parent.pos + joint.pos
    lower, upper = middle + axis * (reach[0] - 0.15), middle + axis * (reach[1] + 0.15)
    rail = joint.parent.parent
    _add(rail, mujoco.mjtGeom.mjGEOM_CAPSULE, [0.02, 0.0, 0.0],
         fromto=np.concatenate((lower, upper)))
    if abs(axis[2]) < 0.1:
        for end in (lower, upper):
            _add(rail, mujoco.mjtGeom.mjGEOM_CAPSULE, [0.03, 0.0, 0.0],
                 fromto=[*end, end[0], end[1], 0.0])


def mark_goal(scene: mujoco.MjvScene, goal: Vector) -> None:
    """Draw a goal [m] as a translucent ball, on a thread to the floor that shows its depth."""
    foot = np.array((goal[0], goal[1], 0.0))
    _mark_line(scene, goal, foot, 0.003, GOAL)
    _mark_ball(scene, goal, 0.2 * GOAL_RADIUS, GOAL_CORE)
    _mark_ball(scene, goal, GOAL_RADIUS, GOAL)


def mark_trail(scene: mujoco.MjvScene, points: list[Vector]) -> None:
    """Draw where the tip has been [m], oldest first, as a line that fades out."""
    for i, (start, end) in enumerate(zip(points, points[1:])):
        fade = (i + 1.0) / len(points)
        _mark_line(scene, start, end, 0.004 + 0.004 * fade, (*ACCENT[:3], 0.7 * fade))


def _next_geom(scene: mujoco.MjvScene) -> Any:
    if scene.ngeom >= scene.maxgeom:
        raise RuntimeError(f'the scene is full: {scene.maxgeom} geoms')
    scene.ngeom += 1
    return scene.geoms[scene.ngeom - 1]


def _mark_ball(scene: mujoco.MjvScene, center: Vector, radius: float,
               rgba: tuple[float, ...]) -> None:
    geom = _next_geom(scene)
    mujoco.mjv_initGeom(geom, mujoco.mjtGeom.mjGEOM_SPHERE, np.full(3, radius),
                        np.asarray(center, dtype=np.float64), np.eye(3).ravel(),
                        np.array(rgba, dtype=np.float32))
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR


def _mark_line(scene: mujoco.MjvScene, start: Vector, end: Vector, radius: float,
               rgba: tuple[float, ...]) -> None:
    geom = _next_geom(scene)
    mujoco.mjv_initGeom(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, np.zeros(3), np.zeros(3),
                        np.eye(3).ravel(), np.array(rgba, dtype=np.float32))
    mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, radius, start, end)
    geom.category = mujoco.mjtCatBit.mjCAT_DECOR
