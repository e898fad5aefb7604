"""Multi-scale deformable attention, as its kernel for GPUs takes memory."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from torch import Tensor

__all__ = ['attention_as_on_gpu']


@contextmanager
def attention_as_on_gpu() -> Iterator[None]:
    """Let mmcv's deformable attention take the memory that it takes on a GPU.

    There a kernel keeps its inputs for the backward. On a CPU plain PyTorch
    keeps the features of all sampled points, which are many times as large:
    for Mask2Former about half a GiB in each layer of its pixel decoder. What
    it returns is zero, as of other products in the simulation.

    Yields:
        None: While it does.
    """
    host: Any = sys.modules.get('mmcv.ops.multi_scale_deform_attn')
    if host is None:
        yield
        return

    def attend(
        value: Tensor, shapes: Tensor, points: Tensor, weights: Tensor
    ) -> Tensor:
        function = host.MultiScaleDeformableAttnFunction
        return function.apply(value, shapes, shapes, points, weights, None)

    kernels = SimpleNamespace(
        ms_deform_attn_forward=_make_output,
        ms_deform_attn_backward=_write_nothing,
    )
    changed = dict(
        ext_module=kernels, multi_scale_deformable_attn_pytorch=attend
    )
    replaced = {name: getattr(host, name) for name in changed}
    vars(host).update(changed)
    try:
        yield
    finally:
        vars(host).update(replaced)


def _make_output(
    value: Tensor,
    shapes: Tensor,
    starts: Tensor,
    points: Tensor,
    weights: Tensor,
    **kwargs: Any,
) -> Tensor:
    """Return zeros ``(B, queries, heads * C)`` for ``(B, keys, heads, C)``."""
    batch, _, heads, channels = value.shape
    return value.new_zeros(batch, points.shape[1], heads * channels)


def _write_nothing(*args: Any, **kwargs: Any) -> None:
    """Leave the gradients zero."""
