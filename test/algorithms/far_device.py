"""
A second device for machines without a GPU: tensors on `far` are CPU tensors behind a wall.

As with CUDA, an operation takes tensors of one device, and numbers come back only when they are
fetched.  What is computed is what the CPU computes, bit by bit, so that a learner on `far` has to
arrive at the same weights.
"""

import torch
from torch.utils import _pytree as pytree
from torch.utils import backend_registration

NAME = 'far'
MOVES = ('aten::_to_copy', 'aten::copy_')


class Far(torch.Tensor):
    """A tensor on `far`; `near` is what it holds."""

    @staticmethod
    def __new__(cls, near):
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, near.shape, strides=near.stride(), storage_offset=near.storage_offset(),
            dtype=near.dtype, device=f'{NAME}:0')
        tensor.near = near
        return tensor

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        """Run on the CPU what is asked of tensors on one device; what is in place stays there."""
        kwargs = dict(kwargs or {})
        name = function._schema.name
        tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs))
                   if isinstance(leaf, torch.Tensor)]
        strangers = [leaf for leaf in tensors if not isinstance(leaf, cls) and leaf.dim()]
        if strangers and name not in MOVES:
            raise RuntimeError(f'{function}: tensors on cpu and on {NAME}')
        goes_home = torch.device(kwargs.get('device') or NAME).type == 'cpu'
        if 'device' in kwargs:
            kwargs['device'] = 'cpu'
        near = function(*pytree.tree_map_only(cls, lambda leaf: leaf.near, args),
                        **pytree.tree_map_only(cls, lambda leaf: leaf.near, kwargs))
        if goes_home:
            return near
        own = {id(leaf.near): leaf for leaf in tensors if isinstance(leaf, cls)}
        return pytree.tree_map_only(
            torch.Tensor, lambda leaf: own[id(leaf)] if id(leaf) in own else cls(leaf), near)

    def tolist(self):
        """Fetch the numbers; PyTorch does not for its subclasses."""
        return self.near.tolist()


def register():
    """Make `far` known to PyTorch, once per process; raises AttributeError in old ones."""
    backend_registration._setup_privateuseone_for_python_backend(NAME)
    library = torch.library.Library('aten', 'IMPL')
    for operation in ('empty.memory_format', 'empty_strided'):
        make = getattr(torch.ops.aten, operation.split('.')[0])
        library.impl(operation, lambda *args, make=make, **kwargs: Far(
            make(*args, **{**kwargs, 'device': 'cpu'})), 'PrivateUse1')
    return library
