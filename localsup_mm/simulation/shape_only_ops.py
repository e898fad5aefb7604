"""Running heads whose losses depend on data, without their arithmetic."""

import weakref
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from mmap import mmap
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
    tree_flatten,
    tree_map_only,
    unset_fake_temporarily,
)

__all__ = ['ShapeOnlyOps', 'real_loss', 'to_real']

_HEAVY = {
    'aten::convolution',
    'aten::addmm',
    'aten::mm',
    'aten::bmm',
    'aten::baddbmm',
    'aten::grid_sampler_2d',
    'torchvision::deform_conv2d',
    'torchvision::roi_align',
}
# ops in place that change more than values
_RESHAPES = {
    'aten::set_',
    'aten::resize_',
    'aten::resize_as_',
    torch.Tag.inplace_view,
}
# memory from here on is taken from the system, in bytes
_LARGE = 2**20


class ShapeOnlyOps(TorchDispatchMode):
    """Return zeros of the right shape from convs and matrix products.

    All other ops of a forward pass run. In a backward, of whose values
    nothing depends, no op does that makes a new tensor or changes the values
    of one.

    A detector assigns boxes, samples and suppresses by the values it finds:
    it does not run on fake tensors. With all features and logits zero it
    runs on a CPU in seconds, allocates what it allocates in training, and
    takes its anchors for its detections.
    """

    def __init__(self) -> None:
        super().__init__()
        # tensors without data, by what an op gets
        self._shapes: dict[tuple, Any] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        kwargs = kwargs or {}
        does = _look_at(func)
        # what runs again there learns, and may depend on values
        is_backward = is_in_backward() and not torch.is_grad_enabled()
        is_skipped = does.is_heavy or (
            is_backward and (does.makes_tensors or does.changes_values)
        )
        is_fake = any(issubclass(t, FakeTensor) for t in types)
        if is_fake or not is_skipped:
            return func(*args, **kwargs)
        if does.changes_values:
            return args[0]
        with dispatch_modes_disabled():
            return tree_map_only(
                Tensor,
                partial(_make_zeros, is_read=not is_backward),
                self._find_shapes(func, args, kwargs),
            )

    def _find_shapes(self, func: Any, args: tuple, kwargs: dict) -> Any:
        """Run an op on tensors without data, once for the same shapes."""
        key = (func, *_describe((args, kwargs)))
        if key not in self._shapes:
            args, kwargs = tree_map_only(
                Tensor, lambda t: t.to('meta'), (args, kwargs)
            )
            if 'device' in kwargs:
                # a cast names the device that it casts for
                kwargs = dict(kwargs, device='meta')
            self._shapes[key] = func(*args, **kwargs)
        return self._shapes[key]


@dataclass(frozen=True)
class _Kind:
    """The effects of an op.

    Args:
        is_heavy (bool): Whether zeros stand for its result in a forward pass.
        makes_tensors (bool): Whether it returns new tensors, whose shapes
            need no data.
        changes_values (bool): Whether it writes values into its first
            argument and returns that.
    """

    is_heavy: bool
    makes_tensors: bool
    changes_values: bool


@cache
def _look_at(op: Any) -> _Kind:
    name, _, overload = op.name().partition('.')
    is_in_place = name.endswith('_')
    needs_data = {
        torch.Tag.dynamic_output_shape,
        torch.Tag.data_dependent_output,
    }.intersection(op.tags)
    is_view = op.is_view or op.overloadpacket is UNSAFE_VIEW
    return _Kind(
        name in _HEAVY,
        not (is_in_place or 'out' in overload or is_view or needs_data),
        # those that begin with a line below take lists
        is_in_place
        and not name.startswith('aten::_')
        and _RESHAPES.isdisjoint((name, *op.tags)),
    )


def _describe(tree: Any) -> Iterator[Hashable]:
    """Describe arguments of an op by all that its result's shape depends on.

    Args:
        tree (Any): Nested lists, tuples and dicts.

    Yields:
        Hashable: The structure, and each tensor or value in it.
    """
    leaves, structure = tree_flatten(tree)
    yield structure
    for leaf in leaves:
        if isinstance(leaf, Tensor):
            yield leaf.shape, leaf.stride(), leaf.dtype
        else:
            # 1, 1.0 and True are equal
            yield type(leaf), leaf


def _make_zeros(like: Tensor, is_read: bool) -> Tensor:
    """Make zeros on the CPU whose memory nobody touches before they do.

    Args:
        like (Tensor): A tensor without data, with the strides.
        is_read (bool): Whether an op will look at them. It is slow on what
            comes from the system page by page; what numpy has is used again,
            but filled with zeros first.

    Returns:
        Tensor: The zeros.
    """
    size = like.untyped_storage().nbytes()
    if is_read or size < _LARGE:
        data = torch.from_numpy(np.zeros(size, np.uint8))
    else:
        data = torch.frombuffer(mmap(-1, size), dtype=torch.uint8)
    zeros = torch.empty(0, dtype=like.dtype)
    return zeros.set_(data.untyped_storage(), 0, like.size(), like.stride())


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
