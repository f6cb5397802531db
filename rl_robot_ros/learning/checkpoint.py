"""
Checkpoints that are whole or not there.

A checkpoint is one file: 32 bytes of sha256, then what `torch.save` wrote.  It is written to a
temporary name, synced and renamed; the newest intact one is found on resume, a damaged one is
named and skipped.  Loading never unpickles objects (`weights_only=True`).

Rows are not in it but in the log (`row_log`); a checkpoint says at which position of it.
"""

from __future__ import annotations

from collections.abc import Callable
import hashlib
import io
from pathlib import Path
from typing import Any

from rl_robot_ros.core.files import write_atomically
import torch

DIGEST_BYTES = 32


class Checkpoints:
    """
    The checkpoints of one run.

    :param folder: where they are.
    :param keep: how many are kept.
    """

    def __init__(self, folder: Path, keep: int = 3) -> None:
        self.folder = folder
        self.keep = keep

    def files(self) -> list[Path]:
        """Return all checkpoint files, oldest first."""
        return sorted(self.folder.glob('checkpoint-*.pt'))

    def save(self, number: int, state: dict[str, Any]) -> Path:
        """
        Write a checkpoint.

        :param number: rises from checkpoint to checkpoint, such as rows learned from.
        :raises OSError: the disk is full or not writable; older checkpoints are untouched.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        payload = buffer.getvalue()
        path = self.folder / f'checkpoint-{number:012d}.pt'
        write_atomically(path, hashlib.sha256(payload).digest() + payload)
        for old in self.files()[:-self.keep]:
            old.unlink(missing_ok=True)
        return path

    def sweep(self) -> None:
        """Delete what a process left that died while it wrote a checkpoint."""
        for path in self.folder.glob('.checkpoint-*.pt.*'):
            path.unlink(missing_ok=True)

    def load(self, tell: Callable[[str], None]) -> dict[str, Any] | None:
        """
        Return the newest intact checkpoint, or None where there is none.

        :param tell: called with one sentence for each checkpoint that is skipped.
        :raises ValueError: there are checkpoints, but none is intact.
        """
        for path in reversed(self.files()):
            try:
                data = path.read_bytes()
            except OSError as error:
                tell(f'{path} is skipped: {error}')
                continue
            payload = data[DIGEST_BYTES:]
            if hashlib.sha256(payload).digest() != data[:DIGEST_BYTES]:
                tell(f'{path} is damaged and is skipped')
                continue
            # It may come from a machine with a GPU.
            state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location='cpu',
                                               weights_only=True)
            return state
        if self.files():
            raise ValueError(f'there is no intact checkpoint in {self.folder}; delete the damaged '
                             'ones to begin again, or give another learner.run')
        return None
