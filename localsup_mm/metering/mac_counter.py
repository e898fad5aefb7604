"""Multiply-accumulates of whatever runs, and bytes that it moves."""

from typing import Any, Optional

from torch import Tensor
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from ..upstream import (
    ATTENTION_ON_CPU,
    UNSAFE_VIEW,
    TorchDispatchMode,
    tree_leaves,
)

__all__ = ['MacCounter', 'is_product']

# torch knows attention on a GPU; on a CPU it has other names
_FORMULAS = {
    **flop_registry,
    **{cpu: flop_registry[gpu] for cpu, gpu in ATTENTION_ON_CPU.items()},
}


class MacCounter(TorchDispatchMode):
    """Count the multiply-accumulates of convs and matrix products.

    Of all other ops but views, such as norms, activations and sums, it counts
    the bytes of what they read and return, by which their time goes.

    It works on any device and on fake tensors. Backwards may run anywhere, in
    the midst of a forward pass as well; torch's own ``FlopCounterMode``
    tells them apart only by the module.

    Attributes:
        forward (int): Multiply-accumulates outside of backwards.
        total (int): All multiply-accumulates. What activation checkpointing
            computes again is in a backward.
        moved (int): Bytes that all other ops read and return.

    Example:
        >>> import torch
        >>> x = torch.rand(1, 3, 4, 4, requires_grad=True)
        >>> with MacCounter() as counter:
        ...     torch.nn.Conv2d(3, 8, 1)(x).sum().backward()
        >>> counter.forward, counter.total
        (384, 1152)
        >>> with MacCounter() as counter:
        ...     y = x.detach().relu()
        >>> counter.moved
        384
    """

    def __init__(self) -> None:
        super().__init__()
        self.forward = self.total = self.moved = 0
        self._modules = ModuleTracker()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        formula = _FORMULAS.get(func.overloadpacket)
        if formula is None:
            if not (func.is_view or func.overloadpacket is UNSAFE_VIEW):
                self.moved += _count_bytes((args, kwargs, result))
        else:
            macs = formula(*args, **kwargs, out_val=result) // 2
            self.total += macs
            if not self._modules.is_bw:
                self.forward += macs
        return result


def is_product(op: Any) -> bool:
    """Tell whether an op is a conv, a matrix product or attention.

    Args:
        op (Any): The ``func`` that a dispatch mode gets.

    Returns:
        bool: Whether it has multiply-accumulates that are counted.
    """
    return op.overloadpacket in _FORMULAS


def _count_bytes(tree: Any) -> int:
    sizes = [
        tensor.numel() * tensor.element_size()
        for tensor in tree_leaves(tree)
        if isinstance(tensor, Tensor)
    ]
    # that of a fake tensor whose size depends on data is no number
    return sum(size for size in sizes if isinstance(size, int))
