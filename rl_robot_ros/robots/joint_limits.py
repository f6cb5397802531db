"""The `joint_limits` of ros2_control and MoveIt, from their YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def load_joint_limits(path: Path) -> dict[str, dict[str, Any]]:
    """
    Read ``joint_limits: {joint: {has_velocity_limits: true, max_velocity: 1.0, ...}}``.

    The table may stand at the top or below ``<node>: ros__parameters:``.

    :raises FileNotFoundError: there is no such file.
    :raises ValueError: it holds no such table.
    """
    if not path.is_file():
        raise FileNotFoundError(f'no joint limits at {path}, see parameter '
                                'filter.joint_limits_file')
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f'{path} is not YAML: {error}') from None
    while isinstance(content, dict) and 'joint_limits' not in content and len(content) == 1:
        content = next(iter(content.values()))
    limits = content.get('joint_limits') if isinstance(content, dict) else None
    if not isinstance(limits, dict) or not all(isinstance(v, dict) for v in limits.values()):
        raise ValueError(f'{path} has no table joint_limits: {{joint: {{max_velocity: ...}}}}')
    return limits
