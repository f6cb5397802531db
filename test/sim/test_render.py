"""Pictures show the robot and the goal, never touch the plant, and never stop the loop."""

import importlib
import math
import os
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import mujoco
import numpy as np
from PIL import Image
import pytest
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.sim import render
from rl_robot_ros.sim import scenery
from rl_robot_ros.sim import video
from rl_robot_ros.sim.world import World

ROOT = Path(__file__).parents[2]
ROBOTS = ('arm7', 'cartpole')
GOAL = np.array([0.45, -0.1, 0.5])
WIDTH, HEIGHT = 160, 120


def world_of(name):
    return World(resolve('robot', name))


@pytest.fixture(scope='module')
def arm():
    return world_of('arm7')


@pytest.fixture(scope='module')
def renderer(arm):
    try:
        made = render.Renderer(arm, WIDTH, HEIGHT)
    except RuntimeError as error:
        pytest.skip(f'no off-screen OpenGL on this machine: {error}')
    yield made
    made.close()


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int))


# -- pictures ---------------------------------------------------------------------------------


def test_a_picture_shows_something(renderer):
    picture = renderer.picture()
    assert picture.shape == (HEIGHT, WIDTH, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 10.0
    assert difference(picture, renderer.picture()).max() <= 2  # rounding of the first picture


def test_a_goal_is_green(renderer):
    without, shown = renderer.picture(), renderer.picture(GOAL)
    changed = difference(without, shown).max(axis=2) > 20
    assert 20 < changed.sum() < WIDTH * HEIGHT / 4
    red, green, blue = shown[changed].mean(axis=0)
    assert green > red + 10 and green > blue + 10


def test_pictures_follow_the_world_and_leave_it_alone(renderer, arm):
    home = np.array(arm.robot.home)
    before = renderer.picture()
    arm.reset(home + 0.5, np.full(7, 0.1))
    state = mujoco.mjtState.mjSTATE_INTEGRATION
    saved = np.empty(mujoco.mj_stateSize(arm.model, state))
    mujoco.mj_getState(arm.model, arm.data, saved, state)
    after = renderer.picture()
    now = np.empty_like(saved)
    mujoco.mj_getState(arm.model, arm.data, now, state)
    elsewhere = renderer.picture(position=home)
    arm.reset(home, np.zeros(7))
    assert (difference(before, after).max(axis=2) > 20).sum() > 50
    assert np.array_equal(saved, now)
    assert difference(elsewhere, before).max() <= 2


def test_a_closed_renderer_says_so(renderer, arm):
    other = render.Renderer(arm, 64, 48, trail=3)
    for angle in (0.0, 0.05, 0.1, 0.15):
        picture = other.picture(position=np.array(arm.robot.home) + angle)
    assert picture.std() > 0.0
    other.close()
    other.close()
    with pytest.raises(RuntimeError, match=r'after Renderer.close'):
        other.picture()
    assert renderer.picture().std() > 10.0


def test_a_renderer_needs_a_size(arm):
    with pytest.raises(ValueError, match='0 x 48'):
        render.Renderer(arm, 0, 48)


@pytest.mark.parametrize('name', ROBOTS)
def test_scenery_has_no_weight_and_touches_nothing(name):
    world = world_of(name)
    model, _ = scenery.build_scene(world.robot, 4 / 3)
    assert model.nq == world.model.nq
    assert model.body_mass.sum() == pytest.approx(world.model.body_mass.sum())
    assert (model.geom_contype != 0).sum() <= (world.model.geom_contype != 0).sum()


@pytest.mark.parametrize('name', ROBOTS)
@pytest.mark.parametrize('aspect', [4 / 3, 16 / 9, 0.75])
def test_the_camera_sees_where_the_robot_goes(name, aspect):
    robot = resolve('robot', name)
    model, camera = scenery.build_scene(robot, aspect)
    view = scenery.choose_view(model, robot)
    eye = camera.lookat - camera.distance * view.forward
    depth = (view.points - eye) @ view.forward
    assert depth.min() > 0.0
    half = depth * math.tan(math.radians(model.vis.global_.fovy) / 2.0)
    across = (view.points - eye) @ view.right
    upward = (view.points - eye) @ np.cross(view.right, view.forward)
    fill = max((abs(across) / (half * aspect)).max(), (abs(upward) / half).max())
    assert 0.8 < fill <= 1.0


# -- back ends --------------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', '')  # so that it is put back
    monkeypatch.setattr(render, '_forget_pyopengl', lambda module: None)
    return mujoco.MjModel.from_xml_string('<mujoco/>')


def test_the_next_back_end_is_tried(tiny, monkeypatch):
    def import_module(name):
        if name == 'mujoco.egl':
            raise ImportError('no libEGL')
        return SimpleNamespace(GLContext=lambda w, h: SimpleNamespace(make_current=lambda: None))

    monkeypatch.setattr(importlib, 'import_module', import_module)
    monkeypatch.setattr(mujoco, 'MjrContext', lambda model, scale: 'loaded')
    assert render.open_context(tiny, 8, 8)[1] == 'loaded'
    assert os.environ['MUJOCO_GL'] == 'osmesa'
    monkeypatch.setenv('MUJOCO_GL', 'egl')
    with pytest.raises(RuntimeError, match='egl: no libEGL'):
        render.open_context(tiny, 8, 8)


def test_without_a_back_end_the_error_says_what_to_install(tiny, monkeypatch):
    def import_module(name):
        raise AttributeError(f'{name} is broken')

    monkeypatch.setattr(importlib, 'import_module', import_module)
    with pytest.raises(RuntimeError) as caught:
        render.open_context(tiny, 8, 8)
    for word in ('egl', 'osmesa', 'libegl1', 'libosmesa6', 'MUJOCO_GL'):
        assert word in str(caught.value)
    assert 'MUJOCO_GL' not in os.environ


TAKE_A_PICTURE = """
from rl_robot_ros.core.resolve import resolve
from rl_robot_ros.sim.render import Renderer
from rl_robot_ros.sim.world import World
try:
    renderer = Renderer(World(resolve('robot', 'cartpole')), 32, 24)
    print('picture', renderer.picture().std() > 1.0)
except RuntimeError as error:
    print(error)
"""


def test_without_egl_there_is_osmesa_or_an_explanation():
    environment = {name: value for name, value in os.environ.items()
                   if name not in ('MUJOCO_GL', 'PYOPENGL_PLATFORM')}
    environment['__EGL_VENDOR_LIBRARY_DIRS'] = '/nonexistent'
    done = subprocess.run([sys.executable, '-c', TAKE_A_PICTURE], env=environment, text=True,
                          capture_output=True, timeout=50, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 'picture True\n' or (
        'egl: ' in done.stdout and 'osmesa: ' in done.stdout and 'libosmesa6' in done.stdout)
    assert 'Traceback' not in done.stderr


def test_rendering_can_be_switched_off(tiny, monkeypatch):
    monkeypatch.setenv('MUJOCO_GL', 'off')
    with pytest.raises(RuntimeError, match='unset it'):
        render.open_context(tiny, 8, 8)


# -- screen -----------------------------------------------------------------------------------


def test_a_screen_writes_a_gif(renderer, arm, tmp_path):
    path, said = tmp_path / 'new' / 'arm.gif', []
    screen = render.Screen(arm, False, str(path), 0.32, said.append)
    screen.show_goal(GOAL)
    for k in range(200):  # more than the video takes
        arm.reset(np.array(arm.robot.home) + 0.005 * k, np.zeros(7))
        screen.update(100.0 + 0.005 * k)
    screen.close()
    screen.close()
    arm.reset(np.array(arm.robot.home), np.zeros(7))
    with Image.open(path) as gif:
        assert gif.n_frames == 8
        assert gif.size == video.SIZE
        assert gif.info['duration'] == 40
        frames = []
        for k in range(gif.n_frames):
            gif.seek(k)
            frames.append(np.array(gif.convert('RGB')))
    assert all(difference(a, b).max() > 30 for a, b in zip(frames, frames[1:]))
    assert len(said) == 1 and str(path) in said[0]
    assert [entry.name for entry in path.parent.iterdir()] == ['arm.gif']


def test_a_screen_without_a_display_says_so_and_goes_on(arm, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    said = []
    screen = render.Screen(arm, True, '', 1.0, said.append)
    for k in range(3):
        screen.update(0.01 * k)
    screen.close()
    assert len(said) == 1 and 'no display' in said[0]


class BrokenViewer:
    """A viewer that fails, or whose window was closed."""

    def __init__(self, window):
        self.alive = window
        self.closed = False

    def update(self, goal):
        raise OSError('lost the display')

    def close(self):
        self.closed = True


@pytest.mark.parametrize(('window', 'word'), [(True, 'lost the display'), (False, 'was closed')])
def test_a_viewer_that_fails_is_switched_off(arm, monkeypatch, window, word):
    viewer, said = BrokenViewer(window), []
    monkeypatch.setattr(render, 'Viewer', lambda world: viewer)
    screen = render.Screen(arm, True, '', 1.0, said.append)
    for k in range(3):
        screen.update(0.01 * k)
    screen.close()
    assert len(said) == 1 and word in said[0]
    assert viewer.closed


@pytest.mark.parametrize('goal', [None, np.zeros(7), np.array([1.0, np.nan, 0.0]), np.zeros(0)])
def test_only_a_position_is_shown(arm, goal):
    screen = render.Screen(arm, False, '', 1.0)
    screen.show_goal(GOAL)
    assert np.array_equal(screen._goal, GOAL)
    screen.show_goal(goal)
    assert screen._goal is None


# -- video ------------------------------------------------------------------------------------


class PaintedCamera:
    """A camera that needs no OpenGL: the picture's colour is the position."""

    def __init__(self, fail_at=math.inf):
        self.taken = 0
        self.fail_at = fail_at
        self.closed = False

    def picture(self, goal, position):
        if self.taken >= self.fail_at:
            raise RuntimeError('out of paint')
        self.taken += 1
        picture = np.zeros((24, 32, 3), np.uint8)
        picture[:, :int(position[0]) % 32] = (200, 40, 40)
        return picture

    def close(self):
        self.closed = True


def shoot(path, seconds, times, camera):
    said = []
    film = video.Film(path, seconds, lambda: camera, said.append)
    for k, at in enumerate(times):
        film.shoot(at, np.array([1.0 + k]), None)
    film.close()
    return said


@settings(max_examples=25, deadline=None)
@given(start=st.floats(0.0, 1e6), period=st.sampled_from([0.001, 0.005, 0.01, 0.04, 0.1]),
       steps=st.integers(1, 120), seconds=st.floats(0.04, 2.0))
def test_a_film_takes_25_pictures_a_second(tmp_path_factory, start, period, steps, seconds):
    path = tmp_path_factory.mktemp('film') / 'x.gif'
    camera = PaintedCamera()
    said = shoot(path, seconds, [start + period * k for k in range(steps)], camera)
    passed = len({int(period * k * video.RATE + 1e-3) for k in range(steps)})
    assert camera.taken == min(passed, max(1, round(seconds * video.RATE)))
    assert camera.closed and path.exists() and said[-1].startswith(str(path))


def test_a_film_that_fails_says_so_once_and_keeps_the_old_file(tmp_path):
    path = tmp_path / 'x.gif'
    path.write_bytes(b'old')
    camera = PaintedCamera(fail_at=2)
    said = shoot(path, 1.0, [0.04 * k for k in range(50)], camera)
    assert said[-1].endswith('out of paint')
    assert path.read_bytes() == b'old' and camera.closed
    assert [entry.name for entry in tmp_path.iterdir()] == ['x.gif']


def test_a_film_of_nothing_is_no_file(tmp_path):
    said = shoot(tmp_path / 'x.gif', 1.0, [], PaintedCamera())
    assert 'nothing has moved' in said[0]
    assert not list(tmp_path.iterdir())


def test_a_film_cannot_be_written_into_a_file(tmp_path):
    (tmp_path / 'file').write_text('')
    said = shoot(tmp_path / 'file' / 'x.gif', 1.0, [0.0], PaintedCamera())
    assert len(said) == 1 and said[0].startswith('no video')


def test_a_gif_is_small_where_little_moves(tmp_path):
    gif = video.Gif(tmp_path / 'x.gif')
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    for k in range(20):
        picture = noise.copy()
        picture[:8, k:k + 8] = 255
        gif.add(picture)
    gif.close()
    assert gif.path.stat().st_size < 4 * 90 * 120  # of 20
    with Image.open(gif.path) as read:
        assert read.n_frames == 20


def test_an_mp4_can_be_read(tmp_path):
    ffmpeg = pytest.importorskip('imageio_ffmpeg', reason='MP4 needs imageio-ffmpeg')
    path = tmp_path / 'x.mp4'
    said = shoot(video.check_video(str(path), 1.0), 1.0, [0.04 * k for k in range(30)],
                 PaintedCamera())
    assert said[-1].startswith(str(path))
    assert ffmpeg.count_frames_and_secs(str(path))[0] == 25


@pytest.mark.parametrize(('name', 'seconds', 'word'), [
    ('x.avi', 1.0, r'\.gif or \.mp4'), ('x', 1.0, r'\.gif or \.mp4'),
    ('x.gif', 61.0, 'at most 60 s'), ('x.gif', 0.0, 'positive'), ('x.mp4', math.nan, 'positive'),
    ('x.mp4', math.inf, 'positive'), ('folder.gif', 1.0, 'is a folder')])
def test_a_video_that_cannot_be_written_is_refused(tmp_path, name, seconds, word):
    (tmp_path / 'folder.gif').mkdir()
    with pytest.raises(ValueError, match=word):
        video.check_video(str(tmp_path / name), seconds)


@pytest.mark.parametrize(('name', 'word'), [('x.mp4', 'pip install imageio-ffmpeg'),
                                            ('x.GIF', 'pip install pillow')])
def test_a_missing_library_is_named(monkeypatch, name, word):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda module: None)
    with pytest.raises(ValueError, match=word):
        video.check_video(name, 1.0)
