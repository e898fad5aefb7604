"""Peak memory of tensors, on any device and without running for real."""

import weakref
from functools import partial
from typing import Any, Optional

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..upstream import TorchDispatchMode, find_storage_key, tree_leaves

__all__ = ['LiveBytes']


class LiveBytes(TorchDispatchMode):
    """Count the bytes of living tensors, and their peak.

    The peak is that of ``torch.cuda.max_memory_allocated``, less the rounding
    of the allocator and what kernels take for themselves. It works on a CPU
    and on fake tensors, which take no memory. Torch's own ``MemTracker`` can
    neither hold tensors whose size depends on data nor follow a backward
    inside of a forward pass.

    Args:
        model (nn.Module, optional): Model whose parameters, buffers and
            gradients count from the start. Defaults to None.
        optimizer (Optimizer, optional): Optimizer whose state counts from the
            start, too. Defaults to None.

    Attributes:
        current (int): Bytes of the tensors that live now.
        peak (int): The most they have been.

    Example:
        >>> import torch
        >>> with LiveBytes() as live:
        ...     x = torch.zeros(100)
        ...     y = (x + 1).sum()
        >>> live.peak, live.current
        (804, 404)
    """

    def __init__(
        self,
        model: Optional[nn.Module] = None,
        optimizer: Optional[Optimizer] = None,
    ) -> None:
        super().__init__()
        self.current = self.peak = 0
        self._sizes: dict[int, int] = {}
        self._storages: dict[int, weakref.ref] = {}
        if model is not None:
            for tensor in [*model.parameters(), *model.buffers()]:
                self._count(tensor)
                if tensor.grad is not None:
                    self._count(tensor.grad)
        if optimizer is not None:
            for tensor in tree_leaves(list(optimizer.state.values())):
                if isinstance(tensor, Tensor):
                    self._count(tensor)

    def _count(self, tensor: Tensor) -> None:
        if tensor.layout is not torch.strided:
            return  # its parts count, where they are made
        storage = tensor.untyped_storage()
        key = find_storage_key(tensor)
        size = storage.nbytes()
        if not isinstance(size, int):
            return  # a fake tensor whose size depends on data, e.g. a mask
        known = self._sizes.get(key)
        if known is None:
            forget = partial(self._forget, key)
            self._storages[key] = weakref.ref(storage, forget)
        elif known == size:
            return
        self._sizes[key] = size
        self.current += size - (known or 0)
        self.peak = max(self.peak, self.current)

    def _forget(self, key: int, storage: weakref.ref) -> None:
        del self._storages[key]
        self.current -= self._sizes.pop(key, 0)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._count(leaf)
        return result
