"""
A run keeps the robot that it was made with: a copy of its datasheet, model and meshes.

::

    runs/.../robot/source.json            where they came from, sha256 of each
    runs/.../robot/my_robots/my_arm.yaml  the copy, in folders as they were
    runs/.../robot/my_robots/my_arm.urdf

What is done with the run later is done with the copy, whatever became of the files.
"""

from __future__ import annotations

from collections.abc import Iterator
import hashlib
import json
import os
from pathlib import Path
import shutil
from typing import Any
import xml.etree.ElementTree as ElementTree

import mujoco
from rl_robot_ros.core.files import write_atomically
from rl_robot_ros.core.resolve import is_file
from rl_robot_ros.robots.datasheet import read_datasheet
from rl_robot_ros.robots.model import find_mesh

FOLDER, SOURCE = 'robot', 'source.json'


def keep_robot(run: Path, name: str) -> str:
    """
    Copy a robot that is described by files into a run, unless it is that copy already.

    :param name: of the robot, as in parameter `robot`.
    :returns: the name under which the run finds it from any folder.
    :raises FileNotFoundError: a file is not there.
    :raises ValueError: the datasheet or its model cannot be read.
    """
    if not is_file('robot', name):
        return name
    datasheet, folder = Path(name).resolve(), run.resolve() / FOLDER
    if datasheet.is_relative_to(folder):
        return str(datasheet)
    files = list(dict.fromkeys(_files(datasheet)))
    # The folder above them too: package://my_arm/meshes names it.
    base = Path(os.path.commonpath([file.parent for file in files])).parent
    shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        copy = folder / file.relative_to(base)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    write_atomically(folder / SOURCE, json.dumps({
        'datasheet': str(datasheet),
        'files': {str(file): _digest(file) for file in files}}, indent=2))
    return str(folder / datasheet.relative_to(base))


def changes(run: Path) -> str:
    """Say how the files that the robot of a run was copied from have changed; empty if not."""
    path = run / FOLDER / SOURCE
    if not path.is_file():
        return ''
    try:
        source: dict[str, Any] = json.loads(path.read_text())
        datasheet, files = str(source['datasheet']), dict(source['files'])
    except (ValueError, KeyError, TypeError) as error:
        return f'{path} cannot be read: {error}'
    gone = [name for name in files if not Path(name).is_file()]
    changed = [name for name in files if name not in gone and _digest(Path(name)) != files[name]]
    words = [f'{", ".join(names)} {what}' for names, what in (
        (gone, 'is gone'), (changed, 'has changed')) if names]
    if not words:
        return ''
    other = '' if datasheet in gone else f'; to take the new one: robot={datasheet}'
    return (f'{" and ".join(words)} since this run began: it goes on with its own copy in '
            f'{path.parent}{other}')


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(datasheet: Path) -> Iterator[Path]:
    sheet, _ = read_datasheet(datasheet)
    yield datasheet
    for name in filter(None, (sheet.urdf, sheet.mjcf)):
        model = (datasheet.parent / name).resolve()
        if not model.is_file():
            raise FileNotFoundError(f'{datasheet}: no file at {model}')
        yield model
        yield from _included(model)
        yield from _assets(model)


def _included(model: Path) -> Iterator[Path]:
    """Yield what an MJCF includes, and what that includes."""
    try:
        root = ElementTree.parse(model).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f'{model} is not XML: {error}') from None
    for element in root.iter('include'):
        path = (model.parent / element.get('file', '')).resolve()
        if path.is_file() and path != model:
            yield path
            yield from _included(path)


def _assets(model: Path) -> Iterator[Path]:
    """Yield meshes, pictures and height fields of a model, as far as they are there."""
    try:
        spec = mujoco.MjSpec.from_file(str(model))
    except ValueError as error:
        raise ValueError(f'{model} is no model that MuJoCo reads: {error}') from None
    for mesh in spec.meshes:
        found = find_mesh(mesh.file, model, spec.meshdir) if mesh.file else None
        if found is not None:
            yield found
    pictures = [name for texture in spec.textures for name in (texture.file, *texture.cubefiles)]
    for folder, names in ((spec.texturedir, pictures),
                          (spec.meshdir, [field.file for field in spec.hfields])):
        for name in filter(None, names):
            path = (model.parent / folder / name).resolve()
            if path.is_file():
                yield path
