"""Running heads whose losses depend on data, without their arithmetic."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Optional

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import (
    FakeTensor,
    FakeTensorMode,
    unset_fake_temporarily,
)
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
)
from torch.utils._pytree import tree_map_only

__all__ = ['HollowOps', 'real_loss', 'to_real']

aten = torch.ops.aten
_HEAVY = {
    aten.convolution,
    aten.convolution_backward,
    aten.addmm,
    aten.mm,
    aten.bmm,
    aten.baddbmm,
}


class HollowOps(TorchDispatchMode):
    """Convs and matrix products return zeros, at once; the rest runs.

    A detector assigns boxes, samples and suppresses by the values it finds:
    it does not run on fake tensors. With all features and logits zero it
    runs on a CPU in seconds, allocates what it allocates in training, and
    takes its anchors for what it detects.
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
        if func.overloadpacket not in _HEAVY or is_fake:
            return func(*args, **kwargs)
        with _disable_current_modes():
            args, kwargs = tree_map_only(
                Tensor, lambda t: t.to('meta'), (args, kwargs)
            )
            shapes = func(*args, **kwargs)
        return tree_map_only(
            Tensor, lambda t: torch.zeros_like(t, device='cpu'), shapes
        )


class _ToReal(Function):
    """Zeros for a fake tensor; a fake gradient for theirs."""

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
    """The last reference to them."""


def to_real(fake: FakeTensorMode, feats: Any) -> Any:
    """Go on with real tensors behind a network of fake ones.

    Args:
        fake (FakeTensorMode): That of the features.
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
    pyramid: Sequence[Tensor] = (),
) -> dict[str, Tensor]:
    """Losses of real aux nets at a boundary of a fake network.

    Args:
        fake (FakeTensorMode): That of the features.
        loss (Callable): :meth:`LocalModule.loss`.
        feats (Tensor): Fake, as are ``inputs`` and ``pyramid``.
        inputs (Tensor): See there.
        data_samples (Any): See there.
        pyramid (Sequence[Tensor]): See there. Defaults to ().

    Returns:
        dict[str, Tensor]: Real ones.
    """
    with unset_fake_temporarily():
        feats, inputs, pyramid = to_real(fake, (feats, inputs, list(pyramid)))
        return loss(feats, inputs, data_samples, pyramid)
