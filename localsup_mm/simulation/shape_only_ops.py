"""Running heads whose losses depend on data, without their arithmetic."""

import weakref
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Optional

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from ..upstream import (
    UNSAFE_VIEW,
    FakeTensor,
    FakeTensorMode,
    TorchDispatchMode,
    dispatch_modes_disabled,
    is_in_backward,
    tree_map_only,
    unset_fake_temporarily,
)

__all__ = ['ShapeOnlyOps', 'real_loss', 'to_real']

aten = torch.ops.aten
_HEAVY = {
    aten.convolution,
    aten.addmm,
    aten.mm,
    aten.bmm,
    aten.baddbmm,
    aten.grid_sampler_2d,
}


class ShapeOnlyOps(TorchDispatchMode):
    """Return zeros of the right shape from convs and matrix products.

    All other ops of a forward pass run. In a backward, of whose values
    nothing depends, no op does that makes a new tensor.

    A detector assigns boxes, samples and suppresses by the values it finds:
    it does not run on fake tensors. With all features and logits zero it
    runs on a CPU in seconds, allocates what it allocates in training, and
    takes its anchors for its detections.
    """

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        kwargs = kwargs or {}
        is_fake = any(issubclass(t, FakeTensor) for t in types)
        is_heavy = func.overloadpacket in _HEAVY or (
            is_in_backward() and _makes_new_tensors(func)
        )
        if is_fake or not is_heavy:
            return func(*args, **kwargs)
        with dispatch_modes_disabled():
            args, kwargs = tree_map_only(
                Tensor, lambda t: t.to('meta'), (args, kwargs)
            )
            shapes = func(*args, **kwargs)
            return tree_map_only(Tensor, _make_zeros, shapes)


def _makes_new_tensors(op: Any) -> bool:
    """Tell whether an op returns new tensors, whose shapes need no data."""
    name, _, overload = op.name().partition('.')
    is_in_place = name.endswith('_') or 'out' in overload
    needs_data = {
        torch.Tag.dynamic_output_shape,
        torch.Tag.data_dependent_output,
    }.intersection(op.tags)
    is_view = op.is_view or op.overloadpacket is UNSAFE_VIEW
    return not (is_in_place or is_view or needs_data)


def _make_zeros(like: Tensor) -> Tensor:
    """Make zeros on the CPU whose memory nobody touches before they do.

    Args:
        like (Tensor): A tensor without data, with the strides.

    Returns:
        Tensor: The zeros.
    """
    size = like.untyped_storage().nbytes()
    storage = torch.from_numpy(np.zeros(size, np.uint8)).untyped_storage()
    zeros = torch.empty(0, dtype=like.dtype)
    return zeros.set_(storage, 0, like.size(), like.stride())


class _ToReal(Function):
    """Return zeros for a fake tensor, and a fake gradient in the backward."""

    @staticmethod
    def forward(ctx: Any, fake: FakeTensorMode, feats: Tensor) -> Tensor:
        ctx.fake = fake
        ctx.shape, ctx.dtype = feats.shape, feats.dtype
        # takes no memory: the fake features do, and live as long
        real = torch.zeros((), dtype=feats.dtype)
        weakref.finalize(
            real.untyped_storage(), _let_go, feats.detach()
        ).atexit = False
        return real.expand(feats.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        with ctx.fake:
            return None, torch.empty(ctx.shape, dtype=ctx.dtype)


def _let_go(feats: Tensor) -> None:
    """Drop the last reference to the features."""


def to_real(fake: FakeTensorMode, feats: Any) -> Any:
    """Go on with real tensors behind a network of fake ones.

    Args:
        fake (FakeTensorMode): The mode of the features.
        feats (Any): Fake features, e.g. a tuple of tensors.

    Returns:
        Any: Zeros of the same shapes; a backward from them goes on in the
        network.
    """
    return tree_map_only(Tensor, lambda t: _ToReal.apply(fake, t), feats)


def real_loss(
    fake: FakeTensorMode,
    loss: Callable,
    feats: Tensor,
    inputs: Tensor,
    data_samples: Any,
    earlier: Mapping[int, Tensor] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """Compute losses by real aux nets at a boundary of a fake network.

    Args:
        fake (FakeTensorMode): The mode of the features.
        loss (Callable): It is called as :meth:`LocalModule.loss`.
        feats (Tensor): The fake features at the boundary, ``(B, C, h, w)``
            or ``(B, L, C)``.
        inputs (Tensor): The fake images, ``(B, 3, H, W)``.
        data_samples (Any): The labels, which are real.
        earlier (Mapping[int, Tensor]): The fake feature maps of earlier
            boundaries, by index. Defaults to none.

    Returns:
        dict[str, Tensor]: The losses, which are real.
    """
    with unset_fake_temporarily():
        feats, inputs, earlier = to_real(fake, (feats, inputs, dict(earlier)))
        return loss(feats, inputs, data_samples, earlier)
