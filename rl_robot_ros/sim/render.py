"""
Pictures, videos and a live view of the simulated robot.

Pictures are made off screen by OpenGL through EGL or OSMesa, whichever works; the environment
variable ``MUJOCO_GL`` decides where it is set.  What the robot looks like is in `scenery.py`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
import importlib
import os
import sys
import threading
import time
from typing import Any
import warnings
import weakref

import mujoco
import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector
from rl_robot_ros.sim import scenery
from rl_robot_ros.sim.video import check_video
from rl_robot_ros.sim.video import Film
from rl_robot_ros.sim.video import SIZE
from rl_robot_ros.sim.world import World

Picture = NDArray[np.uint8]

BACKENDS = ('egl', 'osmesa')
INSTALL = ('apt install libegl1 libgl1-mesa-dri (EGL) or libosmesa6 (OSMesa), or set MUJOCO_GL to '
           'one that works: egl, osmesa, or glfw on a desktop')
VIEW_RATE = 60.0  # [Hz] of the wall clock
VIEWER_TIMEOUT = 5.0  # [s] for the window to close
TRAIL = 20  # pictures that the tip leaves a trail for
TRAIL_BREAK = 0.2  # [m] a tip does not move this far between two pictures: a new episode


def open_context(model: mujoco.MjModel, width: int,
                 height: int) -> tuple[Any, mujoco.MjrContext]:
    """
    Make an off-screen OpenGL context, make it current, and load the model into it.

    MuJoCo picks its own by ``MUJOCO_GL`` when it is imported, which is too early to try what
    works, so the context is made here.

    :raises RuntimeError: nothing works; says what was tried and what to install.
    """
    chosen = os.environ.get('MUJOCO_GL', '').lower().strip()
    if chosen in ('disable', 'disabled', 'off', 'false', '0'):
        raise RuntimeError(f'MUJOCO_GL={chosen} switches rendering off; unset it')
    tried = []
    for backend in (chosen,) if chosen else BACKENDS:
        module = backend if backend in (*BACKENDS, 'cgl') else 'glfw'
        try:
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # GLFW warns and fails
                gl = importlib.import_module(f'mujoco.{module}').GLContext(width, height)
                gl.make_current()
            # MuJoCo's C code reads it too, when it looks for the OpenGL functions.
            os.environ['MUJOCO_GL'] = backend
            return gl, mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        except Exception as error:  # a missing library shows as almost any exception
            tried.append(f'{backend}: {error or type(error).__name__}')
            _forget_pyopengl(module)
    if not chosen:
        os.environ.pop('MUJOCO_GL', None)
    raise RuntimeError('cannot render off screen: ' + '; '.join(tried) + f'. Try: {INSTALL}')


def _forget_pyopengl(module: str) -> None:
    """Make PyOpenGL, which binds to the first library it is asked for, choose again."""
    for name in [name for name in sys.modules
                 if name.split('.')[0] == 'OpenGL' or name.startswith(f'mujoco.{module}')]:
        del sys.modules[name]
    if os.environ.get('PYOPENGL_PLATFORM') == module:
        del os.environ['PYOPENGL_PLATFORM']


class Renderer:
    """
    Takes pictures of a world; stays with the thread that made it.

    :param world: whose robot is shown, as it stands when a picture is taken.
    :param width: of the picture in pixels.
    :param height: of the picture in pixels.
    :param trail: number of pictures that the tip leaves a trail for.
    :raises RuntimeError: no OpenGL back end works.
    """

    def __init__(self, world: World, width: int = 640, height: int = 480,
                 trail: int = 0) -> None:
        if width < 1 or height < 1:
            raise ValueError(f'width and height must be positive, got {width} x {height}')
        self.world = world
        self.model, self.camera = scenery.build_scene(world.robot, width / height)
        self.data = mujoco.MjData(self.model)
        self._trail: deque[Vector] = deque(maxlen=trail)
        # Rendered at twice the size and averaged: smoother, and cheaper in software than MSAA.
        self._buffer = np.empty((2 * height, 2 * width, 3), dtype=np.uint8)
        self._rect = mujoco.MjrRect(0, 0, 2 * width, 2 * height)
        visual = self.model.vis
        visual.global_.offwidth, visual.global_.offheight = 2 * width, 2 * height
        visual.quality.offsamples = 0
        self._scene = mujoco.MjvScene(self.model, maxgeom=1000)
        for flag in (mujoco.mjtRndFlag.mjRND_FOG, mujoco.mjtRndFlag.mjRND_HAZE):
            self._scene.flags[flag] = 1
        self._option = mujoco.MjvOption()
        self._gl, self._context = open_context(self.model, 2 * width, 2 * height)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._context)
        # Runs at exit too, before the modules that it needs are gone.
        self._finalizer = weakref.finalize(self, _free, self._gl, self._context)

    def picture(self, goal: Vector | None = None, position: Vector | None = None) -> Picture:
        """
        Return a picture, shape (height, width, 3), dtype uint8.

        :param goal: target [m] to show, shape (3,), or None.
        :param position: `qpos` to show instead of that of the world.
        :raises RuntimeError: the renderer is closed.
        """
        if not self._finalizer.alive:
            raise RuntimeError('Renderer.picture() after Renderer.close()')
        self.data.qpos[:] = self.world.data.qpos if position is None else position
        mujoco.mj_forward(self.model, self.data)
        self._gl.make_current()
        mujoco.mjv_updateScene(self.model, self.data, self._option, None, self.camera,
                               mujoco.mjtCatBit.mjCAT_ALL.value, self._scene)
        if goal is not None:
            scenery.mark_goal(self._scene, goal)
        self._mark_trail()
        mujoco.mjr_render(self._rect, self._scene, self._context)
        mujoco.mjr_readPixels(self._buffer, None, self._rect, self._context)
        rows = self._buffer[::-1].astype(np.uint16)
        rows = rows[::2] + rows[1::2]
        return ((rows[:, ::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)

    def _mark_trail(self) -> None:
        if not self._trail.maxlen or not self.world.robot.tip_link:
            return
        tip = self.data.body(self.world.robot.tip_link).xpos.copy()
        if self._trail and np.linalg.norm(tip - self._trail[-1]) > TRAIL_BREAK:
            self._trail.clear()
        self._trail.append(tip)
        scenery.mark_trail(self._scene, list(self._trail))

    def close(self) -> None:
        """Free what OpenGL holds; may be called twice."""
        self._finalizer()


def _free(gl: Any, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()


class Viewer:
    """
    MuJoCo's interactive viewer; it shows the world and cannot touch it.

    :raises RuntimeError: there is no display.
    """

    def __init__(self, world: World) -> None:
        _check_display()
        import mujoco.viewer
        self.world = world
        model, camera = scenery.build_scene(world.robot, 4.0 / 3.0)
        self.data = mujoco.MjData(model)
        others = threading.enumerate()
        self._handle = mujoco.viewer.launch_passive(model, self.data, show_left_ui=False,
                                                    show_right_ui=False)
        self._threads = [thread for thread in threading.enumerate() if thread not in others]
        with self._handle.lock():
            for name in ('lookat', 'distance', 'azimuth', 'elevation'):
                setattr(self._handle.cam, name, getattr(camera, name))
        self._model = model
        self._due = 0.0

    @property
    def alive(self) -> bool:
        """Whether the window is still there."""
        return bool(self._handle.is_running())

    def update(self, goal: Vector | None) -> None:
        """Show the world as it is now, at most 60 times a second."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + 1.0 / VIEW_RATE
        with self._handle.lock():
            self.data.qpos[:] = self.world.data.qpos
            mujoco.mj_forward(self._model, self.data)
            scene = self._handle.user_scn
            scene.ngeom = 0
            if goal is not None:
                scenery.mark_goal(scene, goal)
        self._handle.sync()

    def close(self) -> None:
        """Close the window and wait for it: a process that ends before its window may crash."""
        self._handle.close()
        for thread in self._threads:
            thread.join(VIEWER_TIMEOUT)


