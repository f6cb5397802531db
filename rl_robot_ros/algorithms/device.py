"""
Where networks learn: on the CPU, or on a GPU by CUDA.

Only what an update multiplies is there.  Rows are kept, random numbers are drawn and policies act
on the CPU, so that a seed draws the same rows and the same noise wherever it learns.
"""

from __future__ import annotations

import logging
from typing import Any

from numpy.typing import NDArray
from rl_robot_ros.core.config import option
import torch
from torch import Tensor

CPU = torch.device('cpu')
ACCELERATOR = 'cuda'

logger = logging.getLogger(__name__)


def device_option() -> Any:
    """Return the option `device` of everything that learns networks."""
    return option('auto', 'where networks learn: auto is cuda where that works; policies act on '
                  'the CPU', choices=('auto', 'cpu', 'cuda'))


def find_device(name: str) -> torch.device:
    """
    Return the device of this name, after it has multiplied something.

    A GPU may be there and of no use: too old for this PyTorch, or for its driver.

    :raises ValueError: it was asked for by name and does not work.
    """
    if name == 'cpu':
        return CPU
    try:
        ones = torch.ones(2, 2, device=ACCELERATOR)
        (ones @ ones).tolist()
    except (AssertionError, RuntimeError) as error:  # without CUDA, PyTorch asserts
        reason = str(error).split('\n', 1)[0]
        if name != 'auto':
            raise ValueError(f'algorithm.device: got {name}, which does not work here ({reason}); '
                             'set algorithm.device=cpu') from None
        if torch.get_device_module(ACCELERATOR).is_available():
            logger.warning('there is a GPU, but it does not work (%s): learning on the CPU',
                           reason)
        return CPU
    return ones.device


def to_tensor(numbers: NDArray[Any], device: torch.device) -> Tensor:
    """Bring numbers to where networks learn, in single precision as these."""
    return torch.from_numpy(numbers).float().to(device)
