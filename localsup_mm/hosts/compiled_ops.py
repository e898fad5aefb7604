"""mmcv's compiled ops, on tensors that they do not take."""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..upstream import (
    FakeTensor,
    dispatch_modes_disabled,
    tree_leaves,
    tree_map_only,
)

__all__ = ['adapted_compiled_ops', 'let_compiled_ops_take_bfloat16']


@contextmanager
def adapted_compiled_ops() -> Iterator[None]:
    """Let mmcv's compiled ops run on fake tensors, and in bfloat16.

    They are no ops of torch, e.g. deformable convs, RoIAlign and NMS: fake
    tensors have no data for them, and they are not written for bfloat16.
    They write into tensors that their caller makes. So on fake ones there is
    nothing to do, and bfloat16 goes through copies in float32. Where mmcv is
    not compiled, its ops are those of torch (`mmcv_ops/`), and stay.

    Yields:
        None: The ops are adapted until the context ends.
    """
    replaced = _adapt()
    try:
        yield
    finally:
        for name, op in replaced.items():
            setattr(sys.modules['mmcv._ext'], name, op)


def let_compiled_ops_take_bfloat16() -> None:
    """Let mmcv's compiled ops run in bfloat16 from now on.

    This is for training in bfloat16: no op of mmcv is written for it, on a
    CPU or on a GPU. Tensors of other dtypes go straight to the op. It changes
    the ops of this process; a second call does nothing. mmcv's ops have to be
    imported before, as they are once a model that uses them is built.
    """
    _adapt()


def _adapt() -> Mapping[str, Callable]:
    """Replace the ops that are not replaced yet, and return these."""
    extension = sys.modules.get('mmcv._ext')
    if extension is None:
        return {}
    # neither those that are replaced already nor those written in Python
    ops = {k: op for k, op in vars(extension).items() if inspect.isbuiltin(op)}
    for name, op in ops.items():
        setattr(extension, name, partial(_run, op))
    return ops


def _run(op: Callable, *args: Any, **kwargs: Any) -> Any:
    tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
    if any(isinstance(t, FakeTensor) for t in tensors):
        return None
    # what kernels take for themselves is not counted
    with dispatch_modes_disabled():
        copies = {
            t: t.detach().float() for t in tensors if t.dtype == torch.bfloat16
        }
    if not copies:
        return op(*args, **kwargs)
    args, kwargs = tree_map_only(
        Tensor, lambda t: copies.get(t, t), (args, kwargs)
    )
    result = op(*args, **kwargs)
    with dispatch_modes_disabled():
        for tensor, copy in copies.items():
            # but for buffers that it makes larger; .data, since what was
            # only read may be saved for a backward
            if tensor.shape == copy.shape:
                tensor.data.copy_(copy)
    return result
