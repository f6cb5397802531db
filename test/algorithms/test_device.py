"""Learning away from the CPU: the same numbers, and nothing that is on two devices at once."""

import os
from pathlib import Path
import subprocess
import sys

from algorithms import far_device
from algorithms import workbench
from algorithms.test_seam import feed
from algorithms.test_seam import LEARNING
import numpy as np
import pytest
from rl_robot_ros.algorithms import device
from rl_robot_ros.core.resolve import resolve
import torch
from torch.utils._pytree import tree_map_only

NETWORKS = [(name, {}) for name in LEARNING
            if 'device' in resolve('algorithm', name).Config.__dataclass_fields__]
NO_GPU = 77  # what the process with the GPU returns where there is none
CASES = [*NETWORKS, ('sac', {'dropout': 0.1}), ('ppo', {'normalise_values': False})]


@pytest.fixture(scope='session')
def registered():
    """Make the second device known, as long as the process lives."""
    try:
        return far_device.register()
    except AttributeError as error:
        pytest.skip(f'PyTorch {torch.__version__} takes no device in Python: {error}')


@pytest.fixture
def far(registered, monkeypatch):
    """Let the second device be the GPU."""
    monkeypatch.setattr(device, 'ACCELERATOR', far_device.NAME)


def test_the_second_device_has_a_wall(registered):
    here, there = torch.ones(3), torch.ones(3, device='far')
    assert (2.0 * there).tolist() == [2.0] * 3 and there.cpu().device.type == 'cpu'
    with pytest.raises(RuntimeError, match='on cpu and on far'):
        here + there
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()


@pytest.mark.parametrize('name, options', CASES, ids=str)
def test_every_algorithm_learns_there_as_on_the_cpu(far, name, options):
    near, there = (workbench.make(name, device=where, **options) for where in ('cpu', 'auto'))
    assert there.actor.flat.device.type == 'far' and near.actor.flat.device.type == 'cpu'
    for algorithm in (near, there):
        algorithm.prepare()
        feed(algorithm, 2)
    assert np.array_equal(near.actor_weights(), there.actor_weights())


@pytest.mark.parametrize('name', ['sac', 'ppo', 'behavior_cloning'])
def test_a_run_goes_on_on_another_device(far, name):
    """Whichever of the two it is, with what a checkpoint brings: tensors of the CPU."""
    there, near = (workbench.make(name, device=where) for where in ('cuda', 'cpu'))
    for one, other in ((there, near), (near, there)):
        feed(one, 2)
        other.load_state_dict(tree_map_only(torch.Tensor, torch.Tensor.cpu, one.state_dict()))
        assert np.array_equal(one.actor_weights(), other.actor_weights())
        rows = np.ones((20, workbench.layout_of(one).width))
        for algorithm in (one, other):
            algorithm.refill(rows)
            feed(algorithm, 1, seed=1)
        assert np.array_equal(one.actor_weights(), other.actor_weights())


def test_a_device_that_does_not_work_is_named(monkeypatch):
    """It is found out before anything is learned; `auto` does without."""
    monkeypatch.setattr(device, 'ACCELERATOR', 'xpu')  # nobody's build for the CPU has it
    with pytest.raises(ValueError, match=r'algorithm.device: got cuda, .* algorithm.device=cpu'):
        workbench.make('sac', device='cuda')
    assert workbench.make('sac', device='auto').actor.flat.device == device.CPU


def test_a_gpu_learns_what_the_cpu_learns():
    """The same with a real one, in a process that may see it."""
    program = f"""
import sys
from algorithms import workbench
from algorithms.test_seam import feed
import numpy as np
import torch
if not torch.cuda.is_available():
    sys.exit({NO_GPU})
for name, options in {CASES}:
    near, there = pair = [workbench.make(name, device=where, **{{'compile': 'auto', **options}})
                          for where in ('cpu', 'cuda')]
    for algorithm in pair:
        algorithm.prepare()
        feed(algorithm, 4)
    assert there.actor.flat.is_cuda and not near.actor.flat.is_cuda
    assert np.allclose(near.actor_weights(), there.actor_weights(), rtol=1e-2, atol=1e-3), name
"""
    done = subprocess.run([sys.executable, '-c', program], cwd=Path(__file__).parents[1],
                          env={**os.environ, 'CUDA_VISIBLE_DEVICES': '0'})
    if done.returncode == NO_GPU:
        pytest.skip('there is no GPU that PyTorch can use')
    assert done.returncode == 0
