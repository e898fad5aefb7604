"""Private names of torch, and what differs between its releases."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo as not_compiled
from torch._subclasses.fake_tensor import (
    FakeCopyMode,
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.utils._python_dispatch import (
    TorchDispatchMode,
)
from torch.utils._python_dispatch import (
    _disable_current_modes as dispatch_modes_disabled,
)
from torch.utils._pytree import (
    tree_flatten,
    tree_leaves,
    tree_map_only,
    tree_unflatten,
)

__all__ = [
    'ATTENTION_ON_CPU',
    'READ_VALUE',
    'UNSAFE_VIEW',
    'BatchNorm',
    'FakeCopyMode',
    'FakeTensor',
    'FakeTensorMode',
    'TorchDispatchMode',
    'copy_layer_versions',
    'detach_alias',
    'dispatch_modes_disabled',
    'find_node_number',
    'find_storage_key',
    'find_version',
    'hooks_removed',
    'is_in_backward',
    'is_in_place',
    'make_wrapper_subclass',
    'next_node_number',
    'not_compiled',
    'tree_flatten',
    'tree_leaves',
    'tree_map_only',
    'tree_unflatten',
    'unset_fake_temporarily',
]

# a Tensor of a class of one's own that has no data
make_wrapper_subclass = Tensor._make_wrapper_subclass
_aten = torch.ops.aten
# what a program reads a value by
READ_VALUE = _aten._local_scalar_dense
# a view that claims to be a new tensor
UNSAFE_VIEW = _aten._unsafe_view
# attention on a CPU, by the op of a GPU that computes the same
ATTENTION_ON_CPU = {
    _aten._scaled_dot_product_flash_attention_for_cpu: (
        _aten._scaled_dot_product_flash_attention
    ),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: (
        _aten._scaled_dot_product_flash_attention_backward
    ),
}


@contextmanager
def hooks_removed(module: nn.Module) -> Iterator[None]:
    """Let a module and all in it run without hooks.

    Args:
        module (nn.Module): The module.

    Yields:
        None: While it has none.
    """
    names = [
        '_forward_hooks',
        '_forward_hooks_always_called',
        '_forward_hooks_with_kwargs',
        '_forward_pre_hooks',
        '_forward_pre_hooks_with_kwargs',
    ]
    kept = [
        (child, name, getattr(child, name))
        for child in module.modules()
        for name in names
    ]
    try:
        for child, name, _ in kept:
            setattr(child, name, OrderedDict())
        yield
    finally:
        for child, name, hooks in kept:
            setattr(child, name, hooks)


def copy_layer_versions(
    source: Any, target: OrderedDict, is_kept: Callable[[str], bool]
) -> None:
    """Give a state dict the versions of layers that another one has.

    By these a host converts old keys when it loads.

    Args:
        source (Any): State dict; where it has no versions nothing happens.
        target (OrderedDict): State dict, changed in place.
        is_kept (Callable): Function that takes the name of a layer and tells
            whether its version is copied.
    """
    versions = getattr(source, '_metadata', None)
    if versions is not None:
        target._metadata = OrderedDict(  # type: ignore[attr-defined]
            (name, version)
            for name, version in versions.items()
            if is_kept(name)
        )


def detach_alias(tensor: Tensor) -> Tensor:
    """Detach a tensor within a dispatch mode, where autograd is done already.

    Args:
        tensor (Tensor): Any tensor.

    Returns:
        Tensor: Another one on the same storage. What is changed in place in
        one of them counts in the version of both.
    """
    view_key = torch._C.DispatchKey.ADInplaceOrView
    with torch._C._SetExcludeDispatchKeyGuard(view_key, False):
        return tensor.detach()


def is_in_backward() -> bool:
    """Tell whether autograd is running a backward in this thread."""
    return torch._C._current_graph_task_id() != -1


@cache
def is_in_place(op: Any) -> bool:
    """Tell whether an op changes its first argument.

    Args:
        op (Any): The ``func`` that a dispatch mode gets.

    Returns:
        bool: Whether it does.
    """
    arguments = op._schema.arguments
    first = arguments[0].alias_info if arguments else None
    return first is not None and first.is_write


def find_storage_key(tensor: Tensor) -> int:
    """Return a number that all tensors on the same storage share."""
    return tensor.untyped_storage()._cdata


def find_node_number(node: Any) -> int:
    """Return the number of an autograd node: a later one has a higher one."""
    return node._sequence_nr()


def next_node_number() -> int:
    """Return the number that the next autograd node of this thread gets."""
    return torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]


def find_version(tensor: Tensor) -> Optional[int]:
    """Return how often a tensor was changed in place, if torch counts it.

    Args:
        tensor (Tensor): Any tensor.

    Returns:
        int: The count; None for an inference tensor, which has none.
    """
    return None if tensor.is_inference() else tensor._version