def _check_display() -> None:
    """Look for a display, as the viewer of MuJoCo waits for ever where there is none."""
    where = {name: os.environ.get(name, '') for name in ('DISPLAY', 'WAYLAND_DISPLAY')}
    advice = 'run it on a desktop or through `ssh -X`, or write a video instead (sim.video)'
    if sys.platform.startswith('linux') and not any(where.values()):
        raise RuntimeError(f'no display, DISPLAY and WAYLAND_DISPLAY are not set: {advice}')
    try:
        import glfw
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            works = glfw.init()
    except ImportError as error:
        raise RuntimeError(f'the viewer needs glfw, install it by `pip install glfw`: {error}') \
            from None
    if not works:
        raise RuntimeError(f'cannot open the display {where}: {advice}')


class Screen:
    """
    Shows a world to people while it runs, live, as a video, or both.

    It never disturbs the loop that it watches: a video is rendered by a thread of its own from
    joint positions, and the first error is reported and ends rendering, not the loop.

    :param world: what to show.
    :param view: open MuJoCo's viewer.
    :param video: GIF or MP4 file to write, empty for none; an existing one is replaced.
    :param video_seconds: [s] of simulated time in the video.
    :param report: is told what people should know, from any thread; by default on stderr.
    :raises ValueError: `video` is no file that can be written, see `video.check_video`.
    """

    def __init__(self, world: World, view: bool, video: str, video_seconds: float,
                 report: Callable[[str], None] | None = None) -> None:
        self.world = world
        self._report = report or (lambda text: print(text, file=sys.stderr, flush=True))
        self._goal: Vector | None = None
        self._viewer: Viewer | None = None
        self._film: Film | None = None
        if video:
            self._film = Film(check_video(video, video_seconds), video_seconds,
                              lambda: Renderer(world, *SIZE, trail=TRAIL), self._report)
        if view:
            try:
                self._viewer = Viewer(world)
            except Exception as error:
                self._report(f'no viewer: {error}')

    def show_goal(self, goal: Vector | None) -> None:
        """Show a target position [m] from now on; what is no position is not shown."""
        good = goal is not None and np.shape(goal) == (3,) and np.isfinite(goal).all()
        self._goal = np.array(goal, dtype=np.float64) if good else None

    def update(self, sim_time: float) -> None:
        """
        Show the world as it is now; call it at each control state.

        :param sim_time: [s], never goes back.
        """
        if self._film is not None:
            self._film.shoot(sim_time, self.world.data.qpos, self._goal)
        if self._viewer is None:
            return
        try:
            if self._viewer.alive:
                self._viewer.update(self._goal)
                return
            self._report('the viewer was closed; the simulation goes on')
        except Exception as error:
            self._report(f'the viewer is switched off: {error}')
        self._close_viewer()

    def _close_viewer(self) -> None:
        viewer, self._viewer = self._viewer, None
        try:
            if viewer is not None:
                viewer.close()
        except Exception as error:
            self._report(f'the viewer did not close: {error}')

    def close(self) -> None:
        """Close the viewer and finish the video."""
        self._close_viewer()
        film, self._film = self._film, None
        if film is not None:
            film.close()
