"""A method whose logits are enlarged and compared image by image."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

from ..errors import SetupError
from ..upstream import make_wrapper_subclass, tree_map_only
from .method_replacement import MethodReplacement

__all__ = ['LossByImage']

# what is known of enlarged logits that are not there
_FACTS = {
    Tensor.size,
    Tensor.dim,
    *(
        getattr(Tensor, name).__get__
        for name in ('shape', 'ndim', 'dtype', 'device', 'requires_grad')
    ),
}
# what finds the classes of each image in its own logits
_CLASSES = {Tensor.topk, torch.topk, Tensor.argmax, torch.argmax}


class LossByImage(MethodReplacement):
    """Takes the place of a method that enlarges logits to compare them.

    A segmentor's head enlarges its logits to the size of the labels: of all
    tensors of a step these are often the largest, and there are three at a
    time in the backward. Here those of one image live at a time. They are
    computed again in the backward; losses and gradients are the same, bit by
    bit.

    ``interpolate`` of a feature map within the method gives a tensor that is
    not there yet. Cross-entropy of single pixels and the classes of the
    highest logits find it image by image. Whatever else asks for it, as a
    sampler of hard pixels, gets it as a whole, as without.

    Args:
        module (nn.Module): The module.
        method (Callable): Its method, e.g. ``loss_by_feat`` of a head.
        name (str): Its name in the model, for messages.
    """

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the method."""
        with _EnlargingLater():
            return self.__wrapped__(*args, **kwargs)


class _EnlargingLater(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[dict] = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.interpolate and args and args[0].dim() == 4:
            enlarge = partial(func, **kwargs)
            if len(args) == 1 and len(args[0]) > 1 and args[0].requires_grad:
                return _Enlarged.make_from(args[0], enlarge)
        return func(*args, **kwargs)


class _Enlarged(Tensor):
    """Logits that are enlarged when they are asked for."""

    logits: Tensor
    enlarge: Callable[[Tensor], Tensor]

    @staticmethod
    def __new__(cls, like: Tensor, num_images: int) -> '_Enlarged':
        return make_wrapper_subclass(
            cls,
            (num_images, *like.shape[1:]),
            dtype=like.dtype,
            device=like.device,
        )

    @classmethod
    def make_from(
        cls, logits: Tensor, enlarge: Callable[[Tensor], Tensor]
    ) -> '_Enlarged':
        """Say how logits are enlarged, and do not do it yet."""
        enlarged = _Enlarge.apply(logits, enlarge)
        enlarged.logits, enlarged.enlarge = logits, enlarge
        return enlarged

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[Mapping] = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FACTS:
            return super().__torch_function__(func, types, args, kwargs)
        if not isinstance(args[0], _Enlarged):
            pass
        elif func in _CLASSES:
            return args[0].find_classes(func, *args[1:], **kwargs)
        elif func is F.cross_entropy and _is_of_pixels(*args[1:], **kwargs):
            return args[0].compare(*args[1:], **kwargs)
        args, kwargs = tree_map_only(_Enlarged, cls.make, (args, kwargs))
        return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(
        cls,
        func: Any,
        types: Any,
        args: tuple = (),
        kwargs: Optional[Mapping] = None,
    ) -> Any:
        raise SetupError(
            '`recompute` should name methods as by_image that work on '
            f'enlarged logits by functions of torch, but got {func}, called '
            'by an op of another kind. Leave the method out.'
        )

    def make(self) -> Tensor:
        """Enlarge the logits of all images."""
        return self.enlarge(self.logits)

    def find_classes(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function of each image, and lay the results together."""
        found = [
            func(self.enlarge(logits), *args, **kwargs)
            for logits in self.logits.detach().split(1)
        ]
        if isinstance(found[0], Tensor):
            return torch.cat(found)
        return type(found[0])(map(torch.cat, zip(*found)))

    def compare(self, labels: Tensor, **kwargs: Any) -> Tensor:
        """Compute the cross-entropy of each pixel, one image at a time."""

        def compare_one(logits: Tensor, labels: Tensor) -> Tensor:
            return F.cross_entropy(self.enlarge(logits), labels, **kwargs)

        return torch.cat(
            [
                checkpoint(
                    compare_one,
                    *of_image,
                    use_reentrant=False,
                    preserve_rng_state=False,
                )
                for of_image in zip(self.logits.split(1), labels.split(1))
            ]
        )


class _Enlarge(Function):
    """Lead a gradient back that an op of no torch function has."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, enlarge: Callable[[Tensor], Tensor]
    ) -> Tensor:
        ctx.save_for_backward(logits)
        ctx.enlarge = enlarge
        # one image tells shape and dtype
        return _Enlarged(enlarge(logits[:1]), len(logits))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple:
        (logits,) = ctx.saved_tensors
        with torch.enable_grad():
            logits = logits.detach().requires_grad_()
            enlarged = ctx.enlarge(logits)
        return *torch.autograd.grad(enlarged, logits, gradient), None


def _is_of_pixels(
    labels: Any = None, reduction: str = 'mean', **kwargs: Any
) -> bool:
    """Tell whether a loss has a value for each pixel, of one image alone."""
    return isinstance(labels, Tensor) and reduction == 'none'
