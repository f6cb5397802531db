"""
Find out why this machine does not train, and say what to do about it (``rl-robot doctor``).

Every check is one small function that returns a :class:`Check`.  Whatever may hang or crash runs
in a child process with a deadline (`rl_robot_ros.probes`), so the doctor itself always answers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
import os
from pathlib import Path
import platform
import random
import re
import shutil
import sys
import sysconfig

from rl_robot_ros.probes import finish
from rl_robot_ros.probes import probe
from rl_robot_ros.probes import ProbeError
from rl_robot_ros.probes import start
from rl_robot_ros.shared_memory import leftovers

OK, WARN, FAIL = 'ok', 'warn', 'fail'
REQUIRED = {'numpy': '1.26', 'PyYAML': '6.0', 'safetensors': '0.4', 'mujoco': '3.2',
            'torch': '2.1', 'gymnasium': '0.29'}
# Reports, the live view and bags need these; all ranges are those of setup.py.
OPTIONAL = {'tensorboard': '2.14', 'matplotlib': '3.6', 'rich': '13.0', 'pillow': '10.0',
            'rosbags': '0.11.9'}
INSTALL = 'make train (wheels), or rosdep install and pip install safetensors (apt)'
REMOVE = 'python -m rl_robot_ros.shared_memory removes what dead processes left'
GIB = 2 ** 30


@dataclass(frozen=True)
class Check:
    """One finding: `status` is ok, warn (works, but) or fail (training will not run)."""

    name: str
    status: str
    detail: str
    remedy: str = ''


def run_checks(robot: str | None = None) -> list[Check]:
    """Run all checks side by side; never raises, returns them in a fixed order."""
    checks = dict(CHECKS)
    if robot:
        checks['robot'] = lambda: check_datasheet(robot)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda item: _guarded(*item), checks.items()))


def main(options: argparse.Namespace | None = None) -> int:
    """Print the findings; 0 unless something that training needs has failed."""
    checks = run_checks(None if options is None else options.robot)
    try:
        _print_table(checks)
    except ImportError:
        for check in checks:
            print(f'{check.status.upper():4}  {check.name}: {check.detail}')
            if check.remedy:
                print(f'      -> {check.remedy}')
    failed = [check.name for check in checks if check.status == FAIL]
    print(f'{len(failed)} problem(s) to solve first: {", ".join(failed)}' if failed
          else 'Ready to train.')
    return 1 if failed else 0


def _print_table(checks: list[Check]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    table = Table(box=None, pad_edge=False)
    for title in ('', 'check', 'finding, and what to do'):
        table.add_column(title, overflow='fold')
    color = {OK: 'green', WARN: 'yellow', FAIL: 'red'}
    for check in checks:
        finding = Text(check.detail)
        if check.remedy:
            finding.append(f'\n-> {check.remedy}', style=color[check.status])
        table.add_row(Text(check.status, style=color[check.status]), check.name, finding)
    Console().print(table)


def _guarded(name: str, function: Callable[[], Check]) -> Check:
    try:
        return function()
    except Exception as error:
        return Check(name, FAIL, f'the check itself failed: {type(error).__name__}: {error}',
                     'please report this with the output of `rl-robot doctor`')


def check_python() -> Check:
    """Compare with the versions that the wheels and the tests cover."""
    release = sys.version_info[:2]
    if release < (3, 11):
        return Check('python', FAIL, platform.python_version(), 'install Python 3.11 to 3.13')
    if release > (3, 13):
        return Check('python', WARN, f'{platform.python_version()} is not tested',
                     'prefer Python 3.11 to 3.13')
    return Check('python', OK, f'{platform.python_version()} ({sys.executable})')


def check_platform() -> Check:
    """Accept Linux, and without an apt ROS only x86_64, for which rclpy has wheels."""
    here = f'{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs'
    if platform.system() != 'Linux':
        return Check('platform', FAIL, here, 'use Linux, or a container with ROS 2 Jazzy')
    if platform.machine() != 'x86_64' and not _apt_distros():
        return Check('platform', FAIL, f'{here}: rclpy has no wheels for it',
                     'install ROS 2 Jazzy or Kilted from apt and build with colcon')
    return Check('platform', OK, here)


def _apt_distros() -> list[str]:
    """Name the distributions of /opt/ros that this shell has sourced."""
    variables = ('AMENT_PREFIX_PATH', 'PYTHONPATH', 'LD_LIBRARY_PATH')
    text = ':'.join(os.environ.get(name, '') for name in variables)
    return sorted(set(re.findall(r'/opt/ros/(\w+)', text)))


def _wheel_distro() -> str:
    for distro in ('jazzy', 'kilted'):
        if _version(f'ros-{distro}-rclpy'):
            return distro
    return ''


def check_ros() -> Check:
    """Find one ROS, from wheels or from apt; not both, as their libraries are other builds."""
    wheels, sourced = _wheel_distro(), _apt_distros()
    if wheels and sourced:
        return Check('ros', WARN, f'wheels of {wheels} and a sourced /opt/ros/{sourced[0]} are '
                     'mixed in one shell', 'open a shell without `source /opt/ros/.../setup.bash`')
    if wheels:
        return Check('ros', OK, f'{wheels}, wheels {_version(f"ros-{wheels}-rclpy")}')
    if sourced:
        return Check('ros', OK, f'{", ".join(sourced)} from /opt/ros')
    return Check('ros', FAIL, 'neither rclpy wheels nor a sourced /opt/ros',
                 'make train (wheels), or source /opt/ros/jazzy/setup.bash')


def check_rclpy() -> Check:
    """Import rclpy, name its middleware, look for its fast executor."""
    try:
        found = probe('rclpy', seconds=30.0)
    except ProbeError as error:
        chosen = os.environ.get('RMW_IMPLEMENTATION')
        return Check('rclpy', FAIL, str(error), f'unset RMW_IMPLEMENTATION (it is {chosen})'
                     if chosen else INSTALL)
    if not found['events']:
        return Check('rclpy', WARN, f'{found["rmw"]}, without EventsExecutor: about a third of '
                     'the speed', 'update rclpy to 7.1.4 (Jazzy) or newer')
    return Check('rclpy', OK, f'{found["rmw"]}, EventsExecutor')


def check_dds() -> Check:
    """Let two real processes talk over DDS, in a domain of their own on this machine."""
    env = {'ROS_DOMAIN_ID': str(random.randint(1, 101)),
           'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}
    topic = f'rl_robot_doctor/r{random.getrandbits(32):08x}'
    echo = start('echo', topic, env=env)
    try:
        found = probe('ping', topic, seconds=40.0, env=env)
    except ProbeError as error:
        return Check('dds', FAIL, str(error), 'allow UDP on the loopback interface (ip link show '
                     'lo; firewall), free /dev/shm, unset ROS_DISCOVERY_SERVER and '
                     'FASTRTPS_DEFAULT_PROFILES_FILE')
    finally:
        try:
            finish(echo, 3.0)
        except ProbeError:
            pass  # what matters is whether the answers came back
    return Check('dds', OK, f'round trip {found["median"]:.2f} ms, worst {found["worst"]:.1f} ms, '
                 f'found each other in {found["discovery"]:.1f} s')


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ''


def _older(have: str, need: str) -> bool:
    figures = [[int(part) for part in re.findall(r'\d+', text)[:2]] for text in (have, need)]
    return figures[0] < figures[1]


def _packages(name: str, wanted: dict[str, str], status: str) -> Check:
    have = {distribution: _version(distribution) for distribution in wanted}
    bad = [f'{item} {have[item] or "is missing"} (need {least} or newer)'
           for item, least in wanted.items() if not have[item] or _older(have[item], least)]
    if bad:
        return Check(name, status, ', '.join(bad), INSTALL)
    return Check(name, OK, ', '.join(f'{item} {number}' for item, number in have.items()))


def check_torch() -> Check:
    """Load what only the learner uses; policy, safety filter and simulator never do."""
    try:
        found = probe('torch', seconds=90.0)
    except ProbeError as error:
        return Check('torch', FAIL, str(error), INSTALL)
    return Check('torch', OK, f'{found["version"]}, {found["threads"]} threads, '
                 f'CUDA {"yes" if found["cuda"] else "no"}')


def check_compiler() -> Check:
    """Look for what TorchInductor needs; learning works without, slower."""
    chosen = os.environ.get('CXX', 'g++')
    compiler = shutil.which(chosen)
    header = Path(sysconfig.get_paths()['include']) / 'Python.h'
    if not compiler:
        return Check('compiler', WARN, f'no {chosen}: updates are not compiled, and slower',
                     'apt-get install g++')
    if not header.is_file():
        return Check('compiler', WARN, f'{compiler}, but no {header}: updates are not compiled',
                     'apt-get install python3-dev')
    return Check('compiler', OK, f'{compiler}, {header}')


def check_mujoco() -> Check:
    """Step an empty world."""
    try:
        return Check('mujoco', OK, probe('mujoco', seconds=30.0)['version'])
    except ProbeError as error:
        return Check('mujoco', FAIL, str(error),
                     'unset MUJOCO_GL' if 'MUJOCO_GL' in os.environ else INSTALL)


def check_rendering() -> Check:
    """Render without a display: MuJoCo through EGL, or OSMesa."""
    tried = []
    chosen = os.environ.get('MUJOCO_GL')
    for backend in dict.fromkeys([chosen] if chosen else ['egl', 'osmesa']):
        try:
            found = probe('render', seconds=30.0, env={'MUJOCO_GL': backend})
        except ProbeError as error:
            tried.append(f'{backend}: {error}')
            continue
        if found['lit']:
            return Check('rendering', OK, f'MUJOCO_GL={backend}')
        tried.append(f'{backend}: black picture')
    return Check('rendering', WARN, '; '.join(tried) + ' (training works, GIFs and videos do not)',
                 ('unset MUJOCO_GL, or ' if chosen else '')
                 + 'apt-get install libegl1 libgl1-mesa-dri (EGL), or libosmesa6 (OSMesa)')


def check_shared_memory(folder: Path = Path('/dev/shm')) -> Check:
    """Measure where Fast DDS keeps messages; what a killed process had stays there."""
    if not folder.is_dir():
        return Check('shared memory', WARN, f'no {folder}: messages go over UDP',
                     'mount a tmpfs there')
    free, left = shutil.disk_usage(folder).free, leftovers(folder)
    detail = f'{free / GIB:.1f} GiB free in {folder}'
    if left:
        names = ', '.join(each.name for each in left[:3]) + (', ...' if len(left) > 3 else '')
        detail += (f'; {len(left)} segments and ports of dead processes take '
                   f'{sum(each.size for each in left) / 1e6:.1f} MB: {names}')
    if free < 64 * 2 ** 20:
        return Check('shared memory', WARN, detail, f'{REMOVE}; in a container, start it with '
                     '--shm-size=256m or more')
    return Check('shared memory', WARN if left else OK, detail, REMOVE if left else '')


def check_disk() -> Check:
    """Ask for twice what one run writes: replay, checkpoints, logs."""
    free = shutil.disk_usage(Path.cwd()).free
    detail = f'{free / GIB:.1f} GiB free in {Path.cwd()}'
    if free < 2 * GIB:
        return Check('disk', WARN, detail, 'free at least 2 GiB, or train in another directory')
    return Check('disk', OK, detail)


def check_datasheet(robot: str) -> Check:
    """Compare a datasheet with its models."""
    from rl_robot_ros.core.resolve import resolve
    from rl_robot_ros.robots.checking import check_robot
    remedy = f'rl-robot robot check {robot}; docs/own_robot.md'
    try:
        found = check_robot(resolve('robot', robot)).differences
    except (ValueError, OSError) as error:
        return Check('robot', FAIL, str(error), remedy)
    return Check('robot', WARN, '; '.join(found), remedy) if found \
        else Check('robot', OK, f'{robot}, its models agree')


CHECKS: dict[str, Callable[[], Check]] = {
    'python': check_python,
    'platform': check_platform,
    'ros': check_ros,
    'rclpy': check_rclpy,
    'dds': check_dds,
    'packages': lambda: _packages('packages', REQUIRED, FAIL),
    'extras': lambda: _packages('extras', OPTIONAL, WARN),
    'torch': check_torch,
    'compiler': check_compiler,
    'mujoco': check_mujoco,
    'rendering': check_rendering,
    'shared memory': check_shared_memory,
    'disk': check_disk,
}
