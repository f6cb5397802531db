"""
GIF and MP4 files of a running robot, rendered beside the loop that moves it.

A :class:`Film` keeps joint positions at 25 pictures per simulated second; a thread of lower
priority turns them into pictures and writes the file, under another name until it is whole.
"""

from __future__ import annotations

from collections.abc import Callable
import importlib.util
import os
from pathlib import Path
import queue
import threading
from typing import Any
from typing import Protocol
import zlib

import numpy as np
from numpy.typing import NDArray
from rl_robot_ros.core.spec import Vector

Picture = NDArray[np.uint8]

RATE = 25  # pictures per second of simulated time
SIZE = (480, 360)  # [pixel] width and height
GIF_SECONDS = 60.0  # a longer GIF is no use to anybody
COLORS = 255  # one of the 256 of a GIF stays free for "as before"
CLOSE_TIMEOUT = 300.0  # [s] to render what is left


class Camera(Protocol):
    """What takes the pictures, see `render.Renderer`."""

    def picture(self, goal: Vector | None, position: Vector | None) -> Picture:
        """Return a picture of the robot at `position`."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...


def check_video(video: str, seconds: float) -> Path:
    """
    Return the path of a video that can be written.

    :param seconds: [s] length of the video.
    :raises ValueError: says what is wrong with the name, the length, or what must be installed.
    """
    path = Path(video).expanduser()
    kind = path.suffix.lower()
    if kind not in ('.gif', '.mp4'):
        raise ValueError(f'sim.video={video}: the name must end in .gif or .mp4')
    if not 0.0 < seconds < float('inf'):
        raise ValueError(f'sim.video_seconds={seconds}: must be positive')
    if kind == '.gif' and seconds > GIF_SECONDS:
        raise ValueError(f'sim.video_seconds={seconds}: a GIF holds at most {GIF_SECONDS:.0f} s; '
                         'shorten it, or name an .mp4')
    if kind == '.gif' and importlib.util.find_spec('PIL') is None:
        raise ValueError(f'sim.video={video}: a GIF needs Pillow, install it by '
                         '`pip install pillow`')
    if kind == '.mp4' and importlib.util.find_spec('imageio_ffmpeg') is None:
        raise ValueError(f'sim.video={video}: an MP4 needs ffmpeg; name a .gif instead, or '
                         'install it by `pip install imageio-ffmpeg`')
    if path.is_dir():
        raise ValueError(f'sim.video={video} is a folder')
    return path


class Film:
    """
    Collects positions at the frame rate and writes them as a video, in its own thread.

    :param path: from :func:`check_video`.
    :param seconds: [s] of simulated time.
    :param make_camera: called in the thread, as OpenGL belongs to one.
    :param report: is told once how it ended, and why.
    """

    def __init__(self, path: Path, seconds: float, make_camera: Callable[[], Camera],
                 report: Callable[[str], None]) -> None:
        self.path = path
        self.pictures = max(1, round(seconds * RATE))
        self._make_camera = make_camera
        self._report = report
        self._start: float | None = None
        self._last = -1
        self._taken = 0
        # Never full: `shoot` stops at the number of pictures.
        self._queue: queue.Queue[tuple[Vector, Vector | None] | None] = queue.Queue()
        self._recording = True
        self._thread = threading.Thread(target=self._run, name='film', daemon=True)
        self._thread.start()

    def shoot(self, sim_time: float, position: Vector, goal: Vector | None) -> None:
        """
        Take the next picture if it is due.

        :param sim_time: [s] of this position.
        :param position: `qpos`, copied.
        """
        if not self._recording:
            return
        if self._start is None:
            self._start = sim_time
        number = int((sim_time - self._start) * RATE + 1e-6)
        if number <= self._last:
            return
        self._last = number
        self._queue.put((position.copy(), goal))
        self._taken += 1
        if self._taken == self.pictures:
            self._end()

    def _end(self) -> None:
        if self._recording:
            self._recording = False
            self._queue.put(None)

    def close(self) -> None:
        """End the video here and wait until it is written."""
        self._end()
        left = self._queue.qsize() - 1
        if left > RATE and self._thread.is_alive():
            self._report(f'rendering {left} more pictures for {self.path}')
        self._thread.join(CLOSE_TIMEOUT)
        if self._thread.is_alive():
            self._report(f'{self.path} is not written: rendering took longer than '
                         f'{CLOSE_TIMEOUT:.0f} s, shorten it by sim.video_seconds')

    def _run(self) -> None:
        try:
            # On Linux a priority belongs to a thread, and OpenGL's own threads inherit it.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)
        except (AttributeError, OSError):
            pass
        try:
            self._report(self._make())
        except Exception as error:
            self._report(f'no video {self.path}: {error}')
        finally:
            self._recording = False

    def _make(self) -> str:
        part = self.path.with_name(f'.{self.path.stem}.{os.getpid()}.part{self.path.suffix}')
        part.parent.mkdir(parents=True, exist_ok=True)
        writer: Gif | Mp4 = Gif(part) if self.path.suffix.lower() == '.gif' else Mp4(part)
        camera = self._make_camera()
        try:
            number = 0
            while (shot := self._queue.get()) is not None:
                position, goal = shot
                writer.add(camera.picture(goal, position))
                number += 1
            if not number:
                return f'no video {self.path}: nothing has moved'
            writer.close()
            os.replace(part, self.path)
        finally:
            camera.close()
            writer.abort()
            part.unlink(missing_ok=True)
        size = self.path.stat().st_size / 1e6
        return f'{self.path}: {number / RATE:.1f} s, {size:.1f} MB'


class Gif:
    """Writes a GIF with one palette, so that what does not move costs nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._shape: tuple[int, ...] = ()
        # The palette needs all pictures first; packed they are ten times smaller.
        self._packed: list[bytes] = []

    def add(self, picture: Picture) -> None:
        """Append a picture, shape (height, width, 3)."""
        self._shape = picture.shape
        self._packed.append(zlib.compress(picture.tobytes(), 1))

    def close(self) -> None:
        """Write the file."""
        from PIL import Image
        palette = self._palette()
        pictures = (Image.fromarray(self._picture(i)).quantize(
            palette=palette, dither=Image.Dither.NONE) for i in range(len(self._packed)))
        first = next(pictures)
        first.save(self.path, format='GIF', save_all=True, append_images=pictures,
                   duration=1000 // RATE, loop=0, optimize=False)

    def abort(self) -> None:
        """Forget the pictures."""
        self._packed.clear()

    def _picture(self, i: int) -> Picture:
        return np.frombuffer(zlib.decompress(self._packed[i]), np.uint8).reshape(self._shape)

    def _palette(self) -> Any:
        """Choose the colours from pictures of the whole film."""
        from PIL import Image
        chosen = sorted({round(i) for i in np.linspace(0, len(self._packed) - 1, 8)})
        pixels = np.concatenate([self._picture(i)[::2, ::2].reshape(-1, 3) for i in chosen])
        # Small bright things, such as a tip and its trail, count as much as a wide grey floor.
        bright = np.repeat(pixels[np.ptp(pixels, axis=1) > 110], 2, axis=0)
        kinds = np.unique(pixels >> 3, axis=0) << 3
        sample = np.concatenate((pixels, bright, np.repeat(kinds, 40, axis=0)))
        return Image.fromarray(sample[:, None]).quantize(
            COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


class Mp4:
    """Streams pictures through ffmpeg as H.264 that every browser plays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ffmpeg: Any = None

    def add(self, picture: Picture) -> None:
        """Append a picture, shape (height, width, 3)."""
        if self._ffmpeg is None:
            import imageio_ffmpeg
            height, width, _ = picture.shape
            self._ffmpeg = imageio_ffmpeg.write_frames(
                str(self.path), (width, height), fps=RATE, quality=7, macro_block_size=2)
            self._ffmpeg.send(None)
        self._ffmpeg.send(np.ascontiguousarray(picture))

    def close(self) -> None:
        """Finish the file."""
        self.abort()

    def abort(self) -> None:
        """End ffmpeg."""
        ffmpeg, self._ffmpeg = self._ffmpeg, None
        if ffmpeg is not None:
            ffmpeg.close()
