"""
Run directories: where they are, what they hold, which policy is the newest.

::

    runs/20260131-120000-arm7-reach-sac/
        config.yaml          every parameter, explicit (a ROS parameter file)
        policy.safetensors   the newest weights, ready to play
        checkpoints/         everything a learner needs to go on
        rows/                every row that it took, see docs/durability.md
        metrics.csv          one line every few seconds
        learning_curve.png   drawn from it
        tensorboard/         the same, live
        evaluation.json      the final report, figures with intervals
        evaluation.png       drawn from it
        log/                 one file per node
        robot/               copy of a datasheet of one's own, with its models and meshes
"""

from __future__ import annotations

from datetime import datetime
import hashlib
from pathlib import Path

from rl_robot_ros.core.resolve import is_file
from rl_robot_ros.settings import read_parameters

POLICY = 'policy.safetensors'
CONFIG = 'config.yaml'
ROBOT_FOLDER, ROBOT_SOURCE = 'robot', 'source.json'  # see `robots.keeping`


def short(name: str) -> str:
    """Return a name fit for a directory, also for ``module:attribute`` and a datasheet."""
    if is_file('robot', name):
        return Path(name).stem
    return name.rpartition('.')[2].replace(':', '_')


def robot_label(name: str) -> str:
    """
    Return the name of a robot, with a short digest of what is in its files where it has any.

    Each run has a copy of its own: runs of the same robot have the same label all the same.
    """
    datasheet = Path(name)
    if not is_file('robot', name) or not datasheet.is_file():
        return name
    # <run>/robot/<folder>/my_arm.yaml and what lies beside it, but not where it came from.
    copies = [folder for folder in datasheet.parents if (folder / ROBOT_SOURCE).is_file()]
    files = sorted(path for path in copies[0].rglob('*') if path.is_file()
                   and path.name != ROBOT_SOURCE) if copies else [datasheet]
    digest = hashlib.sha256()
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f'{datasheet.stem}@{digest.hexdigest()[:6]}'


def create_run(root: Path, robot: str, task: str, algorithm: str, name: str = '') -> Path:
    """
    Make the directory of a new run.

    :raises FileExistsError: there is one of this name; it is never overwritten.
    """
    name = name or '-'.join([datetime.now().strftime('%Y%m%d-%H%M%S'), short(robot), short(task),
                             short(algorithm)])
    path = root / name
    try:
        path.mkdir(parents=True)
    except FileExistsError:
        raise FileExistsError(f'{path} exists and is not overwritten: choose another --name, or '
                              f'go on with it by --resume {path}') from None
    return path


def find_policy(path: Path) -> Path:
    """
    Return the policy file of a run directory, or the file itself.

    :raises FileNotFoundError: there is none.
    """
    candidate = path / POLICY if path.is_dir() else path
    if not candidate.is_file():
        raise FileNotFoundError(f'no policy at {candidate}: give a run directory or a policy file')
    return candidate


def find_config(path: Path) -> dict[str, object]:
    """
    Return the parameters of the run that a policy or a run directory belongs to.

    :raises FileNotFoundError: there is no config.yaml beside it.
    """
    config = (path if path.is_dir() else path.parent) / CONFIG
    if not config.is_file():
        raise FileNotFoundError(f'no {CONFIG} at {config}: give a run directory')
    parameters = read_parameters(config)
    robot = str(parameters.get('robot', ''))
    if is_file('robot', robot) and not Path(robot).is_file():
        # The run has been moved, and its copy of the datasheet with it.
        copies = sorted((config.parent / ROBOT_FOLDER).resolve().rglob(Path(robot).name))
        parameters['robot'] = str(copies[0]) if copies else robot
    return parameters
